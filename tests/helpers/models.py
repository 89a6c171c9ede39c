"""Trained models for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.data import Dataset, DataSpec, Wanted, stored
from hpsearch.data.columns import Column, to_json
from hpsearch.data.prepare import prepare
from hpsearch.data.scale import scaling
from hpsearch.data.shape import InputShape, shape_of
from hpsearch.engine.checkpoint import extract_member
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member
from hpsearch.model.weights import (
    MemberInfo,
    ModelInfo,
    ModelScaling,
    TrainedMember,
    TrainedModel,
    model_from_bytes,
)
from hpsearch.objectives.jobs import DataRef, TrainingJob
from hpsearch.objectives.training import train_cohort
from hpsearch.study.artefacts import Artefacts, Held
from hpsearch.study.trial import Done, TrialEnded
from tests.helpers.problems import member

MIXED = "n,c,day,y,z\n" + "".join(
    f"{'' if k % 5 == 2 else k * 37 % 41},{['red', 'green', '', 'blue'][k % 4]},"
    f"2026-{k % 12 + 1:02}-01,{'ab'[k * 37 % 41 > 20]},{k * 37 % 41 * 100 + 0.5}\n"
    for k in range(90)
)
"""A table with numbers, categories, dates and gaps, a target of classes and one of numbers."""


TOWNS = "n,town,y\n" + "".join(
    f"{k % 13},{'' if k % 70 == 9 else f't{k % 70}'},{'abc'[k * k % 70 % 3]}\n" for k in range(420)
)
"""A table with a column of so many categories that they are embedded, and gaps in it."""


def spec_of(folder: Path, target: str, **options: Any) -> DataSpec:
    """Return the spec of the mixed table, which lies in this folder, with one of its targets."""
    columns = {"z" if target == "y" else "y": Wanted("drop")}
    return DataSpec("t.csv", target, folder=folder, columns=columns, **options)


def trained(
    folder: Path, spec: DataSpec | str, settings: dict[str, Any], *members: tuple[int, int]
) -> tuple[Dataset, Done, TrainedModel]:
    """Return data, the result of a training, and the model that it left.

    It has a member for each of `members`, which are pairs of a replicate and a fold.
    """
    folder.mkdir(exist_ok=True)
    data = prepare(DataSpec(spec, rows=120) if isinstance(spec, str) else spec)
    artefacts = Artefacts(folder)
    held = Held(artefacts.fill(partial(stored.write, data)))
    made = member(**{"epochs": 3, "width": 5, "lr": 0.01, **settings}).settings
    mine = [Member(0, made, *one, seed_group=1) for one in members or [(2, 0)]]
    job = TrainingJob((*mine, Member(1, made)), DataRef(held), "loss", 7, CPU)
    (ended,) = (e for e in train_cohort(job, artefacts) if isinstance(e, TrialEnded) and not e.run)
    assert isinstance(ended.result, Done)
    assert ended.result.weights
    return data, ended.result, model_from_bytes(artefacts.read(ended.result.weights))


def drawn(
    settings: dict[str, Any],
    rows: NDArray[Any],
    columns: Sequence[Column] = (),
    classes: Sequence[str] = (),
    networks: int = 1,
) -> TrainedModel:
    """Return a model that was never trained: all of its weights are drawn at random.

    Its inputs are scaled by these rows, of a table with these columns, or by these images; those
    of each of several networks by rows of its own.
    """
    made = member(**settings)
    scalings = [
        ModelScaling(*scaling(rows, np.arange(k, len(rows), networks), "standard", columns))
        for k in range(networks)
    ]
    inputs = shape_of(columns) if columns else InputShape(rows.shape[1:])
    task = TrainingTask(inputs, len(classes) or 1, 0)
    info = ModelInfo(
        members=tuple(MemberInfo(made.settings, 0, k, 0, 0, 0) for k in range(networks)),
        task="classification" if classes else "regression",
        inputs=inputs.sides,
        columns=tuple(to_json(column) for column in columns),
        target="y",
        classes=tuple(classes),
        target_center=1000.0,
        target_scale=20.0,
        data="drawn",
        data_digest="",
        seed=0,
        versions={},
    )
    rng = np.random.default_rng(0)
    members = (TrainedMember(_drawn_weights(made, task, rng), by) for by in scalings)
    return TrainedModel(info, tuple(members))


def _drawn_weights(
    made: Member, task: TrainingTask, rng: np.random.Generator
) -> Mapping[str, Tensor]:
    stacked = StackedCohort([made], task, torch.empty(0))
    return {
        name: tensor + torch.from_numpy(rng.uniform(-0.5, 0.5, tensor.shape)).float()
        for name, tensor in extract_member(stacked.weights, 0, stacked).items()
    }

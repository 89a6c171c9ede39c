"""Small data sets and cohorts for tests of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hpsearch.data import Dataset, Fold
from hpsearch.data.columns import CategoryColumn, NumberColumn
from hpsearch.data.splits.split import folded
from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import MemberEnded, MemberEpoch, train
from hpsearch.study.trial import Epoch

torch.set_num_threads(1)  # as in a worker; small networks lose by more threads

NETS: Mapping[str, Mapping[str, Any]] = {
    "mlp": {},
    "residual": {"depth": 3, "skip": "residual"},
    "highway": {"depth": 3, "skip": "highway"},
    "resnet": {"model": "resnet"},
    "elman": {"model": "rnn", "cell": "elman", "activation": "tanh"},
    "gru": {"model": "rnn", "cell": "gru", "activation": "tanh"},
    "lstm": {"model": "rnn", "cell": "lstm", "activation": "tanh"},
}
"""Every kind of network, as the settings that make it."""


def dataset(
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    classes: int = 0,
    validation: float = 0.25,
    center: float = 0.0,
) -> Dataset:
    """Return the data as given: the last share of the rows validates, and inputs are not scaled."""
    rows = np.arange(len(inputs))
    first = int(len(rows) * (1 - validation))
    shape = (1,) * (inputs.ndim - 1)
    return Dataset(
        name="test",
        task="classification" if classes else "regression",
        inputs=inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32),
        targets=targets.astype(np.int64) if classes else targets.astype(np.float32),
        target="y",
        classes=tuple(str(k) for k in range(classes)),
        target_center=0.0,
        target_scale=1.0,
        folds=(
            Fold(
                rows[:first],
                rows[first:],
                center=np.full(shape, center, dtype=np.float32),
                scale=np.ones(shape, dtype=np.float32),
                fill=np.zeros(shape, dtype=np.float32),
            ),
        ),
        whole=None,
        test=rows[:0],
        columns=(),
        digest="",
    )


def blobs(rows: int = 80, features: int = 6, classes: int = 3, seed: int = 0) -> Dataset:
    """Return classes that lie apart."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=rows)
    centers = rng.normal(size=(classes, features)) * 2
    return dataset(centers[targets] + rng.normal(size=(rows, features)), targets, classes=classes)


def towns(rows: int = 240, categories: int = 70, seed: int = 0) -> Dataset:
    """Return classes that a category tells, which is embedded, between two columns of noise."""
    rng = np.random.default_rng(seed)
    kinds, town = rng.integers(3, size=categories), rng.integers(categories, size=rows)
    noise = rng.normal(size=(2, rows))
    data = dataset(np.column_stack([noise[0], town, noise[1]]), kinds[town], classes=3)
    names = tuple(f"town {k}" for k in range(categories))
    columns = (NumberColumn("a"), CategoryColumn("town", names), NumberColumn("b"))
    return replace(data, columns=columns)


def pictures(rows: int = 48, side: int = 8, classes: int = 2, seed: int = 0) -> Dataset:
    """Return noisy images with a bright bar: on top for one class, on the left for the other."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=rows)
    images = rng.normal(size=(rows, 1, side, side)) * 0.3
    for image, target in zip(images, targets, strict=True):
        if target:
            image[0, :2, :] += 2.0
        else:
            image[0, :, :2] += 2.0
    return dataset(images, targets, classes=classes)


def in_folds(data: Dataset, folds: int = 3, seed: int = 0) -> Dataset:
    """Return the same data in folds, whose inputs are scaled by what each trains on."""
    rows = np.arange(len(data.inputs))
    groups = (
        data.targets.astype(np.int64)
        if data.task == "classification"
        else np.zeros(len(rows), np.int64)
    )
    axes = (0, *range(2, data.inputs.ndim))

    def fold(train: np.ndarray, validation: np.ndarray) -> Fold:
        seen = data.inputs[train]
        mean, deviation = (of(axes, keepdims=True)[0] for of in (seen.mean, seen.std))
        return Fold(train, validation, mean, deviation, mean)

    parts = tuple(fold(*part) for part in folded(rows, groups, folds, seed))
    return replace(data, folds=parts, whole=fold(rows, rows[:0]))


def replicated(one: Member, seeds: int, folds: int) -> list[Member]:
    """Return the members of one trial with so many seeds and folds."""
    return [Member(one.number, one.settings, r, f) for r in range(seeds) for f in range(folds)]


def member(number: int = 0, **settings: Any) -> Member:
    """Return a member with these settings and the defaults, but no early stopping by itself."""
    given = {"patience": 0, "epochs": 2, "width": 8, "depth": 1, "batch_size": 16, **settings}
    return Member(number, complete(given))


def advance(stacked: StackedCohort, feed: Feed, x: torch.Tensor, y: torch.Tensor) -> None:
    """Take one step with every member on a batch, without noise."""
    outputs = stacked.outputs(x)
    stacked.step(outputs, feed.objective(outputs, y)[1])


def run(
    data: Dataset,
    members: Sequence[Member],
    *,
    seed: int = 0,
    metric: str = "loss",
    dtype: torch.dtype = torch.float32,
) -> tuple[dict[int, MemberEnded], list[Epoch]]:
    """Train, and return every member's end by its number, and the epochs as they came."""
    events = list(train(Feed(data, "cpu", dtype), members, metric, seed))
    ended = {e.member.number: e for e in events if isinstance(e, MemberEnded)}
    return ended, [e.epoch for e in events if isinstance(e, MemberEpoch)]

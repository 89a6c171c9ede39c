"""A model's file predicts what its training was judged by."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.data import Dataset, DataSpec, stored
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.members import Member
from hpsearch.model.predictor import Predictor
from hpsearch.model.weights import TrainedModel, model_from_bytes, to_bytes
from hpsearch.objectives.jobs import DataRef, TrainingJob
from hpsearch.objectives.training import train_cohort
from hpsearch.study.artefacts import Artefacts, Held
from hpsearch.study.trial import Done, TrialEnded
from tests.helpers.problems import NETS, member

BAYESIAN: dict[str, dict[str, Any]] = {
    "variational": {"bayesian": "variational"},
    "mc_dropout": {"bayesian": "mc_dropout", "dropout": 0.2},
    "laplace": {"bayesian": "laplace"},
}
TABLE = "n,c,day,y\n" + "".join(
    f"{'' if k % 5 == 2 else k * 37 % 41},{['red', 'green', '', 'blue'][k % 4]},"
    f"2026-{k % 12 + 1:02}-01,{'ab'[k * 37 % 41 > 20]}\n"
    for k in range(90)
)


def trained(
    folder: Path, spec: DataSpec, settings: dict[str, Any], fold: int = 0
) -> tuple[Dataset, Done, TrainedModel]:
    """Return data, the result of a training on one of its folds, and the model that it left."""
    data, artefacts = prepare(spec), Artefacts(folder)
    held = Held(artefacts.fill(partial(stored.write, data)))
    made = member(**{"epochs": 3, "width": 5, "lr": 0.01, **settings}).settings
    members = (Member(0, made, replicate=2, fold=fold, seed_group=1), Member(1, made))
    job = TrainingJob(members, DataRef(held), "loss", 7, "cpu")
    (ended,) = (e for e in train_cohort(job, artefacts) if isinstance(e, TrialEnded) and not e.run)
    assert isinstance(ended.result, Done)
    assert ended.result.weights
    return data, ended.result, model_from_bytes(artefacts.read(ended.result.weights))


def loss(data: Dataset, model: TrainedModel, fold: int = 0) -> float:
    """Return the loss of a model's predictions for the validation rows of a fold."""
    rows = data.folds[fold].validation
    answers = Predictor(model).answers(data.inputs[rows])
    if data.task == "classification":
        return float(-np.log(answers[np.arange(len(rows)), data.targets[rows]]).mean())
    standardised = (answers[:, 0] - data.target_center) / data.target_scale
    return float(((standardised - data.targets[rows]) ** 2).mean())


@pytest.mark.parametrize("net", [*NETS, *BAYESIAN])
@pytest.mark.parametrize("source", ["digits", "diabetes"])
def test_its_predictions_have_the_validation_loss_of_its_training(
    tmp_path: Path, net: str, source: str
) -> None:
    settings = {**NETS, **BAYESIAN}[net]
    if source == "diabetes" and (net == "laplace" or settings.get("model") == "resnet"):
        source = "breast_cancer" if net == "laplace" else "digits"
    data, result, model = trained(tmp_path, DataSpec(source, rows=120), dict(settings))
    assert loss(data, model) == pytest.approx(result.loss, rel=1e-5)


@pytest.mark.parametrize("scale", ["standard", "unit", "none"])
@pytest.mark.parametrize("fold", [0, 2])
def test_so_have_they_for_a_mixed_table_on_every_scale_and_fold(
    tmp_path: Path, scale: Any, fold: int
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    spec = DataSpec("t.csv", "y", folder=tmp_path, scale=scale, folds=3)
    data, result, model = trained(tmp_path, spec, {}, fold)
    assert loss(data, model, fold) == pytest.approx(result.loss, rel=1e-5)


def test_a_row_is_answered_alike_in_any_company(tmp_path: Path) -> None:
    data, _, model = trained(tmp_path, DataSpec("digits", rows=120), {})
    predictor = Predictor(model)
    together = predictor.answers(data.inputs[:300])
    alone = np.concatenate([predictor.answers(data.inputs[k : k + 1]) for k in range(300)])
    assert together == pytest.approx(alone, rel=1e-5, abs=1e-7)
    assert together.sum(1) == pytest.approx(1)
    assert predictor.answers(data.inputs[:0]).shape == (0, 10)


@pytest.mark.parametrize("net", ["mlp", "laplace"])
def test_a_model_comes_back_from_its_bytes(tmp_path: Path, net: str) -> None:
    _, _, model = trained(tmp_path, DataSpec("wine"), dict({**NETS, **BAYESIAN}[net]))
    again = model_from_bytes(to_bytes(model))
    assert again.info == model.info
    assert bool(model.posterior) is (net == "laplace")
    for mine, others in ((model.weights, again.weights), (model.posterior, again.posterior)):
        assert mine.keys() == others.keys()
        assert all(torch.equal(mine[name], others[name]) for name in mine)


def test_the_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    _, _, model = trained(tmp_path, DataSpec("wine"), {})
    weights = {name: tensor[..., :2] for name, tensor in model.weights.items()}
    with pytest.raises(ValueError, match="weights of another network"):
        Predictor(TrainedModel(model.info, weights, model.scaling))


@pytest.mark.parametrize("data", [b"", b"no model", bytes(100), b"\x02" + bytes(7) + b"{}"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a model file"):
        model_from_bytes(data)

"""A model's file predicts what its training was judged by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.data import Dataset, DataSpec
from hpsearch.model.predictor import Predictor
from hpsearch.model.weights import TrainedModel, model_from_bytes, to_bytes
from tests.helpers.models import MIXED, spec_of, trained
from tests.helpers.problems import NETS

BAYESIAN: dict[str, dict[str, Any]] = {
    "variational": {"bayesian": "variational"},
    "mc_dropout": {"bayesian": "mc_dropout", "dropout": 0.2},
    "laplace": {"bayesian": "laplace"},
}


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
    (tmp_path / "t.csv").write_text(MIXED)
    spec = spec_of(tmp_path, "y", scale=scale, folds=3)
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

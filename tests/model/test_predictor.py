"""A model's file predicts what its training was judged by."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from hpsearch.data import Dataset, DataSpec
from hpsearch.model.predictor import Predictor
from hpsearch.model.weights import TrainedMember, TrainedModel, model_from_bytes, to_bytes
from tests.helpers.models import MIXED, TOWNS, spec_of, trained
from tests.helpers.problems import NETS

BAYESIAN: dict[str, dict[str, Any]] = {
    "variational": {"bayesian": "variational"},
    "mc_dropout": {"bayesian": "mc_dropout", "dropout": 0.2},
    "laplace": {"bayesian": "laplace"},
}


def loss(data: Dataset, model: TrainedModel, fold: int = 0) -> float:
    """Return the loss of a model's predictions for the validation rows of a fold."""
    rows = data.folds[fold].validation
    weights = None if data.weights is None else data.weights[rows]
    answers = Predictor(model).answers(data.inputs[rows])
    if data.task == "classification":
        losses = -np.log(answers[np.arange(len(rows)), data.targets[rows]])
    else:
        standardised = (answers[:, 0] - data.target_center) / data.target_scale
        losses = (standardised - data.targets[rows]) ** 2
    return float(np.average(losses, weights=weights))


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
    data, result, model = trained(tmp_path, spec, {}, (2, fold))
    assert loss(data, model, fold) == pytest.approx(result.loss, rel=1e-5)


def test_a_trial_of_folds_and_seeds_leaves_all_of_its_networks(tmp_path: Path) -> None:
    spec, runs = DataSpec("digits", rows=120, folds=3), [(r, f) for r in range(2) for f in range(3)]
    data, result, model = trained(tmp_path, spec, {}, *runs)
    assert [(one.replicate, one.fold) for one in model.info.members] == runs
    for position, own in enumerate(result.replicates):
        alone = model.alone(position)
        assert loss(data, alone, own.fold) == pytest.approx(own.loss, rel=1e-5)
        assert alone.info.members[0].epochs == own.best_epoch
    # together they answer with the mean
    predictor, inputs = Predictor(model), data.inputs[:50]
    each = np.stack([Predictor(model.alone(k)).answers(inputs) for k in range(6)])
    assert predictor.answers(inputs) == pytest.approx(each.mean(0), rel=1e-9)
    assert predictor.standard_deviations(inputs) == pytest.approx(each.std(0, ddof=1), rel=1e-9)


@pytest.mark.parametrize("net", BAYESIAN)
@pytest.mark.parametrize("source", ["digits", "diabetes"])
def test_the_networks_of_a_bayesian_answer_scatter_around_it(
    tmp_path: Path, net: str, source: str
) -> None:
    """Laplace's mean is in closed form, and so the mean of its 32 networks only about that."""
    source = "breast_cancer" if net == "laplace" and source == "diabetes" else source
    data, _, model = trained(tmp_path, DataSpec(source, rows=120), dict(BAYESIAN[net]))
    (one,) = (predictor := Predictor(model)).members
    inputs = data.inputs[:20]
    mean, each = predictor.answers(inputs), one.each(inputs)
    stds = predictor.standard_deviations(inputs)
    assert len(each) == predictor.networks == 32
    assert (stds > 0).any()
    most = 4 * stds / math.sqrt(32) if net == "laplace" else 1e-5 * np.abs(mean)
    assert (np.abs(each.mean(0) - mean) <= most + 0.01 * (net == "laplace")).all()


def test_one_network_has_no_standard_deviation(tmp_path: Path) -> None:
    data, _, model = trained(tmp_path, DataSpec("wine"), {})
    with pytest.raises(ValueError, match="this model is one network"):
        Predictor(model).standard_deviations(data.inputs)


def test_a_file_of_the_format_with_one_network_is_read(tmp_path: Path) -> None:
    _, _, model = trained(tmp_path, DataSpec("wine"), {})
    flat = {**asdict(model.info), **asdict(model.info.members[0]), "format": 2}
    del flat["members"]
    tensors = {name.removeprefix("0/"): tensor for name, tensor in load(to_bytes(model)).items()}
    old = model_from_bytes(save(tensors, {"hpsearch": json.dumps(flat)}))
    assert replace(old.info, format=3) == model.info
    ((mine,), (its,)) = old.members, model.members
    assert all(torch.equal(mine.weights[name], its.weights[name]) for name in its.weights)
    assert mine.scaling.scale.tolist() == its.scaling.scale.tolist()


@pytest.mark.parametrize(("target", "weights"), [("y", "w"), ("y", "balanced"), ("z", "w")])
@pytest.mark.parametrize("net", ["mlp", "laplace", "variational"])
def test_so_have_they_where_rows_have_weights(
    tmp_path: Path, target: str, weights: str, net: str
) -> None:
    lines = MIXED.splitlines()
    table = [f"{lines[0]},w", *(f"{line},{k % 4 + 1}" for k, line in enumerate(lines[1:]))]
    (tmp_path / "t.csv").write_text("\n".join(table) + "\n")
    spec = spec_of(tmp_path, target, weights=weights, folds=3)
    data, result, model = trained(tmp_path, spec, dict({**NETS, **BAYESIAN}[net]))
    assert loss(data, model) == pytest.approx(result.loss, rel=1e-5)


@pytest.mark.parametrize("scale", ["standard", "unit", "none"])
def test_so_have_they_where_categories_are_embedded(tmp_path: Path, scale: Any) -> None:
    (tmp_path / "t.csv").write_text(TOWNS)
    spec = DataSpec("t.csv", "y", folder=tmp_path, scale=scale)
    data, result, model = trained(tmp_path, spec, {"lr": 0.005})
    assert data.shape.embedded
    assert loss(data, model) == pytest.approx(result.loss, rel=1e-5)


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
    ((one,), (other,)) = model.members, again.members
    assert bool(one.posterior) is (net == "laplace")
    for mine, others in ((one.weights, other.weights), (one.posterior, other.posterior)):
        assert mine.keys() == others.keys()
        assert all(torch.equal(mine[name], others[name]) for name in mine)


def test_the_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    _, _, model = trained(tmp_path, DataSpec("wine"), {})
    (one,) = model.members
    weights = {name: tensor[..., :2] for name, tensor in one.weights.items()}
    other = TrainedModel(model.info, (TrainedMember(weights, one.scaling),))
    with pytest.raises(ValueError, match="weights of another network"):
        Predictor(other)


@pytest.mark.parametrize("data", [b"", b"no model", bytes(100), b"\x02" + bytes(7) + b"{}"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a model file"):
        model_from_bytes(data)

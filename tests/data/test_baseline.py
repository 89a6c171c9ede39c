"""What predictions are worth that ignore the inputs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpsearch.data import Dataset, Fold
from hpsearch.data.baseline import SMALLEST_SHARE, baseline
from hpsearch.metrics import METRICS


def dataset(
    targets: Any, train: list[int], validation: list[int], classes: tuple[str, ...] = ()
) -> Dataset:
    rows, none = len(targets), np.zeros(0, np.int64)
    return Dataset(
        name="made",
        task="classification" if classes else "regression",
        inputs=np.zeros((rows, 1), np.float32),
        targets=np.array(targets, np.int64) if classes else np.array(targets, np.float32),
        target="y",
        classes=classes,
        target_center=0.0,
        target_scale=1.0,
        folds=(
            Fold(
                np.array(train),
                np.array(validation),
                np.zeros(1, np.float32),
                np.ones(1, np.float32),
                np.zeros(1, np.float32),
            ),
        ),
        whole=None,
        test=none,
        columns=(),
        digest="",
    )


def test_the_baseline_of_classes_gives_their_training_frequencies() -> None:
    data = dataset([0, 0, 0, 1, 0, 1, 1, 1], [0, 1, 2, 3], [4, 5, 6, 7], classes=("a", "b"))
    loss, metric = baseline(data, "accuracy")
    assert loss == pytest.approx(-(np.log(0.75) + 3 * np.log(0.25)) / 4)
    assert metric == 0.25


def test_a_class_that_training_lacks_is_no_infinite_loss() -> None:
    data = dataset([0, 1, 2], [0, 1], [2], classes=("a", "b", "c"))
    assert baseline(data, "accuracy").loss == pytest.approx(-np.log(SMALLEST_SHARE))


def test_the_baseline_of_numbers_is_the_training_mean() -> None:
    data = dataset([1.0, 3, 2, 6], [0, 1], [2, 3])
    # the mean is 2; squared errors 0 and 16, and around the validation rows' own mean 4 and 4
    assert baseline(data, "r2") == (8, -1)


@pytest.mark.group("worthless results")
@pytest.mark.parametrize("judged", [[2], [2, 3], [2, 3, 4]])
def test_r2_of_rows_that_are_all_alike_is_not_defined(judged: list[int]) -> None:
    found = baseline(dataset([1.0, 3, 0.1, 0.1, 0.1], [0, 1], judged), "r2")
    assert found.loss == pytest.approx(1.9**2)
    assert math.isnan(found.metric)


@pytest.mark.parametrize(
    ("metric", "value"),
    # one of three rows is of the class that training has most of, and none is of the third class
    [("accuracy", 1 / 3), ("balanced_accuracy", 0.5), ("f1", (0.5 + 0) / 2), ("auc", 0.5)],
)
def test_every_metric_of_classes_has_a_baseline(metric: str, value: float) -> None:
    data = dataset([0, 0, 1, 0, 1, 1], [0, 1, 2], [3, 4, 5], classes=("a", "b", "c"))
    assert baseline(data, metric).metric == pytest.approx(value)


@pytest.mark.parametrize(("metric", "value"), [("r2", -1.0), ("rmse", 8**0.5 * 10), ("mae", 20.0)])
def test_errors_of_the_baseline_are_in_the_targets_own_unit(metric: str, value: float) -> None:
    data = replace(dataset([1.0, 3, 2, 6], [0, 1], [2, 3]), target_scale=10.0)
    assert tuple(baseline(data, metric)) == pytest.approx((8, value))


def test_every_metric_has_a_baseline() -> None:
    by_task = {
        "classification": dataset([0, 1, 0, 1], [0, 1], [2, 3], classes=("a", "b")),
        "regression": dataset([1.0, 3, 2, 6], [0, 1], [2, 3]),
    }
    for name, metric in METRICS.items():
        assert math.isfinite(baseline(by_task[metric.task], name).metric), name


@pytest.mark.group("worthless results")
def test_the_area_of_rows_of_one_class_is_not_defined() -> None:
    data = dataset([0, 1, 0, 0], [0, 1], [2, 3], classes=("a", "b"))
    assert math.isnan(baseline(data, "auc").metric)


def weighed(data: Dataset, times: list[int], by: str = "w") -> Dataset:
    return replace(data, weights=np.array(times, np.float32), weighted_by=by)


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_that_weighs_twice_counts_as_two_rows_do(metric: str) -> None:
    times = [2, 1, 1, 3, 1, 2]
    classes = ("a", "b") if METRICS[metric].task == "classification" else ()
    targets = [0, 1, 0, 1, 0, 1] if classes else [1.0, 3, 2, 6, 0, 7]
    once = weighed(dataset(targets, [0, 1, 2], [3, 4, 5], classes), times)
    again = np.repeat(targets, times)
    repeated = dataset(again, [0, 1, 2, 3], [4, 5, 6, 7, 8, 9], classes)
    assert tuple(baseline(once, metric)) == pytest.approx(tuple(baseline(repeated, metric)))


def test_of_balanced_classes_the_loss_is_that_of_equal_frequencies() -> None:
    data = dataset([0, 0, 0, 1, 0, 1, 1, 1], [0, 1, 2, 3], [4, 5, 6, 7], classes=("a", "b"))
    balanced = weighed(data, [2, 2, 2, 6, 2, 6, 6, 6], by="balanced")
    assert baseline(balanced, "accuracy").loss == pytest.approx(np.log(2))
    # and the metric that of the class that most rows have
    assert baseline(balanced, "accuracy").metric == baseline(data, "accuracy").metric == 0.25


def test_the_baseline_of_folds_is_the_mean_of_theirs() -> None:
    data = dataset([1.0, 3, 2, 6], [0, 1], [3])
    turned = replace(data.folds[0], validation=np.array([2]))
    assert baseline(replace(data, folds=(*data.folds, turned)), "r2").loss == 8

"""What metrics come to, counted batch by batch for all members, against scikit-learn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from torch import Tensor

from hpsearch.data import Dataset, Fold
from hpsearch.engine import feed as feeds
from hpsearch.engine.checkpoint import load_member
from hpsearch.engine.feed import Answers, Feed, Split
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.members import Member
from hpsearch.engine.tallies import TALLIES
from hpsearch.metrics import METRICS, ClassCounts, Hits, accuracy, balanced_accuracy, minimized
from hpsearch.study.trial import Done, Failed
from tests.helpers.problems import blobs, dataset, in_folds, member, run

F64 = torch.float64
Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]
Reference = Callable[[Any, Numbers, Numbers | None], float]
"""Makes a metric of targets, outputs and the weights of rows."""


class Answering(Feed):
    """A feed whose rows are given these outputs, [K, rows, outputs], so many at a time.

    The input of each row is its number.
    """

    def __init__(self, data: Dataset, outputs: Numbers, at_once: int) -> None:
        super().__init__(data, "cpu", F64)
        self._given, self._at_once = torch.from_numpy(outputs), at_once

    def answers(
        self,
        stacked: StackedCohort,
        name: Split,
        predict: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Answers]:
        for whole in super().answers(stacked, name, self._outputs):
            for start in range(0, whole.outputs.shape[1], self._at_once):
                part = slice(start, start + self._at_once)
                yield Answers(whole.outputs[:, part], *(each[..., part] for each in whole[1:]))

    def _outputs(self, inputs: Tensor) -> Tensor:
        """Return the outputs that are given for rows, of which each input is the number."""
        members = len(self._given)
        rows = inputs[..., 0].long().expand(members, -1)
        return self._given[torch.arange(members).unsqueeze(1), rows]


@dataclass(frozen=True)
class Case:
    """Outputs [K, rows, outputs] of members, each of which has a fold of its own or the same."""

    data: Dataset
    outputs: Numbers
    at_once: int

    def found(self, metric: str) -> list[float]:
        """Return what the engine says of each member."""
        shared = len(self.data.folds) == 1
        members = [
            Member(k, member().settings, fold=0 if shared else k) for k in range(len(self.outputs))
        ]
        feed = Answering(self.data, self.outputs, self.at_once)
        task = TrainingTask(self.data.shape, self.data.outputs, 0)
        return feed.score(StackedCohort(members, task, feed.like), "validation", metric).metrics

    def expected(self, reference: Reference) -> list[float]:
        """Return what a reference makes of each member's targets, outputs and weights."""
        folds = self.data.folds if len(self.data.folds) > 1 else self.data.folds * len(self.outputs)
        weights = self.data.metric_weights
        return [
            reference(
                self.data.targets[fold.validation],
                given[fold.validation],
                None if weights is None else weights[fold.validation].astype(np.float64),
            )
            for fold, given in zip(folds, self.outputs, strict=True)
        ]


def judged(data: Dataset, *parts: Rows) -> Dataset:
    """Return the data in folds that are judged on these rows."""
    rows, none, one = np.arange(len(data.inputs)), np.zeros(1), np.ones(1)
    return replace(data, folds=tuple(Fold(rows, part, none, one, none) for part in parts))


@st.composite
def cases(draw: st.DrawFn, least: int, most: int) -> Case:
    """Draw outputs for between so many classes, or for a regression where there are none.

    Rows share outputs, so that there are ties; classes may be absent, and folds differ in length.
    Rows may have weights, which count in metrics where they do not balance classes.
    """
    classes, members = draw(st.integers(least, most)), draw(st.integers(1, 3))
    count, is_folded = draw(st.integers(1, 24)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.integers(1, 24))
    outputs = rng.normal(size=(members, kinds, max(1, classes))) * draw(st.sampled_from([0.1, 5.0]))
    outputs = outputs[:, rng.integers(kinds, size=count)]
    if classes:
        present = draw(st.lists(st.integers(0, classes - 1), min_size=1, unique=True))
        targets = rng.choice(present, size=count)
        made = dataset(np.arange(count)[:, None], targets, classes=classes)
    else:
        made = dataset(np.arange(count)[:, None], rng.normal(size=count))
        made = replace(made, target_scale=draw(st.sampled_from([1.0, 42_000.0])))
    by = draw(st.sampled_from([None, "w", *(["balanced"] if classes else [])]))
    weights = rng.lognormal(0.0, 2.0, count).astype(np.float32) if by else None
    made = replace(made, weights=weights, weighted_by=by)
    parts = [
        np.sort(rng.permutation(count)[: draw(st.integers(1, count))])
        for _ in range(members if is_folded else 1)
    ]
    return Case(judged(made, *parts), outputs, draw(st.integers(1, 24)))


def area(y: Rows, outputs: Numbers, w: Numbers | None) -> float:
    """Return scikit-learn's mean area over the classes that are there; NaN where there is one."""
    p = softmax(outputs, axis=1)
    present = np.unique(y)
    if len(present) == 1:
        return math.nan
    if outputs.shape[1] == 2:
        return float(roc_auc_score(y, p[:, 1], sample_weight=w))
    if len(present) == outputs.shape[1]:
        return float(roc_auc_score(y, p, sample_weight=w, multi_class="ovr", average="macro"))
    return float(np.mean([roc_auc_score(y == c, p[:, c], sample_weight=w) for c in present]))


CLASSES: Mapping[str, Reference] = {
    "accuracy": lambda y, o, w: accuracy_score(y, o.argmax(1), sample_weight=w),
    "balanced_accuracy": lambda y, o, w: balanced_accuracy_score(y, o.argmax(1), sample_weight=w),
    "f1": lambda y, o, w: f1_score(
        y, o.argmax(1), average="macro", zero_division=0.0, sample_weight=w
    ),
    "auc": area,
}


def numbers(scale: float) -> Mapping[str, Reference]:
    """Return the references of a regression whose unit is so many of the target's own."""

    def errors(judge: Callable[..., float]) -> Reference:
        return lambda y, o, w: judge(y * scale, o[:, 0] * scale, sample_weight=w)

    return {
        "r2": lambda y, o, w: errors(r2_score)(y, o, w) if (y != y[0]).any() else math.nan,
        "rmse": errors(root_mean_squared_error),
        "mae": errors(mean_absolute_error),
    }


@pytest.mark.parametrize("metric", CLASSES)
@pytest.mark.parametrize("classes", [(2, 2), (3, 6)], ids=["two", "many"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_metric_of_classes_is_that_of_scikit_learn(
    metric: str, classes: tuple[int, int], data: st.DataObject
) -> None:
    case = data.draw(cases(*classes))
    with warnings.catch_warnings():  # of classes that are predicted and not there
        warnings.simplefilter("ignore")
        expected = case.expected(CLASSES[metric])
    assert case.found(metric) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("metric", numbers(1.0))
@settings(max_examples=50, deadline=None)
@given(case=cases(0, 0))
def test_a_metric_of_numbers_is_that_of_scikit_learn(metric: str, case: Case) -> None:
    expected = case.expected(numbers(case.data.target_scale)[metric])
    # targets are float32
    assert case.found(metric) == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_every_metric_is_held_against_a_reference() -> None:
    assert {**CLASSES, **numbers(1.0)}.keys() == METRICS.keys()


@pytest.mark.parametrize(("classes", "high", "low"), [(2, 800.0, 60.0), (3, 30.0, 25.0)])
def test_answers_that_are_all_but_certain_are_ranked(classes: int, high: float, low: float) -> None:
    """In float32 all of these probabilities are 1, and all rows would have one rank."""
    y = np.array([classes - 1, 0, classes - 1, 0])
    outputs = np.zeros((1, 4, classes))
    outputs[0, :, -1] = high, low, high, low
    data = judged(dataset(np.arange(4)[:, None], y, classes=classes), np.arange(4))
    assert Case(data, outputs, 4).found("auc") == [1.0]


def test_shares_of_weights_are_never_more_than_all_of_them() -> None:
    """Sums of weights are rounded, and what is minimised must not fall below 0."""
    one, all_right = np.array([0.3]), np.array([0.1 + 0.2])
    assert all_right > one
    assert accuracy(Hits(all_right, one)) == 1.0
    assert balanced_accuracy(ClassCounts(one, one, all_right)) == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_is_counted_that_the_metric_does_not_need(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = METRICS[metric]
    monkeypatch.setattr(feeds, "TALLIES", {judge.tally: TALLIES[judge.tally]})
    y = np.arange(12) % 3
    data = dataset(np.arange(12)[:, None], y, classes=3 if judge.task == "classification" else 0)
    Case(judged(data, np.arange(12)), np.zeros((1, 12, data.outputs)), 12).found(metric)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_search_by_the_loss_counts_what_is_cheapest(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap = {"classification": "accuracy", "regression": "r2"}[task]
    tally = METRICS[cheap].tally
    monkeypatch.setattr(feeds, "TALLIES", {tally: TALLIES[tally]})
    data = blobs() if task == "classification" else dataset(np.zeros((8, 1)), np.arange(8.0))
    feed = Feed(data, "cpu", F64)
    stacked = StackedCohort([member()], TrainingTask(data.shape, data.outputs, 0), feed.like)
    assert feed.score(stacked, "validation") == feed.score(stacked, "validation", cheap)


@pytest.mark.parametrize("metric", METRICS)
def test_the_best_epoch_is_that_of_the_best_metric(metric: str) -> None:
    if METRICS[metric].task == "classification":
        data = blobs()
    else:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(80, 3))
        data = replace(dataset(x, x.sum(1) + rng.normal(size=80)), target_scale=1000.0)
    one = member(lr=0.3, epochs=12)
    ended, epochs = run(data, [one], metric=metric, dtype=F64)
    result = ended[0].result
    assert isinstance(result, Done)
    reached = [minimized(metric, epoch.loss, epoch.metric) for epoch in epochs]
    assert result.loss == min(reached)
    assert result.best_epoch == 1 + reached.index(min(reached))
    feed = Feed(data, "cpu", F64)
    stacked = StackedCohort([one], TrainingTask(data.shape, data.outputs, 0), feed.like)
    load_member(stacked.weights, 0, stacked, ended[0].weights)
    assert feed.score(stacked, "validation", metric).metrics == [pytest.approx(result.metric)]


@pytest.mark.parametrize("metric", ["f1", "auc"])
def test_members_of_several_folds_are_judged_as_each_alone(metric: str) -> None:
    data = in_folds(blobs(rows=50))
    members = [Member(k, member(lr=0.05).settings, fold=k) for k in range(3)]
    together, _ = run(data, members, metric=metric, dtype=F64)
    for k, one in enumerate(members):
        alone, _ = run(data, [one], metric=metric, dtype=F64)
        first, second = (ended[k].result for ended in (together, alone))
        assert isinstance(first, Done)
        assert isinstance(second, Done)
        assert first.metric == pytest.approx(second.metric, rel=1e-9)


@pytest.mark.group("worthless results")
def test_a_training_whose_metric_is_not_defined_says_so() -> None:
    """Where the rows are drawn anew, all that validate may be of one class."""
    data = blobs()
    rows = np.flatnonzero(data.targets == 1)
    ended, _ = run(judged(data, rows), [member(epochs=3)], metric="auc")
    result = ended[0].result
    assert isinstance(result, Failed)
    assert result.reason == "diverged: the metric is not defined on the rows that validate"

"""The metrics by which answers are judged: one record for each, and the table of them.

Answers to some rows are tallied first, and a metric is a function of the tally. Whoever answers
makes the tally: the engine sums up what its networks answer (`hpsearch.engine.tallies`), and
`hpsearch.data.baseline` says what a constant prediction comes to. Nothing here needs torch, and
nobody else compares names of metrics.

A new metric takes one function and one line in `METRICS`. Arrays of a tally are [...], with one
number for each of several answerers, or [..., classes].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Unit = Literal["share", "number", "target"]
"""What a metric is counted in: a share of rows (1 is all), a number without a unit, or the unit of
the target."""

LOSS = "loss"
"""The name, where a metric may stand, of what networks are trained by."""


class Hits(NamedTuple):
    """How many of the rows were given their class, [...] each; rows count by their weights."""

    right: Numbers
    rows: Numbers


class ClassCounts(NamedTuple):
    """For each class the rows of it, those that were taken for it, and those that are both.

    They are [..., classes] each.
    """

    actual: Numbers
    predicted: Numbers
    right: Numbers


class RankedPairs(NamedTuple):
    """For each class the pairs of a row of it and a row of another class, [..., classes] each.

    Those are `right` in which the row of the class has the higher probability of being of it; where
    both have the same, the pair counts one half. Of two classes only the second has a place.
    """

    pairs: Numbers
    right: Numbers


class SquaredErrors(NamedTuple):
    """The mean squared error, and the variance of the targets, [...] each.

    Both are in the same units, of which one is `scale` of the target's own.
    """

    mean: Numbers
    variance: Numbers
    scale: float


class AbsoluteErrors(NamedTuple):
    """The mean absolute error, [...], in units of which one is `scale` of the target's own."""

    mean: Numbers
    scale: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to judge answers.

    Attributes:
        task: which task it is for.
        tally: the record that it is a function of.
        value: gives the metric, [...], of such a record; NaN where it is not defined.
        larger_is_better: else smaller is, and 0 is the best.
        unit: what it is counted in.
        undefined: where it is not defined, in words; empty where it always is.
    """

    task: Literal["classification", "regression"]
    tally: type[NamedTuple]
    value: Callable[[Any], Numbers]
    larger_is_better: bool = True
    unit: Unit = "number"
    undefined: str = ""

    def minimized(self, value: float) -> float:
        """Return what a search by this metric makes small, where the metric is `value`."""
        return 1.0 - value if self.larger_is_better else value


def accuracy(found: Hits) -> Numbers:
    """Return the share of rows that were given their class."""
    return _at_most_one(found.right / found.rows)


def balanced_accuracy(found: ClassCounts) -> Numbers:
    """Return the mean, over the classes that the rows have, of the share of each that was found."""
    return _mean_quotient(found.right, found.actual)


def macro_f1(found: ClassCounts) -> Numbers:
    """Return the mean F1 of the classes that the rows have or were taken for."""
    return _mean_quotient(2.0 * found.right, found.actual + found.predicted)


def auc(found: RankedPairs) -> Numbers:
    """Return the mean area under the ROC curves of the classes that the rows have.

    Each class is held against all others together. Of two classes one curve says it all, since the
    other one has the same area. It is not defined where all rows are of one class.
    """
    return _mean_quotient(found.right, found.pairs)


def r2(found: SquaredErrors) -> Numbers:
    """Return which share of the targets' variance is explained; not defined where they are equal.

    >>> r2(SquaredErrors(np.array([0.5, 0.0]), np.array([2.0, 0.0]), 1.0))
    array([0.75,  nan])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(found.variance > 0.0, 1.0 - found.mean / found.variance, np.nan)


def rmse(found: SquaredErrors) -> Numbers:
    """Return the root of the mean squared error, in the target's own unit."""
    return found.scale * np.sqrt(found.mean)


def mae(found: AbsoluteErrors) -> Numbers:
    """Return the mean absolute error, in the target's own unit."""
    return found.scale * found.mean


def _mean_quotient(part: Numbers, whole: Numbers) -> Numbers:
    """Return the mean, over the last axis, of the quotients whose denominator is not 0.

    It is NaN where all denominators are.
    """
    counted = whole > 0.0
    quotients = np.divide(part, whole, out=np.zeros_like(whole), where=counted)
    with np.errstate(invalid="ignore"):
        return _at_most_one(np.asarray(quotients.sum(-1) / counted.sum(-1)))


def _at_most_one(shares: Numbers) -> Numbers:
    """Return shares, which the rounding of sums of weights takes beyond 1 by a little at most."""
    return np.minimum(shares, 1.0)


_ONE_CLASS = "where all rows that validate are of one class"
_ONE_TARGET = "where all rows that validate have one target"

METRICS = {
    "accuracy": Metric("classification", Hits, accuracy, unit="share"),
    "balanced_accuracy": Metric("classification", ClassCounts, balanced_accuracy, unit="share"),
    "f1": Metric("classification", ClassCounts, macro_f1),
    "auc": Metric("classification", RankedPairs, auc, undefined=_ONE_CLASS),
    "r2": Metric("regression", SquaredErrors, r2, undefined=_ONE_TARGET),
    "rmse": Metric("regression", SquaredErrors, rmse, larger_is_better=False, unit="target"),
    "mae": Metric("regression", AbsoluteErrors, mae, larger_is_better=False, unit="target"),
}
"""All metrics by their names. A search by the loss is shown the first one of its task beside it."""


def choices(*tasks: str) -> str:
    """Return in words by what a search for one of these tasks, or for any, may judge.

    >>> choices("regression")
    'loss, r2, rmse or mae'
    """
    found = [name for name, one in METRICS.items() if not tasks or one.task in tasks]
    return f"{', '.join((LOSS, *found[:-1]))} or {found[-1]}"


def measured(name: str, task: str) -> str:
    """Return the metric that a search measures beside the loss: that of its name, if it has one.

    >>> measured("auc", "classification"), measured("loss", "regression")
    ('auc', 'r2')
    """
    beside_loss = next(one for one, metric in METRICS.items() if metric.task == task)
    return beside_loss if name == LOSS else name


def minimized(name: str, loss: float, value: float) -> float:
    """Return what a search by this metric, or by the loss, makes small.

    Args:
        name: `loss`, or that of a metric.
        loss: what the loss is.
        value: what the metric is.

    >>> minimized("loss", 0.25, 0.9), minimized("accuracy", 0.25, 0.875), minimized("mae", 1.0, 7.0)
    (0.25, 0.125, 7.0)
    """
    return loss if name == LOSS else METRICS[name].minimized(value)


def minimized_name(name: str) -> str:
    """Return the name of what a search by this metric, or by the loss, makes small.

    >>> minimized_name("loss"), minimized_name("auc"), minimized_name("rmse")
    ('loss', '1 - auc', 'rmse')
    """
    return f"1 - {name}" if name != LOSS and METRICS[name].larger_is_better else name


def larger_is_better(name: str | None) -> bool:
    """Return whether larger values of a metric are better.

    So they are of one that is not in the table, as another objective may have.
    """
    return name not in METRICS or METRICS[name].larger_is_better


def unit_of(figure: str) -> Unit:
    """Return the unit of a metric, or of what a search makes small, by the name of the figure.

    >>> unit_of("accuracy"), unit_of("1 - accuracy"), unit_of("rmse"), unit_of("loss")
    ('share', 'number', 'target', 'number')
    """
    return METRICS[figure].unit if figure in METRICS else "number"

"""How good a constant prediction is, which ignores the inputs: what a trial has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from hpsearch.data import Dataset, Exact, Floats, Ints
from hpsearch.data.weights import mean, variance
from hpsearch.metrics import (
    METRICS,
    AbsoluteErrors,
    ClassCounts,
    Hits,
    RankedPairs,
    SquaredErrors,
)

SMALLEST_SHARE = 1e-6
"""The least probability that a baseline gives to a class, so that its loss is never infinite."""


class Baseline(NamedTuple):
    """How good the constant prediction is: its loss, and a metric of it."""

    loss: float
    metric: float


def baseline(dataset: Dataset, metric: str) -> Baseline:
    """Judge the constant prediction of each fold by the loss and a metric; average over the folds.

    It is the frequencies of the classes, or the mean of the targets, in the rows that train. Where
    weights balance the classes, the loss is that of equal frequencies, and the metric that of how
    often classes are.

    >>> from hpsearch.data import DataSpec
    >>> from hpsearch.data.prepare import prepare
    >>> baseline(prepare(DataSpec("wine")), "balanced_accuracy").metric
    0.3333333333333333
    """
    judged, losses = METRICS[metric], []
    values = []
    for fold in dataset.folds:
        constant = _Constant(dataset, fold.train, fold.validation, dataset.metric_weights)
        losses.append(constant_loss(dataset, fold.train, fold.validation))
        values.append(float(judged.value(_TALLIES[judged.tally](constant))))
    return Baseline(sum(losses) / len(losses), sum(values) / len(values))


def constant_loss(dataset: Dataset, fitted: Ints, judged: Ints) -> float:
    """Return the loss on some rows of the constant prediction that was fitted on others.

    It is the cross-entropy in nats, or the mean squared error in standardised units.
    """
    constant = _Constant(dataset, fitted, judged, dataset.weights)
    if dataset.task == "classification":
        shares = np.maximum(constant.shares[constant.seen], SMALLEST_SHARE)
        return constant.mean(-np.log(shares))
    return constant.mean(constant.errors**2)


class _Constant(NamedTuple):
    """The constant prediction that is fitted on some rows, and judged on others.

    Each row counts by its weight, where there are weights.
    """

    dataset: Dataset
    fitted: Ints
    judged: Ints
    weights: Floats | None

    @property
    def known(self) -> Ints | Floats:
        """The targets of the rows that it is fitted on."""
        return self.dataset.targets[self.fitted]

    @property
    def seen(self) -> Ints | Floats:
        """The targets of the rows that it is judged on."""
        return self.dataset.targets[self.judged]

    @property
    def shares(self) -> Exact:
        """How likely it says that each class is, whatever the row."""
        counts = self._counts(self.known, self._of(self.fitted))
        return np.asarray(counts / counts.sum())

    @property
    def counts(self) -> Exact:
        """How many of the rows that it is judged on are of each class."""
        return self._counts(self.seen, self._of(self.judged))

    @property
    def errors(self) -> Exact:
        """How far the targets are from it, in standardised units."""
        return np.asarray(self.seen - np.float64(mean(self.known, self._of(self.fitted))))

    @property
    def variance(self) -> float:
        """The variance of the targets of the rows that it is judged on."""
        return variance(self.seen, self._of(self.judged))

    def mean(self, values: Exact) -> float:
        """Return the mean of values of the rows that it is judged on."""
        return mean(values, self._of(self.judged))

    def _of(self, rows: Ints) -> Floats | None:
        return None if self.weights is None else self.weights[rows]

    def _counts(self, targets: Ints | Floats, weights: Floats | None) -> Exact:
        """Return how much the rows of each class count together."""
        found = np.bincount(targets, weights, minlength=self.dataset.outputs)
        return found.astype(np.float64, copy=False)


def _hits(constant: _Constant) -> Hits:
    counts = constant.counts
    return Hits(counts[constant.shares.argmax()], counts.sum())


def _class_counts(constant: _Constant) -> ClassCounts:
    counts = constant.counts
    is_guess = np.arange(len(counts)) == constant.shares.argmax()
    return ClassCounts(counts, is_guess * counts.sum(), is_guess * counts)


def _ranked_pairs(constant: _Constant) -> RankedPairs:
    """Return pairs that all count one half, since all rows get the same probabilities."""
    counts = constant.counts
    pairs = counts * (counts.sum() - counts)
    return RankedPairs(pairs, pairs / 2.0)


def _squared_errors(constant: _Constant) -> SquaredErrors:
    error, spread = constant.mean(constant.errors**2), constant.variance
    return SquaredErrors(np.asarray(error), np.asarray(spread), constant.dataset.target_scale)


def _absolute_errors(constant: _Constant) -> AbsoluteErrors:
    error = constant.mean(np.abs(constant.errors))
    return AbsoluteErrors(np.asarray(error), constant.dataset.target_scale)


_TALLIES: Mapping[type, Callable[[_Constant], object]] = {
    Hits: _hits,
    ClassCounts: _class_counts,
    RankedPairs: _ranked_pairs,
    SquaredErrors: _squared_errors,
    AbsoluteErrors: _absolute_errors,
}
"""What gives each kind of tally of a constant prediction."""

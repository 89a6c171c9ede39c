"""How good a constant prediction is, which ignores the inputs: what a trial has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from hpsearch.data import Dataset, Exact, Floats, Ints, variance
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

    It is the frequencies of the classes, or the mean of the targets, in the rows that train.

    >>> from hpsearch.data import DataSpec
    >>> from hpsearch.data.prepare import prepare
    >>> baseline(prepare(DataSpec("wine")), "balanced_accuracy").metric
    0.3333333333333333
    """
    judged, losses = METRICS[metric], []
    values = []
    for fold in dataset.folds:
        constant = _Constant(dataset, fold.train, fold.validation)
        losses.append(constant_loss(dataset, fold.train, fold.validation))
        values.append(float(judged.value(_TALLIES[judged.tally](constant))))
    return Baseline(sum(losses) / len(losses), sum(values) / len(values))


def constant_loss(dataset: Dataset, fitted: Ints, judged: Ints) -> float:
    """Return the loss on some rows of the constant prediction that was fitted on others.

    It is the cross-entropy in nats, or the mean squared error in standardised units.
    """
    constant = _Constant(dataset, fitted, judged)
    if dataset.task == "classification":
        shares = np.maximum(constant.shares[constant.seen], SMALLEST_SHARE)
        return float(-np.log(shares).mean())
    return float((constant.errors**2).mean())


class _Constant(NamedTuple):
    """The constant prediction that is fitted on some rows, and judged on others."""

    dataset: Dataset
    fitted: Ints
    judged: Ints

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
        return np.bincount(self.known, minlength=self.dataset.outputs) / len(self.known)

    @property
    def counts(self) -> Exact:
        """How many of the rows that it is judged on are of each class."""
        return np.bincount(self.seen, minlength=self.dataset.outputs).astype(np.float64)

    @property
    def errors(self) -> Exact:
        """How far the targets are from it, in standardised units."""
        return np.asarray(self.seen - self.known.mean(dtype=np.float64))


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
    error = np.asarray((constant.errors**2).mean())
    return SquaredErrors(error, np.asarray(variance(constant.seen)), constant.dataset.target_scale)


def _absolute_errors(constant: _Constant) -> AbsoluteErrors:
    return AbsoluteErrors(np.abs(constant.errors).mean(), constant.dataset.target_scale)


_TALLIES: Mapping[type, Callable[[_Constant], object]] = {
    Hits: _hits,
    ClassCounts: _class_counts,
    RankedPairs: _ranked_pairs,
    SquaredErrors: _squared_errors,
    AbsoluteErrors: _absolute_errors,
}
"""What gives each kind of tally of a constant prediction."""

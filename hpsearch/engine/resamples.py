"""How sure a score on some rows is: intervals by resampling the rows (the bootstrap).

Rows are drawn again and again from those that were answered to, as many as there are and with
replacement, and each draw is judged like the rows themselves. An interval reaches from the 2.5th to
the 97.5th percentile of what comes of it. The rows count as independent of one another.

Of many rows a part is resampled, which is spread evenly over them. How far a figure strays falls
with the square root of the number of rows, so its deviations are scaled down to all of them.

Sources: Efron 1979; Efron & Tibshirani 1993, chapter 13 (percentiles); Politis & Romano 1994 (parts
of the rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import isfinite, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.engine.feed import Answers, Feed, Split
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.metrics import Numbers
from hpsearch.study.trial import Interval, Measured

_FEWEST_ROWS = 20  # of fewer, too many draws look alike
_MOST_ROWS = 50_000
_RESAMPLES = 1_000
_AT_ONCE = 2**21  # counts of rows: 16 MiB of float64
_TAIL = 0.025
_DEFINED = 0.95  # of the resamples must define a metric that is to have an interval
_NO_VARIANCE = 1e-20  # of the rows' own: what rounding leaves where all targets are equal


def measure(
    feed: Feed, stacked: StackedCohort, name: Split, metric: str, seed: int
) -> tuple[Measured, Measured]:
    """Return loss and metric of a model on a split, with their intervals.

    Args:
        feed: has the rows.
        stacked: the networks of the model, whose mean answer is judged.
        name: the split.
        metric: what a search is judged by.
        seed: the same seed gives the same resamples.
    """
    fold = stacked.members[0].fold
    with torch.inference_mode():
        batches = list(feed.mean_answers(stacked, name))
        whole = feed.judge(batches, metric, lambda: np.array([feed.variance(name, fold)]))
        rows = _part(_joined(batches))
        own, *drawn = (
            feed.judge([one], metric, partial(_variances, one)) for one in _resampled(rows, seed)
        )
    shrink = sqrt(rows.shape[1] / sum(batch.shape[1] for batch in batches))
    losses = [loss for scores in drawn for loss in scores.losses]
    metrics = [value for scores in drawn for value in scores.metrics]
    return (
        _measured(whole.losses[0], own.losses[0], losses, shrink),
        _measured(whole.metrics[0], own.metrics[0], metrics, shrink),
    )


def _measured(value: float, own: float, drawn: Sequence[float], shrink: float) -> Measured:
    """Return a figure with its interval.

    Args:
        value: that of all rows.
        own: that of the rows that were resampled.
        drawn: those of the resamples.
        shrink: how much less that of all rows strays than that of a resample.
    """
    found = percentiles(np.array(drawn))
    if found is None or not isfinite(value):
        return Measured(value, None)
    return Measured(value, Interval(*(value + shrink * (end - own) for end in found)))


def percentiles(found: Numbers) -> Interval | None:
    """Return the 95 % interval of what resamples came to.

    It is None where there are no resamples, where more than one in twenty is not defined, and where
    all are equal: then the rows do not tell how much others would differ.

    >>> percentiles(np.arange(1001.0))
    Interval(low=25.0, high=975.0)
    """
    defined = found[np.isfinite(found)]
    if not len(found) or len(defined) < _DEFINED * len(found):
        return None
    low, high = (float(end) for end in np.quantile(defined, (_TAIL, 1.0 - _TAIL)))
    return Interval(low, high) if low < high else None


def _joined(batches: Sequence[Answers]) -> Answers:
    """Return the batches of one member as one."""
    outputs, *others = zip(*batches, strict=True)
    return Answers(torch.cat(outputs, 1), *(torch.cat(each, -1) for each in others))


def _part(rows: Answers) -> Answers:
    """Return at most so many rows as are resampled, spread evenly over all."""
    count = rows.shape[1]
    taken = torch.arange(min(count, _MOST_ROWS), device=rows.counts.device)
    taken = taken * count // len(taken)
    outputs, *others = rows
    return Answers(outputs[:, taken], *(each[taken] for each in others))


def _resampled(rows: Answers, seed: int) -> Iterator[Answers]:
    """Yield the rows themselves, and then as often [resamples, rows] as each resample has them."""
    count, rng = rows.shape[1], np.random.default_rng(seed)
    yield _times(rows, np.ones((1, count)))
    left = _RESAMPLES if count >= _FEWEST_ROWS else 0
    while left > 0:
        drawn = [
            np.bincount(rng.integers(count, size=count), minlength=count)
            for _ in range(min(left, max(1, _AT_ONCE // count)))
        ]
        yield _times(rows, np.stack(drawn))
        left -= len(drawn)


def _times(rows: Answers, often: NDArray[Any]) -> Answers:
    """Return rows that count so many times [resamples, rows] as much."""
    factors = torch.from_numpy(often).to(rows.counts)
    return rows._replace(weights=rows.weights * factors, counts=rows.counts * factors)


def _variances(rows: Answers) -> Numbers:
    """Return the variance of the targets of each resample, which is 0 where all are equal."""
    counts, targets = rows.counts.double(), rows.targets.double()
    total = counts.sum(1, keepdim=True)
    apart = targets - (counts @ targets).unsqueeze(1) / total
    found: Numbers = ((apart.square() * counts).sum(1) / total[:, 0]).cpu().numpy()
    smallest = _NO_VARIANCE * float(targets.var(correction=0))
    return np.where(found > smallest, found, 0.0)

"""Tallies of what networks answer: sums over batches, of which metrics are functions.

A tally counts the answers of all members of a cohort, [K], batch by batch and where the data are.
It is made for one metric, so that nothing is counted that nobody has asked for. Rows that only fill
up a batch count 0, and others 1 or their weight. Resamples of one member's rows are counted like
members of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from hpsearch.metrics import (
    AbsoluteErrors,
    ClassCounts,
    Hits,
    Numbers,
    RankedPairs,
    SquaredErrors,
)

if TYPE_CHECKING:  # a feed makes tallies
    from hpsearch.engine.feed import Answers, Feed


class Judged(NamedTuple):
    """What is known of the rows of each member, [K], whatever is tallied beside it.

    Attributes:
        losses: the mean loss.
        rows: how many rows have been answered to, or what they count together.
        variances: gives the variance of their targets.
    """

    losses: Numbers
    rows: Numbers
    variances: Callable[[], Numbers]


class Tally(Protocol):
    """Counts what the members of a cohort answer to the rows of a split."""

    def add(self, batch: Answers) -> None:
        """Count a batch."""

    def record(self, judged: Judged) -> object:
        """Return the record of all batches."""


class HitTally:
    """Counts the rows that were given their class."""

    def __init__(self, feed: Feed) -> None:
        self._right = _zeros(feed)

    def add(self, batch: Answers) -> None:
        """Count a batch."""
        right = (_classes(batch) == batch.targets) * batch.counts
        self._right = self._right + right.sum(1, dtype=torch.float64)

    def record(self, judged: Judged) -> Hits:
        """Return how many rows were right, of how many."""
        return Hits(_numbers(self._right), judged.rows)


class ClassTally:
    """Counts, class by class, the rows of it, and those that were taken for it."""

    def __init__(self, feed: Feed) -> None:
        self._actual, self._predicted, self._right = (
            _zeros(feed, feed.data.outputs) for _ in range(3)
        )

    def add(self, batch: Answers) -> None:
        """Count a batch."""
        given, actual, counts = (
            each.expand(batch.shape)
            for each in (_classes(batch), batch.targets, batch.counts.double())
        )
        none = counts.new_zeros(len(counts), self._actual.shape[1])
        self._actual = self._actual + none.scatter_add(1, actual, counts)
        self._predicted = self._predicted + none.scatter_add(1, given, counts)
        self._right = self._right + none.scatter_add(1, actual, counts * (given == actual))

    def record(self, judged: Judged) -> ClassCounts:
        """Return the counts of all classes."""
        return ClassCounts(*map(_numbers, (self._actual, self._predicted, self._right)))


class RankTally:
    """Ranks the rows by the probability that they have of being of each class.

    All answers are kept until the end: 8 bytes for each probability of each row and member.
    """

    def __init__(self, feed: Feed) -> None:
        classes = feed.data.outputs
        # of two classes the second alone is ranked, since the first one has the same area
        self._ranked = range(1, 2) if classes == 2 else range(classes)
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, batch: Answers) -> None:
        """Keep what the rows of a batch are ranked by.

        That is a logarithm of odds or probabilities, in float64: a network that is sure of its
        answers gives many of them the same probability in float32.
        """
        outputs = batch.outputs.double()
        if len(self._ranked) == 1:
            ranks = outputs[..., 1:] - outputs[..., :1]
        else:
            ranks = outputs.log_softmax(2)
        targets, counts = batch.targets.expand(ranks.shape[:2]), batch.counts.expand(batch.shape)
        self._batches.append((ranks, targets, counts.double()))

    def record(self, judged: Judged) -> RankedPairs:
        """Return the pairs of each class that some row has."""
        targets, counts = (torch.cat(each, 1) for each in [*zip(*self._batches, strict=True)][1:])
        found = []
        for c in self._ranked:
            ranks = torch.cat([batch[0][..., c - self._ranked[0]] for batch in self._batches], 1)
            found.append(_ranked(ranks, targets == c, counts))
        pairs, right = (torch.stack(each, 1) for each in zip(*found, strict=True))
        return RankedPairs(_numbers(pairs), _numbers(right))


class SquareTally:
    """Counts nothing: a regression's loss is the mean squared error."""

    def __init__(self, feed: Feed) -> None:
        self._scale = feed.data.target_scale

    def add(self, batch: Answers) -> None:
        """Do nothing."""

    def record(self, judged: Judged) -> SquaredErrors:
        """Return the losses beside the variance of the targets."""
        return SquaredErrors(judged.losses, judged.variances(), self._scale)


class AbsoluteTally:
    """Sums up absolute errors."""

    def __init__(self, feed: Feed) -> None:
        self._total, self._scale = _zeros(feed), feed.data.target_scale

    def add(self, batch: Answers) -> None:
        """Count a batch."""
        errors = (batch.outputs[..., 0] - batch.targets).abs()
        self._total = self._total + (errors * batch.counts).sum(1)

    def record(self, judged: Judged) -> AbsoluteErrors:
        """Return the mean errors."""
        return AbsoluteErrors(_numbers(self._total) / judged.rows, self._scale)


def _zeros(feed: Feed, *shape: int) -> Tensor:
    """Return zeros to which those of all members can be added, [1, *shape]."""
    return feed.like.new_zeros((1, *shape), dtype=torch.float64)


def _numbers(total: Tensor) -> Numbers:
    found: Numbers = total.cpu().numpy()
    return found


def _classes(batch: Answers) -> Tensor:
    """Return the most probable class of each row, [K, B]."""
    # few outputs may lie the other way round (see `Affine`), where argmax is slow
    return batch.outputs.contiguous().argmax(2)


def _ranked(ranks: Tensor, is_mine: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many pairs there are of a row of a class and another one, and how many are right.

    In a right pair the row of the class has the higher rank; one of equal ranks counts one half.

    Args:
        ranks: [K, B], or [1, B] where the rows of all are the same and only count otherwise.
        is_mine: which rows are of the class, in the shape of the ranks.
        counts: what each row counts, [K, B].
    """
    ranks, order = ranks.sort(1)
    counts = _at(counts, order)
    mine = counts * is_mine.gather(1, order)
    others = counts - mine
    before = F.pad(others.cumsum(1), (1, 0))  # how many others stand before each place
    below, not_above = (
        _at(before, torch.searchsorted(ranks, ranks, right=right)) for right in (False, True)
    )
    right = (mine * (below + not_above)).sum(1) / 2.0
    return mine.sum(1) * others.sum(1), right


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Return the values [K, n] at places [K, B], or at places [1, B] of all of them: [K, B]."""
    return values.gather(1, places.expand(len(values), -1))


TALLIES: Mapping[Any, Callable[[Feed], Tally]] = {
    Hits: HitTally,
    ClassCounts: ClassTally,
    RankedPairs: RankTally,
    SquaredErrors: SquareTally,
    AbsoluteErrors: AbsoluteTally,
}
"""What makes each kind of tally, of what a feed gives."""

"""What a trainer of one's own reports: values of a trial, and what they add up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from hpsearch.study.trial import Done, Epoch, Failed, Result

EPOCH, COST = "epoch", "cost"
"""The names in a report that are no measures: where the training stands, and what it has cost."""


@dataclass(frozen=True, slots=True)
class Reporting:
    """How reports are understood.

    Attributes:
        counts: the name of the number that trials are compared by.
        maximize: whether more of it is better; its negative is then the loss.
        epochs: how long a whole training is; 1 where it has no epochs, or nobody says how many.
    """

    counts: str = "loss"
    maximize: bool = False
    epochs: int = 1

    @property
    def minimized(self) -> str:
        """The name of what is minimised."""
        return f"-{self.counts}" if self.maximize else self.counts

    def loss(self, value: float) -> float:
        """Return the loss of a number that was reported."""
        return -value if self.maximize else value

    def metric(self, value: float) -> float:
        """Return what is shown beside that loss; NaN where nothing is."""
        return value if self.maximize else math.nan


@dataclass(slots=True)
class Reports:
    """What one segment of a training has reported so far.

    A report with an epoch is an intermediate value. One without is the result of the segment; where
    there is none, the last epoch is.

    >>> reports = Reports(Reporting("accuracy", maximize=True, epochs=2), number=7)
    >>> reports.take({"epoch": 1, "accuracy": 0.5, "val_loss": 1.25})
    Epoch(number=7, epoch=1, train_loss=nan, loss=-0.5, metric=0.5)
    >>> reports.take({"epoch": 2, "accuracy": 0.75, "val_loss": 1.0})
    Epoch(number=7, epoch=2, train_loss=nan, loss=-0.75, metric=0.75)
    >>> result = reports.result(3.0, lack="it printed nothing")
    >>> result.loss, result.metric, result.epochs, result.measures
    (-0.75, 0.75, 2, {'val_loss': 1.0})
    """

    reporting: Reporting
    number: int
    start_epoch: int = 0
    until_epoch: int | None = None
    _curve: dict[int, Epoch] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _final: dict[str, float] | None = None
    _counted: int = 0  # the latest epoch of this segment that was reported
    _latest: int = 0  # the latest of all that were reported

    @property
    def end(self) -> int:
        """The epoch where this segment ends."""
        return self.reporting.epochs if self.until_epoch is None else self.until_epoch

    @property
    def at_end(self) -> bool:
        """Whether the epoch was reported where this segment ends, or a later one."""
        return self._latest >= self._last_epoch

    @property
    def has_epochs(self) -> bool:
        """Whether an epoch was reported, of this segment or another."""
        return self._latest > 0

    def take(self, report: Mapping[str, object]) -> Epoch | None:
        """Take in a report; return what is new of a training that goes on.

        What it reports of epochs before its segment, or after it, is not counted.

        Raises:
            ValueError: the epoch is no whole number above 0, what counts is no number, or the cost
                is none that can be.
        """
        numbers = {name: float(v) for name, v in report.items() if is_number(v)}
        counts = self.reporting.counts
        if counts in report and counts not in numbers:
            raise ValueError(f"'{counts}' is no number but {report[counts]!r}")
        if COST in report and not 0 <= numbers.get(COST, -1.0) < math.inf:
            raise ValueError(f"'{COST}' is no number from 0 on but {report[COST]!r}")
        if EPOCH not in report:
            if counts in numbers:
                self._final = numbers
            return None
        epoch = _whole(report[EPOCH])
        if counts not in numbers:
            return None
        self._latest = max(self._latest, epoch)
        if not self.start_epoch < epoch <= self._last_epoch:
            return None
        loss, metric = self.reporting.loss(numbers[counts]), self.reporting.metric(numbers[counts])
        found = Epoch(self.number, epoch, math.nan, loss, metric)
        self._curve[epoch] = found
        if epoch >= self._counted:
            self._counted, self._last = epoch, numbers
        return found

    def fill(self, reports: Iterable[Mapping[str, object]]) -> None:
        """Take in what an earlier call has reported of epochs that this one has not."""
        for report in reports:
            if report[EPOCH] not in self._curve:
                self.take(report)

    def result(self, seconds: float, lack: str) -> Result:
        """Return what the segment has come to.

        Args:
            seconds: what it has taken.
            lack: what is to be said where nothing was reported.
        """
        curve = tuple(self._curve[epoch] for epoch in sorted(self._curve))
        counts, numbers = self.reporting.counts, self._final or self._last
        if not numbers:
            return Failed("error", self._lack(lack), seconds, curve)
        last = self._counted or self.end
        value, epochs = numbers[counts], self.end if self.at_end else last
        loss = self.reporting.loss(value)
        if not math.isfinite(loss):
            return Failed("diverged", f"{counts} is {value}", seconds, curve, epochs)
        others = {name: one for name, one in numbers.items() if name not in (counts, EPOCH, COST)}
        return Done(
            loss=loss,
            metric=self.reporting.metric(value),
            seconds=seconds,
            flops=0.0,
            steps=0,
            epochs=epochs,
            best_epoch=last,
            curve=curve,
            paused=self._is_paused,
            reported_cost=numbers.get(COST),
            measures={name: one for name, one in others.items() if math.isfinite(one)},
        )

    @property
    def _last_epoch(self) -> float:
        """The last epoch that counts: there is none where nobody says how long a training is."""
        is_known = self.until_epoch is not None or self.reporting.epochs > 1
        return self.end if is_known else math.inf

    @property
    def _is_paused(self) -> bool:
        """Whether it could go on. One that reports epochs, and ends early, has ended for good."""
        return self.end < self.reporting.epochs and (self.at_end or not self.has_epochs)

    def remark(self, result: Result, who: str, told: str) -> str:
        """Return what a person should know of a segment that has not paused as it might have.

        Args:
            result: what it has come to: where it has failed, that says enough.
            who: what trains, in a word.
            told: where that is told at which epoch it is to end.
        """
        if self.until_epoch is None or not isinstance(result, Done):
            return ""
        if not self.has_epochs:
            return (
                f"the {who} reports no epochs, so each segment is a whole call: halving saves "
                f"nothing unless it trains for {told} epochs"
            )
        if self.at_end or self.end == self.reporting.epochs:
            return ""
        return (
            f"the {who} has ended before the epoch where it was to pause ({told}): such a trial "
            "has ended for good, and is not promoted; it pauses by reporting that epoch"
        )

    def _lack(self, more: str) -> str:
        """Return what is missing where nothing was reported that counts."""
        if not self.has_epochs:
            by = "" if self.until_epoch is None else f" by epoch {self.end}"
            return f"it ended without reporting '{self.reporting.counts}'{by} ({more})"
        first = self.start_epoch + 1
        wanted = f"not {first}" if first == self.end else f"none from {first} to {self.end}"
        return f"it reported epoch {self._latest}, but {wanted}"


def _whole(epoch: object) -> int:
    """Return the number of an epoch.

    Raises:
        ValueError: it is no whole number above 0.
    """
    if not is_number(epoch) or not float(epoch).is_integer() or epoch < 1:
        raise ValueError(f"'{EPOCH}' is no whole number above 0 but {epoch!r}")
    return int(epoch)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number, which a truth value is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)

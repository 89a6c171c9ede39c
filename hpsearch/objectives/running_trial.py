"""A trial while it runs: what a function is told of it, and how its losses come in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpsearch.objectives.reports import EPOCH, Reporting, Reports
from hpsearch.objectives.trainers import trial_seed
from hpsearch.objectives.trial_folder import keep, kept
from hpsearch.options import plain
from hpsearch.space.space import Params
from hpsearch.study.trial import Epoch, Result, Trial

Reported = float | Mapping[str, float]
"""What is reported: a loss, or several numbers by their names."""

Returned = Reported | tuple[Reported, float] | None
"""What a function returns: what is reported of its end, perhaps with the seconds that it took; or
None where it has reported before."""


_NOTHING = "nothing was returned, and no epoch reported"


def _dropped(epoch: Epoch) -> None:
    """Let nobody hear of an epoch before its trial has ended."""


@dataclass(eq=False, slots=True)
class RunningTrial:
    """A trial that runs, or one segment of it where trainings are halved on their way.

    Attributes:
        number: the trial's; a promoted trial is called again with the number that it had.
        params: what is tried.
        seed: a whole number below 2**31. It follows from the study's seed, and a trial that is
            repeated has another one.
        epochs: the epoch at which to end.
        folder: a folder of the trial's own. It is empty at first; a promoted trial finds in it what
            it had left there.
    """

    number: int
    params: Params
    seed: int
    epochs: int
    folder: Path
    _reports: Reports = field(repr=False)
    _tell: Callable[[Epoch], None] = field(default=_dropped, repr=False)
    _is_over: bool = field(default=False, repr=False)
    _went_on: bool = field(default=False, repr=False)

    @classmethod
    def of(
        cls,
        trial: Trial,
        reporting: Reporting,
        seed: int,
        folder: Path,
        tell: Callable[[Epoch], None] = _dropped,
    ) -> RunningTrial:
        """Return a trial that begins to run.

        Args:
            trial: what was asked for.
            reporting: how what it reports is understood.
            seed: the study's.
            folder: the trial's own.
            tell: hears of each epoch at once.
        """
        reports = Reports(reporting, trial.run, trial.start_epoch, trial.until_epoch)
        own, params = trial_seed(seed, trial), dict(trial.params)
        return cls(trial.run, params, own, reports.end, folder, reports, tell)

    def report(self, epoch: int, loss: Reported) -> bool:
        """Report what an epoch has come to; return whether to go on.

        Args:
            epoch: counted from 1. A promoted trial that begins anew counts from 1 again, and what
                it has reported before is not counted twice.
            loss: a number, or several by their names, such as `{"loss": 0.1, "accuracy": 0.9}`.

        Raises:
            TypeError: the loss is no number.
            ValueError: the epoch is no whole number above 0, or the loss is not among the numbers.
        """
        if self._is_over:
            self._went_on = True
            return False
        numbers = _numbers(loss, self._reports.reporting.counts)
        report = {**numbers, EPOCH: plain(epoch)}
        if found := self._reports.take(report):
            if self._reports.start_epoch:
                keep(self.folder, report)
            self._tell(found)
        self._is_over = self._reports.at_end
        return not self._is_over

    def result(self, returned: Returned, seconds: float) -> Result:
        """Return what the trial has come to.

        What comes after it was told to stop is of later epochs, and is not counted.

        Args:
            returned: what the function has returned.
            seconds: what it has taken by the clock.

        Raises:
            TypeError: the loss is no number.
            ValueError: the loss is not among the numbers, or the seconds are no finite number.
        """
        if isinstance(returned, tuple):
            returned, seconds = returned
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"it took {seconds} seconds")
        if self._reports.start_epoch:
            self._reports.fill(kept(self.folder, self._reports.start_epoch))
        if returned is not None and not self._went_on:
            self._reports.take(_numbers(returned, self._reports.reporting.counts))
        return self._reports.result(float(seconds), _NOTHING)

    def remark(self, result: Result) -> str:
        """Return what a person should know of its pause; see `Reports.remark`."""
        return self._reports.remark(result, "function", "trial.epochs")


def _numbers(reported: Reported, counts: str) -> Mapping[str, object]:
    """Return what is reported by its names, in types of Python's own.

    Raises:
        TypeError: a loss is no number.
        ValueError: the one that counts is not among several.
    """
    if not isinstance(reported, Mapping):
        math.isfinite(reported)  # which takes no text for a number, as float() would
        return {counts: float(reported)}
    if counts not in reported:
        names = ", ".join(map(repr, reported))
        raise ValueError(f"it reports no {counts!r}, only {names or 'nothing'}")
    return {str(name): plain(value) for name, value in reported.items()}

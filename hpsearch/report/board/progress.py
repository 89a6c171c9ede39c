"""What a search shows while it runs, all of it on stderr.

These are plain lines; `live` has the live view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console

from hpsearch.report.render import figures
from hpsearch.search.loop import CohortFinished, CohortRetried, Event
from hpsearch.space.space import Params
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, Notice, Trial
from hpsearch.text import one_line

DIGITS = 4
"""The significant digits of losses and metrics."""


@dataclass(frozen=True)
class Subject:
    """What a view has to know of the study that it shows.

    Attributes:
        title: the first line of the live view.
        budget: the total of trials, or None. Where trials may be dropped on their way, it counts
            whole trainings.
        metric: the name of what is shown beside what is minimised; None where there is nothing.
        epochs: says how many epochs a trial with these params has at most.
        whole: the epochs of a whole training, where trials may be dropped on their way; else 1.
        minimized: the name of what trials are compared by.
        curve: the name of what they have at each epoch.
    """

    title: str
    budget: int | None
    metric: str | None
    epochs: Callable[[Params], int]
    whole: int = 1
    minimized: str = "loss"
    curve: str = "loss"

    def whole_trainings(self, trials: Iterable[Trial]) -> float:
        """Return what trials take of the budget."""
        return sum(trial.length(self.whole) for trial in trials) / self.whole

    def ended(self, history: History, but: Sequence[Trial] = ()) -> float:
        """Return what the trials that have ended, `but` these, took of the budget."""
        others = sum(trial.length(self.whole) for trial in (*history.pending, *but))
        return (history.epochs(self.whole) - others) / self.whole

    def most_epochs(self, trial: Trial) -> int:
        """Return how many epochs a trial may take."""
        most = self.epochs(trial.params)
        until = most if trial.until_epoch is None else min(trial.until_epoch, most)
        return until - trial.start_epoch


class View(Protocol):
    """Follows a search."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def show(self, event: Event) -> None:
        """Take in what has happened."""


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Do nothing."""


class Lines:
    """Prints one line for each trial that ends."""

    def __init__(self, console: Console, subject: Subject) -> None:
        self._console = console
        self._subject = subject

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Print a line for each trial that ended, for a cohort that is retried, or for a notice."""
        match event:
            case Notice(text):
                self._print(text)
            case CohortRetried():
                self._print(retried(event))
            case CohortFinished():
                for line in self._ended(event):
                    self._print(line)

    def _print(self, text: str) -> None:
        self._console.print(one_line(text), markup=False, soft_wrap=True)

    def _ended(self, event: CohortFinished) -> Iterable[str]:
        subject, trials = self._subject, event.history.trials
        total = "" if subject.budget is None else f"/{subject.budget}"
        digits = len(total) - 1 if total else 1
        decimals = 1 if subject.whole > 1 else 0
        ended = subject.ended(event.history, but=[trials[number] for number in event.results])
        for number, result in sorted(event.results.items()):
            ended += subject.whole_trainings([trials[number]])
            count = f"{ended:>{digits + 2 * decimals}.{decimals}f}{total}"
            text = outcome(result, event.history, subject.metric, subject.minimized)
            trial = trials[number]
            yield f"[{count}] trial {trial.run:>{digits}}{repetition(trial)}: {text}"


def retried(event: CohortRetried) -> str:
    """Return which trials are tried again, and why."""
    numbers = [f"{trial.run}{repetition(trial)}" for trial in event.trials]
    who = f"trial {numbers[0]}" if len(numbers) == 1 else f"trials {', '.join(numbers)}"
    return f"{who}: {event.failure.reason}; tried again"


def repetition(trial: Trial) -> str:
    """Return, in brackets, whose repetition a trial is; nothing of one that is none."""
    return f" (run {trial.replicate + 1} of trial {trial.parent})" if trial.replicate else ""


def outcome(
    result: Done | Failed, history: History, metric: str | None, minimized: str = "loss"
) -> str:
    """Return what became of a trial, in a few words.

    Args:
        result: the trial's own.
        history: has this result, too.
        metric: the name of what is shown beside what is minimised; None where there is nothing.
        minimized: the name of what trials are compared by.
    """
    if isinstance(result, Failed):
        return result.reason
    shown = figures.as_shown(minimized, result.loss)
    parts = [f"{figures.label(minimized)} {figures.brief(minimized, shown, DIGITS)}"]
    if metric is not None:
        parts += [figures.measured(metric, result.metric, DIGITS)]
    if result.epochs > 1 or result.paused:
        so_far = " so far" if result.paused else ""
        parts += [f"best epoch {result.best_epoch} of {result.epochs}{so_far}"]
    # a trial whose repetition failed has failed, so that there may be no best one
    best = "  best so far" if any(result.loss == one.loss for _, one in history.done[:1]) else ""
    return f"{', '.join([*parts, figures.duration(result.seconds)])}{best}"

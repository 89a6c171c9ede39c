"""The live view of a search: the best trials, those that run, and two bars, redrawn in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from hpsearch.report.board.progress import DIGITS, Subject, repetition, retried
from hpsearch.report.render import figures
from hpsearch.report.render.blocks import sparkline
from hpsearch.report.render.tables import PrintedColumn, aligned
from hpsearch.search.loop import CohortFinished, CohortRetried, Event, WaveStarted
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Epoch, Notice, Trial
from hpsearch.text import one_line

_CURVE = 30  # epochs of a curve
_BAR = 30  # columns
_TOP = 5  # trials


@dataclass
class RunningTrials:
    """The trials of the wave that is being trained.

    Attributes:
        losses: those of each trial that runs, by epoch.
        expected: how many epochs each trial may take.
        repeats: whose repetition a trial is, in brackets; "" of one that is none.
        done: how many each has taken.
    """

    losses: dict[int, list[float]] = field(default_factory=dict)
    expected: dict[int, int] = field(default_factory=dict)
    repeats: dict[int, str] = field(default_factory=dict)
    done: Counter[int] = field(default_factory=Counter)

    def start(self, expected: Mapping[int, int]) -> None:
        """Begin a wave of trials, each with the most epochs that it may take."""
        self.losses.clear()
        self.expected = dict(expected)
        self.done.clear()

    def add(self, epoch: Epoch) -> None:
        """Count one more epoch of a trial."""
        self.losses.setdefault(epoch.number, []).append(epoch.loss)
        self.done[epoch.number] += 1

    def restart(self, numbers: Sequence[int]) -> None:
        """Forget the epochs of trials that are tried again."""
        for number in numbers:
            self.losses.pop(number, None)
            self.done[number] = 0

    def end(self, numbers: Sequence[int]) -> None:
        """Expect no more epochs of these trials."""
        for number in numbers:
            self.losses.pop(number, None)
            self.expected[number] = self.done[number]


class LiveView:
    """Redraws the best trials, the losses of those that run, and bars for trials and epochs.

    There is none for epochs where each trial has one, or nobody knows how many it has.
    """

    def __init__(self, console: Console, subject: Subject) -> None:
        self._subject = subject
        self._history = History()
        self._running = RunningTrials()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(_BAR),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left{task.fields[note]}", markup=False),
            console=console,
        )
        self._trials = self._progress.add_task("trials", total=subject.budget, note="")
        self._epochs = self._progress.add_task("epochs", total=None, note=" of this wave")
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Take in what has happened; the next redraw shows it."""
        match event:
            case WaveStarted(trials):
                self._running.start({t.run: self._subject.most_epochs(t) for t in trials})
                self._running.repeats = {t.run: repetition(t) for t in trials}
                counts = any(most > 1 for most in self._running.expected.values())
                self._progress.reset(self._epochs, visible=counts)
            case Epoch():
                self._running.add(event)
            case Notice(text):
                self._print(text)
            case CohortRetried():
                self._running.restart([trial.run for trial in event.trials])
                self._print(retried(event))
            case CohortFinished():
                self._end(event)
        done, total = sum(self._running.done.values()), sum(self._running.expected.values())
        self._progress.update(self._epochs, completed=done, total=total or None)

    def _print(self, text: str) -> None:
        self._progress.console.print(one_line(text), markup=False, soft_wrap=True)

    def _end(self, event: CohortFinished) -> None:
        self._history = event.history
        trials = event.history.trials
        self._running.end([trials[number].run for number in event.results])
        completed = int(self._subject.ended(event.history))
        note = f", {event.history.failed} failed" if event.history.failed else ""
        self._progress.update(self._trials, completed=completed, note=note)

    def _render(self) -> RenderableType:
        # a thread that redraws calls this while events come in: it works on copies
        best, losses = self._history.done[:_TOP], list(self._running.losses.items())
        title = Text(one_line(self._subject.title), "bold")
        shown = _best(best, self._subject)
        lines = [
            title,
            Text(),
            *shown,
            Text(),
            *_curves(losses, self._running.repeats, self._subject.curve),
        ]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines, self._progress)


def _best(best: Sequence[tuple[Trial, Done]], subject: Subject) -> list[Text]:
    """Return a table of the best trials."""
    if not best:
        return [Text("no trial has ended yet", "dim")]
    measured = [] if subject.metric is None else [subject.metric]
    columns = [
        PrintedColumn("best", [str(trial.number) for trial, _ in best]),
        PrintedColumn(
            figures.label(subject.minimized),
            figures.losses(subject.minimized, [done.loss for _, done in best], DIGITS),
        ),
        *(
            PrintedColumn(name, figures.metrics(name, [done.metric for _, done in best], DIGITS))
            for name in measured
        ),
        PrintedColumn("seconds", figures.seconds([done.seconds for _, done in best])),
        PrintedColumn(
            "settings", [figures.settings(trial.params, DIGITS - 1) for trial, _ in best], left=True
        ),
    ]
    styles = ("bold", "bold green", *[""] * len(best))
    return [Text(line, style) for line, style in zip(aligned(columns), styles, strict=False)]


def _curves(
    losses: Sequence[tuple[int, list[float]]], repeats: Mapping[int, str], name: str
) -> list[Text]:
    """Return the last losses of the trials that run, with a sparkline for each.

    Args:
        losses: those of each trial, by epoch.
        repeats: whose repetition a trial is, in brackets.
        name: that of what they are.
    """
    if not losses:
        return []
    lines = [f"training: {figures.label(name)} by epoch"]
    for number, values in sorted(losses)[:_TOP]:
        curve = [figures.as_shown(name, value) for value in values]
        whose = repeats.get(number, "")
        lines += [f"{number:>4}  {curve[-1]:<9.4g} {sparkline(curve[-_CURVE:])}{whose}"]
    more = len(losses) - _TOP
    rest = [f"      and {more} more"] if more > 0 else []
    return [*(Text(line, "cyan") for line in [*lines, *rest]), Text()]

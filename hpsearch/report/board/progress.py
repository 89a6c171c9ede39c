"""What a search shows while it runs: on a terminal a live view, elsewhere plain lines. All on stderr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from hpsearch.report.board.text import Column
from hpsearch.report.render import figures
from hpsearch.search.loop import Again, Asked, Event, Told
from hpsearch.space.space import Params
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Epoch, Failed, Note, Trial

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 30  # epochs of a curve
_BAR = 30
_TOP = 5
_DIGITS = 4


@dataclass(frozen=True)
class Subject:
    """What is shown: the study's name, its total of trials, what the metric is, how many epochs a trial has at most.

    Where trials may be dropped on their way, the total counts whole trainings, which have so many epochs.
    """

    title: str
    budget: int | None
    metric: str
    epochs: Callable[[Params], int]
    whole: int = 1

    def ended(self, trials: Iterable[Trial]) -> float:
        """What these are of the total."""
        return sum(trial.length(self.whole) for trial in trials) / self.whole

    def expected(self, trial: Trial) -> int:
        """The epochs that a trial may take."""
        most = self.epochs(trial.params)
        return (most if trial.upto is None else min(trial.upto, most)) - trial.start

    def worth(self, values: Sequence[float | None]) -> list[str]:
        """Metrics as text."""
        if self.metric == "accuracy":
            return figures.shares(values, _DIGITS)
        return figures.decimals(values, _DIGITS)


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
        """Nothing."""


class Lines:
    """One line for each trial that ends."""

    def __init__(self, console: Console, subject: Subject) -> None:
        self._console = console
        self._subject = subject

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """A line where trials ended, or are tried again."""
        if isinstance(event, Note):
            self._console.print(event.text, markup=False, soft_wrap=True)
        if isinstance(event, Again):
            self._console.print(again(event), markup=False, soft_wrap=True)
        if not isinstance(event, Told):
            return
        subject, trials = self._subject, event.history.trials
        total = "" if subject.budget is None else f"/{subject.budget}"
        digits = len(total) - 1 if total else 1
        places = 1 if subject.whole > 1 else 0
        ended = subject.ended(trials[n] for n in event.history.results if n not in event.results)
        for number, result in sorted(event.results.items()):
            ended += subject.ended([trials[number]])
            text = outcome(result, event.history, subject)
            count = f"{ended:>{digits + 2 * places}.{places}f}{total}"
            line = f"[{count}] trial {trials[number].run:>{digits}}: {text}"
            self._console.print(line, markup=False, soft_wrap=True)


def again(event: Again) -> str:
    """Who is tried again, and why."""
    numbers = [str(trial.run) for trial in event.trials]
    who = f"trial {numbers[0]}" if len(numbers) == 1 else f"trials {', '.join(numbers)}"
    return f"{who}: {event.reason}; tried again"


def outcome(result: Done | Failed, history: History, subject: Subject) -> str:
    """What became of a trial, in a few words."""
    if isinstance(result, Failed):
        return result.reason
    (metric,) = subject.worth([result.metric])
    best = "  best so far" if result.loss == history.done[0][1].loss else ""
    epochs = (
        f"best epoch {result.best_epoch} of {result.epochs}{' so far' if result.paused else ''}"
    )
    return f"loss {result.loss:.{_DIGITS}g}, {subject.metric} {metric}, {epochs}, {figures.duration(result.seconds)}{best}"


@dataclass
class Running:
    """The trials of the wave that are being trained: their losses so far, and how many epochs are expected in all."""

    losses: dict[int, list[float]] = field(default_factory=dict)
    expected: dict[int, int] = field(default_factory=dict)
    done: Counter[int] = field(default_factory=Counter)

    def asked(self, expected: Mapping[int, int]) -> None:
        """A wave of trials, with the most epochs that each may take."""
        self.losses.clear()
        self.expected = dict(expected)
        self.done.clear()

    def seen(self, epoch: Epoch) -> None:
        """One more epoch of a trial."""
        self.losses.setdefault(epoch.number, []).append(epoch.loss)
        self.done[epoch.number] += 1

    def again(self, numbers: Sequence[int]) -> None:
        """Trials whose epochs were for nothing."""
        for number in numbers:
            self.losses.pop(number, None)
            self.done[number] = 0

    def ended(self, numbers: Sequence[int]) -> None:
        """Trials that take no more epochs."""
        for number in numbers:
            self.losses.pop(number, None)
            self.expected[number] = self.done[number]


class LiveView:
    """The best trials, the losses of those that run, and bars for trials and epochs, redrawn in place."""

    def __init__(self, console: Console, subject: Subject) -> None:
        self._subject = subject
        self._history = History()
        self._running = Running()
        name, note = TextColumn("{task.description}"), TextColumn("left{task.fields[note]}")
        self._progress = Progress(
            name,
            BarColumn(_BAR),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            note,
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
        if isinstance(event, Asked):
            self._running.asked(
                {trial.run: self._subject.expected(trial) for trial in event.trials}
            )
            self._progress.reset(self._epochs)
        elif isinstance(event, Epoch):
            self._running.seen(event)
        elif isinstance(event, Note):
            self._progress.console.print(event.text, markup=False, soft_wrap=True)
        elif isinstance(event, Again):
            self._running.again([trial.run for trial in event.trials])
            self._progress.console.print(again(event), markup=False, soft_wrap=True)
        else:
            self._history = event.history
            trials = event.history.trials
            self._running.ended([trials[number].run for number in event.results])
            failed = sum(isinstance(result, Failed) for result in event.history.results.values())
            note = f", {failed} failed" if failed else ""
            completed = int(self._subject.ended(trials[number] for number in event.history.results))
            self._progress.update(self._trials, completed=completed, note=note)
        done, total = sum(self._running.done.values()), sum(self._running.expected.values())
        self._progress.update(self._epochs, completed=done, total=total or None)

    def _render(self) -> RenderableType:
        # called by a thread that redraws, while events come in: it works on copies
        best, losses = self._history.done[:_TOP], list(self._running.losses.items())
        lines = [
            Text(self._subject.title, "bold"),
            Text(),
            *_board(best, self._subject),
            Text(),
            *_curves(losses),
        ]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines, self._progress)


def _board(best: Sequence[tuple[Trial, Done]], subject: Subject) -> list[Text]:
    if not best:
        return [Text("no trial has ended yet", "dim")]
    columns = [
        Column("best", [str(trial.number) for trial, _ in best]),
        Column("loss", figures.decimals([done.loss for _, done in best], _DIGITS)),
        Column(subject.metric, subject.worth([done.metric for _, done in best])),
        Column("seconds", figures.seconds([done.seconds for _, done in best])),
        Column(
            "settings",
            [figures.settings(trial.params, _DIGITS - 1) for trial, _ in best],
            left=True,
        ),
    ]
    styles = ("bold", "bold green", *[""] * len(best))
    rows = zip(*(column.texts() for column in columns), strict=True)
    return [
        Text("  ".join(cells).rstrip(), style) for cells, style in zip(rows, styles, strict=False)
    ]


def _curves(losses: Sequence[tuple[int, list[float]]]) -> list[Text]:
    shown = sorted(losses)[:_TOP]
    lines = [
        f"{number:>4}  {curve[-1]:<9.4g} {sparkline(curve[-_SPARK:])}" for number, curve in shown
    ]
    more = [f"      and {len(losses) - len(shown)} more"] if len(losses) > len(shown) else []
    return [*(Text(line, "cyan") for line in ["training", *lines, *more]), Text()] if lines else []


def sparkline(values: Sequence[float]) -> str:
    """The values as little bars, the smallest lowest."""
    finite = [v for v in values if v == v and abs(v) != float("inf")]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    span = (high - low) or 1.0
    return "".join(_BARS[min(7, int(8 * (v - low) / span))] if v in finite else "·" for v in values)

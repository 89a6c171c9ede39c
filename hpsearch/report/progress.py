"""What a search shows while it runs: on a terminal a live view, elsewhere plain lines. All on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hpsearch.search import Asked, Told
from hpsearch.trial import Done, Epoch, Failed, History, Trial

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 40  # epochs of a curve
_TOP = 5


class View(Protocol):
    """Follows a search."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def show(self, event: Asked | Epoch | Told) -> None:
        """Take in what has happened."""


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, event: Asked | Epoch | Told) -> None:
        """Nothing."""


class Lines:
    """One line for each trial that ends."""

    def __init__(self, console: Console, budget: int | None) -> None:
        self._console = console
        self._of = f"/{budget}" if budget is not None else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, event: Asked | Epoch | Told) -> None:
        """A line where trials ended."""
        if not isinstance(event, Told):
            return
        ended = len(event.history.results) - len(event.results)
        for number, result in sorted(event.results.items()):
            ended += 1
            self._console.print(f"[{ended}{self._of}] trial {number}: {outcome(result, event.history)}", markup=False)


def outcome(result: Done | Failed, history: History) -> str:
    """What became of a trial, in a few words."""
    if isinstance(result, Failed):
        return f"failed: {result.reason}"
    best = history.done[0][1].loss
    mark = "  best so far" if result.loss == best else ""
    return f"loss {result.loss:.4g} after {result.best_epoch} of {result.epochs} epochs, {result.seconds:.2g} s{mark}"


class LiveView:
    """The best trials, bars for trials and epochs, and the running losses, redrawn in place."""

    def __init__(self, console: Console, budget: int | None, title: str) -> None:
        self._title = title
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console)
        self._trials = self._progress.add_task("trials", total=budget)
        self._epochs = self._progress.add_task("epochs of this wave", total=None)
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)
        self._history = History()
        self._running: dict[int, list[float]] = {}
        self._wave: Sequence[Trial] = ()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def show(self, event: Asked | Epoch | Told) -> None:
        """Take in what has happened; the next redraw shows it."""
        if isinstance(event, Asked):
            self._wave = event.trials
        elif isinstance(event, Epoch):
            self._running.setdefault(event.number, []).append(event.loss)
            self._progress.update(self._epochs, completed=max(len(curve) for curve in self._running.values()))
        else:
            self._history = event.history
            for number in event.results:
                self._running.pop(number, None)
            self._progress.update(self._trials, completed=len(event.history.results))

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, title=self._title, title_justify="left", header_style="bold")
        for name in ("#", "loss", "metric", "seconds", "params"):
            table.add_column(name, justify="left" if name == "params" else "right", no_wrap=True)
        for trial, done in self._history.done[:_TOP]:
            params = " ".join(
                f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
                for name, value in trial.params.items()
            )
            table.add_row(str(trial.number), f"{done.loss:.4g}", f"{done.metric:.4g}", f"{done.seconds:.2g}", params)
        running = [
            Text(f"{number:>5}  {sparkline(curve[-_SPARK:])}  {curve[-1]:.4g}")
            for number, curve in sorted(self._running.items())[:_TOP]
        ]
        return Group(table, *running, self._progress)


def sparkline(values: Sequence[float]) -> str:
    """The values as little bars, the smallest lowest."""
    finite = [v for v in values if v == v and abs(v) != float("inf")]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    span = (high - low) or 1.0
    return "".join(_BARS[min(7, int(8 * (v - low) / span))] if v in finite else "·" for v in values)


def seconds_since(start: float) -> float:
    """Monotonic seconds."""
    return time.monotonic() - start

"""The report of one trial for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import isfinite

from rich.text import Text

from hpsearch.report.render import figures
from hpsearch.report.render.blocks import plot
from hpsearch.report.render.tables import PrintedColumn, folded
from hpsearch.report.trial.facts import facts
from hpsearch.report.trial.view import SearchedSetting, TrialReport
from hpsearch.text import one_line

_DIGITS = 4
_INDENT = 12
_WIDEST, _HEIGHT = 100, 9  # of a curve: columns at most, and lines
_GAUGE = 24  # columns of a range at most


def as_text(report: TrialReport, width: int) -> Text:
    """Return the facts, the settings and the learning curve, in lines of at most `width`."""
    style = "bold green" if report.row is report.board.winner else "bold"
    words = [
        Text(folded(title, text, width, max(_INDENT, len(title) + 1)))
        for title, text in facts(report)
    ]
    parts = [Text(one_line(report.title), style), Text("\n").join(words)]
    settings = [*_gauges(report.searched, width)]
    for title, some, dim in (("fixed", report.fixed, ""), ("defaults", report.defaults, "dim")):
        if some:
            listed = figures.settings(some, _DIGITS)
            settings.append(Text(folded(title, listed, width, _INDENT), dim))
    parts.append(Text("\n").join(settings) if settings else Text("no settings"))
    parts += _curve(report, width)
    return Text("\n\n").join(parts)


def _gauges(searched: Sequence[SearchedSetting], width: int) -> Iterator[Text]:
    """Yield a line for each setting: its value, and where in its range a number is."""
    if not searched:
        return
    columns = [
        PrintedColumn("", [one.name for one in searched], left=True),
        PrintedColumn("", [figures.word(one.value) for one in searched], left=True),
        PrintedColumn("", [one.low for one in searched]),
    ]
    gauge = max(8, min(_GAUGE, width - sum(column.width for column in columns) - 16))
    for one, name, value, low in zip(
        searched, *(islice(column.texts(), 1, None) for column in columns), strict=True
    ):
        text = Text(f"{name:<{_INDENT - 2}}  ").append(value, "bold")
        if one.position is not None:
            at = min(gauge - 1, int(one.position * gauge))
            text.append(f"  {low} ", "dim").append("─" * at, "dim").append("●", "bold cyan")
            text.append("─" * (gauge - 1 - at) + f" {one.high}", "dim")
        text.rstrip()
        yield text


def _curve(report: TrialReport, width: int) -> Iterator[Text]:
    """Yield the learning curve of the trial's first run, if it has at least two epochs."""
    epochs = report.curves[0][1] if report.curves else ()
    if len(epochs) < 2:
        return
    name = report.board.meta.curve
    shown = [figures.as_shown(name, at.loss) for at in epochs]
    head = Text(f"{figures.label(name)} by epoch")
    drawn = [(shown, "bold cyan")]
    if any(isfinite(at.train_loss) for at in epochs):
        head.append(": ").append("validation", "cyan").append(", ").append("training", "dim")
        drawn = [([at.train_loss for at in epochs], "dim"), *drawn]
    if len(report.curves) > 1:
        head.append(f" (of the first of {len(report.curves)} runs)")
    yield Text("\n").join([head, plot(drawn, min(width, _WIDEST), _HEIGHT)])

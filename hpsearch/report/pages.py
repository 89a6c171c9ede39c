"""What `show` tells, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from hpsearch.report.render import figures
from hpsearch.report.render.chart import Axis, Chart, along, marks
from hpsearch.report.render.html import page
from hpsearch.report.surrogate.text import Searched, checked, doubt, notes, within
from hpsearch.report.trial.text import Sheet, facts
from hpsearch.space.parameters import Value
from hpsearch.strategies.surrogate_report import Check, Outlook, Slice

_GAIN = 56.0  # pixels of the strip that the improvement fills
_JITTER = 0.28  # of a choice's column, to both sides


@dataclass(frozen=True, slots=True)
class Panel:
    """A parameter: its charts, and what they say in a sentence."""

    name: str
    words: str
    charts: tuple[Chart, ...]


def outlook_page(searched: Searched) -> str:
    """What a model makes of a search: a panel for each parameter, then how far it can be believed."""
    found = searched.outlook
    axis = _losses(found)
    top = max(value for one in found.slices for value in one.improvement)
    return page(
        "show.html",
        title=searched.title,
        notes=list(notes(searched)),
        target=searched.target,
        panels=[_panel(one, axis, top, searched) for one in found.slices],
        checks=[
            (list(checked(check)), _compared(check, searched.target), _rows(check))
            for check in found.checks
        ],
        sheet=None,
    )


def _losses(found: Outlook) -> Axis:
    """For all panels alike: all that is expected and seen, but what was cut."""
    means = [mean for one in found.slices for mean in one.mean]
    lows = [m - s for one in found.slices for m, s in zip(one.mean, one.deviation, strict=True)]
    seen = [point.loss for one in found.slices for point in one.seen if point.loss <= found.cut]
    return Axis.over([*means, *lows, *seen, found.cut], log=False)


def _panel(one: Slice, axis: Axis, top: float, searched: Searched) -> Panel:
    count = len(one.values)
    if one.ordered:
        xs, ticks = list(one.places), along(one.values, one.places)
    else:
        xs = [(position + 0.5) / count for position in range(count)]
        ticks = [(x, figures.word(value)) for x, value in zip(xs, one.values, strict=True)]
    main = Chart(f"{searched.target} along {one.name}", 340, 190)
    main.ticks(ticks, marks(axis, 4))
    gain = Chart(f"expected improvement along {one.name}", 340, _GAIN, bottom=4)
    gain.ticks([], [(1.0, figures.word(top, 2))])
    shares = [value / top if top else 0.0 for value in one.improvement]
    if one.ordered:
        _band(main, one, axis, xs)
        gain.area("gain", xs, [0.0] * count, shares)
    else:
        for x, mean, deviation, share in zip(xs, one.mean, one.deviation, shares, strict=True):
            width = 0.3 / count
            low, high = (axis.at(mean + sign * deviation) for sign in (-1, 1))
            main.area("band", [x - width, x + width], [low] * 2, [high] * 2)
            main.line("mean", [(x - width, axis.at(mean)), (x + width, axis.at(mean))])
            gain.area("gain", [x - width, x + width], [0.0] * 2, [share] * 2)
    _dots(main, one, axis, searched)
    least = min(range(count), key=lambda at: one.mean[at])
    lowest = within(one.mean[least], one.deviation[least])
    words = f"lowest {lowest} at {_word(one.values[least], 3)}; swing {_word(one.swing, 2)}"
    if doubtful := doubt(one):
        words += f"; {doubtful}"
    if one.trial != searched.outlook.trial:
        words += f"; the others as in trial {one.trial}"
    return Panel(one.name, words, (main, gain))


def _band(chart: Chart, one: Slice, axis: Axis, xs: Sequence[float]) -> None:
    for kind, times in (("wide", 2.0), ("band", 1.0)):
        low, high = (
            [axis.at(m + sign * times * s) for m, s in zip(one.mean, one.deviation, strict=True)]
            for sign in (-1, 1)
        )
        chart.area(kind, xs, low, high)
    chart.line("mean", [(x, axis.at(mean)) for x, mean in zip(xs, one.mean, strict=True)])


def _dots(chart: Chart, one: Slice, axis: Axis, searched: Searched) -> None:
    """The trials, the one whose other values these are on top of them; what was cut stands at the upper edge."""
    count = len(one.values)
    order = {value: at for at, value in enumerate(one.values)}
    for point in sorted(one.seen, key=lambda point: point.number == one.trial):
        x = point.place
        if not one.ordered:  # beside each other, by their numbers
            share = (point.number * 0.618034) % 1.0
            x = (order.get(point.value, 0) + 0.5 + _JITTER * (2 * share - 1)) / count
        over = point.loss > searched.outlook.cut
        kind = "winner" if point.number == one.trial else "over" if over else "seen"
        text = f"trial {point.number}: {one.name}={figures.word(point.value)}, {searched.target} {_word(point.loss)}"
        chart.dot(kind, x, axis.at(point.loss), text)


def _compared(check: Check, target: str) -> Chart:
    """Each trial where it was expected, and where it was."""
    axis = Axis.over(
        [*(one.loss for one in check.seen), *(one.expected for one in check.seen)], log=False
    )
    chart = Chart(
        f"{target}: expected and seen",
        420,
        420,
        left=52,
        bottom=40,
        note="seen (across) and expected (up)",
    )
    chart.ticks(marks(axis), marks(axis))
    chart.line("equal", [(0.0, 0.0), (1.0, 1.0)])
    span = axis.high - axis.low
    for one in check.seen:
        text = (
            f"trial {one.number}: {_word(one.loss)}, expected {within(one.expected, one.deviation)}"
        )
        kind = "far" if abs(one.surprise) > 2 else "seen"
        chart.dot(
            kind, axis.at(one.loss), axis.at(one.expected), text, min(1.0, one.deviation / span)
        )
    return chart


def _rows(check: Check) -> list[tuple[str, ...]]:
    """The trials as a table, the worst understood first."""
    far = sorted(check.seen, key=lambda one: -abs(one.surprise))
    losses = figures.decimals([one.loss for one in far], 4)
    expected = figures.decimals([one.expected for one in far], 4)
    deviations = figures.decimals([one.deviation for one in far], 2)
    rows = zip(far, losses, expected, deviations, strict=True)
    return [(str(one.number), a, b, c, f"{one.surprise:+.1f}") for one, a, b, c in rows]


def sheet_page(sheet: Sheet) -> str:
    """One trial: the facts, the settings, the learning curves of its runs."""
    settings = [
        (
            "searched",
            [
                (one.name, figures.word(one.value), _range(one.low, one.high))
                for one in sheet.searched
            ],
        ),
        ("fixed", [(name, figures.word(value), "") for name, value in sheet.fixed.items()]),
        ("defaults", [(name, figures.word(value), "") for name, value in sheet.usual.items()]),
    ]
    return page(
        "show.html",
        title=sheet.title,
        notes=[],
        panels=[],
        checks=[],
        sheet=sheet,
        facts=list(facts(sheet)),
        settings=[(title, rows) for title, rows in settings if rows],
        charts=list(_curves(sheet)),
    )


def _range(low: str, high: str) -> str:
    return f"{low} to {high}" if high else ""


def _curves(sheet: Sheet) -> Iterator[Chart]:
    """The losses, and the metric, by epoch: the first run's in full, the repetitions' faint."""
    runs = [curve for _, curve in sheet.curves if curve]
    if not runs:
        return
    last = max(2, *(curve[-1].epoch for curve in runs))
    kinds = {
        "loss": (("train_loss", "train"), ("loss", "mean")),
        sheet.board.metric: (("metric", "mean"),),
    }
    for title, lines in kinds.items():
        values = [getattr(at, name) for curve in runs for at in curve for name, _ in lines]
        axis = Axis.over(values, None if title == "loss" else False)
        chart = Chart(f"{title} by epoch", 520, 300, bottom=36)
        whole = Axis(1, last)
        chart.ticks([(whole.at(t), f"{t:g}") for t in whole.ticks(8) if t == int(t)], marks(axis))
        for position, curve in reversed(list(enumerate(runs))):
            for name, kind in lines:
                points = [(at.epoch, getattr(at, name)) for at in curve]
                for finite, run in groupby(points, key=lambda point: isfinite(point[1])):
                    if finite:
                        drawn = [(whole.at(epoch), axis.at(value)) for epoch, value in run]
                        chart.line(kind if position == 0 else f"{kind} again", drawn)
        best = sheet.row.best_epoch
        at = next((at for at in runs[0] if at.epoch == best), None) if len(runs) == 1 else None
        if at is not None:
            value = getattr(at, lines[-1][0])
            chart.dot(
                "winner",
                whole.at(at.epoch),
                axis.at(value),
                f"epoch {at.epoch}: {title} {_word(value)}",
            )
        yield chart


def _word(value: Value, digits: int = 4) -> str:
    return figures.word(value, digits)

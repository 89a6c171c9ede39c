"""What a surrogate model has learned from a search as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.report.render import figures
from hpsearch.report.render.chart import Axis, Chart, axis_ticks, parameter_ticks
from hpsearch.report.render.html import page
from hpsearch.report.surrogate.view import SurrogateView, doubt, judged, lowest, notes, within
from hpsearch.strategies.surrogate_report import CrossValidation, Slice, SlicePoint, SurrogateReport

_GAIN = 56.0  # pixels of the strip that shows the improvement
_JITTER = 0.28  # of a choice's column, to both sides
_GOLDEN = 0.618034  # multiples of it, modulo 1, lie far from each other


@dataclass(frozen=True, slots=True)
class Panel:
    """A parameter's part of the page: its charts, and what they say in a sentence."""

    name: str
    words: str
    charts: tuple[Chart, ...]


def as_page(view: SurrogateView) -> str:
    """Return a page with a panel for each parameter, and how far the model can be trusted."""
    found = view.report
    axis = _losses(found)
    top = max(value for one in found.slices for value in one.improvement)
    return page(
        "surrogate/page.html",
        title=view.title,
        notes=list(notes(view)),
        target=view.target,
        panels=[_panel(one, axis, top, view) for one in found.slices],
        checks=[
            (
                list(judged(check, view.target)),
                _compared(check, view.target),
                _rows(check, view.target),
            )
            for check in found.cross_validations
        ],
    )


def _losses(found: SurrogateReport) -> Axis:
    """Return the axis of all panels: it has room for what is expected and for what was seen."""
    means = [mean for one in found.slices for mean in one.mean]
    lows = [m - s for one in found.slices for m, s in zip(one.mean, one.std, strict=True)]
    seen = [point.loss for one in found.slices for point in one.points if point.loss <= found.cut]
    return Axis.over([*means, *lows, *seen, found.cut], log=False)


def _panel(one: Slice, axis: Axis, top: float, view: SurrogateView) -> Panel:
    """Return the panel of a parameter.

    Args:
        one: what the model expects along it.
        axis: that of the losses.
        top: the largest expected improvement of all panels.
        view: what the panel is part of.
    """
    if one.ordered:
        xs, ticks = list(one.positions), parameter_ticks(one.values, one.positions)
    else:
        count = len(one.values)
        xs = [(position + 0.5) / count for position in range(count)]
        ticks = [(x, figures.word(value)) for x, value in zip(xs, one.values, strict=True)]
    main = Chart(f"{view.target} along {one.name}", 340, 190)
    main.ticks(ticks, axis_ticks(axis, 4))
    gain = Chart(f"expected improvement along {one.name}", 340, _GAIN, bottom=4)
    gain.ticks([], [(1.0, figures.brief(view.target, top, 2))])
    shares = [value / top if top else 0.0 for value in one.improvement]
    if one.ordered:
        _draw_number(main, one, axis, xs)
        gain.area("gain", xs, [0.0] * len(xs), shares)
    else:
        _draw_choice(main, one, axis, xs)
        for (left, right), share in zip(_columns(xs), shares, strict=True):
            gain.area("gain", [left, right], [0.0] * 2, [share] * 2)
    _draw_trials(main, one, axis, view)
    return Panel(one.name, _words(one, view), (main, gain))


def _words(one: Slice, view: SurrogateView) -> str:
    least = lowest(one)
    best = within(one.mean[least], one.std[least], view.target)
    swing = figures.brief(view.target, one.swing, 2)
    words = f"lowest {best} at {figures.word(one.values[least], 3)}; swing {swing}"
    if doubtful := doubt(one):
        words += f"; {doubtful}"
    if one.trial != view.report.trial:
        words += f"; the others as in trial {one.trial}"
    return words


def _draw_number(chart: Chart, one: Slice, axis: Axis, xs: Sequence[float]) -> None:
    """Draw the mean, and bands of one and two standard deviations around it."""
    for kind, times in (("wide", 2.0), ("band", 1.0)):
        low, high = (
            [axis.at(m + sign * times * s) for m, s in zip(one.mean, one.std, strict=True)]
            for sign in (-1, 1)
        )
        chart.area(kind, xs, low, high)
    chart.line("mean", [(x, axis.at(mean)) for x, mean in zip(xs, one.mean, strict=True)])


def _draw_choice(chart: Chart, one: Slice, axis: Axis, xs: Sequence[float]) -> None:
    """Draw the mean of each choice, and a band of one standard deviation around it."""
    for (left, right), mean, std in zip(_columns(xs), one.mean, one.std, strict=True):
        low, high = (axis.at(mean + sign * std) for sign in (-1, 1))
        chart.area("band", [left, right], [low] * 2, [high] * 2)
        chart.line("mean", [(left, axis.at(mean)), (right, axis.at(mean))])


def _columns(xs: Sequence[float]) -> list[tuple[float, float]]:
    """Return the left and the right end of the column of each choice."""
    half = 0.3 / len(xs)
    return [(x - half, x + half) for x in xs]


def _draw_trials(chart: Chart, one: Slice, axis: Axis, view: SurrogateView) -> None:
    """Draw the trials, that of the slice on top of the others."""
    for point in sorted(one.points, key=lambda point: point.number == one.trial):
        over = point.loss > view.report.cut  # it stands at the upper edge
        kind = "winner" if point.number == one.trial else "over" if over else "seen"
        text = (
            f"trial {point.number}: {one.name}={figures.word(point.value)}, "
            f"{view.target} {figures.brief(view.target, point.loss, 4)}"
        )
        chart.dot(kind, _across(point, one), axis.at(point.loss), text)


def _across(point: SlicePoint, one: Slice) -> float:
    """Return where a trial stands across a chart."""
    if one.ordered:
        return point.position
    # trials of one choice stand beside each other, each where its number puts it
    column = one.values.index(point.value) if point.value in one.values else 0
    share = (point.number * _GOLDEN) % 1.0
    return (column + 0.5 + _JITTER * (2 * share - 1)) / len(one.values)


def _compared(check: CrossValidation, target: str) -> Chart:
    """Return a chart with each trial where it was expected (up), and where it was (across)."""
    both = [value for one in check.predictions for value in (one.loss, one.expected)]
    axis = Axis.over(both, log=False)
    title, note = f"{target}: expected and seen", "seen (across) and expected (up)"
    chart = Chart(title, 420, 420, left=52, bottom=40, note=note)
    chart.ticks(axis_ticks(axis), axis_ticks(axis))
    chart.line("equal", [(0.0, 0.0), (1.0, 1.0)])
    for one in check.predictions:
        expected = within(one.expected, one.std, target)
        text = f"trial {one.number}: {figures.brief(target, one.loss, 4)}, expected {expected}"
        kind = "far" if abs(one.standardized_error) > 2 else "seen"
        whisker = min(1.0, one.std / (axis.high - axis.low))
        chart.dot(kind, axis.at(one.loss), axis.at(one.expected), text, whisker)
    return chart


def _rows(check: CrossValidation, target: str) -> list[tuple[str, ...]]:
    """Return the trials as rows of a table, the most surprising first."""
    far = sorted(check.predictions, key=lambda one: -abs(one.standardized_error))
    losses = figures.metrics(target, [one.loss for one in far], 4)
    expected = figures.metrics(target, [one.expected for one in far], 4)
    stds = figures.metrics(target, [one.std for one in far], 2)
    rows = zip(far, losses, expected, stds, strict=True)
    return [(str(one.number), a, b, c, f"{one.standardized_error:+.1f}") for one, a, b, c in rows]

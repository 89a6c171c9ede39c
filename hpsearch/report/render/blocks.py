"""Small pictures for a terminal: bars in eighths of a line, and curves in dots of braille."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from rich.text import Text

from hpsearch.report.render.chart import Axis

_BARS = " ▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a sign: by column, from the top
_BLANK = 0x2800


def bars(values: Sequence[float | None], low: float, high: float, least: int = 1) -> str:
    """Return a bar for each value, and a blank where there is none.

    Args:
        values: are drawn from left to right.
        low: the value of the smallest bar; what is smaller gets the same.
        high: the value of a full bar.
        least: the eighths of a line that the smallest bar has.
    """
    span = (high - low) or 1.0
    eighths = [None if v is None else round(least + (8 - least) * (v - low) / span) for v in values]
    return "".join(" " if n is None else _BARS[min(8, max(least, n))] for n in eighths)


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value, the smallest lowest, and a dot for what is not finite."""
    known = [value for value in values if isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = (high - low) or 1.0
    return "".join(
        _BARS[1 + min(7, int(8 * (v - low) / span))] if isfinite(v) else "·" for v in values
    )


def interval(low: float, middle: float, high: float, width: int) -> str:
    """Return a dot on a line from `low` to `high`, on `width` columns that stand for 0 to 1."""
    first, at, last = (min(width - 1, max(0, int(share * width))) for share in (low, middle, high))
    signs = ["─" if first <= column <= last else " " for column in range(width)]
    signs[at] = "●"
    return "".join(signs)


class Canvas:
    """A picture in dots of braille, two by four in each sign.

    A sign has the style of what was drawn there last.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = 2 * width, 4 * height
        self._signs = [[_BLANK] * width for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]

    def dot(self, x: float, y: float, style: str) -> None:
        """Draw a dot; x and y are from 0 to 1, measured from the lower left."""
        column, row = round(x * (self.width - 1)), round((1.0 - y) * (self.height - 1))
        self._signs[row // 4][column // 2] |= _DOTS[column % 2][row % 4]
        self._styles[row // 4][column // 2] = style

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a line from point to point."""
        for x, y in points[:1]:
            self.dot(x, y, style)
        for (x, y), (u, v) in pairwise(points):
            steps = max(1, round(max(abs(u - x) * self.width, abs(v - y) * self.height)))
            for step in range(steps + 1):
                self.dot(x + (u - x) * step / steps, y + (v - y) * step / steps, style)

    def texts(self) -> list[Text]:
        """Return its lines."""
        # a space stands where there is no dot: some fonts draw the blank sign of braille
        return [
            Text().join(
                Text(" " if sign == _BLANK else chr(sign), style)
                for sign, style in zip(signs, styles, strict=True)
            )
            for signs, styles in zip(self._signs, self._styles, strict=True)
        ]


def plot(curves: Sequence[tuple[Sequence[float], str]], width: int, height: int) -> Text:
    """Return curves over epochs 1, 2, 3, ... between axes.

    Args:
        curves: the values and the style of each; what is not finite interrupts a curve.
        width: of the whole picture, in columns.
        height: of the curves, in lines; the axis and its labels come below.
    """
    axis = Axis.over(value for values, _ in curves for value in values)
    count = max((len(values) for values, _ in curves), default=0)
    labels = {
        round((1.0 - axis.at(tick)) * (height - 1)): f"{tick:g}" for tick in axis.ticks(height // 2)
    }
    indent = max(map(len, labels.values()), default=0)
    canvas = Canvas(max(10, width - indent - 2), height)
    for values, style in curves:
        _draw(canvas, axis, values, style, count)
    drawn = [
        Text(f"{labels.get(row, ''):>{indent}} {'┤' if row in labels else '│'}").append_text(line)
        for row, line in enumerate(canvas.texts())
    ]
    for line in drawn:
        line.rstrip()
    columns = canvas.width // 2
    ends = f"1{'epoch':^{max(5, columns - 1 - len(str(count)))}}{count}"
    scale = [Text(f"{' ' * indent} (powers of ten)", "dim")] if axis.log else []
    floor = [Text(" " * indent + " └" + "─" * columns), Text(f"{' ' * indent}  {ends}")]
    return Text("\n").join([*scale, *drawn, *floor])


def _draw(canvas: Canvas, axis: Axis, values: Sequence[float], style: str, count: int) -> None:
    """Draw one of several curves, the longest of which has `count` values."""
    run: list[tuple[float, float]] = []
    for position, value in enumerate(values):
        if isfinite(value):
            run.append((position / max(1, count - 1), axis.at(value)))
        else:
            canvas.line(run, style)
            run = []
    canvas.line(run, style)

"""Axes with round ticks, and charts as the points of an SVG, which a template writes down."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite, log10

from hpsearch.space.parameters import Value

_STEEP = 30.0  # the largest over the smallest: from there on powers of ten are easier to read
_MARGIN = 0.04  # of a range, beyond its ends


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`: positions along it are from 0 to 1."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], log: bool | None = None) -> Axis:
        """Return an axis with room for all finite values.

        It is logarithmic where they are above 0 and far apart, unless `log` decides it.
        """
        known = [value for value in values if isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=1.0)
        steep = low > 0 and high > _STEEP * low if log is None else log and low > 0
        if low == high:
            room = abs(low) / 10 or 1.0
            return cls(low - room, high + room)
        if steep:
            room = (high / low) ** _MARGIN
            return cls(low / room, high * room, True)
        room = _MARGIN * (high - low)
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Return a value's position; what lies beyond an end stands there."""
        if self.log:
            share = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self, most: int = 5) -> list[float]:
        """Return round numbers along it."""
        return round_numbers(self.low, self.high, self.log, most)


def axis_ticks(axis: Axis, most: int = 5) -> list[tuple[float, str]]:
    """Return round numbers along an axis: the position and the text of each."""
    return [(axis.at(tick), f"{tick:g}") for tick in axis.ticks(most)]


def round_numbers(low: float, high: float, log: bool, most: int = 5) -> list[float]:
    """Return about `most` round numbers between two, or fewer.

    On a logarithmic scale they are 1, 2 and 5 times powers of ten, or powers of ten alone; on a
    linear one their steps are 1, 2 or 5 times a power of ten.
    """
    if log:
        decades = range(floor(log10(low)), ceil(log10(high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [d * 10.0**k for k in decades for d in digits if low <= d * 10.0**k <= high]
            if len(found) <= most:
                return found
        return found[:: ceil(len(found) / most)]
    size = 10.0 ** floor(log10((high - low) / most))
    step = next(times * size for times in (1, 2, 5, 10) if times * size * most >= high - low)
    return [float(f"{k * step:.12g}") for k in range(ceil(low / step), floor(high / step) + 1)]


def parameter_ticks(
    values: Sequence[Value], positions: Sequence[float], most: int = 5
) -> list[tuple[float, str]]:
    """Return round numbers along a parameter: the position and the text of each.

    Args:
        values: numbers in order, so many that what lies between two can be interpolated.
        positions: where these values stand along the parameter, from 0 to 1.
        most: about how many ticks there are at most.
    """
    numbers = [float(value) for value in values]
    if len(numbers) <= most:
        return [(at, f"{number:g}") for at, number in zip(positions, numbers, strict=True)]
    low, high = numbers[0], numbers[-1]
    halfway = bisect_left(positions, (positions[0] + positions[-1]) / 2)
    middle = numbers[min(halfway, len(numbers) - 1)]
    log = low > 0 and high > 5 * low and middle < 0.8 * (low + high) / 2
    return [
        (_interpolated(tick, numbers, positions), f"{tick:g}")
        for tick in round_numbers(low, high, log, most)
    ]


def _interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return y at x, on the lines between the points (xs, ys)."""
    at = min(max(bisect_left(xs, x), 1), len(xs) - 1)
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return ys[at - 1] + share * (ys[at] - ys[at - 1])


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick with its text, or a dot with the text that is shown when it is pointed at.

    `whisker` is the length of the line above and below a dot.
    """

    x: float
    y: float
    text: str = ""
    kind: str = ""
    whisker: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A line, or the outline of an area; `kind` is the CSS class that gives it its colour."""

    kind: str
    points: str


@dataclass(slots=True)
class Chart:
    """A chart in the making.

    Positions are given as shares from 0 to 1, from the lower left, and kept in pixels.
    """

    title: str
    width: float
    height: float
    left: float = 46.0
    bottom: float = 20.0
    top: float = 6.0
    right: float = 10.0
    note: str = ""
    areas: list[Shape] = field(default_factory=list)
    lines: list[Shape] = field(default_factory=list)
    dots: list[Mark] = field(default_factory=list)
    x_ticks: list[Mark] = field(default_factory=list)
    y_ticks: list[Mark] = field(default_factory=list)

    def _x(self, share: float) -> float:
        return round(self.left + share * (self.width - self.left - self.right), 1)

    def _y(self, share: float) -> float:
        return round(self.height - self.bottom - share * (self.height - self.bottom - self.top), 1)

    @property
    def floor(self) -> float:
        """The vertical position of the horizontal axis, in pixels from the top."""
        return self._y(0.0)

    @property
    def end(self) -> float:
        """The right end of the horizontal axis, in pixels from the left."""
        return self._x(1.0)

    def line(self, kind: str, points: Iterable[tuple[float, float]]) -> None:
        """Add a line from point to point."""
        self.lines.append(Shape(kind, self._points(points)))

    def area(
        self, kind: str, xs: Sequence[float], lower: Sequence[float], upper: Sequence[float]
    ) -> None:
        """Add the area between two lines.

        Args:
            kind: the CSS class.
            xs: the positions of the points of both lines.
            lower: the heights of the lower line.
            upper: the heights of the upper line.
        """
        outline = [*zip(xs, upper, strict=True), *reversed(list(zip(xs, lower, strict=True)))]
        self.areas.append(Shape(kind, self._points(outline)))

    def dot(self, kind: str, x: float, y: float, text: str, whisker: float = 0.0) -> None:
        """Add a dot.

        Args:
            kind: the CSS class.
            x: how far to the right it stands.
            y: how far up it stands.
            text: is shown when the dot is pointed at.
            whisker: the length of the line above and below it, as a share of the height.
        """
        length = round(whisker * (self._y(0.0) - self._y(1.0)), 1)
        self.dots.append(Mark(self._x(x), self._y(y), text, kind, length))

    def ticks(self, xs: Iterable[tuple[float, str]], ys: Iterable[tuple[float, str]]) -> None:
        """Add ticks along the axes: the position and the text of each."""
        self.x_ticks += [Mark(self._x(at), self.floor, text) for at, text in xs]
        self.y_ticks += [Mark(self.left, self._y(at), text) for at, text in ys]

    def _points(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self._x(x):g},{self._y(y):g}" for x, y in points)

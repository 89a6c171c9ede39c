"""Axes with round ticks, and charts as the points of an SVG: a template only has to write them down."""

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
    """Where numbers from `low` to `high` stand, from 0 to 1."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], log: bool | None = None) -> Axis:
        """All of the values that are numbers; logarithmic where they are above 0 and far apart, unless told."""
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
        """The value's place; what lies beyond an end stands there."""
        if self.log:
            share = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self, most: int = 5) -> list[float]:
        """Round numbers along it."""
        return round_numbers(self.low, self.high, self.log, most)


def round_numbers(low: float, high: float, log: bool, most: int = 5) -> list[float]:
    """At most about so many between two numbers: of powers of ten, or with equal steps of 1, 2 or 5 times one."""
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


def along(
    values: Sequence[Value], places: Sequence[float], most: int = 5
) -> list[tuple[float, str]]:
    """Round numbers along a parameter, whose values and their places [0, 1] are known at many points."""
    numbers = [float(value) for value in values]
    if len(numbers) <= most:
        return [(place, f"{number:g}") for place, number in zip(places, numbers, strict=True)]
    low, high = numbers[0], numbers[-1]
    middle = numbers[min(bisect_left(places, (places[0] + places[-1]) / 2), len(numbers) - 1)]
    log = low > 0 and high > 5 * low and middle < 0.8 * (low + high) / 2
    return [
        (_interpolated(tick, numbers, places), f"{tick:g}")
        for tick in round_numbers(low, high, log, most)
    ]


def _interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    at = min(max(bisect_left(xs, x), 1), len(xs) - 1)
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return ys[at - 1] + share * (ys[at] - ys[at - 1])


@dataclass(frozen=True, slots=True)
class Mark:
    """A place with a text: a tick, or a dot and what it says when it is pointed at; `size` of a whisker around it."""

    x: float
    y: float
    text: str = ""
    kind: str = ""
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A line, or the outline of an area: `kind` is the class that gives it its colour."""

    kind: str
    points: str


@dataclass(slots=True)
class Chart:
    """A chart in the making: everything is put in by shares from 0 to 1, from the lower left, and kept in pixels."""

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
        """Where the horizontal axis is."""
        return self._y(0.0)

    @property
    def end(self) -> float:
        """Where the horizontal axis ends."""
        return self._x(1.0)

    def line(self, kind: str, points: Iterable[tuple[float, float]]) -> None:
        """From point to point."""
        self.lines.append(Shape(kind, self._points(points)))

    def area(
        self, kind: str, xs: Sequence[float], lower: Sequence[float], upper: Sequence[float]
    ) -> None:
        """What lies between two lines."""
        outline = [*zip(xs, upper, strict=True), *reversed(list(zip(xs, lower, strict=True)))]
        self.areas.append(Shape(kind, self._points(outline)))

    def dot(self, kind: str, x: float, y: float, text: str, spread: float = 0.0) -> None:
        """A dot that says something; with a whisker of so much above and below."""
        self.dots.append(
            Mark(
                self._x(x), self._y(y), text, kind, round(spread * (self._y(0.0) - self._y(1.0)), 1)
            )
        )

    def ticks(self, xs: Iterable[tuple[float, str]], ys: Iterable[tuple[float, str]]) -> None:
        """What is written along the axes."""
        self.x_ticks += [Mark(self._x(place), self.floor, text) for place, text in xs]
        self.y_ticks += [Mark(self.left, self._y(place), text) for place, text in ys]

    def _points(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self._x(x):g},{self._y(y):g}" for x, y in points)


def marks(axis: Axis, most: int = 5) -> list[tuple[float, str]]:
    """An axis's ticks, and where they stand."""
    return [(axis.at(tick), f"{tick:g}") for tick in axis.ticks(most)]

"""The points of a grid by their numbers, and an order that spreads any part of them over it.

Nothing is listed but what constraints leave of a small grid, so that one of 10^18 points costs no
more than one of ten.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice

from hpsearch.space.parameters import Value

Point = Mapping[str, Value]

_LISTED = 10_000  # parts of points that are looked at to list what constraints leave
_SKIPPED = 20_000  # points that may break a constraint, one after the other, before nobody goes on
_GOLDEN = 618_033_988_749_894_848, 10**18  # the golden section, as a fraction


@dataclass(frozen=True)
class Lattice:
    """All combinations of some values, as far as conditions and constraints allow them.

    Each combination that the conditions allow has a number, from 0: that of the walk in which the
    first parameter varies most slowly.

    Attributes:
        ticks: the values of each parameter; parents come before what depends on them.
        conditions: for a parameter, its parents' values with which it is active.
        allows: says whether the constraints allow a point, or what is known of it so far.
        is_free: whether there are no constraints.
    """

    ticks: Mapping[str, Sequence[Value]]
    conditions: Mapping[str, Mapping[str, tuple[Value, ...]]]
    allows: Callable[[Point], bool]
    is_free: bool

    @cached_property
    def size(self) -> int:
        """How many points there are, were there no constraints."""
        return self._below(0, frozenset())

    @cached_property
    def listed(self) -> Sequence[int] | None:
        """The numbers of the points that constraints allow, in order.

        None where there are no constraints, or where too many points had to be looked at.
        """
        if self.is_free:
            return None
        found = list(islice(self._descend(0, {}), _LISTED))
        if len(found) == _LISTED:
            return None
        return [self.number(point) for point in found if point is not None]

    @property
    def count(self) -> int:
        """How many points there are; at most, unless it `is_counted`."""
        return self.size if self.listed is None else len(self.listed)

    @property
    def is_counted(self) -> bool:
        """Whether `count` is exact."""
        return self.is_free or self.listed is not None

    def __contains__(self, point: Point) -> bool:
        try:
            return self.point(self.number(point)) == point and self.allows(point)
        except (KeyError, ValueError):
            return False

    def walk(self) -> Iterator[Point]:
        """Yield the points that are allowed, in the order of their numbers."""
        return (point for point in self._descend(0, {}) if point is not None)

    def spread(self, after: Point | None = None) -> Iterator[Point]:
        """Yield the points that are allowed, each once, so that the first of them are spread.

        They follow one another in steps of the golden section of all, as numbers that return to the
        start from beyond the end: wherever one stops, the points lie about evenly along the walk,
        and along each parameter. After many in a row that constraints forbid, there are no more.

        Args:
            after: one of the points, after which to begin.
        """
        listed, count = self.listed, self.count
        stride = _stride(count)
        start = 0
        if after is not None:
            number = self.number(after)
            place = number if listed is None else bisect_left(listed, number)
            start = place * pow(stride, -1, count) % count + 1
        skipped = 0
        for k in range(start, count):
            place = k * stride % count
            point = self.point(place if listed is None else listed[place])
            if self.is_counted or self.allows(point):
                skipped = 0
                yield point
            elif (skipped := skipped + 1) == _SKIPPED:
                return

    def point(self, number: int) -> Point:
        """Return the point of a number below `size`."""
        found: dict[str, Value] = {}
        for i, name in enumerate(self.ticks):
            if not self._active(name, found):
                continue
            for first, length, each in self._runs(i, self._chosen(i, found)):
                if number < length * each:
                    found[name] = self.ticks[name][first + number // each]
                    number %= each
                    break
                number -= length * each
        return found

    def number(self, point: Point) -> int:
        """Return the number of a point.

        Raises:
            ValueError: a value is none of its parameter's.
        """
        total = 0
        for i, name in enumerate(self.ticks):
            if not self._active(name, point):
                continue
            at = self.ticks[name].index(point[name])
            for first, length, each in self._runs(i, self._chosen(i, point)):
                total += min(length, at - first) * each
                if at < first + length:
                    break
        return total

    def _descend(self, i: int, chosen: Point) -> Iterator[Point | None]:
        """Yield the points with these values, and None for each value that is a dead end."""
        names = self._names
        while i < len(names) and not self._active(names[i], chosen):
            i += 1
        if i == len(names):
            yield chosen
            return
        for value in self.ticks[names[i]]:
            here = {**chosen, names[i]: value}
            if self.allows(here):
                yield from self._descend(i + 1, here)
            else:
                yield None

    def _active(self, name: str, point: Point) -> bool:
        conditions = self.conditions.get(name, {})
        return all(
            parent in point and point[parent] in allowed for parent, allowed in conditions.items()
        )

    def _chosen(self, i: int, point: Point) -> frozenset[tuple[str, Value]]:
        """Return the values before the i-th parameter that conditions name."""
        return frozenset(
            (name, point[name])
            for name in self._names[:i]
            if name in point and point[name] in self._named[name]
        )

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.ticks)

    @cached_property
    def _named(self) -> Mapping[str, Mapping[Value, int]]:
        """For each parameter, the values that conditions name, with their positions, in order."""
        needs = [self.conditions.get(name, {}) for name in self.ticks]
        found = {}
        for name, values in self.ticks.items():
            wanted = {value for need in needs for value in need.get(name, ()) if value in values}
            places = sorted((values.index(value), value) for value in wanted)
            found[name] = {value: at for at, value in places}
        return found

    def _runs(self, i: int, chosen: frozenset[tuple[str, Value]]) -> Iterator[tuple[int, int, int]]:
        """Yield runs of neighbouring values of the i-th parameter with equally many points below.

        Of each run these are the first position, the length, and the points below each value.
        Values that no condition names have equally many.
        """
        name, start = self._names[i], 0
        other = self._below(i + 1, chosen)
        for value, at in self._named[name].items():
            if at > start:
                yield start, at - start, other
            yield at, 1, self._below(i + 1, chosen | {(name, value)})
            start = at + 1
        if start < len(self.ticks[name]):
            yield start, len(self.ticks[name]) - start, other

    @cached_property
    def _below(self) -> Callable[[int, frozenset[tuple[str, Value]]], int]:
        """The number of points of the parameters from the i-th on, beside values before it."""
        names = self._names
        needs = [self.conditions.get(name, {}) for name in names]
        later = [{parent for need in needs[i:] for parent in need} for i in range(len(names) + 1)]

        @cache
        def counted(i: int, chosen: frozenset[tuple[str, Value]]) -> int:
            if i == len(names):
                return 1
            if not self._active(names[i], dict(chosen)):
                return below(i + 1, chosen)
            return sum(length * each for _, length, each in self._runs(i, chosen))

        def below(i: int, chosen: frozenset[tuple[str, Value]]) -> int:
            return counted(i, frozenset(pair for pair in chosen if pair[0] in later[i]))

        return below


def _stride(count: int) -> int:
    """Return the number nearest to the golden section of a count that has no divisor with it.

    >>> [_stride(count) for count in (1, 2, 5, 625)]
    [1, 1, 3, 386]
    """
    section, whole = _GOLDEN
    middle = max(1, (2 * count * section + whole) // (2 * whole))
    for away in range(count):
        for stride in (middle + away, middle - away):
            if 0 < stride <= count and math.gcd(stride, count) == 1:
                return stride
    return 1

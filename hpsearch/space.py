"""The search space: parameters that own their map to the unit cube, conditions between them, constraints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from random import Random
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import Problem, SpecError
from hpsearch.expression import Expression

T = TypeVar("T")
Value = bool | int | float | str
Units = NDArray[np.float64]
Params = Mapping[str, Value]
"""A point of the space: the values of its *active* parameters, by name."""


class Parameter(Protocol):
    """One dimension of the search. Nowhere but here may code ask what type a parameter is."""

    ordered: ClassVar[bool]
    """Whether there is something between two values: a number, not a choice."""

    @property
    def points(self) -> int | None:
        """How many ticks it gives to a grid, where the YAML says so."""

    @property
    def width(self) -> int:
        """How many coordinates of the unit cube it fills."""

    @property
    def middle(self) -> tuple[float, ...]:
        """Where it stands while it is not active."""

    def __contains__(self, value: object) -> bool: ...

    def encode(self, value: Value) -> tuple[float, ...]:
        """The value's place: `width` numbers in [0, 1]; `decode` takes it back (a float to within rounding)."""

    def decode(self, unit: Sequence[float]) -> Value:
        """The value at a place in [0, 1]^width; uniform places give values uniform on the parameter's scale."""

    def grid(self, points: int) -> Sequence[Value]:
        """Distinct values in order: `points` of a number, both ends included (fewer where it has fewer).

        One point of a number is its middle; a choice always gives all.
        """

    def snap(self, units: Units) -> Units:
        """`encode` of `decode` of each row of places [n, width]."""

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        """Another place for each row: of a number, a normal step of deviation `spread` away; of a choice, any."""

    def values(self) -> Sequence[Value] | None:
        """Every value in order, not listed where they are many; None where they cannot be counted."""

    def nearest(self, value: Value) -> Value:
        """The value of this parameter that is closest to the given one."""

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Parameter:
        """The same kind of number between two of its values (a choice stays what it is)."""

    def describe(self) -> str:
        """What values it takes, in words."""


@dataclass(frozen=True, slots=True)
class Real:
    """A number in [low, high], both ends included; with `step`, only low, low + step, ..., high."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None
    ordered: ClassVar[bool] = True

    @property
    def width(self) -> int:
        return 1

    @property
    def middle(self) -> tuple[float, ...]:
        return (0.5,)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or value in self._steps

    def encode(self, value: Value) -> tuple[float, ...]:
        if self.step is not None:
            return ((self._steps.index(self.nearest(value)) + 0.5) / len(self._steps),)
        return (_place(float(value), self.low, self.high, self.log),)

    def decode(self, unit: Sequence[float]) -> float:
        if self.step is not None:
            return _cell(self._steps, unit[0])
        return _value(unit[0], self.low, self.high, self.log)

    def snap(self, units: Units) -> Units:
        if self.step is not None or self.low == self.high:
            return _snapped(units, len(self.values() or ()))
        return units

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        return _stepped(units, spread, None if self.step is None else len(self._steps), rng)

    def grid(self, points: int) -> Sequence[float]:
        if self.step is not None:
            return _thinned(self._steps, points)
        ticks = (self.decode([u]) for u in _ticks(points))
        ends = (self.low, self.high)
        return tuple(dict.fromkeys(tick if tick in ends else _neat(tick) for tick in ticks))

    def values(self) -> Sequence[float] | None:
        if self.low == self.high:
            return (self.low,)
        return None if self.step is None else self._steps

    def nearest(self, value: Value) -> float:
        value = min(max(float(value), self.low), self.high) + 0.0  # no -0.0
        return value if self.step is None else self._steps[self._steps.closest(value)]

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Real:
        return Real(float(low) + 0.0, float(high) + 0.0, log, step, points)

    def describe(self) -> str:
        return "a number " + _between(self.low, self.high) + (f" in steps of {self.step:g}" if self.step else "")

    @property
    def _steps(self) -> _Steps:
        assert self.step is not None
        return _steps(self.low, self.high, self.step)


@dataclass(frozen=True, slots=True)
class _Steps(Sequence[float]):
    """low, low + step, ..., high, not listed: what a person means in decimals (0.3, not 0.30000000000000004)."""

    low: Fraction
    step: Fraction
    number: int

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, k: Any) -> Any:
        return float(self.low + range(self.number)[k] * self.step)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self[self.closest(value)] == value

    def index(self, value: float, start: int = 0, stop: int | None = None) -> int:
        if value not in self:
            raise ValueError(f"{value} is no step")
        return self.closest(value)

    def closest(self, value: float) -> int:
        """The number of the step that is closest to a value in [low, high]."""
        return min(max(round((exact(value) - self.low) / self.step), 0), self.number - 1)


@lru_cache
def _steps(low: float, high: float, step: float) -> _Steps:
    return _Steps(exact(low), exact(step), 1 + round((exact(high) - exact(low)) / exact(step)))


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in [low, high], both ends included. Each value owns a cell of the unit interval."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    points: int | None = None
    ordered: ClassVar[bool] = True

    @property
    def width(self) -> int:
        return 1

    @property
    def middle(self) -> tuple[float, ...]:
        return (0.5,)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def encode(self, value: Value) -> tuple[float, ...]:
        value = int(value)
        if self.log:
            return (_place(value, self.low - 0.5, self.high + 0.5, log=True),)
        return (((value - self.low) // self.step + 0.5) / len(self.values()),)

    def decode(self, unit: Sequence[float]) -> int:
        if self.log:
            return min(max(round(_value(unit[0], self.low - 0.5, self.high + 0.5, log=True)), self.low), self.high)
        return _cell(self.values(), unit[0])

    def snap(self, units: Units) -> Units:
        if not self.log:
            return _snapped(units, len(self.values()))
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        values = np.clip(np.round(np.exp(low + units * (high - low))), self.low, self.high)
        return (np.log(values) - low) / (high - low)

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        return _stepped(units, spread, None if self.log else len(self.values()), rng)

    def grid(self, points: int) -> Sequence[int]:
        if not self.log:
            return _thinned(self.values(), points)
        return tuple(dict.fromkeys(round(_value(u, self.low, self.high, log=True)) for u in _ticks(points)))

    def values(self) -> range:
        return range(self.low, self.high + 1, self.step)

    def nearest(self, value: Value) -> int:
        steps = round((min(max(float(value), self.low), self.high) - self.low) / self.step)
        return self.low + steps * self.step

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Integer:
        return Integer(int(low), int(high), log, int(step or 1), points)

    def describe(self) -> str:
        return (
            "a whole number " + _between(self.low, self.high) + (f" in steps of {self.step}" if self.step > 1 else "")
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values, in no order: a block of one coordinate per value, of which the largest wins.

    No two are equal, as Python has it (1, 1.0 and True are).
    """

    options: tuple[Value, ...]
    ordered: ClassVar[bool] = False

    @property
    def points(self) -> None:
        return None

    @property
    def width(self) -> int:
        return len(self.options)

    @property
    def middle(self) -> tuple[float, ...]:
        return (1.0 / self.width,) * self.width

    def __contains__(self, value: object) -> bool:
        return any(value == option and isinstance(value, bool) == isinstance(option, bool) for option in self.options)

    def encode(self, value: Value) -> tuple[float, ...]:
        return tuple(float(option == value) for option in self.options)

    def decode(self, unit: Sequence[float]) -> Value:
        return self.options[max(range(len(self.options)), key=unit.__getitem__)]

    def snap(self, units: Units) -> Units:
        snapped: Units = np.eye(self.width)[units.argmax(axis=1)]
        return snapped

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        other = units.argmax(axis=1) + rng.integers(1, max(self.width, 2), len(units))
        places: Units = np.eye(self.width)[other % self.width]
        return places

    def grid(self, points: int) -> Sequence[Value]:
        return self.options

    def values(self) -> Sequence[Value]:
        return self.options

    def nearest(self, value: Value) -> Value:
        if value in self:
            return next(option for option in self.options if option == value)
        numbers = [option for option in self.options if isinstance(option, int | float)]
        if isinstance(value, int | float) and len(numbers) == len(self.options):
            return min(numbers, key=lambda option: abs(option - value))
        return self.options[0]

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Choice:
        return self

    def describe(self) -> str:
        return "one of " + ", ".join(str(option) for option in self.options)


@dataclass(frozen=True, slots=True)
class Ordinal:
    """One of a few numbers: in their order, each owns a cell of the unit interval."""

    options: tuple[float, ...]
    ordered: ClassVar[bool] = False

    @property
    def points(self) -> None:
        return None

    @property
    def width(self) -> int:
        return 1

    @property
    def middle(self) -> tuple[float, ...]:
        return (0.5,)

    def __contains__(self, value: object) -> bool:
        return value in Choice(self.options)

    def encode(self, value: Value) -> tuple[float, ...]:
        return ((sorted(self.options).index(float(value)) + 0.5) / len(self.options),)

    def decode(self, unit: Sequence[float]) -> Value:
        return _cell(sorted(self.options), unit[0])

    def snap(self, units: Units) -> Units:
        return _snapped(units, len(self.options))

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        return _stepped(units, spread, len(self.options), rng)

    def grid(self, points: int) -> Sequence[Value]:
        return self.options

    def values(self) -> Sequence[Value]:
        return self.options

    def nearest(self, value: Value) -> Value:
        return Choice(self.options).nearest(value)

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Ordinal:
        return self

    def describe(self) -> str:
        return Choice(self.options).describe()


class Domain(Protocol):
    """What a name may stand for: the whole of which a parameter searches a part."""

    ordered: ClassVar[bool]

    def __contains__(self, value: object) -> bool: ...

    def nearest(self, value: Value) -> Value: ...

    def grid(self, points: int) -> Sequence[Value]: ...

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Parameter: ...

    def describe(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Anything:
    """The domain of a name of which nothing is known: any number, word or truth."""

    ordered: ClassVar[bool] = True

    def __contains__(self, value: object) -> bool:
        return isinstance(value, bool | str) or (isinstance(value, int | float) and math.isfinite(value))

    def nearest(self, value: Value) -> Value:
        """The value itself."""
        return value

    def grid(self, points: int) -> Sequence[Value]:
        """No value is better known than another."""
        return ()

    def narrowed(self, low: float, high: float, log: bool, step: float | None, points: int | None) -> Parameter:
        """Whole numbers where both ends and the step are."""
        if all(isinstance(number, int) for number in (low, high, step or 1)):
            return Integer(int(low), int(high), log, int(step or 1), points)
        return Real(float(low) + 0.0, float(high) + 0.0, log, step, points)

    def describe(self) -> str:
        """What values it takes, in words."""
        return "a number, a word, true or false"


def listed(options: tuple[Value, ...]) -> Parameter:
    """One of these: in order, where they are three numbers or more."""
    numbers = [one for one in options if isinstance(one, int | float) and not isinstance(one, bool)]
    return Ordinal(tuple(numbers)) if len(numbers) == len(options) > 2 else Choice(options)


def exact(number: float) -> Fraction:
    """The number that a person has written."""
    return Fraction(number if isinstance(number, int) else repr(float(number)))


def _neat(number: float) -> float:
    """0.001, not 0.0009999999999999998."""
    return float(f"{number:.12g}")


def _between(low: float, high: float) -> str:
    """The range in words; an end far beyond what anybody writes is none."""
    if high >= 2**31 - 1:
        return "above 0" if 0 < low < 1e-9 else f"of {low:.12g} or more"
    return f"from {low:.12g} to {high:.12g}"


def _place(value: float, low: float, high: float, log: bool) -> float:
    """Where in [0, 1] `value` lies between `low` and `high`; in the middle where they are one."""
    if low == high:
        return 0.5
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _value(unit: float, low: float, high: float, log: bool) -> float:
    """What lies at a place in [0, 1]: at the ends, exactly `low` and `high`."""
    if unit in (0.0, 1.0):
        return high if unit else low
    value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low))) if log else low + unit * (high - low)
    return min(max(value, low), high)  # exp(log(x)) may overshoot by one ulp


def _snapped(units: Units, cells: int) -> Units:
    """The middles of the cells in which places lie."""
    return (np.minimum(np.floor(units * cells), cells - 1) + 0.5) / cells


def _stepped(units: Units, spread: float, cells: int | None, rng: np.random.Generator) -> Units:
    """A normal step away, folded back into [0, 1] at its ends; of so many cells, at least into the next one."""
    step = spread * rng.standard_normal(units.shape)
    if cells is not None:
        step = np.where(np.abs(step) < 1.0 / cells, np.copysign(1.0 / cells, step), step)
    folded = np.abs(units + step) % 2.0
    return np.where(folded > 1.0, 2.0 - folded, folded)


def _cell(values: Sequence[T], unit: float) -> T:
    """The value in whose cell of [0, 1] a place lies: all cells have one size."""
    return values[min(int(unit * len(values)), len(values) - 1)]


def _ticks(points: int) -> tuple[float, ...]:
    """`points` places from 0 to 1; the middle where there is only one."""
    return (0.5,) if points == 1 else tuple(k / (points - 1) for k in range(points))


def _thinned(values: Sequence[T], points: int) -> tuple[T, ...]:
    """At most `points` of the values, evenly, both ends included."""
    if points >= len(values):
        return tuple(values)
    return tuple(values[round(u * (len(values) - 1))] for u in _ticks(points))


_MOST_DRAWS = 10_000
_SAME = 1e-9  # places closer than this are one


@dataclass(frozen=True)
class Space:
    """What may be searched: parameters, when each of them is active, and what all must satisfy.

    `parameters` holds parents before the parameters that depend on them; `conditions[name]` gives,
    for each parent, the values with which `name` is active (all parents must agree). A constraint
    applies where every name in it has a value; `fixed` holds the values of names that are not searched.
    """

    parameters: Mapping[str, Parameter]
    conditions: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()
    fixed: Params = field(default_factory=dict)

    def active(self, name: str, params: Params) -> bool:
        """Whether `name` has a meaning, given the values of its parents in `params`."""
        conditions = self.conditions.get(name, {})
        return all(parent in params and params[parent] in allowed for parent, allowed in conditions.items())

    def allows(self, params: Params) -> bool:
        """Whether every constraint that applies to these (perhaps not yet all) values holds."""
        return next(self.broken(params), None) is None

    def broken(self, params: Params) -> Iterator[Expression]:
        """The constraints that apply to these values and do not hold."""
        known = {**self.fixed, **params} if self.constraints else {}
        return (rule for rule in self.constraints if rule.names <= known.keys() and not rule.holds(known))

    def __contains__(self, params: object) -> bool:
        if not isinstance(params, Mapping) or not set(params) <= set(self.parameters):
            return False
        for name, parameter in self.parameters.items():
            if self.active(name, params) != (name in params) or (name in params and params[name] not in parameter):
                return False
        return self.allows(params)

    @cached_property
    def width(self) -> int:
        """How many coordinates the unit cube has."""
        return sum(parameter.width for parameter in self.parameters.values())

    def encode(self, params: Params) -> tuple[float, ...]:
        """The point's place in [0, 1]^width; an inactive parameter stands in the middle."""
        place: list[float] = []
        for name, parameter in self.parameters.items():
            place += parameter.encode(params[name]) if name in params else parameter.middle
        return tuple(place)

    def decode(self, unit: Sequence[float]) -> Params:
        """The point at a place of the cube; it may break a constraint (see `allows`)."""
        params: dict[str, Value] = {}
        start = 0
        for name, parameter in self.parameters.items():
            if self.active(name, params):
                params[name] = parameter.decode(unit[start : start + parameter.width])
            start += parameter.width
        return params

    def snap(self, units: Units) -> Units:
        """`encode` of `decode` of each row of places [n, width]."""
        snapped = np.empty_like(units)
        for name, columns in self.columns.items():
            parameter = self.parameters[name]
            snapped[:, columns] = parameter.snap(units[:, columns])
            for parent, allowed in self.conditions.get(name, {}).items():
                here = snapped[:, self.columns[parent]]
                places = np.array([self.parameters[parent].encode(value) for value in allowed])
                holds = (np.abs(here[:, None, :] - places[None]) < _SAME).all(-1).any(-1)
                snapped[~holds, columns] = parameter.middle
        return snapped

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        """For each row another place: one parameter has moved, or about half of them have.

        What a move makes active is drawn afresh.
        """
        moved = self.snap(units)
        few = rng.random(len(units)) < 0.5
        one = rng.integers(len(self.columns), size=len(units))
        for k, (name, columns) in enumerate(self.columns.items()):
            parameter, here = self.parameters[name], units[:, columns]
            idle = (np.abs(here - np.array(parameter.middle)) < _SAME).all(-1) if name in self.conditions else None
            moves = np.where(few, one == k, rng.random(len(units)) < 0.5)
            moved[moves, columns] = parameter.near(here[moves], spread, rng)
            if idle is not None:
                moved[idle, columns] = rng.random((int(idle.sum()), parameter.width))
        return self.snap(moved)

    @cached_property
    def columns(self) -> Mapping[str, slice]:
        """The coordinates of the unit cube that each parameter fills."""
        found, start = {}, 0
        for name, parameter in self.parameters.items():
            found[name] = slice(start, start + parameter.width)
            start += parameter.width
        return found

    def sample(self, rng: Random) -> Params:
        """A point drawn uniformly, on each parameter's own scale, from those that the constraints allow.

        Raises:
            SpecError: 10,000 draws broke a constraint.
        """
        for _ in range(_MOST_DRAWS):
            params = self.decode([rng.random() for _ in range(self.width)])
            if self.allows(params):
                return params
        rules = ", ".join(f"'{rule.text}'" for rule in self.constraints)
        raise SpecError(
            Problem(
                "E051",
                f"of {_MOST_DRAWS:,} random points none satisfies the constraints {rules}",
                help="widen the ranges or relax the constraint",
            )
        )

    def nearest(self, values: Params) -> Params | None:
        """The point closest to the given values, name by name; None where a constraint forbids it."""
        params: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            if self.active(name, params):
                params[name] = parameter.nearest(values[name])
        return params if self.allows(params) else None

    def ticks(self, points: int) -> Mapping[str, Sequence[Value]]:
        """Each parameter's values on a grid of `points` per number (or its own number of points)."""
        return {name: parameter.grid(parameter.points or points) for name, parameter in self.parameters.items()}

    def walk(self, ticks: Mapping[str, Sequence[Value]], after: Params | None = None) -> Iterator[Params]:
        """The points of a grid in order, the first parameter slowest, from the one that follows `after`.

        Lazy: the 10^18th point costs what the first does.
        """
        yield from self._descend(tuple(self.parameters), ticks, {}, after)

    def _descend(
        self, names: tuple[str, ...], ticks: Mapping[str, Sequence[Value]], chosen: Params, after: Params | None
    ) -> Iterator[Params]:
        if not names:
            if after is None:  # else this is `after` itself
                yield chosen
            return
        name, *rest = names
        if not self.active(name, chosen):
            yield from self._descend(tuple(rest), ticks, chosen, after)
            return
        values = ticks[name]
        start = 0 if after is None else values.index(after[name])
        for i in range(start, len(values)):
            here = {**chosen, name: values[i]}
            if self.allows(here):
                yield from self._descend(tuple(rest), ticks, here, after if i == start else None)

    def count(self, ticks: Mapping[str, Sequence[Value]]) -> int:
        """How many points `walk` gives from the start, before constraints.

        Of a parameter's ticks, those that no condition names are counted together: none is listed.
        """
        names = tuple(self.parameters)
        needs = [self.conditions.get(name, {}) for name in names]
        later = [{parent for need in needs[i:] for parent in need} for i in range(len(names) + 1)]
        named = {
            name: {value for need in needs for value in need.get(name, ()) if value in ticks[name]} for name in names
        }

        @cache
        def below(i: int, chosen: frozenset[tuple[str, Value]]) -> int:
            """The points of the parameters from the i-th on; `chosen` are the named values they depend on."""
            if i == len(names):
                return 1
            name, chosen = names[i], frozenset(pair for pair in chosen if pair[0] in later[i])
            if not self.active(name, dict(chosen)):
                return below(i + 1, chosen)
            own = named[name]
            alone = sum(below(i + 1, chosen | {(name, value)}) for value in own)
            return alone + (len(ticks[name]) - len(own)) * below(i + 1, chosen)

        return below(0, frozenset())

    @cached_property
    def every(self) -> Mapping[str, Sequence[Value]] | None:
        """All values of all parameters, as ticks; None where a number is continuous."""
        ticks = {name: parameter.values() for name, parameter in self.parameters.items()}
        return None if None in ticks.values() else {name: t for name, t in ticks.items() if t is not None}

    @cached_property
    def size(self) -> int | None:
        """How many points there are, before constraints; None where they cannot be counted."""
        return None if self.every is None else self.count(self.every)


def point_key(params: Params) -> tuple[tuple[str, Value], ...]:
    """A hashable name of the point, whatever the order of its parameters."""
    return tuple(sorted(params.items()))

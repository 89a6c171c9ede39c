"""Parameters: what values each takes, and where in the unit cube each value lies."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random
from statistics import NormalDist
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Value = bool | int | float | str
Units = NDArray[np.float64]

_NEAR = 0.15  # deviation of a number from where it is believed to be good, on its own scale
_SURE = 0.5  # the share of draws near a choice's prior that are the prior itself: the others are any choice


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

    def around(self, value: Value, rng: Random) -> tuple[float, ...]:
        """A place drawn by one who believes the value to be good: a number near it, a choice most likely it."""

    def log_prior(self, value: Value, units: Units) -> Units:
        """[n] log density with which `around` draws the places [n, width]; 0 is that of uniform draws."""

    def values(self) -> Sequence[Value] | None:
        """Every value in order, not listed where they are many; None where they cannot be counted."""

    def nearest(self, value: Value) -> Value:
        """The value of this parameter that is closest to the given one."""

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Parameter:
        """The same kind of number between two of its values (a choice stays what it is)."""

    def describe(self) -> str:
        """What values it takes, in words."""


class _Line(ABC):
    """What fills one coordinate."""

    __slots__ = ()

    @property
    def width(self) -> int:
        return 1

    @property
    def middle(self) -> tuple[float, ...]:
        return (0.5,)

    @abstractmethod
    def encode(self, value: Value) -> tuple[float, ...]: ...

    def around(self, value: Value, rng: Random) -> tuple[float, ...]:
        (at,) = self.encode(value)
        while not 0.0 <= (place := rng.gauss(at, _NEAR)) <= 1.0:
            pass
        return (place,)

    def log_prior(self, value: Value, units: Units) -> Units:
        (at,) = self.encode(value)
        bell = NormalDist(at, _NEAR)
        inside = (bell.cdf(1.0) - bell.cdf(0.0)) * _NEAR * math.sqrt(2.0 * math.pi)
        return -0.5 * np.square((units[:, 0] - at) / _NEAR) - math.log(inside)


@dataclass(frozen=True, slots=True)
class Real(_Line):
    """A number in [low, high], both ends included; with `step`, only low, low + step, ..., high."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None
    ordered: ClassVar[bool] = True

    def __contains__(self, value: object) -> bool:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
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

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Real:
        return Real(float(low) + 0.0, float(high) + 0.0, log, step, points)

    def describe(self) -> str:
        return (
            "a number "
            + _between(self.low, self.high)
            + (f" in steps of {self.step:g}" if self.step else "")
        )

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
class Integer(_Line):
    """A whole number in [low, high], both ends included. Each value owns a cell of the unit interval."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    points: int | None = None
    ordered: ClassVar[bool] = True

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
            return min(
                max(round(_value(unit[0], self.low - 0.5, self.high + 0.5, log=True)), self.low),
                self.high,
            )
        return _cell(self.values(), unit[0])

    def snap(self, units: Units) -> Units:
        if not self.log:
            return _snapped(units, len(self.values()))
        # encode and decode once more: through them 1,500 places take a hundred times as long, and to decode one
        # place by arrays takes seven times as long
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        values = np.clip(np.round(np.exp(low + units * (high - low))), self.low, self.high)
        return (np.log(values) - low) / (high - low)

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        return _stepped(units, spread, None if self.log else len(self.values()), rng)

    def grid(self, points: int) -> Sequence[int]:
        if not self.log:
            return _thinned(self.values(), points)
        return tuple(
            dict.fromkeys(round(_value(u, self.low, self.high, log=True)) for u in _ticks(points))
        )

    def values(self) -> range:
        return range(self.low, self.high + 1, self.step)

    def nearest(self, value: Value) -> int:
        steps = round((min(max(float(value), self.low), self.high) - self.low) / self.step)
        return self.low + steps * self.step

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Integer:
        return Integer(int(low), int(high), log, int(step or 1), points)

    def describe(self) -> str:
        return (
            "a whole number "
            + _between(self.low, self.high)
            + (f" in steps of {self.step}" if self.step > 1 else "")
        )


@dataclass(frozen=True, slots=True)
class _Listed:
    """One of a few values that are written out. No two are equal, as Python has it (1, 1.0 and True are)."""

    options: tuple[Value, ...]
    ordered: ClassVar[bool] = False

    @property
    def points(self) -> None:
        return None

    def __contains__(self, value: object) -> bool:
        return any(
            value == option and isinstance(value, bool) == isinstance(option, bool)
            for option in self.options
        )

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

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Self:
        return self

    def describe(self) -> str:
        return "one of " + ", ".join(str(option) for option in self.options)


@dataclass(frozen=True, slots=True)
class Choice(_Listed):
    """Values in no order: a block of one coordinate per value, of which the largest wins."""

    @property
    def width(self) -> int:
        return len(self.options)

    @property
    def middle(self) -> tuple[float, ...]:
        return (1.0 / self.width,) * self.width

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

    def around(self, value: Value, rng: Random) -> tuple[float, ...]:
        return self.encode(value if rng.random() < _SURE else rng.choice(self.options))

    def log_prior(self, value: Value, units: Units) -> Units:
        other = 1.0 - _SURE
        is_it = units.argmax(axis=1) == self.options.index(value)
        return np.where(is_it, math.log(other + _SURE * self.width), math.log(other))


@dataclass(frozen=True, slots=True)
class Ordinal(_Line, _Listed):
    """Numbers: in their order, each owns a cell of the unit interval."""

    options: tuple[float, ...]

    def encode(self, value: Value) -> tuple[float, ...]:
        return ((sorted(self.options).index(float(value)) + 0.5) / len(self.options),)

    def decode(self, unit: Sequence[float]) -> Value:
        return _cell(sorted(self.options), unit[0])

    def snap(self, units: Units) -> Units:
        return _snapped(units, len(self.options))

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        return _stepped(units, spread, len(self.options), rng)


class Domain(Protocol):
    """What a name may stand for: the whole of which a parameter searches a part."""

    ordered: ClassVar[bool]

    def __contains__(self, value: object) -> bool: ...

    def nearest(self, value: Value) -> Value: ...

    def grid(self, points: int) -> Sequence[Value]: ...

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Parameter: ...

    def describe(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Anything:
    """The domain of a name of which nothing is known: any number, word or truth."""

    ordered: ClassVar[bool] = True

    def __contains__(self, value: object) -> bool:
        return isinstance(value, bool | str) or (
            isinstance(value, int | float) and math.isfinite(value)
        )

    def nearest(self, value: Value) -> Value:
        """The value itself."""
        return value

    def grid(self, points: int) -> Sequence[Value]:
        """No value is better known than another."""
        return ()

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Parameter:
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
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    if low == high:  # of neighbours, the logarithms may be
        return 0.5
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _value(unit: float, low: float, high: float, log: bool) -> float:
    """What lies at a place in [0, 1]: at the ends, exactly `low` and `high`."""
    if unit in (0.0, 1.0):
        return high if unit else low
    value = (
        math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        if log
        else low + unit * (high - low)
    )
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

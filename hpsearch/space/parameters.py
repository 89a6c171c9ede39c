"""Parameters: which values each takes, and where in the unit cube each value lies.

A parameter owns its map to the unit cube: nowhere but in this module may code ask what type a
parameter is. `Parameter` says what a parameter must do, and what its methods mean; the others here
are the kinds of it, and do not repeat that.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random
from statistics import NormalDist
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hpsearch.space.unit_interval import (
    cell_centers,
    evenly,
    from_unit,
    step_away,
    ticks,
    to_unit,
    value_at,
)

Value = bool | int | float | str
Units = NDArray[np.float64]
"""Coordinates in the unit cube: (places, width), one row for each place."""

_LARGEST = sys.float_info.max
_PRIOR_STD = 0.15
"""The standard deviation of draws around a number's prior, on the number's own scale of [0, 1]."""
_PRIOR_SHARE = 0.5
"""How often a draw around a choice's prior is the prior itself; else it is any of the options."""


class Parameter(Protocol):
    """One dimension of the search: a set of values, and its map to a part of the unit cube.

    A parameter fills `width` coordinates, each in [0, 1]: a number one of them, a choice one for
    each option.

    >>> lr = Real(1e-4, 1e-1, log=True)
    >>> lr.grid(4)
    (0.0001, 0.001, 0.01, 0.1)
    >>> cell = Choice(("gru", "lstm"))
    >>> cell.encode("lstm"), cell.decode((0.7, 0.2))
    ((0.0, 1.0), 'gru')
    """

    ordered: ClassVar[bool]
    """Whether the values have an order and a distance: a number has, a choice has not."""

    @property
    def points(self) -> int | None:
        """How many values it gives to a grid, where the YAML file says so."""

    @property
    def width(self) -> int:
        """How many coordinates of the unit cube it fills."""

    @property
    def middle(self) -> tuple[float, ...]:
        """The coordinates that stand for it while it is not active."""

    def __contains__(self, value: object) -> bool: ...

    def encode(self, value: Value) -> tuple[float, ...]:
        """Return the value's coordinates; `decode` inverts it (for a real, up to rounding)."""

    def decode(self, unit: Sequence[float]) -> Value:
        """Return the value at some coordinates.

        Every place has a value, and uniform coordinates give values that are uniform on the
        parameter's scale.
        """

    def grid(self, points: int) -> Sequence[Value]:
        """Return distinct values for a grid, in order.

        A number gives `points` of them with both ends included (fewer where it has fewer), or its
        middle where `points` is 1. A choice always gives all of its values.
        """

    def snap(self, units: Units) -> Units:
        """Return the coordinates of the values at these places: `encode(decode(row))` of each."""

    def near(self, units: Units, std: float, rng: np.random.Generator) -> Units:
        """Return for each place another one, as a local search takes its next step.

        A number moves by a normal step of this standard deviation, reflected at the ends of its
        range, and by one value at least where its values can be counted. A choice becomes any other
        of its values.
        """

    def around(self, value: Value, rng: Random) -> tuple[float, ...]:
        """Draw a place from the prior by which this value is believed to be good.

        The prior of a number is a normal distribution around the value, cut off at the ends of the
        range. The prior of a choice gives half of the draws to the value, and shares the other half
        evenly among all values.
        """

    def log_prior(self, value: Value, units: Units) -> Units:
        """Return the logarithms (places,) of the density with which `around` draws these places.

        The density of uniform draws is 1, so that 0 says nothing for or against a place.
        """

    def values(self) -> Sequence[Value] | None:
        """Return every value in order, or None where they cannot be counted.

        The sequence may be long: its values are computed when they are asked for.
        """

    def nearest(self, value: Value) -> Value:
        """Return the value of this parameter that is closest to the given one."""

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Parameter:
        """Return the same kind of number between two of its values; of a choice, the choice itself.

        Args:
            low: the smallest value.
            high: the largest value.
            log: whether the scale is logarithmic.
            step: the distance of neighbouring values; None stands for the kind's own.
            points: how many values it gives to a grid; None leaves that to the grid.
        """

    def describe(self) -> str:
        """Return in words which values it takes."""


class _OneCoordinate(ABC):
    """What all parameters have in common that fill one coordinate: numbers and ordered options."""

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
        while not 0.0 <= (place := rng.gauss(at, _PRIOR_STD)) <= 1.0:
            pass
        return (place,)

    def log_prior(self, value: Value, units: Units) -> Units:
        (at,) = self.encode(value)
        bell = NormalDist(at, _PRIOR_STD)
        inside = (bell.cdf(1.0) - bell.cdf(0.0)) * _PRIOR_STD * math.sqrt(2.0 * math.pi)
        return -0.5 * np.square((units[:, 0] - at) / _PRIOR_STD) - math.log(inside)


@dataclass(frozen=True, slots=True)
class Real(_OneCoordinate):
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
        return (to_unit(float(value), self.low, self.high, self.log),)

    def decode(self, unit: Sequence[float]) -> float:
        if self.step is not None:
            return value_at(self._steps, unit[0])
        return from_unit(unit[0], self.low, self.high, self.log)

    def snap(self, units: Units) -> Units:
        if self.step is not None or self.low == self.high:
            return cell_centers(units, len(self.values() or ()))
        return units

    def near(self, units: Units, std: float, rng: np.random.Generator) -> Units:
        return step_away(units, std, None if self.step is None else len(self._steps), rng)

    def grid(self, points: int) -> Sequence[float]:
        if self.step is not None:
            return evenly(self._steps, points)
        ends = (self.low, self.high)
        found = (self.decode([unit]) for unit in ticks(points))
        return tuple(dict.fromkeys(value if value in ends else _neat(value) for value in found))

    def values(self) -> Sequence[float] | None:
        if self.low == self.high:
            return (self.low,)
        return None if self.step is None else self._steps

    def nearest(self, value: Value) -> float:
        value = min(max(float(value), self.low), self.high) + 0.0  # makes 0.0 of -0.0
        return value if self.step is None else self._steps[self._steps.closest(value)]

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Real:
        return Real(float(low) + 0.0, float(high) + 0.0, log, step, points)

    def describe(self) -> str:
        steps = f" in steps of {self.step:g}" if self.step else ""
        return f"a number {_between(self.low, self.high)}{steps}"

    @property
    def _steps(self) -> _Steps:
        assert self.step is not None
        return _steps(self.low, self.high, self.step)


@dataclass(frozen=True, slots=True)
class _Steps(Sequence[float]):
    """The numbers low, low + step, ..., as decimals mean them: 0.3, not 0.30000000000000004.

    There may be billions of them, so that none is stored.
    """

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
        """Return the position of the step that is closest to a value in [low, high]."""
        return min(max(round((exact(value) - self.low) / self.step), 0), self.number - 1)


@lru_cache
def _steps(low: float, high: float, step: float) -> _Steps:
    return _Steps(exact(low), exact(step), 1 + round((exact(high) - exact(low)) / exact(step)))


@dataclass(frozen=True, slots=True)
class Integer(_OneCoordinate):
    """A whole number in [low, high], both ends included.

    Each value owns a cell of [0, 1]. On a logarithmic scale the cell of a value n reaches from
    log(n - 0.5) to log(n + 0.5), and there is no step.
    """

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
            return (to_unit(value, self.low - 0.5, self.high + 0.5, log=True),)
        return (((value - self.low) // self.step + 0.5) / len(self.values()),)

    def decode(self, unit: Sequence[float]) -> int:
        if self.log:
            value = round(from_unit(unit[0], self.low - 0.5, self.high + 0.5, log=True))
            return min(max(value, self.low), self.high)
        return value_at(self.values(), unit[0])

    def snap(self, units: Units) -> Units:
        if not self.log:
            return cell_centers(units, len(self.values()))
        # This repeats `encode` and `decode` for arrays. Called for each of 1,500 places they would
        # take a hundred times as long, and arrays in their stead seven times as long for one place.
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        values = np.clip(np.round(np.exp(low + units * (high - low))), self.low, self.high)
        return (np.log(values) - low) / (high - low)

    def near(self, units: Units, std: float, rng: np.random.Generator) -> Units:
        return step_away(units, std, None if self.log else len(self.values()), rng)

    def grid(self, points: int) -> Sequence[int]:
        if not self.log:
            return evenly(self.values(), points)
        found = (round(from_unit(unit, self.low, self.high, log=True)) for unit in ticks(points))
        return tuple(dict.fromkeys(found))

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
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a whole number {_between(self.low, self.high)}{steps}"


@dataclass(frozen=True, slots=True)
class _OneOfOptions:
    """What parameters have in common whose values are written out.

    No two options are equal in Python's sense, in which 1, 1.0 and True are.
    """

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
class Choice(_OneOfOptions):
    """Options without an order, each with a coordinate of its own: the largest one decides."""

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

    def near(self, units: Units, std: float, rng: np.random.Generator) -> Units:
        other = units.argmax(axis=1) + rng.integers(1, max(self.width, 2), len(units))
        places: Units = np.eye(self.width)[other % self.width]
        return places

    def around(self, value: Value, rng: Random) -> tuple[float, ...]:
        return self.encode(value if rng.random() < _PRIOR_SHARE else rng.choice(self.options))

    def log_prior(self, value: Value, units: Units) -> Units:
        other = 1.0 - _PRIOR_SHARE
        is_it = units.argmax(axis=1) == self.options.index(value)
        return np.where(is_it, math.log(other + _PRIOR_SHARE * self.width), math.log(other))


@dataclass(frozen=True, slots=True)
class Ordinal(_OneCoordinate, _OneOfOptions):
    """Options that are numbers: each owns a cell of [0, 1], in the order of the numbers."""

    options: tuple[float, ...]

    def encode(self, value: Value) -> tuple[float, ...]:
        return ((sorted(self.options).index(float(value)) + 0.5) / len(self.options),)

    def decode(self, unit: Sequence[float]) -> Value:
        return value_at(sorted(self.options), unit[0])

    def snap(self, units: Units) -> Units:
        return cell_centers(units, len(self.options))

    def near(self, units: Units, std: float, rng: np.random.Generator) -> Units:
        return step_away(units, std, len(self.options), rng)


class Domain(Protocol):
    """All the values that a setting can take, of which a parameter searches a part.

    Every parameter can serve as one. Its methods mean what they mean in `Parameter`.
    """

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
    """The domain of a parameter of which nothing is known: any number, text or truth value.

    Parameters of a user's own program have it; those of the engine have domains of their own.
    """

    ordered: ClassVar[bool] = True

    def __contains__(self, value: object) -> bool:
        return isinstance(value, bool | str) or (
            isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST
        )

    def nearest(self, value: Value) -> Value:
        """Return the value itself."""
        return value

    def grid(self, points: int) -> Sequence[Value]:
        """Return no value, since none is known."""
        return ()

    def narrowed(
        self, low: float, high: float, log: bool, step: float | None, points: int | None
    ) -> Parameter:
        """Return a range of whole numbers where both ends and the step are whole, else of reals."""
        if all(isinstance(number, int) for number in (low, high, step or 1)):
            return Integer(int(low), int(high), log, int(step or 1), points)
        return Real(float(low) + 0.0, float(high) + 0.0, log, step, points)

    def describe(self) -> str:
        """Return in words which values it takes."""
        return "a number, a word, true or false"


def listed(options: tuple[Value, ...]) -> Parameter:
    """Return the parameter of values that are written out.

    Three numbers or more have an order. Two may as well be names for two ways of doing something,
    and are a choice, as is everything with a text or a truth value in it.

    >>> listed((16, 32, 64))
    Ordinal(options=(16, 32, 64))
    >>> listed(("relu", "tanh"))
    Choice(options=('relu', 'tanh'))
    """
    numbers = [one for one in options if isinstance(one, int | float) and not isinstance(one, bool)]
    return Ordinal(tuple(numbers)) if len(numbers) == len(options) > 2 else Choice(options)


def exact(number: float) -> Fraction:
    """Return the number that a person means by writing this one in decimals.

    >>> exact(0.1)
    Fraction(1, 10)
    """
    return Fraction(number if isinstance(number, int) else repr(float(number)))


def _neat(number: float) -> float:
    """Return the number to 12 digits: 0.001, not 0.0009999999999999998."""
    return float(f"{number:.12g}")


def _between(low: float, high: float) -> str:
    """Return the range in words, in which an end beyond what anybody writes does not appear."""
    if high >= 2**31 - 1:
        return "above 0" if 0 < low < 1e-9 else f"of {low:.12g} or more"
    return f"from {low:.12g} to {high:.12g}"

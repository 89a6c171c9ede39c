"""Where the values of a number lie in [0, 1]: along a range, on a logarithmic scale, or in cells.

Values that can be counted own cells of equal length: of n values, the k-th (from 0) owns the
coordinates from k / n to (k + 1) / n, and its own coordinate is the center of that cell. So uniform
coordinates give every value equally often, the ends of the range included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
_Units = NDArray[np.float64]  # coordinates in [0, 1], in any shape


def to_unit(value: float, low: float, high: float, log: bool) -> float:
    """Return the coordinate of a value between `low` and `high`, 0.5 where these are equal.

    >>> to_unit(0.01, 0.001, 0.1, log=True), to_unit(2.5, 2.0, 4.0, log=False)
    (0.5, 0.25)
    """
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    if low == high:  # neighbouring numbers may have the same logarithm
        return 0.5
    return min(max((value - low) / (high - low), 0.0), 1.0)


def from_unit(unit: float, low: float, high: float, log: bool) -> float:
    """Return the value at a coordinate: at the ends exactly `low` and `high`.

    >>> from_unit(0.25, 2.0, 4.0, log=False)
    2.5
    """
    if unit in (0.0, 1.0):
        return high if unit else low
    value = (
        math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        if log
        else low + unit * (high - low)
    )
    return min(max(value, low), high)  # exp(log(x)) may overshoot by one unit in the last place


def value_at(values: Sequence[T], unit: float) -> T:
    """Return the value that owns the cell in which a coordinate lies.

    >>> value_at(("a", "b", "c"), 0.34)
    'b'
    """
    return values[min(int(unit * len(values)), len(values) - 1)]


def cell_centers(units: _Units, cells: int) -> _Units:
    """Return the centers of the cells in which coordinates lie."""
    return (np.minimum(np.floor(units * cells), cells - 1) + 0.5) / cells


def step_away(units: _Units, std: float, cells: int | None, rng: np.random.Generator) -> _Units:
    """Return coordinates a normal step away, reflected at 0 and 1.

    Args:
        units: from where the steps go.
        std: the standard deviation of a step.
        cells: of so many cells each step leads at least to the next; None where there are none.
        rng: the source of the steps.
    """
    step = std * rng.standard_normal(units.shape)
    if cells is not None:
        step = np.where(np.abs(step) < 1.0 / cells, np.copysign(1.0 / cells, step), step)
    folded = np.abs(units + step) % 2.0
    return np.where(folded > 1.0, 2.0 - folded, folded)


def ticks(points: int) -> tuple[float, ...]:
    """Return evenly spaced coordinates from 0 to 1, or 0.5 where only one is asked for."""
    return (0.5,) if points == 1 else tuple(k / (points - 1) for k in range(points))


def evenly(values: Sequence[T], points: int) -> tuple[T, ...]:
    """Return at most `points` of the values, evenly spaced, both ends included.

    >>> evenly(range(101), 5)
    (0, 25, 50, 75, 100)
    """
    if points >= len(values):
        return tuple(values)
    return tuple(values[round(unit * (len(values) - 1))] for unit in ticks(points))

"""How inputs are scaled: measured on the training rows alone, per column of a table, per channel of images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Floats, Ints, Scale

_BLOCK = 4096


def scaling(inputs: NDArray[Any], rows: Ints, scale: Scale) -> tuple[Floats, Floats]:
    """The center and the spread, (features,) or (channels, 1, 1), such that (x - center) / spread scales a row.

    `standard` takes the mean and the standard deviation, `unit` the largest absolute value. What does not vary (or is
    0 throughout) has spread 1.
    """
    if scale == "standard":
        center, spread = moments(inputs, rows)
    else:
        center, spread = np.zeros_like(_first(inputs, rows)), np.ones_like(_first(inputs, rows))
    if scale == "unit":
        largest = (
            np.abs(block).max(axis=_axes(block), keepdims=True)[0]
            for block in _blocks(inputs, rows)
        )
        spread = np.maximum.reduce(list(largest))
    narrow = spread.astype(np.float32)
    return center.astype(np.float32), np.where(narrow > 0, narrow, np.float32(1))


def moments(inputs: NDArray[Any], rows: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the rows; a deviation is 0 exactly where nothing varies."""
    # from the first row, since the mean of equal numbers is not always that number
    first = _first(inputs, rows)
    count = len(rows) * inputs[0].size // first.size
    mean = sum(_sum(block - first) for block in _blocks(inputs, rows)) / count
    variance = sum(_sum((block - first - mean) ** 2) for block in _blocks(inputs, rows)) / count
    return first + mean, np.sqrt(variance)


def _first(inputs: NDArray[Any], rows: Ints) -> NDArray[np.float64]:
    """One value of each column or channel."""
    row = inputs[rows[0]]
    first: NDArray[np.float64] = row[:, :1, :1] if row.ndim == 3 else row
    return first.astype(np.float64)


def _blocks(inputs: NDArray[Any], rows: Ints) -> Iterator[NDArray[np.float64]]:
    """The rows in float64, a few at a time: all at once would take eight times the room of an image's bytes."""
    for start in range(0, len(rows), _BLOCK):
        yield inputs[rows[start : start + _BLOCK]].astype(np.float64)


def _sum(block: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = block.sum(axis=_axes(block), keepdims=True)[0]
    return total


def _axes(block: NDArray[Any]) -> tuple[int, ...]:
    return (0, *range(2, block.ndim))

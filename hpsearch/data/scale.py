"""Scale inputs by the training rows alone: per column of a table, per channel of images.

All of it is in float64: a column of dates in seconds differs by little from row to row, and float32
would hold none of that before it is centred.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Exact, Fold, InputScale, Ints

_BLOCK = 4096  # rows that are in memory as float64 at the same time


def scaled_fold(inputs: NDArray[Any], train: Ints, validation: Ints, kind: InputScale) -> Fold:
    """Return the fold of these rows, with the scale of its training rows."""
    return Fold(train, validation, *scaling(inputs, train, kind))


def scaling(inputs: NDArray[Any], rows: Ints, kind: InputScale) -> tuple[Exact, Exact]:
    """Return center and scale such that `(x - center) / scale` is a scaled input.

    Both have the shape (features,) or (channels, 1, 1). The kind `standard` takes the mean and the
    standard deviation of the rows, `unit` takes 0 and the largest absolute value, `none` 0 and 1.
    The scale is 1 where it would be 0.

    >>> inputs = np.array([[1.0, 7.0], [3.0, 7.0], [100.0, 100.0]])
    >>> center, scale = scaling(inputs, np.array([0, 1]), "standard")
    >>> center.tolist(), scale.tolist()
    ([2.0, 7.0], [1.0, 1.0])
    """
    if kind == "standard":
        center, scale = moments(inputs, rows)
    else:
        center, scale = np.zeros_like(_first(inputs, rows)), np.ones_like(_first(inputs, rows))
    if kind == "unit":
        largest = (
            np.abs(block).max(axis=_axes(block), keepdims=True)[0]
            for block in _blocks(inputs, rows)
        )
        scale = np.maximum.reduce(list(largest))
    return center, np.where(scale > 0, scale, 1.0)


def moments(inputs: NDArray[Any], rows: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the rows, the latter 0 exactly where all are equal."""
    # Differences from the first row are summed, since the mean of equal numbers is not always that
    # number in floating point: 1,000 times 0.1 would get a tiny standard deviation.
    first = _first(inputs, rows)
    count = len(rows) * inputs[0].size // first.size
    mean = sum(_sum(block - first) for block in _blocks(inputs, rows)) / count
    variance = sum(_sum((block - first - mean) ** 2) for block in _blocks(inputs, rows)) / count
    return first + mean, np.sqrt(variance)


def varies(inputs: NDArray[Any], rows: Ints, first: int) -> NDArray[np.bool_]:
    """Return which columns of a table are other in some of these rows than in row `first`."""
    found = np.zeros(inputs.shape[1], dtype=np.bool_)
    for block in _blocks(inputs, rows):
        found |= (block != inputs[first]).any(axis=0)
    return found


def _first(inputs: NDArray[Any], rows: Ints) -> NDArray[np.float64]:
    """Return one value of each column or channel."""
    row = inputs[rows[0]]
    first: NDArray[np.float64] = row[:, :1, :1] if row.ndim == 3 else row
    return first.astype(np.float64)


def _blocks(inputs: NDArray[Any], rows: Ints) -> Iterator[NDArray[np.float64]]:
    """Yield the rows in float64, a few at a time: images of bytes would grow eightfold."""
    for start in range(0, len(rows), _BLOCK):
        yield inputs[rows[start : start + _BLOCK]].astype(np.float64)


def _sum(block: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = block.sum(axis=_axes(block), keepdims=True)[0]
    return total


def _axes(block: NDArray[Any]) -> tuple[int, ...]:
    """Return the axes over which a scale is measured: all but the columns or channels."""
    return (0, *range(2, block.ndim))

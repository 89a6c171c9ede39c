"""Scale inputs by the training rows alone: per feature of a table, per channel of images.

All of it is in float64: a column of dates in seconds differs by little from row to row, and float32
would hold none of that before it is centred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Exact, Fold, InputScale, Ints
from hpsearch.data.columns import Column
from hpsearch.data.columns.encode import BLOCK, expanded


def scaled_fold(
    inputs: NDArray[Any],
    train: Ints,
    validation: Ints,
    kind: InputScale,
    columns: Sequence[Column] = (),
) -> Fold:
    """Return the fold of these rows, with what is measured on its training rows."""
    return Fold(train, validation, *scaling(inputs, train, kind, columns))


def scaling(
    inputs: NDArray[Any], rows: Ints, kind: InputScale, columns: Sequence[Column] = ()
) -> tuple[Exact, Exact, Exact]:
    """Return center, scale and fill.

    `(x - center) / scale` is a scaled input, and a missing x is taken for `fill`, the mean. They
    have the shape (features,) or (channels, 1, 1). The kind `standard` takes the mean and the
    standard deviation of the rows, `unit` takes 0 and the largest absolute value, `none` 0 and 1.
    The scale is 1 where it would be 0. Flags, such as those of categories, stay as they are; one
    that does not vary among the rows has an infinite scale, which makes it 0 in all others: of a
    category that no row has, nothing is learned.

    >>> inputs = np.array([[1.0, 7.0], [3.0, 7.0], [100.0, 100.0]])
    >>> center, scale, fill = scaling(inputs, np.array([0, 1]), "standard")
    >>> center.tolist(), scale.tolist(), fill.tolist()
    ([2.0, 7.0], [1.0, 1.0], [2.0, 7.0])
    """
    read = _Features(inputs, rows, columns)
    mean, deviation = read.moments()
    if kind == "standard":
        center, scale = mean, deviation
    else:
        center, scale = np.zeros_like(mean), np.ones_like(mean)
    if kind == "unit":
        scale = read.largest()
    scale = np.where(scale > 0, scale, 1.0)
    if columns:
        scaled = np.array([one for column in columns for one in column.scaled])
        center = np.where(scaled, center, 0.0)
        scale = np.where(scaled, scale, np.where(deviation > 0, 1.0, np.inf))
    return center, scale, mean


def moments(inputs: NDArray[Any], rows: Ints) -> tuple[Exact, Exact]:
    """Return mean and standard deviation of the rows, the latter 0 exactly where all are equal."""
    return _Features(inputs, rows, ()).moments()


def varies(inputs: NDArray[Any], rows: Ints, first: int) -> NDArray[np.bool_]:
    """Return which columns of a table are other in some of these rows than in row `first`."""
    found = np.zeros(inputs.shape[1], dtype=np.bool_)
    for start in range(0, len(rows), BLOCK):
        block = inputs[rows[start : start + BLOCK]]
        both_missing = np.isnan(block) & np.isnan(inputs[first])
        found |= ((block != inputs[first]) & ~both_missing).any(axis=0)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """The features of some rows, or the images; of what is missing nothing is measured.

    Only features of a table can be missing.
    """

    inputs: NDArray[Any]
    rows: Ints
    columns: Sequence[Column]

    def blocks(self) -> Iterator[Exact]:
        """Yield the rows in float64, a few at a time: images of bytes would grow eightfold."""
        for start in range(0, len(self.rows), BLOCK):
            yield expanded(self.inputs[self.rows[start : start + BLOCK]], self.columns)

    def moments(self) -> tuple[Exact, Exact]:
        """Return mean and standard deviation, the latter 0 exactly where all are equal."""
        # Differences from the first value are summed, since the mean of equal numbers is not always
        # that number in floating point: 1,000 times 0.1 would get a tiny standard deviation.
        first = self._first()
        count = self._count(first)
        mean = self._sum(lambda block: self._known(block - first)) / count
        variance = self._sum(lambda block: self._known(block - first - mean) ** 2) / count
        return first + mean, np.sqrt(variance)

    def largest(self) -> Exact:
        """Return the largest absolute value of each feature or channel; 0 without one."""
        each = (np.abs(self._known(block)) for block in self.blocks())
        largest = [one.max(axis=_axes(one), keepdims=True)[0] for one in each]
        found: Exact = np.maximum.reduce(largest)
        return found

    def _known(self, block: Exact) -> Exact:
        """Return the block with 0 for what is missing."""
        return np.nan_to_num(block, nan=0.0) if self.columns else block

    def _count(self, first: Exact) -> Exact | int:
        """Return how many values are measured."""
        if not self.columns:
            numbers: int = self.inputs[0].size
            return len(self.rows) * numbers // first.size
        known = self._sum(lambda block: (~np.isnan(block)).astype(np.float64))
        found: Exact = np.maximum(known, 1.0)
        return found

    def _first(self) -> Exact:
        """Return the first value of each feature or channel that is not missing; 0 without one."""
        blocks = self.blocks()
        first: Exact = next(blocks)[0]
        if not self.columns:
            return first[:, :1, :1] if first.ndim == 3 else first
        for block in self.blocks():
            if not np.isnan(first).any():
                break
            at = (~np.isnan(block)).argmax(axis=0)
            first = np.where(np.isnan(first), block[at, np.arange(block.shape[1])], first)
        return self._known(first)

    def _sum(self, of: Callable[[Exact], Exact]) -> Exact:
        each = (of(block) for block in self.blocks())
        total: Exact = sum(one.sum(axis=_axes(one), keepdims=True)[0] for one in each)
        return total


def _axes(block: NDArray[Any]) -> tuple[int, ...]:
    """Return the axes over which a scale is measured: all but the features or channels."""
    return (0, *range(2, block.ndim))

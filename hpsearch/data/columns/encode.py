"""From the numbers that a data set keeps to the features that a network sees.

A table is kept as one number for each cell (see `hpsearch.data.columns`). For a network its columns
are expanded into features, a missing number is filled in, and quantities are centred and scaled:
all of it in float64, a block of rows at a time, by what was measured on the training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Exact, Inputs
from hpsearch.data.columns import Column, NumberColumn

BLOCK = 4096  # rows that are in memory as float64 at the same time


def expanded(block: NDArray[Any], columns: Sequence[Column]) -> Exact:
    """Return the features of some rows, neither filled in nor scaled; images as they are.

    >>> from hpsearch.data.columns import CategoryColumn
    >>> columns = [NumberColumn("size", has_missing=True), CategoryColumn("cut", ("fair", "good"))]
    >>> expanded(np.array([[7.0, 1.0], [np.nan, 0.0]]), columns).tolist()
    [[7.0, 0.0, 1.0], [nan, 1.0, -1.0]]
    """
    exact = block.astype(np.float64, copy=False)
    if all(is_plain(column) for column in columns):
        return exact
    return np.column_stack([column.expand(exact[:, k]) for k, column in enumerate(columns)])


def is_plain(column: Column) -> bool:
    """Say whether a column has one feature, which is the number itself."""
    return isinstance(column, NumberColumn) and not column.has_missing


class Scaling(Protocol):
    """What features are filled in and scaled by: see `hpsearch.data.Fold`, which is one."""

    @property
    def center(self) -> Exact:
        """Return what is taken from each feature."""

    @property
    def scale(self) -> Exact:
        """Return what each is then divided by."""

    @property
    def fill(self) -> Exact:
        """Return what stands for a missing one."""


def encoded(block: NDArray[Any], columns: Sequence[Column], by: Scaling) -> Exact:
    """Return the features of some rows as a network sees them."""
    return scaled(expanded(block, columns), columns, by)


def scaled(features: Exact, columns: Sequence[Column], by: Scaling, xp: Any = np) -> Exact:
    """Return features, filled in and scaled, or images.

    They are arrays of `xp`, which is numpy or torch, and so is what they are scaled by.
    """
    if columns:
        features = xp.where(xp.isnan(features), by.fill, features)
    return (features - by.center) / by.scale


def blocks(inputs: Inputs, columns: Sequence[Column], by: Scaling) -> Iterator[tuple[int, Exact]]:
    """Yield all rows as a network sees them, a few at a time, with the number of the first."""
    for start in range(0, len(inputs), BLOCK):
        yield start, encoded(inputs[start : start + BLOCK], columns, by)

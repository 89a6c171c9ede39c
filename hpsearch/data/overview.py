"""What each column of a table holds, and how much of it is missing, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from hpsearch.data import Dataset
from hpsearch.data.columns import CategoryColumn, Column, DateColumn

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 4  # categories that are named


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """What a column of a table holds.

    Attributes:
        name: what it is called.
        kind: number, category or date.
        missing: the share of the rows that have none.
        values: its range, or its most frequent categories, in words.
        features: how many features a network sees of it.
    """

    name: str
    kind: str
    missing: float
    values: str
    features: int


def column_reports(data: Dataset) -> Sequence[ColumnReport]:
    """Return a report on each column of a table."""
    return [_report(column, data.inputs[:, k]) for k, column in enumerate(data.columns)]


def _report(column: Column, numbers: np.ndarray) -> ColumnReport:
    exact = numbers.astype(np.float64)
    missing = np.isnan(exact)
    known = exact[~missing]
    return ColumnReport(
        name=column.name,
        kind=column.kind,
        missing=float(missing.mean()),
        values=_values(column, known) if len(known) else "",
        features=len(column.features),
    )


def _values(column: Column, known: np.ndarray) -> str:
    if isinstance(column, CategoryColumn):
        return _categories(column, known)
    low, high = float(known.min()), float(known.max())
    if isinstance(column, DateColumn):
        return f"{_date(low)} to {_date(high)}"
    return f"{low:g} to {high:g}"


def _categories(column: CategoryColumn, known: np.ndarray) -> str:
    """Return the most frequent categories, and how many others there are."""
    codes = known[known >= 0].astype(np.int64)
    often = np.argsort(-np.bincount(codes, minlength=len(column.categories)), kind="stable")
    named = [column.categories[k] for k in often[:_SHOWN]]
    others = len(column.categories) - len(named)
    return ", ".join(named) + (f" and {others:,} more" if others else "")


def _date(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d")

"""The columns of a table: what each holds, and how its cells become numbers for a network.

A column is one of three records. Each says how its cells are read into one float64 number a row
(NaN where the value is missing), which is what a data set keeps; and how that number is expanded
into the features that a network sees:

- `NumberColumn`: the number itself.
- `CategoryColumn`: the place of a text among the categories; one feature of -1 and 1 for two of
  them, one of 0 and 1 for each of up to `MOST_FLAGS`, and for more of them one that is a place in a
  table, of which a network learns the vectors. A text that is none of them is 0 in every feature.
- `DateColumn`: the seconds since 1970; the time in years and those of year, month, weekday and hour
  that vary are features.

A column of which some values are missing has a feature more, which is 1 where that is so. (Among
categories, missing is a category.) The records hold nothing but what is known before a row trains:
means and scales are measured on the training rows of each fold, see `hpsearch.data.columns.encode`.
Numbers are expanded by the functions of `xp`, which is numpy, or what writes the nodes of a graph:
so the same lines serve an exported model (`hpsearch.model.onnx.operators`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from hpsearch.data import Exact, Ints, Kind
from hpsearch.data.columns.calendar import PARTS, YEAR, DatePart, parts_of
from hpsearch.data.columns.numerals import PLAIN, Numerals
from hpsearch.registry import resolve

if TYPE_CHECKING:
    import pyarrow as pa


UNSEEN = -1.0
"""What stands for a category that is not told apart."""

MOST_FLAGS = 64
"""A column of more categories is embedded. Models that were stored go by this number: it stays."""

MOST_CATEGORIES = 10_000
"""The categories of a column that are told apart are the most frequent ones, at most so many."""

_LEAST_ROWS = 2  # that train or validate and have a category: of one row nothing can be learned


class Column(Protocol):
    """What a column of any kind can do."""

    @property
    def name(self) -> str:
        """Return what the column is called."""

    @property
    def kind(self) -> Kind:
        """Return what it holds."""

    @property
    def has_missing(self) -> bool:
        """Return whether values are missing in rows that are trained on."""

    @property
    def written(self) -> str:
        """Return in words how its cells are written, where that is not the plain way."""

    @property
    def features(self) -> tuple[str, ...]:
        """Return the names of the features that a network sees of it."""

    @property
    def scaled(self) -> tuple[bool, ...]:
        """Say for each feature whether it is a quantity, which is scaled; others are flags."""

    @property
    def places(self) -> int:
        """Return how many places its one feature may be, where that is looked up in a table.

        It is 0 where the features are numbers in their own right.
        """

    def read(self, cells: pa.Array) -> Exact:
        """Return the number of each cell, NaN where it is missing or means nothing here."""

    def expand(self, numbers: Exact, xp: Any = np) -> Exact:
        """Return the features (rows, features) of the numbers (rows,); NaN where one is missing."""

    def fitted(self, numbers: Exact, rows: Ints) -> tuple[Column, Exact]:
        """Return the column as these rows have it, and the numbers of all rows by that.

        The rows are those that train or validate. What only others have is as good as unknown.
        """


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of numbers.

    Attributes:
        name: what it is called.
        has_missing: whether values are missing in rows that are trained on.
        numerals: how its numbers are written, where they are text.
    """

    name: str
    has_missing: bool = False
    numerals: Numerals = PLAIN
    kind: ClassVar[Kind] = "number"
    places: ClassVar[int] = 0

    @property
    def written(self) -> str:
        """Return how its numbers are written, if not plainly."""
        return f"numbers with {self.numerals}" if self.numerals != PLAIN else ""

    @property
    def features(self) -> tuple[str, ...]:
        """Return its name, and that of the flag of missing values."""
        return (self.name, f"{self.name} is missing") if self.has_missing else (self.name,)

    @property
    def scaled(self) -> tuple[bool, ...]:
        """Say that the number is scaled, and its flag is not."""
        return (True, False) if self.has_missing else (True,)

    def read(self, cells: pa.Array) -> Exact:
        """Return the number of each cell."""
        return _read("hpsearch.data.columns.cells:numbers_of", cells, self.numerals)

    def expand(self, numbers: Exact, xp: Any = np) -> Exact:
        """Return the number, and whether it is missing."""
        return _with_flag(numbers[:, None], numbers, self.has_missing, xp)

    def fitted(self, numbers: Exact, rows: Ints) -> tuple[Column, Exact]:
        """Return the column with a flag, if these rows need one."""
        return replace(self, has_missing=_some_missing(numbers, rows)), numbers


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A column of categories.

    Attributes:
        name: what it is called.
        categories: the texts that are told apart, in their order.
        has_missing: whether values are missing in rows that are trained on.
    """

    name: str
    categories: tuple[str, ...]
    has_missing: bool = False
    kind: ClassVar[Kind] = "category"
    written: ClassVar[str] = ""

    @property
    def features(self) -> tuple[str, ...]:
        """Return a name for each category but the first of two, or its own where it is embedded."""
        if self.places:
            return (self.name,)
        named = [f"{self.name} = {one}" for one in self.categories]
        if self._is_of_two:
            return (named[1],)
        return (*named, f"{self.name} is missing") if self.has_missing else tuple(named)

    @property
    def scaled(self) -> tuple[bool, ...]:
        """Say that no flag is scaled, and no place."""
        return (False,) * len(self.features)

    @property
    def places(self) -> int:
        """Return a place for each of many categories, one for what is none of them, and missing."""
        count = len(self.categories)
        return count + 1 + self.has_missing if count > MOST_FLAGS else 0

    @property
    def _is_of_two(self) -> bool:
        return len(self.categories) == 2 and not self.has_missing

    def read(self, cells: pa.Array) -> Exact:
        """Return the place of each cell's text among the categories."""
        return _read("hpsearch.data.columns.cells:places_of", cells, self.categories)

    def expand(self, numbers: Exact, xp: Any = np) -> Exact:
        """Return the flags, the sign where there are two categories, or the place of many."""
        if self.places:  # the first is that of UNSEEN, and the last that of what is missing
            absent = float(len(self.categories)) if self.has_missing else UNSEEN
            found: Exact = xp.where(xp.isnan(numbers), absent, numbers)[:, None] - UNSEEN
            return found
        if self._is_of_two:
            return (_flags(numbers == 1.0, xp) - _flags(numbers == 0.0, xp))[:, None]
        flags = _flags(numbers[:, None] == xp.arange(len(self.categories)), xp)
        return _with_flag(flags, numbers, self.has_missing, xp)

    def fitted(self, numbers: Exact, rows: Ints) -> tuple[Column, Exact]:
        """Return the column with the categories that are frequent among these rows."""
        codes = np.where(np.isnan(numbers), UNSEEN, numbers).astype(np.int64)
        counts = np.bincount(codes[rows] + 1, minlength=len(self.categories) + 1)[1:]
        often = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
        kept = np.sort(often[counts[often] >= _LEAST_ROWS])
        places = np.full(len(self.categories) + 1, UNSEEN)  # the last is that of UNSEEN itself
        places[kept] = np.arange(len(kept))
        column = replace(
            self,
            categories=tuple(self.categories[k] for k in kept),
            has_missing=_some_missing(numbers, rows),
        )
        return column, np.where(np.isnan(numbers), np.nan, places[codes])


@dataclass(frozen=True, slots=True)
class DateColumn:
    """A column of dates, of times, or of both.

    Attributes:
        name: what it is called.
        parts: what a network sees of each date beside the time itself.
        has_missing: whether values are missing in rows that are trained on.
        format: how they are written, in the notation of `strptime`; None for ISO 8601.
    """

    name: str
    parts: tuple[DatePart, ...] = ()
    has_missing: bool = False
    format: str | None = None
    kind: ClassVar[Kind] = "date"
    places: ClassVar[int] = 0

    @property
    def written(self) -> str:
        """Return how its dates are written, if not by ISO 8601."""
        return f"dates such as {self.format}" if self.format else ""

    @property
    def features(self) -> tuple[str, ...]:
        """Return its name, and those of the parts of a date."""
        named = [self.name, *(f"{self.name}: {part}" for part in self.parts)]
        return (*named, f"{self.name} is missing") if self.has_missing else tuple(named)

    @property
    def scaled(self) -> tuple[bool, ...]:
        """Say that all but the flag of missing values is scaled."""
        return (True, *(True for _ in self.parts), *([False] if self.has_missing else []))

    def read(self, cells: pa.Array) -> Exact:
        """Return the seconds since 1970 of each cell."""
        return _read("hpsearch.data.columns.dates:seconds", cells, self.format)

    def expand(self, numbers: Exact, xp: Any = np) -> Exact:
        """Return the time in years since 1970, and the parts of each date."""
        found = [numbers / YEAR, *(PARTS[part](numbers, xp.floor) for part in self.parts)]
        return _with_flag(xp.stack(found, axis=1), numbers, self.has_missing, xp)

    def fitted(self, numbers: Exact, rows: Ints) -> tuple[Column, Exact]:
        """Return the column with the parts that vary among these rows."""
        has_missing = _some_missing(numbers, rows)
        return replace(self, parts=parts_of(numbers[rows]), has_missing=has_missing), numbers


_RECORDS: Mapping[str, type[NumberColumn | CategoryColumn | DateColumn]] = {
    "number": NumberColumn,
    "category": CategoryColumn,
    "date": DateColumn,
}


def _read(reader: str, *arguments: object) -> Exact:
    """Read cells by a function that is loaded here: a source without text needs no pyarrow."""
    found: Exact = resolve(reader)(*arguments)
    return found


def _with_flag(features: Exact, numbers: Exact, has_missing: bool, xp: Any) -> Exact:
    """Return the features, with one more that is 1 where the number is missing, if asked for."""
    if not has_missing:
        return features
    found: Exact = xp.concatenate([features, _flags(xp.isnan(numbers[:, None]), xp)], axis=1)
    return found


def _flags(truths: Any, xp: Any) -> Exact:
    """Return 1 for what is true and 0 for what is not."""
    found: Exact = xp.asarray(truths, dtype=xp.float64)
    return found


def _some_missing(numbers: Exact, rows: Ints) -> bool:
    return bool(np.isnan(numbers[rows]).any())


def number_columns(names: Sequence[str]) -> tuple[NumberColumn, ...]:
    """Return columns of numbers, of which none is missing."""
    return tuple(NumberColumn(name) for name in names)


def to_json(column: Column) -> dict[str, Any]:
    """Return the record as what JSON can hold."""
    assert isinstance(column, NumberColumn | CategoryColumn | DateColumn)
    return {"kind": column.kind, **asdict(column)}


def from_json(known: Mapping[str, Any]) -> Column:
    """Return the record that `to_json` made this of.

    Raises:
        ValueError: it is none.

    >>> column = CategoryColumn("cut", ("fair", "good"), has_missing=True)
    >>> from_json(to_json(column)) == column
    True
    """
    try:
        record = _RECORDS[known["kind"]]
        given = {part.name: known[part.name] for part in fields(record)}
        given |= {name: tuple(given[name]) for name in ("categories", "parts") if name in given}
        if record is NumberColumn:
            given["numerals"] = Numerals(**given["numerals"])
        return record(**given)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is not the record of a column: {known!r}") from error

"""Find out what the columns of a table hold, or take a person's word for it.

- Numbers are numbers, in any spelling that the values of the column share (see `numerals`). One
  other text beside many numbers, or a few of them, count as missing. True and false are 1 and 0.
- Dates and times are dates, where all values are written in one way (see `dates`).
- Any other text is a category.

Left out, unless a person says what they are, are columns that teach nothing: those of one value or
of none, whole numbers that are called an id and are another one in every row, and text that is
another one in (nearly) every row.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hpsearch.data import Wanted, values
from hpsearch.data.columns import CategoryColumn, Column, DateColumn, NumberColumn
from hpsearch.data.columns.cells import Distinct, distinct, is_text, plain_numbers
from hpsearch.data.columns.dates import format_of
from hpsearch.data.columns.numerals import PLAIN, Numerals, numerals_of

_FEW = 64  # different texts of a column which are categories, however many rows there are
_SURE = 10  # different numbers, beside which other texts stand for missing ones: one of these, or
_SHARE_OF_OTHERS = 0.05  # several in few rows
_ID = re.compile(r"(?:.*[_ .-])?(?:id|uuid|guid|index|idx|key|rownames?|row)|.*[a-z]I[dD]", re.I)
_NUMBERS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
)
_INSTANTS = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_time)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a column is no input, in words that go on after its name."""

    reason: str


def column_of(
    name: str, cells: pa.ChunkedArray, wanted: Wanted | None = None, is_category: bool = False
) -> Column | LeftOut:
    """Return what a column holds, or why it is no input.

    Args:
        name: what it is called.
        cells: what it holds.
        wanted: what a person says of it.
        is_category: whether its source says that its values are categories.

    >>> column_of("size", pa.chunked_array([["12", "", "3.5"]])).kind
    'number'
    >>> column_of("cut", pa.chunked_array([["good", "fair", "good"]]))
    CategoryColumn(name='cut', categories=('fair', 'good'), has_missing=False)
    >>> column_of("id", pa.chunked_array([["x1", "x2", "x3"]])).reason
    'a different text in every row'
    """
    kind = cells.type
    if not is_readable(kind):
        return LeftOut(f"it holds {kind}, which is not read")
    if wanted is not None:
        return _as_wanted(name, cells, wanted)
    if is_category:
        return _category(name, distinct(cells))
    if pa.types.is_null(kind):
        return LeftOut("it is empty")
    if any(is_kind(kind) for is_kind in _NUMBERS) or pa.types.is_duration(kind):
        return _numbers(NumberColumn(name), cells)
    if any(is_kind(kind) for is_kind in _INSTANTS):
        return _instants(name, cells)
    return _text(name, cells)


def is_readable(kind: pa.DataType) -> bool:
    """Say whether cells of this type are numbers, dates, text or nothing: all that is read."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    others = (*_NUMBERS, *_INSTANTS, pa.types.is_duration, pa.types.is_null)
    return is_text(value) or any(is_kind(value) for is_kind in others)


def _as_wanted(name: str, cells: pa.ChunkedArray, wanted: Wanted) -> Column | LeftOut:
    if wanted.kind == "drop":
        return LeftOut("as `columns:` says")
    if wanted.kind == "category":
        return CategoryColumn(name, _categories(distinct(cells)))
    if wanted.kind == "date":
        is_instant = pa.types.is_temporal(cells.type) or wanted.format is not None
        found = None if is_instant else format_of(distinct(cells).present)[1]
        return DateColumn(name, format=wanted.format or found)
    if is_text(cells.type):
        words = _words(distinct(cells).present)
        return NumberColumn(name, numerals=numerals_of(words) or PLAIN)
    return NumberColumn(name)


def _numbers(column: NumberColumn, cells: pa.ChunkedArray) -> Column | LeftOut:
    """Return a column of numbers, or why it teaches nothing."""
    numbers = column.read(cells)
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return LeftOut("it is empty")
    if len(known) < len(numbers):
        return column
    if (known == known[0]).all():
        return LeftOut(f"{known[0]:g} in every row")
    is_id = _ID.fullmatch(column.name) and values.whole(known).all()
    if is_id and len(np.unique(known)) == len(known):
        return LeftOut("a different whole number in every row")
    return column


def _instants(name: str, cells: pa.ChunkedArray) -> Column | LeftOut:
    if cells.null_count == len(cells):
        return LeftOut("it is empty")
    if not cells.null_count and len(cells.unique()) == 1:
        return LeftOut(f"{cells[0].as_py()} in every row")
    return DateColumn(name)


def _text(name: str, cells: pa.ChunkedArray) -> Column | LeftOut:
    if plain_numbers(cells) is not None:
        return _numbers(NumberColumn(name), cells)
    different = distinct(cells)
    present = different.present
    numerals = _numerals(different)
    if numerals is not None:
        return _numbers(NumberColumn(name, numerals=numerals), cells)
    is_date, format = format_of(present)
    if is_date and (different.some_missing or len(present) > 1):
        return DateColumn(name, format=format)
    return _category(name, different)


def _numerals(different: Distinct) -> Numerals | None:
    """Return how a column of text is written as numbers; None where it is none of numbers."""
    present = different.present
    if plain_numbers(present) is not None:
        return PLAIN
    if all(values.is_truth(word) for word in _words(present)):
        return PLAIN
    numerals = numerals_of(_words(present))
    if numerals is None:
        return None
    is_number = np.array([math.isfinite(numerals.number(word)) for word in _words(present)])
    counts = different.counts()[~different.is_missing]
    others = counts[~is_number]
    few = len(others) <= 1 or others.sum() <= _SHARE_OF_OTHERS * counts.sum()
    sure = len(others) == 0 or is_number.sum() >= _SURE
    return numerals if few and sure else None


def _words(texts: pa.Array) -> list[str]:
    words: list[str] = texts.to_pylist()
    return words


def _category(name: str, different: Distinct) -> Column | LeftOut:
    """Return a column of categories, or why it teaches nothing."""
    categories = _categories(different)
    rows = int(different.counts()[~different.is_missing].sum())
    if not categories:
        return LeftOut("it is empty")
    if len(categories) == 1 and not different.some_missing:
        return LeftOut(f"{reprlib.repr(categories[0])} in every row")
    if len(categories) == rows and rows > 2:
        return LeftOut("a different text in every row")
    if len(categories) > max(_FEW, rows // 2):
        return LeftOut(f"{len(categories):,} different texts in {rows:,} rows")
    return CategoryColumn(name, categories)


def _categories(different: Distinct) -> tuple[str, ...]:
    return tuple(sorted(set(_words(different.present)), key=_in_order))


def _in_order(text: str) -> tuple[float, str]:
    """Return the key by which categories are ordered: numbers by their size, before words."""
    number = values.written_number(text)
    return (np.inf, text) if number is None else (number, text)

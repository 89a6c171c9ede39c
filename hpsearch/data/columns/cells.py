"""The cells of a column of a table: their different texts, and the numbers that they are.

A column may have a million cells and few different ones. What a text means is found out once for
each different text, and then spread over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hpsearch.data import Exact, values
from hpsearch.data.columns import UNSEEN
from hpsearch.data.columns.numerals import PLAIN, Numerals

_MISSING = pa.array(sorted(values.MISSING))


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """The different texts of a column, and which of them each row has.

    Attributes:
        texts: the different texts, without the blanks around them.
        is_missing: for each text whether it stands for a missing value.
        codes: (rows,) the position of each row's text; a row without one has the number of texts.
    """

    texts: pa.Array
    is_missing: NDArray[np.bool_]
    codes: NDArray[np.int64]

    @property
    def known(self) -> pa.Array:
        """Return the texts, null where one stands for a missing value."""
        return pc.if_else(pa.array(self.is_missing), None, self.texts)

    @property
    def present(self) -> pa.Array:
        """Return the texts that stand for no missing value."""
        return self.texts.filter(pa.array(~self.is_missing))

    def spread(self, found: Exact) -> Exact:
        """Return for each row what was found for its text; NaN where it has none."""
        numbers: Exact = np.append(found, np.nan)[self.codes]
        return numbers

    @property
    def some_missing(self) -> bool:
        """Say whether some row has no value."""
        return bool(self.missing_rows().any())

    def missing_rows(self) -> NDArray[np.bool_]:
        """Say for each row whether it has no value."""
        missing: NDArray[np.bool_] = np.append(self.is_missing, True)[self.codes]
        return missing

    def counts(self) -> NDArray[np.int64]:
        """Return how many rows have each text."""
        counted: NDArray[np.int64] = np.bincount(self.codes, minlength=len(self.texts) + 1)[:-1]
        return counted


def is_text(kind: pa.DataType) -> bool:
    """Say whether cells of this type are text, also where each stands once in a dictionary."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(value)
        or pa.types.is_large_string(value)
        or pa.types.is_string_view(value)
    )


def distinct(cells: pa.Array | pa.ChunkedArray) -> Distinct:
    """Return the different texts of a column; numbers and booleans are written as text.

    A whole number is written without a point, whatever its type: an integer column with missing
    values is often stored as one of floats.
    """
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if not pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_encode()
    texts = pc.utf8_trim_whitespace(_written(cells.dictionary))
    codes = cells.indices.cast(pa.int64()).fill_null(len(texts)).to_numpy(zero_copy_only=False)
    missing = pc.is_in(pc.utf8_lower(texts), value_set=_MISSING).to_numpy(zero_copy_only=False)
    return Distinct(texts, missing, codes)


def _written(different: pa.Array) -> pa.Array:
    """Return values as text; '' where one is missing."""
    kind = different.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = [float(value) if value is not None else np.nan for value in different.to_pylist()]
        return pa.array([str(int(n)) if n.is_integer() else str(n) for n in numbers], pa.string())
    return different.cast(pa.string()).fill_null("")


def numbers_of(cells: pa.Array | pa.ChunkedArray, numerals: Numerals = PLAIN) -> Exact:
    """Return the number of each cell, which may be infinite; NaN where it is missing or is none.

    `true` and `false` are 1 and 0, in any letters; the number of a duration is its seconds.
    """
    kind = cells.type
    if is_text(kind):
        plain = plain_numbers(cells) if numerals == PLAIN else None
        if plain is not None:
            return plain
        different = distinct(cells)
        return different.spread(_parsed(different, numerals))
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if pa.types.is_dictionary(kind):
        cells = cells.dictionary_decode()
    if pa.types.is_boolean(kind):
        cells = cells.cast(pa.uint8())
    if pa.types.is_duration(kind):
        return stamps(cells)
    numbers: Exact = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def plain_numbers(cells: pa.Array | pa.ChunkedArray) -> Exact | None:
    """Return the numbers of a column of text, where each cell is one in a plain spelling.

    A null is NaN. This is the usual case, and takes a tenth of the time of looking at each text.
    """
    if pa.types.is_dictionary(cells.type):
        return None
    try:
        numbers: Exact = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return numbers


def places_of(cells: pa.Array | pa.ChunkedArray, categories: Sequence[str]) -> Exact:
    """Return the place of each cell's text among the categories; NaN where it is missing.

    It is `UNSEEN` for a text that is none of them.
    """
    different = distinct(cells)
    place = {text: float(k) for k, text in enumerate(categories)}
    found = np.array([place.get(text, UNSEEN) for text in different.texts.to_pylist()])
    return different.spread(np.where(different.is_missing, np.nan, found))


def _parsed(different: Distinct, numerals: Numerals) -> Exact:
    known = different.known
    plain = plain_numbers(known) if numerals == PLAIN else None
    if plain is not None:
        return plain
    return np.array([_number(text, numerals) for text in known.to_pylist()], np.float64)


def _number(text: str | None, numerals: Numerals) -> float:
    if text is None:
        return np.nan
    if values.is_truth(text):
        return float(text.lower() == "true")
    return numerals.number(text)


def stamps(column: pa.Array) -> Exact:
    """Return the seconds of dates, times of day, durations and time stamps."""
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms" if pa.types.is_date64(kind) else "s"))
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
    counts = column.cast(pa.int32() if column.type.bit_width == 32 else pa.int64())
    numbers: Exact = counts.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers / per_second

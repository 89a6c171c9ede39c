"""Rows that are to be predicted."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data.columns import CategoryColumn, Column, DateColumn, NumberColumn
from hpsearch.errors import SpecError
from hpsearch.model.rows import numbers, of_frame, open_rows, places

COLUMNS = (NumberColumn("n"), CategoryColumn("c", ("blue", "red")))
TEXT = b"other;c;n\nx;red;1,5\ny;pink;\nz;;2,5\n"
EXPECTED = np.array([[1.5, 1], [np.nan, -1], [2.5, np.nan]])


def test_columns_are_matched_by_name_in_any_order() -> None:
    rows = open_rows(io.BytesIO(TEXT.replace(b",", b".")), "t.csv")
    at = places(rows.names, COLUMNS, "t.csv")
    (batch,) = rows.batches
    assert np.array_equal(numbers(batch, at, COLUMNS), EXPECTED, equal_nan=True)
    assert rows.notes == ("its columns are separated by ';'",)


def test_parquet_is_known_by_its_first_bytes() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"c": ["red", "pink", None], "n": [1.5, None, 2.5]}), file)
    file.seek(0)
    rows = open_rows(file, "rows")
    (batch,) = rows.batches
    found = numbers(batch, places(rows.names, COLUMNS, "rows"), COLUMNS)
    assert np.array_equal(found, EXPECTED, equal_nan=True)


def test_all_columns_that_are_missing_are_named_at_once() -> None:
    with pytest.raises(SpecError, match=r"E192.*has no column 'n', 'c'"):
        places(("x", "y"), COLUMNS, "t.csv")
    with pytest.raises(SpecError, match=r"E192.*more than one column 'n'"):
        places(("n", "c", "n"), COLUMNS, "t.csv")


@pytest.mark.parametrize("kind", ["pandas", "arrow", "array", "categorical"])
def test_frames_and_arrays_are_the_same_rows(kind: str) -> None:
    frame = pd.DataFrame({"c": ["red", "pink", None], "x": 0, "n": [1.5, None, 2.5]}, [7, 7, 9])
    if kind == "categorical":
        frame["c"] = frame["c"].astype("category")
    given = {
        "arrow": lambda: pa.Table.from_pandas(frame),
        "array": lambda: frame[["n", "c"]].to_numpy(dtype=object),
    }.get(kind, lambda: frame)()
    assert np.array_equal(of_frame(given, COLUMNS), EXPECTED, equal_nan=True)


def test_an_array_of_other_columns_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has no 2 columns \(n, c\)"):
        of_frame(np.zeros((3, 5)), COLUMNS)


def test_a_damaged_parquet_file_is_refused() -> None:
    with pytest.raises(SpecError, match="not a sound Parquet file"):
        open_rows(io.BytesIO(b"PAR1" + bytes(50)), "rows")


def test_a_parquet_file_that_is_damaged_further_on_is_refused_as_it_is_read() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"c": ["red", "blue"] * 500}), file, compression="none")
    data = bytearray(file.getvalue())
    data[4:60] = bytes(56)
    rows = open_rows(io.BytesIO(bytes(data)), "rows")
    with pytest.raises(SpecError, match="not a sound Parquet file"):
        list(rows.batches)


@pytest.mark.parametrize(
    "cells",
    [pa.array([[1], [2]]), pa.array([{"a": 1}, None]), pa.array([b"\xff", b"a"])],
    ids=lambda cells: str(cells.type),
)
@pytest.mark.parametrize("column", [*COLUMNS, DateColumn("d")], ids=lambda column: column.kind)
def test_cells_that_mean_nothing_in_a_column_are_refused(cells: pa.Array, column: Column) -> None:
    frame = pa.table({column.name: cells})
    with pytest.raises(SpecError, match=f"E192.*and the model reads a {column.kind}"):
        of_frame(frame, [column])

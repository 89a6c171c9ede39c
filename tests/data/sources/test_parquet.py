"""Parquet tables: what is read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.errors import SpecError
from tests.helpers.sources import check_refused, lying_parquet, refused


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., DataSpec]:
    def write(columns: dict[str, Any], target: str | None = "y") -> DataSpec:
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        return DataSpec("t.parquet", target=target, folder=tmp_path)

    return write


LABELS = {
    "integers": ([1, 2] * 10, ("1", "2")),
    "floats": ([1.0, 2.0] * 10, ("1", "2")),
    "booleans": ([True, False] * 10, ("False", "True")),
    "text": (["a", "b"] * 10, ("a", "b")),
    "categories": (pa.array(["a", "b"] * 10).dictionary_encode(), ("a", "b")),
}


@pytest.mark.parametrize("kind", LABELS)
def test_a_parquet_table_is_read_like_a_csv(parquet: Callable[..., DataSpec], kind: str) -> None:
    labels, classes = LABELS[kind]
    columns = {
        "i": list(range(20)),
        "f": np.linspace(0, 1, 20),
        "b": [True, False] * 10,
        "y": labels,
    }
    data = prepare(parquet(columns))
    assert [column.name for column in data.columns] == ["i", "f", "b"]
    assert data.inputs[19].tolist() == [19, 1, 0]
    assert data.classes == classes


def test_decimals_of_a_parquet_table_are_numbers(parquet: Callable[..., DataSpec]) -> None:
    prices = pa.array([Decimal(f"{k}.25") for k in range(40)])
    data = prepare(parquet({"x": prices, "y": prices}))
    assert data.task == "regression"
    assert data.inputs[:2].tolist() == [[0.25], [1.25]]


EMPTY = pa.array([], pa.int64())
BAD_PARQUET: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "text column, no rows": (
        {"x": pa.array([], pa.string()), "y": EMPTY},
        "E076",
        ["no rows"],
    ),
    "no rows": ({"x": EMPTY, "y": EMPTY}, "E076", ["no rows"]),
    "few bytes, many rows": (
        {name: pa.nulls(20_000_000, pa.int8()) for name in "xy"},
        "E073",
        ["over 100 times"],
    ),
}


@pytest.mark.parametrize("name", BAD_PARQUET)
def test_a_bad_parquet_table_is_refused_where_it_is_bad(
    parquet: Callable[..., DataSpec], name: str
) -> None:
    columns, code, said = BAD_PARQUET[name]
    check_refused(parquet(columns), code, said)


def test_a_parquet_table_needs_a_target(parquet: Callable[..., DataSpec]) -> None:
    check_refused(parquet({"x": [1], "y": [1]}, None), "E072", ["its columns: x, y"])


def test_a_file_that_only_ends_in_parquet_is_refused(table: Callable[..., DataSpec]) -> None:
    assert refused(table("x,y\n1,2\n", "t.parquet")).code == "E073"


@pytest.mark.group("false numbers of rows")
@pytest.mark.parametrize("lies", range(1, 8))
def test_a_false_number_of_rows_unfolds_to_little(tmp_path: Path, lies: int) -> None:
    """Wherever the footer says how many rows there are, it may say something else."""
    lying_parquet(tmp_path / "t.parquet", 3_000_000, lies)
    with pytest.raises(SpecError) as caught:
        prepare(DataSpec("t.parquet", "y", folder=tmp_path))
    assert caught.value.problems[0].code in ("E073", "E075")


def test_rows_are_counted_as_they_are_read(
    parquet: Callable[..., DataSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = parquet({"x": np.zeros(3_000_000, np.int8), "y": np.zeros(3_000_000, np.int8)})
    monkeypatch.setattr(
        "hpsearch.data.sources.parquet._size", lambda metadata: 10
    )  # what a liar says
    check_refused(spec, "E073", ["over 100 times"])


def test_categories_of_numbers_are_numbers(parquet: Callable[..., DataSpec]) -> None:
    sizes = pa.array([1, 3] * 20).dictionary_encode()
    assert prepare(parquet({"x": sizes, "y": [0, 1] * 20})).inputs[:2, 0].tolist() == [1, 3]


@pytest.mark.parametrize("values", [[[1], [2]] * 10, [date(2026, 1, 1), date(2026, 1, 2)] * 10])
def test_a_target_of_another_type_is_refused(
    parquet: Callable[..., DataSpec], values: list[Any]
) -> None:
    spec = parquet({"x": list(range(20)), "y": values})
    check_refused(spec, "E074", ["column 'y'", "holds", "a target is numbers or text"])


def test_a_column_of_another_type_is_left_out_with_a_note(
    parquet: Callable[..., DataSpec],
) -> None:
    data = prepare(parquet({"x": list(range(20)), "z": [[1]] * 20, "y": [0, 1] * 10}))
    assert [column.name for column in data.columns] == ["x"]
    assert "'z' is left out: it holds list<element: int64>, which is not read" in data.notes

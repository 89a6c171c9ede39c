"""An index that pandas has written: it is no input, and that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data import DataSpec, Wanted
from hpsearch.data.prepare import prepare
from tests.helpers.sources import check_refused

pytestmark = pytest.mark.group("indices")
NOISE = np.random.default_rng(0).normal(size=40)


def written(folder: Path, index: dict[str, Any], named: list[Any] | None, **spec: Any) -> DataSpec:
    """Write a table of noise, its labels sorted, with the columns of an index as pandas does."""
    table = pa.table({"x": NOISE, "y": ["a"] * 20 + ["b"] * 20, **index})
    if named is not None:
        said = json.dumps({"index_columns": named, "columns": []})
        table = table.replace_schema_metadata({"pandas": said})
    pq.write_table(table, folder / "t.parquet")
    return DataSpec("t.parquet", **{"target": "y", **spec}, folder=folder)


@pytest.mark.parametrize(
    ("index", "named"),
    [
        ({"__index_level_0__": range(40)}, ["__index_level_0__"]),
        ({"__index_level_0__": range(40)}, None),
        ({"day": range(40)}, ["day"]),
        ({"day": range(40), "hour": range(40)}, ["day", "hour"]),
        ({"name": [f"n{k}" for k in range(40)]}, ["name"]),
        ({"Unnamed: 0": range(40)}, None),
    ],
)
def test_an_index_of_a_parquet_table_is_no_input(
    tmp_path: Path, index: dict[str, Any], named: list[Any] | None
) -> None:
    data = prepare(written(tmp_path, index, named))
    assert [column.name for column in data.columns] == ["x"]
    notes = " ".join(data.notes)
    assert all(f"'{name}' is left out: an index" in notes for name in index)


@pytest.mark.parametrize(
    "named", [[{"kind": "range", "start": 0, "stop": 40, "step": 1}], [], "x", None, [7]]
)
def test_columns_that_are_no_index_stay(tmp_path: Path, named: Any) -> None:
    data = prepare(written(tmp_path, {"z": range(40)}, named))
    assert [column.name for column in data.columns] == ["x", "z"]
    assert not [note for note in data.notes if "left out" in note]


def test_an_index_that_is_asked_for_is_read(tmp_path: Path) -> None:
    parts = ["train", "train", "validation", "test"] * 10
    spec = written(tmp_path, {"part": parts}, ["part"], column="part")
    assert len(prepare(spec).test) == 10
    data = prepare(written(tmp_path, {"z": range(40)}, ["y"], target="y"))
    assert [column.name for column in data.columns] == ["x", "z"]
    wanted = {"z": Wanted("number")}
    data = prepare(written(tmp_path, {"z": range(40)}, ["z"], columns=wanted))
    assert [column.name for column in data.columns] == ["x", "z"]


def test_a_table_of_an_index_alone_is_refused(tmp_path: Path) -> None:
    said = ["no column to learn from", "'x': an index"]
    check_refused(written(tmp_path, {}, ["x"]), "E072", said)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_an_index_of_a_csv_table_is_no_input(table: Callable[..., DataSpec], name: str) -> None:
    rows = [f"{k},{x:.3f},{k // 20}" for k, x in enumerate(NOISE)]
    data = prepare(table("\n".join([f"{name},x,y", *rows]) + "\n"))
    assert [column.name for column in data.columns] == ["x"]
    assert "left out" in data.notes[0]

"""Splits in order of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.splits.ordered import folded, held_out
from tests.helpers.sources import check_refused

TIMES = st.lists(st.integers(0, 200), min_size=30, max_size=80, unique=True).map(
    lambda times: np.array(times, float)
)


@given(TIMES)
def test_what_trains_is_earlier_than_what_validates_and_that_than_the_test(
    times: np.ndarray,
) -> None:
    train, judged, tested = held_out(times, 6, 6)
    assert (len(judged), len(tested)) == (6, 6)
    assert sorted(np.concatenate([train, judged, tested])) == list(range(len(times)))
    assert times[train].max() < times[judged].min()
    assert times[judged].max() < times[tested].min()


@given(TIMES, st.integers(2, 5))
def test_folds_have_windows_of_equal_length_before_what_they_validate(
    times: np.ndarray, folds: int
) -> None:
    rows = np.arange(len(times))
    found = folded(rows, times, folds)
    assert len({len(train) for train, _ in found}) == 1
    assert len({len(judged) for _, judged in found}) == 1
    for train, judged in found:
        assert times[train].max() < times[judged].min()
    judged = np.concatenate([judged for _, judged in found])
    assert len(set(judged)) == len(judged) >= len(rows) // 2 - folds


@given(st.lists(st.integers(0, 12), min_size=40, max_size=80))
def test_rows_of_one_time_are_never_parted(days: list[int]) -> None:
    times = np.array(days, float)
    parts = [set(times[rows]) for rows in held_out(times, 8, 8)]
    assert sum(map(len, parts)) == len(set(days))


def dated(rows: int = 60, **cells: str) -> str:
    lines = []
    for k in range(rows):
        at = k * 7 % rows
        day = cells.get(f"day{k}", f"2026-{at // 28 + 1:02}-{at % 28 + 1:02}")
        lines.append(f"{k % 11},{day},{k % 2}")
    return "\n".join(["x,day,y", *lines]) + "\n"


@pytest.mark.parametrize("folds", [None, 3])
def test_a_column_of_dates_orders_the_rows(
    table: Callable[..., DataSpec], folds: int | None
) -> None:
    data = prepare(table(dated(), by="day", folds=folds))
    times = data.inputs[:, 1]
    for fold in data.folds:
        assert times[fold.train].max() < times[fold.validation].min()
        assert times[fold.validation].max() < times[data.test].min()
    assert any("in order of 'day'" in note for note in data.notes)
    if folds:
        assert "the earliest 24 of 48 rows only train" in data.notes


def test_nothing_is_drawn_anew_in_order_of_time(table: Callable[..., DataSpec]) -> None:
    assert prepare(table(dated(), by="day")).rule.by_column


def test_a_row_without_a_time_is_refused_with_its_place(table: Callable[..., DataSpec]) -> None:
    spec = table(dated(day4=""), by="day")
    check_refused(spec, "E076", ["column 'day', row 5 (line 6), has no time"])


def test_words_have_no_order_of_time(table: Callable[..., DataSpec]) -> None:
    text = "x,word,y\n" + "".join(f"{k % 11},{'ab'[k % 2]},{k % 2}\n" for k in range(60))
    check_refused(table(text, by="word"), "E072", ["holds neither numbers nor dates"])
    same = "x,day,y\n" + "".join(f"{k % 11},{k // 30},{k % 2}\n" for k in range(60))
    check_refused(table(same, by="day"), "E076", ["leaves a part of the split without rows"])


@pytest.mark.parametrize(
    ("times", "code", "said"),
    [
        ([[1]] * 60, "E074", "it should hold numbers or dates"),
        ([date(2026, 1, 1)] * 60, "E076", "leaves a part of the split without rows"),
        ([7.0] * 60, "E076", "leaves a part of the split without rows"),
    ],
)
def test_a_column_that_orders_nothing_is_refused(
    tmp_path: Path, times: list[Any], code: str, said: str
) -> None:
    table = pa.table({"x": range(60), "y": [0, 1] * 30, "when": times})
    pq.write_table(table, tmp_path / "t.parquet")
    check_refused(DataSpec("t.parquet", "y", folder=tmp_path, by="when"), code, [said])

"""The records of columns: what a network sees of them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data.columns import (
    MOST_FLAGS,
    UNSEEN,
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    from_json,
    to_json,
)
from hpsearch.data.columns.calendar import PARTS, YEAR
from hpsearch.data.columns.numerals import Numerals

NAN = np.nan
ALL = np.arange(6)
COLUMNS: list[Column] = [
    NumberColumn("a"),
    NumberColumn("a", has_missing=True, numerals=Numerals(",", ".", "$")),
    CategoryColumn("b", ("x", "y")),
    CategoryColumn("b", ("x", "y", "z"), has_missing=True),
    CategoryColumn("b", tuple(f"x{k}" for k in range(65)), has_missing=True),
    DateColumn("c", ("year", "hour"), has_missing=True, format="%d.%m.%Y"),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: f"{column.kind}")
def test_a_column_comes_back_from_json(column: Column) -> None:
    assert from_json(json.loads(json.dumps(to_json(column)))) == column


@pytest.mark.parametrize("known", [{}, {"kind": "colour"}, {"kind": "number"}, {"kind": "date"}])
def test_what_is_no_record_of_a_column_is_refused(known: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not the record of a column"):
        from_json(known)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: f"{column.kind}")
def test_every_feature_has_a_name_and_is_scaled_or_not(column: Column) -> None:
    features = column.expand(np.array([0.0, 1.0, NAN, UNSEEN]))
    assert features.shape == (4, len(column.features))
    assert len(column.scaled) == len(column.features)
    assert len(set(column.features)) == len(column.features)


def test_two_categories_are_opposite_signs_and_an_unknown_one_is_between_them() -> None:
    column = CategoryColumn("b", ("x", "y"))
    codes = column.read(pa.array(["x", "y", "q", None, "NA"]))
    assert column.expand(codes)[:, 0].tolist() == [-1, 1, 0, 0, 0]
    assert column.features == ("b = y",)


def test_of_more_categories_each_has_a_flag_and_missing_is_one_of_them() -> None:
    column = CategoryColumn("b", ("x", "y", "z"), has_missing=True)
    codes = column.read(pa.array([" y", "q", "?"]))
    assert column.expand(codes).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert column.features == ("b = x", "b = y", "b = z", "b is missing")


@pytest.mark.parametrize("has_missing", [False, True])
def test_of_many_categories_each_has_a_place_and_what_is_none_of_them_the_first(
    has_missing: bool,
) -> None:
    names = tuple(f"x{k}" for k in range(MOST_FLAGS + 1))
    column = CategoryColumn("b", names, has_missing)
    codes = column.read(pa.array(["x0", "x64", "q", None]))
    assert column.expand(codes).tolist() == [[1], [65], [0], [66 if has_missing else 0]]
    assert column.features == ("b",)
    assert column.places == 66 + has_missing
    fewer = CategoryColumn("b", names[:-1], has_missing)
    assert fewer.places == 0
    assert len(fewer.features) == 64 + has_missing


def test_whole_numbers_are_one_category_in_every_type() -> None:
    column = CategoryColumn("b", ("1", "2"))
    for cells in (pa.array(["1", "2"]), pa.array([1, 2]), pa.array([1.0, 2.0])):
        assert column.read(cells).tolist() == [0, 1]


def test_a_missing_number_has_a_flag() -> None:
    found = NumberColumn("a", has_missing=True).expand(np.array([3.0, NAN]))
    assert np.array_equal(found, np.array([[3.0, 0.0], [NAN, 1.0]]), equal_nan=True)


def test_a_date_is_its_time_and_the_parts_that_vary() -> None:
    cells = pa.array(["2026-11-30 06:00", "2026-11-30 18:30", "1969-12-31 23:00"])
    column, seconds = DateColumn("c").fitted(DateColumn("c").read(cells), np.arange(3))
    assert column.features == ("c", "c: year", "c: month", "c: weekday", "c: hour")
    assert column.expand(seconds)[:, 1:].tolist() == [
        [2026, 11, 0, 6],
        [2026, 11, 0, 18],
        [1969, 12, 2, 23],
    ]
    assert column.expand(seconds)[2, 0] == -3600 / YEAR
    of_a_day, _ = DateColumn("c").fitted(seconds, np.array([0, 1]))
    assert of_a_day.features == ("c", "c: hour")


def test_the_parts_of_every_date_are_those_of_the_calendar() -> None:
    days = np.arange("0001-01-01", "2801-01-01", dtype="datetime64[D]")
    second = np.arange(len(days)) % 86400
    numbers = days.astype("datetime64[s]").astype(np.float64) + second
    found = {part: of(numbers, np.floor) for part, of in PARTS.items()}
    assert np.array_equal(found["year"], days.astype("datetime64[Y]").astype(np.int64) + 1970)
    assert np.array_equal(found["month"], days.astype("datetime64[M]").astype(np.int64) % 12 + 1)
    assert np.array_equal(found["weekday"], (days.astype(np.int64) + 3) % 7)
    assert np.array_equal(found["hour"], second // 3600)


def test_what_only_other_rows_have_is_unknown() -> None:
    column = CategoryColumn("b", ("x", "y", "z"))
    codes = np.array([0.0, 0, 2, 2, 1, NAN])
    fitted, numbers = column.fitted(codes, np.array([0, 1, 2, 3]))
    assert fitted == CategoryColumn("b", ("x", "z"), has_missing=False)
    assert np.array_equal(numbers, np.array([0, 0, 1, 1, UNSEEN, NAN]), equal_nan=True)


def test_a_category_of_one_row_is_not_told_apart() -> None:
    fitted, _ = CategoryColumn("b", ("x", "y", "z")).fitted(np.array([0.0, 0, 1, 2, 2, 2]), ALL)
    assert fitted == CategoryColumn("b", ("x", "z"))


def test_the_most_frequent_categories_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpsearch.data.columns.MOST_CATEGORIES", 2)
    codes = np.array([0.0, 0, 1, 1, 1, 2, 2, 2])
    fitted, _ = CategoryColumn("b", ("x", "y", "z")).fitted(codes, np.arange(8))
    assert fitted == CategoryColumn("b", ("y", "z"))


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, UNSEEN, NAN]), min_size=1, max_size=30), st.data())
def test_a_column_that_is_fitted_again_stays_as_it_is(
    codes: list[float], data: st.DataObject
) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(codes) - 1), min_size=1, unique=True)))
    once, numbers = CategoryColumn("b", ("x", "y", "z")).fitted(np.array(codes), rows)
    again, same = once.fitted(numbers, rows)
    assert again == once
    assert np.array_equal(same, numbers, equal_nan=True)

"""What the columns of a table are found to hold, and which are left out."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data import Wanted
from hpsearch.data.columns import CategoryColumn, DateColumn, NumberColumn
from hpsearch.data.columns.kinds import LeftOut, column_of


def cells(values: list[Any], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


DAY = datetime.date(2026, 11, 30)
NUMBERS: dict[str, pa.ChunkedArray] = {
    "text": cells(["1", "2.5", "-1e3"]),
    "text with gaps": cells(["1", "", "NA", "3"]),
    "truths": cells(["True", "False", "TRUE"]),
    "integers": cells([1, 2, 7]),
    "nullable integers": cells([1, None, 7]),
    "decimals": cells([Decimal("1.50"), Decimal("2.25")]),
    "booleans": cells([True, False]),
    "durations": cells([datetime.timedelta(hours=1), datetime.timedelta(hours=2)]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_any_type_are_numbers(name: str) -> None:
    assert isinstance(column_of("x", NUMBERS[name]), NumberColumn)


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (["2026-11-30", "2026-12-01"], None),
        (["2026-11-30 10:15:00", "2026-12-01T00:00:00.5"], None),
        (["2026-11-30T10:00:00Z", "2026-12-01T00:00:00+02:00"], None),
        (["30.11.2026", "1.12.2026"], "%d.%m.%Y"),
        (["11/30/2026", "12/1/2026"], "%m/%d/%Y"),
        (["30/11/2026", "1/12/2026"], "%d/%m/%Y"),
        (["1/2/2026", "2/3/2026"], "%m/%d/%Y"),
        (["30-Nov-2026", "01-Dec-2026"], "%d-%b-%Y"),
        (["Nov 30, 2026", "Dec 1, 2026"], "%b %d, %Y"),
        (["11/30/2026 1:05 PM", "12/1/2026 11:30 AM"], "%m/%d/%Y %I:%M %p"),
        (["10:15", "23:59"], "%H:%M"),
        ([DAY, DAY + datetime.timedelta(1)], None),
        ([datetime.datetime(2026, 11, 30, 1), datetime.datetime(2026, 12, 1, 2)], None),
        ([datetime.time(1), datetime.time(2)], None),
    ],
)
def test_dates_are_found_however_all_of_them_are_written(
    values: list[Any], format: str | None
) -> None:
    assert column_of("day", cells(values)) == DateColumn("day", format=format)
    assert column_of("day", cells([*values, None])) == DateColumn("day", format=format)


def test_dates_that_are_written_in_two_ways_are_categories() -> None:
    found = column_of("day", cells(["2026-11-30", "30.11.2026"] * 3))
    assert isinstance(found, CategoryColumn)


def test_other_text_is_a_category_in_the_order_of_numbers_and_then_of_letters() -> None:
    found = column_of("size", cells(["10", "9", "XL", "L", "10", "9", ""]))
    assert found == CategoryColumn("size", ("9", "10", "L", "XL"))


@pytest.mark.parametrize("digits", [400, 5_000])
def test_a_number_beyond_all_others_may_stand_among_words(digits: int) -> None:
    words = ["red", "9" * digits, "blue", "7"] * 5
    column = column_of("x", pa.chunked_array([words]))
    assert isinstance(column, CategoryColumn)
    assert column.categories[0] == "7"


def test_what_a_source_calls_a_category_is_one_even_of_numbers() -> None:
    found = column_of("grade", cells(["1", "2", "1"]), is_category=True)
    assert found == CategoryColumn("grade", ("1", "2"))


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("x", ["", "NA", None], "it is empty"),
        ("x", [None, None], "it is empty"),
        ("x", [1.5, 1.5, 1.5], "1.5 in every row"),
        ("x", ["a", "a"], "'a' in every row"),
        ("x", [DAY, DAY], "2026-11-30 in every row"),
        ("x", ["a", "b", "c", None], "a different text in every row"),
        ("x", [f"t{k}" for k in range(65)] + ["t0"], "65 different texts in 66 rows"),
        ("id", [5, 3, 9], "a different whole number in every row"),
        ("customerID", ["12", "10", "11"], "a different whole number in every row"),
        ("user_id", [5, 3, 9], "a different whole number in every row"),
        ("x", [[1], [2]], "it holds list<item: int64>, which is not read"),
    ],
)
def test_what_teaches_nothing_is_left_out(name: str, values: list[Any], reason: str) -> None:
    assert column_of(name, cells(values)) == LeftOut(reason)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", [1.0, None, 1.0]),
        ("x", ["a", "", "a"]),
        ("width", [5, 3, 9]),
        ("id", [5, 3, 5]),
        ("id", [0.5, 1.5, 2.5]),
        ("x", [f"t{k}" for k in range(64)] + ["t0"]),
        ("x", [f"t{k // 2}" for k in range(1000)]),
    ],
)
def test_what_may_teach_something_stays(name: str, values: list[Any]) -> None:
    assert not isinstance(column_of(name, cells(values)), LeftOut)


def test_a_person_has_the_last_word() -> None:
    ids = cells(["x1", "x2", "x3"])
    assert column_of("id", ids, Wanted("category")) == CategoryColumn("id", ("x1", "x2", "x3"))
    zips = cells(["01", "1", "02"])
    assert column_of("zip", zips, Wanted("category")) == CategoryColumn("zip", ("1", "01", "02"))
    years = cells([1999, 2001])
    assert column_of("year", years, Wanted("date", "%Y")) == DateColumn("year", format="%Y")
    assert isinstance(column_of("x", cells(["a", "1"]), Wanted("number")), NumberColumn)
    assert column_of("x", cells([1, 2]), Wanted("drop")) == LeftOut("as `columns:` says")


@given(st.lists(st.text(max_size=6) | st.none(), min_size=1, max_size=40))
def test_any_text_is_some_column_that_reads_it(values: list[str | None]) -> None:
    column = column_of("x", cells(values, pa.string()))
    if not isinstance(column, LeftOut):
        assert len(column.read(cells(values, pa.string()))) == len(values)


@pytest.mark.parametrize(
    "values", [[[1], [2]], [{"a": 1}, None], [b"\xff", b"a"]], ids=["list", "record", "bytes"]
)
@pytest.mark.parametrize("kind", ["number", "category", "date"])
def test_what_is_not_read_is_left_out_whatever_a_person_says(values: list[Any], kind: Any) -> None:
    found = column_of("x", cells(values), Wanted(kind))
    assert isinstance(found, LeftOut)
    assert found.reason.endswith("which is not read")

"""Dates as numbers."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data.columns.dates import format_of, seconds

MOMENTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))


@given(st.lists(MOMENTS | st.none(), min_size=1, max_size=20))
def test_text_and_time_stamps_are_the_same_seconds(
    moments: list[datetime.datetime | None],
) -> None:
    moments = [one and one.replace(microsecond=0) for one in moments]
    epoch = datetime.datetime(1970, 1, 1)
    expected = [np.nan if one is None else (one - epoch).total_seconds() for one in moments]
    texts = pa.array([one and one.isoformat() for one in moments], pa.string())
    assert np.array_equal(seconds(texts, None), expected, equal_nan=True)
    for unit in ("s", "ms", "us"):
        stamps = pa.array(moments, pa.timestamp(unit))
        assert np.array_equal(seconds(stamps, None), expected, equal_nan=True)


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([datetime.date(1970, 1, 2)]),
        pa.array([datetime.date(1970, 1, 2)], pa.date64()),
        pa.array([datetime.timedelta(1)], pa.duration("ms")),
        pa.array(["1970-01-02"]),
        pa.array(["1970-01-02T02:00:00+02:00"]),
        pa.array([86400 * 10**9], pa.timestamp("ns", "Europe/Berlin")),
    ],
    ids=lambda cells: str(cells.type),
)
def test_a_day_has_86400_seconds_in_every_type(cells: pa.Array) -> None:
    assert seconds(cells, None).tolist() == [86400]


def test_a_text_that_is_no_date_is_missing_and_the_others_are_not() -> None:
    cells = pa.array(["1970-01-02", "soon", "", "1970-01-03", None, "1970-02-30"])
    expected = [86400, np.nan, np.nan, 172800, np.nan, np.nan]
    assert np.array_equal(seconds(cells, None), expected, equal_nan=True)
    dotted = pa.array(["02.01.1970", "1970-01-02", "x"])
    assert np.array_equal(seconds(dotted, "%d.%m.%Y"), [86400, np.nan, np.nan], equal_nan=True)


def test_numbers_are_dates_by_a_format() -> None:
    found = seconds(pa.array([19700102, 19710101]), "%Y%m%d")
    assert found.tolist() == [86400, 365 * 86400]


def test_long_text_and_no_text_are_no_dates() -> None:
    assert format_of(pa.array(["2026-01-01" + " " * 50])) == (False, None)
    assert format_of(pa.array([], pa.string())) == (False, None)

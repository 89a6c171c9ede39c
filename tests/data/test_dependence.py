"""Rows that belong together, or follow one another in time, are noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import BUNDLED

RNG = np.random.default_rng(0)
DAYS = [str(np.datetime64("2024-01-01") + k) for k in range(300)]
OWNERS = [f"p{k // 6}" for k in range(300)]


def noted(
    table: Callable[..., DataSpec], name: str, values: Sequence[object], **options: object
) -> list[str]:
    """Return the notes on a table with a column of these values."""
    rows = zip(values, RNG.normal(size=300), RNG.normal(size=300), strict=True)
    lines = [f"{name},x,y", *(f"{value},{x},{y}" for value, x, y in rows)]
    return [*prepare(table("\n".join(lines) + "\n", **options)).notes]


@pytest.mark.parametrize("name", ["patient", "customer_id", "userId", "Household"])
@pytest.mark.parametrize("values", [OWNERS, [k // 6 for k in range(300)]])
def test_several_rows_of_one_owner_are_noticed(
    table: Callable[..., DataSpec], name: str, values: Sequence[object]
) -> None:
    assert noted(table, name, values) == [
        f"'{name}' has 50 values in 300 rows: if it says whose they are, split: {{group: '{name}'}}"
    ]


@pytest.mark.parametrize("days", [DAYS, DAYS[::-1]])
def test_rows_in_order_of_time_are_noticed(
    table: Callable[..., DataSpec], days: Sequence[str]
) -> None:
    assert noted(table, "day", days) == [
        "rows are in order of 'day': where later rows are predicted from earlier ones, "
        "split: {by: 'day'}"
    ]


def test_a_split_by_such_a_column_needs_no_note(table: Callable[..., DataSpec]) -> None:
    assert not any("whose" in one for one in noted(table, "patient", OWNERS, group="patient"))
    assert not any("predicted" in one for one in noted(table, "day", DAYS, by="day"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("color", OWNERS),
        ("day", [DAYS[k * 7 % 300] for k in range(300)]),
        ("patient", [f"p{k % 9}" for k in range(300)]),
        ("patient", [f"p{k // 2}" for k in range(200)] + [f"q{k}" for k in range(100)]),
    ],
    ids=["another name", "days in no order", "few", "many of one row"],
)
def test_other_columns_are_not(
    table: Callable[..., DataSpec], name: str, values: Sequence[object]
) -> None:
    notes = noted(table, name, values)
    assert not any("whose" in note or "predicted" in note for note in notes)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_data_have_none(name: str) -> None:
    assert prepare(DataSpec(name)).notes == ()

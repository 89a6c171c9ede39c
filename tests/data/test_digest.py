"""What the digest of a data set covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import numbers_csv


@pytest.mark.parametrize("change", [{"x3": 3.5}, {"y3": 0}, {"y3": 2, "y5": 2}])
def test_the_digest_changes_when_one_value_changes(
    table: Callable[..., DataSpec], change: dict[str, Any]
) -> None:
    assert prepare(table(numbers_csv(**change))).digest != prepare(table(numbers_csv())).digest


@pytest.mark.parametrize("options", [{"validation": 0.3}, {"test": 0.1}, {"rows": 8}])
def test_the_digest_changes_with_the_split(
    table: Callable[..., DataSpec], options: dict[str, Any]
) -> None:
    assert prepare(table(numbers_csv(), **options)).digest != prepare(table(numbers_csv())).digest


def test_the_digest_changes_with_the_unit_of_the_target(table: Callable[..., DataSpec]) -> None:
    cells = {f"y{row}": row / 4 for row in range(1, 21)}
    doubled = {name: 2 * value for name, value in cells.items()}
    one, other = prepare(table(numbers_csv(**cells))), prepare(table(numbers_csv(**doubled)))
    assert np.array_equal(one.targets, other.targets)
    assert one.digest != other.digest


def test_the_digest_does_not_depend_on_where_the_file_lies(table: Callable[..., DataSpec]) -> None:
    assert (
        prepare(table(numbers_csv(), "a.csv")).digest
        == prepare(table(numbers_csv(), "b.csv")).digest
    )

"""Splits in which rows of one group stay together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.splits.grouped import folded, held_out
from tests.helpers.sources import check_refused

GROUPS = st.lists(st.integers(1, 9), min_size=5, max_size=30).map(
    lambda sizes: np.repeat(np.arange(len(sizes)), sizes)
)


@given(GROUPS, st.integers(0, 2**32))
def test_no_group_is_in_two_parts_and_every_part_has_its_share(
    groups: np.ndarray, seed: int
) -> None:
    wanted = round(len(groups) * 0.2)
    parts = held_out(groups, wanted, wanted, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(groups)))
    found = [set(groups[rows]) for rows in parts]
    assert sum(map(len, found)) == len(set(groups))
    largest = np.bincount(groups).max()
    for rows, size in zip(parts, (len(groups) - 2 * wanted, wanted, wanted), strict=True):
        assert abs(len(rows) - size) <= largest


@given(GROUPS, st.integers(2, 5), st.integers(0, 2**32))
def test_every_row_validates_once_and_folds_differ_by_a_group(
    groups: np.ndarray, folds: int, seed: int
) -> None:
    rows = np.arange(len(groups))
    found = folded(rows, groups, folds, seed)
    assert sorted(np.concatenate([judged for _, judged in found])) == rows.tolist()
    for train, judged in found:
        assert set(groups[train]).isdisjoint(groups[judged])
        assert len(train) + len(judged) == len(rows)
    sizes = [len(judged) for _, judged in found]
    assert max(sizes) - min(sizes) <= np.bincount(groups).max()


def owners(rows: int = 60, each: int = 3) -> str:
    lines = [f"{k * 7 % 11},o{k // each},{k % 2}" for k in range(rows)]
    return "\n".join(["x,owner,y", *lines]) + "\n"


@pytest.mark.parametrize("folds", [None, 3])
def test_the_rows_of_an_owner_stay_together(
    table: Callable[..., DataSpec], folds: int | None
) -> None:
    data = prepare(table(owners(), group="owner", folds=folds))
    owner = np.arange(60) // 3
    for fold in data.folds:
        parts = [set(owner[rows]) for rows in (fold.train, fold.validation, data.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts))
    assert [column.name for column in data.columns] == ["x"]
    assert "rows of one 'owner' stay together, of which there are 20" in data.notes


def test_too_few_groups_are_refused(table: Callable[..., DataSpec]) -> None:
    spec = table(owners(each=30), group="owner")
    check_refused(spec, "E076", ["column 'owner': 2 groups are too few"])


def test_a_group_needs_a_table(arrays: Callable[..., DataSpec]) -> None:
    spec = arrays({"group": "owner"}, X=np.zeros((9, 2)), y=np.arange(9) % 2)
    check_refused(spec, "E072", ["no columns with names", "`group:`"])


def test_a_group_that_is_not_there_or_is_the_target_is_refused(
    table: Callable[..., DataSpec],
) -> None:
    check_refused(table(owners(), group="ovner"), "E072", ["no column 'ovner'", "'owner'?"])
    check_refused(table(owners(), group="y"), "E072", ["cannot be the target and say how"])

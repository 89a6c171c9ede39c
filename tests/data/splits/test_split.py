"""How rows are drawn: sizes, shares of the classes, seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.data.splits.split import split, thinned

CLASSES = st.lists(st.integers(10, 60), min_size=1, max_size=6)


SHARES = st.floats(0.02, 0.35)


@given(CLASSES, SHARES, SHARES, st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_each_class_has_its_share_of_validation_and_test_within_one_row(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    groups = np.repeat(np.arange(len(counts)), counts)
    rows = len(groups)
    sizes = round(validation * rows), round(test * rows)
    parts = split(groups, *sizes, seed)
    for part, size in zip(parts[1:], sizes, strict=True):
        share = np.array(counts) * size / rows
        assert (np.abs(np.bincount(groups[part], minlength=len(counts)) - share) <= 1).all()


@given(st.lists(st.integers(2, 9), min_size=1, max_size=9), st.data())
@settings(max_examples=200, deadline=None)
def test_a_split_is_a_partition_of_the_sizes_asked_for(
    counts: list[int], data: st.DataObject
) -> None:
    groups = np.random.default_rng(len(counts)).permutation(
        np.repeat(np.arange(len(counts)), counts)
    )
    spare = len(groups) - len(counts)
    validation = data.draw(st.integers(1, spare))
    test = data.draw(st.integers(0, spare - validation))
    parts = split(groups, validation, test, seed=0)
    assert [len(part) for part in parts[1:]] == [validation, test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    assert all((np.diff(part) > 0).all() for part in parts)
    # and training sees every class
    assert len(np.unique(groups[parts[0]])) == len(counts)


@given(CLASSES, st.integers(1, 100), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_thinned_rows_keep_the_shares_of_the_classes_within_one_row(
    counts: list[int], most: int, seed: int
) -> None:
    groups = np.repeat(np.arange(len(counts)), counts)
    rows = np.flatnonzero(np.arange(len(groups)) % 3)
    kept = thinned(rows, groups, most, seed)
    assert len(kept) == min(most, len(rows))
    assert np.isin(kept, rows).all()
    assert (np.diff(kept) > 0).all()
    share = np.bincount(groups[rows], minlength=len(counts)) * len(kept) / len(rows)
    assert (np.abs(np.bincount(groups[kept], minlength=len(counts)) - share) <= 1).all()


def test_a_class_rounded_up_in_one_part_is_rounded_down_in_the_next() -> None:
    groups = np.repeat(np.arange(4), 10)
    train, validation, test = split(groups, validation=6, test=6, seed=0)
    assert (
        sorted(np.bincount(groups[validation])) == sorted(np.bincount(groups[test])) == [1, 1, 2, 2]
    )
    assert np.bincount(groups[train]).tolist() == [7, 7, 7, 7]


def test_a_split_that_leaves_a_class_no_row_to_train_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 seats do not fit in 1"):
        split(np.array([0, 0, 1, 1]), validation=2, test=1, seed=0)


def test_another_seed_keeps_other_rows() -> None:
    rows, groups = np.arange(100), np.zeros(100, np.int64)
    assert thinned(rows, groups, 10, seed=0).tolist() != thinned(rows, groups, 10, seed=1).tolist()

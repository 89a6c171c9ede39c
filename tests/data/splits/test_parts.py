"""The parts of the split that `data:` asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import BUNDLED, X, Y, check_refused, refused


def test_one_row_of_each_class_is_enough_to_train(arrays: Callable[..., DataSpec]) -> None:
    data = prepare(
        arrays({"validation": 0.3, "test": 0.2}, X=X, y=np.array(list("abcdefghij") * 2))
    )
    assert sorted(data.targets[data.folds[0].train].tolist()) == list(range(10))


def test_one_row_less_than_that_is_refused(arrays: Callable[..., DataSpec]) -> None:
    spec = arrays({"validation": 0.35, "test": 0.2}, X=X, y=np.array(list("abcdefghij") * 2))
    assert "9 for training" in refused(spec).message


def test_one_row_is_enough_to_validate_and_to_test(arrays: Callable[..., DataSpec]) -> None:
    data = prepare(arrays({"validation": 0.05, "test": 0.05}, X=X, y=Y))
    assert (len(data.folds[0].validation), len(data.test)) == (1, 1)


@pytest.mark.parametrize("name", BUNDLED)
def test_shares_are_of_all_rows(name: str) -> None:
    data = prepare(DataSpec(name))
    fifth = round(0.2 * len(data.inputs))
    assert (len(data.folds[0].validation), len(data.test)) == (fifth, fifth)
    assert len(data.folds[0].train) == len(data.inputs) - 2 * fifth


def test_a_share_of_zero_leaves_no_test_rows() -> None:
    data = prepare(DataSpec("wine", test=0))
    assert (len(data.folds[0].train), len(data.folds[0].validation), len(data.test)) == (142, 36, 0)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_another_split_seed_gives_another_split(name: str) -> None:
    one, other = (prepare(DataSpec(name, split_seed=seed)) for seed in (0, 1))
    assert one.folds[0].train.tolist() != other.folds[0].train.tolist()
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("rows", "sizes"), [(100, (75, 25, 100)), (2, (1, 1, 2)), (10_000, (1079, 359, 359))]
)
def test_rows_cuts_training_and_validation_together(rows: int, sizes: tuple[int, ...]) -> None:
    data = prepare(DataSpec("digits", rows=rows))
    assert (len(data.folds[0].train), len(data.folds[0].validation), len(data.test)) == sizes


def test_the_rows_that_are_kept_were_in_the_same_part_before() -> None:
    whole, cut = prepare(DataSpec("digits")), prepare(DataSpec("digits", rows=100))
    for part in ("train", "validation"):
        assert np.isin(getattr(cut.folds[0], part), getattr(whole.folds[0], part)).all()
    assert np.isin(cut.test, whole.test).all()


BAD_SPLITS: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str]]] = {
    "validation 0": ({"y": Y}, {"validation": 0.0}, "E076", ["validation: 0"]),
    "negative test": ({"y": Y}, {"test": -0.1}, "E076", ["test: -0.1"]),
    "shares of all": (
        {"y": Y},
        {"validation": 0.5, "test": 0.5},
        "E076",
        ["leave rows for training"],
    ),
    "no validation row": ({"y": Y}, {"validation": 0.01}, "E076", ["0 for validation"]),
    "no test row": ({"y": Y}, {"test": 0.01}, "E076", ["0 for test"]),
    "few training rows": (
        {"y": np.arange(20) // 2},
        {"validation": 0.5, "test": 0.3},
        "E076",
        ["4 for training", "each class"],
    ),
    "rows of one": ({"y": Y}, {"rows": 1}, "E076", ["1 rows are too few"]),
    "test given twice": (
        {"y": Y, "X_test": X, "y_test": Y},
        {"test": 0.1},
        "E076",
        ["test file of its own"],
    ),
}


@pytest.mark.parametrize("name", BAD_SPLITS)
def test_a_split_that_cannot_be_is_refused_with_the_reason(
    arrays: Callable[..., DataSpec], name: str
) -> None:
    stored, options, code, said = BAD_SPLITS[name]
    check_refused(arrays(options, **{"X": X, **stored}), code, said)


PARTS = np.array(["train"] * 10 + ["validation"] * 5 + ["test"] * 5)


@pytest.mark.group("classes that nothing trains")
@pytest.mark.parametrize("row", [12, 17])
@pytest.mark.parametrize("labels", [Y * 10, np.array(["a", "b"] * 10)])
def test_a_class_that_no_training_row_has_is_refused_where_a_column_splits(
    arrays: Callable[..., DataSpec], row: int, labels: np.ndarray
) -> None:
    lone = labels.copy()
    lone[[row, row + 1]] = "z" if labels.dtype.kind == "U" else 7
    spec = arrays({"column": "part"}, X=X, y=lone, part=PARTS)
    check_refused(spec, "E075", [f"row {row + 1}, is '{lone[row]}'", "no row has that trains"])


@pytest.mark.group("classes that nothing trains")
@pytest.mark.parametrize("split", [{}, {"folds": 3}, {"column": "part"}])
def test_a_class_that_only_the_test_file_has_is_refused_however_rows_are_split(
    arrays: Callable[..., DataSpec], split: dict[str, Any]
) -> None:
    parts = np.array(["train"] * 15 + ["validation"] * 5)
    spec = arrays(split, X=X, y=Y, X_test=X, y_test=Y * 3, part=parts)
    check_refused(spec, "E075", ["the test arrays: target 'y', row 2, is '3'"])


def test_a_class_that_only_validation_and_test_have_is_refused(
    arrays: Callable[..., DataSpec],
) -> None:
    """It trains in no way that a column could say, though it has rows enough."""
    labels, parts = np.array(["a", "b"] * 10), np.array(["train"] * 16 + ["validation", "test"] * 2)
    labels[16:18] = "z"
    check_refused(arrays({"column": "part"}, X=X, y=labels, part=parts), "E075", ["row 17", "'z'"])


def test_blanks_around_a_part_do_not_matter(arrays: Callable[..., DataSpec]) -> None:
    parts = np.array([f" {part} " for part in PARTS])
    data = prepare(arrays({"column": "part"}, X=X, y=Y, part=parts))
    assert (len(data.folds[0].validation), len(data.test)) == (5, 5)

"""A data set split anew: what changes, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpsearch.data import Dataset, DataSpec
from hpsearch.data.digest import digest_of
from hpsearch.data.prepare import prepare
from hpsearch.data.scale import scaling
from hpsearch.data.splits.resplit import resplit
from hpsearch.data.stored import mapped, write
from tests.helpers.sources import BUNDLED, X, Y, numbers_csv, same

SPECS = {
    "holdout": DataSpec(""),
    "folds": DataSpec("", folds=5),
    "few rows": DataSpec("", rows=60, split_seed=2**63 - 1),
    "few rows in folds": DataSpec("", rows=60, folds=3),
    "unit scale, no test": DataSpec("", test=0.0, scale="unit"),
}


@pytest.fixture(scope="module", params=BUNDLED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=SPECS)
def data(name: str, request: pytest.FixtureRequest) -> Dataset:
    return prepare(replace(SPECS[request.param], source=name))


def pool(data: Dataset) -> list[int]:
    """Return all rows but the test split's."""
    fold = data.folds[0]
    return sorted([*fold.train.tolist(), *fold.validation.tolist()])


def sizes(data: Dataset) -> list[tuple[int, int]]:
    return [(len(fold.train), len(fold.validation)) for fold in data.folds]


def test_number_0_is_the_data_set_itself(data: Dataset) -> None:
    assert resplit(data, 0) is data


def test_the_same_number_gives_the_same_split(data: Dataset) -> None:
    assert same(resplit(data, 2), resplit(data, 2))


def test_each_number_gives_a_split_of_its_own(data: Dataset) -> None:
    digests = {resplit(data, number).digest for number in range(4)}
    validations = {tuple(resplit(data, number).folds[0].validation) for number in range(4)}
    assert len(digests) == len(validations) == 4


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_rows_and_the_sizes_of_all_parts_stay(data: Dataset, number: int) -> None:
    again = resplit(data, number)
    assert pool(again) == pool(data)
    assert sizes(again) == sizes(data)
    assert again.test.tolist() == data.test.tolist()
    for fold in again.folds:
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.validation) > 0).all()
        assert not np.isin(fold.validation, fold.train).any()
    if len(again.folds) > 1:
        judged = np.concatenate([fold.validation for fold in again.folds])
        assert sorted(judged.tolist()) == pool(data)


def test_each_class_keeps_its_share_of_validation(data: Dataset) -> None:
    if data.task == "regression":
        return
    before = np.bincount(data.targets[pool(data)], minlength=data.outputs)
    for fold in resplit(data, 1).folds:
        share = before * len(fold.validation) / before.sum()
        found = np.bincount(data.targets[fold.validation], minlength=data.outputs)
        assert (np.abs(found - share) <= 1).all()


def test_the_targets_and_their_unit_stay(data: Dataset) -> None:
    again = resplit(data, 1)
    assert again.targets is data.targets
    assert again.inputs is data.inputs
    assert (again.target_center, again.target_scale) == (data.target_center, data.target_scale)
    assert again.rule == data.rule


def test_inputs_are_scaled_by_the_new_training_rows(data: Dataset) -> None:
    for fold in resplit(data, 1).folds:
        found = scaling(data.inputs, fold.train, data.rule.input_scale, data.columns)
        for measured, kept in zip(found, (fold.center, fold.scale, fold.fill), strict=True):
            assert np.array_equal(measured, kept)


def test_the_digest_is_that_of_the_new_split(data: Dataset) -> None:
    again = resplit(data, 1)
    assert again.digest == digest_of(again)


def test_the_split_seed_counts() -> None:
    one, other = (prepare(DataSpec("wine", split_seed=seed)) for seed in (0, 1))
    moved = replace(one, rule=other.rule)
    assert resplit(moved, 1).digest != resplit(one, 1).digest


def test_a_data_set_read_from_a_file_is_split_alike(data: Dataset, tmp_path: Path) -> None:
    with (tmp_path / "data").open("wb") as file:
        write(data, file)
    assert same(resplit(mapped(tmp_path / "data"), 1), resplit(data, 1))


@pytest.mark.parametrize("name", [*BUNDLED, "made"])
def test_a_split_by_a_column_is_never_drawn(table: Callable[..., DataSpec], name: str) -> None:
    text = numbers_csv()
    if name != "made":
        source = prepare(DataSpec(name))
        rows = source.inputs.reshape(len(source.inputs), -1)[:, :3].tolist()
        targets = source.targets.tolist()
        lines = [f"{a},{b},{y}" for (a, b, *_), y in zip(rows, targets, strict=True)]
        text = "\n".join(["x,z,y", *lines]) + "\n"
    head, *lines = text.splitlines()
    parts = ("train", "train", "train", "validation", "test")
    named = [f"{line},{parts[row // 2 % 5]}" for row, line in enumerate(lines)]
    data = prepare(table("\n".join([f"{head},part", *named]), column="part"))
    assert resplit(data, 3) is data


def test_too_few_rows_are_not_drawn_anew(arrays: Callable[..., DataSpec]) -> None:
    # nine rows of either class are no test rows; of 16 that validate none can be left out twice
    data = prepare(arrays({"validation": 0.8, "test": 0.1}, X=X, y=Y))
    assert resplit(data, 1) is data
    less = prepare(arrays({"validation": 0.7, "test": 0.1}, X=X, y=Y))
    assert resplit(less, 1).digest != less.digest


def test_a_source_with_a_test_file_keeps_it(arrays: Callable[..., DataSpec]) -> None:
    data = prepare(arrays(X=X, y=Y, X_test=X[:4], y_test=Y[:4]))
    again = resplit(data, 1)
    assert again.test.tolist() == [20, 21, 22, 23]
    assert again.digest != data.digest

"""A Dataset from its spec: what it holds, and in which units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hpsearch.data import LOADERS, DataSpec, RawData
from hpsearch.data.prepare import prepare
from tests.helpers.sources import numbers_csv, same


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_the_same_spec_gives_the_same_dataset(name: str) -> None:
    assert same(prepare(DataSpec(name)), prepare(DataSpec(name)))


def test_a_file_gives_the_dataset_a_name_fit_for_files(table: Callable[..., DataSpec]) -> None:
    assert prepare(table(numbers_csv(), "my data (2).csv")).name == "my-data-2"


def test_regression_targets_are_standardised_on_the_training_rows() -> None:
    data = prepare(DataSpec("diabetes"))
    trained = data.targets[data.folds[0].train]
    assert data.targets.dtype == np.float32
    assert trained.mean() == pytest.approx(0, abs=1e-6)
    assert trained.std() == pytest.approx(1, abs=1e-6)
    raw = LOADERS.load("diabetes")(DataSpec("diabetes"))
    assert isinstance(raw, RawData)
    assert data.targets * data.target_scale + data.target_center == pytest.approx(
        raw.targets, rel=1e-5
    )


def test_the_targets_of_test_arrays_are_in_the_unit_of_the_others(
    arrays: Callable[..., DataSpec],
) -> None:
    numbers = np.linspace(-3, 7, 25)
    data = prepare(
        arrays(X=np.ones((20, 1)), y=numbers[:20], X_test=np.ones((5, 1)), y_test=numbers[20:])
    )
    assert data.target_center == pytest.approx(numbers[data.folds[0].train].mean())
    assert data.targets * data.target_scale + data.target_center == pytest.approx(numbers, abs=1e-6)


def test_class_numbers_are_not_scaled() -> None:
    data = prepare(DataSpec("wine"))
    assert data.targets.dtype == np.int64
    assert (data.target_center, data.target_scale) == (0, 1)

"""The data sets that come with hpsearch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.sources.bundled import load


@pytest.mark.parametrize(
    ("name", "task", "shape", "outputs"),
    [
        ("digits", "classification", (1, 8, 8), 10),
        ("wine", "classification", (13,), 3),
        ("breast_cancer", "classification", (30,), 2),
        ("diabetes", "regression", (10,), 1),
    ],
)
def test_a_bundled_source_has_its_task_and_shape(
    name: str, task: str, shape: tuple[int, ...], outputs: int
) -> None:
    data = prepare(DataSpec(name))
    assert (data.name, data.task, data.shape.sides, data.outputs) == (name, task, shape, outputs)
    assert data.inputs.dtype == (np.float32 if name == "digits" else np.float64)
    assert data.features == np.prod(shape)


def test_bundled_tables_name_their_columns_and_classes() -> None:
    data = prepare(DataSpec("breast_cancer"))
    assert [column.name for column in data.columns[:2]] == ["mean radius", "mean texture"]
    assert data.classes == ("benign", "malignant")


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("digits", load_digits),
        ("wine", load_wine),
        ("breast_cancer", load_breast_cancer),
        ("diabetes", partial(load_diabetes, scaled=False)),
    ],
)
def test_bundled_data_are_those_of_scikit_learn(name: str, original: Callable[[], Any]) -> None:
    found, there = load(DataSpec(name)), original()
    labels = there.target
    if name in ("wine", "breast_cancer"):
        labels = np.asarray(there.target_names)[labels]
    np.testing.assert_array_equal(found.inputs.reshape(there.data.shape), there.data)
    np.testing.assert_array_equal(found.targets, labels)
    if name != "digits":
        assert [column.name for column in found.columns] == [*there.feature_names]

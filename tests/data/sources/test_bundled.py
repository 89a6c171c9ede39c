"""The data sets that come with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare


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

"""The scale of inputs: what is measured, and on which rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from hpsearch.data import Dataset, DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.scale import moments, scaling
from hpsearch.data.stored import mapped, write
from hpsearch.engine.feed import Feed
from tests.helpers.sources import Y, numbers_csv


@pytest.mark.parametrize("scale", ["standard", "unit"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_scaling_does_not_look_at_validation_or_test(
    table: Callable[..., DataSpec], scale: str, part: str
) -> None:
    before = prepare(table(numbers_csv(), scale=scale))
    row = int((before.test if part == "test" else before.folds[0].validation)[0]) + 1
    after = prepare(table(numbers_csv(**{f"x{row}": 1e6}), scale=scale))
    assert after.inputs[row - 1, 0] == 1e6
    assert np.array_equal(after.folds[0].center, before.folds[0].center)
    assert np.array_equal(after.folds[0].scale, before.folds[0].scale)


def test_scaling_looks_at_training(table: Callable[..., DataSpec]) -> None:
    before = prepare(table(numbers_csv()))
    after = prepare(table(numbers_csv(**{f"x{before.folds[0].train[0] + 1}": 1e6})))
    assert after.folds[0].center[0] != before.folds[0].center[0]


@pytest.mark.parametrize("name", ["wine", "diabetes", "digits"])
def test_standard_inputs_have_mean_0_and_standard_deviation_1(name: str) -> None:
    data = prepare(DataSpec(name))
    fold = data.folds[0]
    scaled = (data.inputs[fold.train].astype(np.float64) - fold.center) / fold.scale
    axes = (0,) if scaled.ndim == 2 else (0, 2, 3)
    assert scaled.mean(axis=axes) == pytest.approx(0, abs=1e-12)
    assert scaled.std(axis=axes) == pytest.approx(1, abs=1e-12)


def test_images_are_scaled_by_one_number_per_channel(arrays: Callable[..., DataSpec]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5)).astype(np.uint8)
    data = prepare(arrays(X=pixels, y=Y))
    trained = pixels[data.folds[0].train].astype(np.float64)
    assert data.folds[0].center.shape == data.folds[0].scale.shape == (3, 1, 1)
    assert data.folds[0].center.ravel() == pytest.approx(trained.mean(axis=(0, 2, 3)))
    assert data.folds[0].scale.ravel() == pytest.approx(trained.std(axis=(0, 2, 3)))


def test_unit_divides_by_the_largest_absolute_value() -> None:
    inputs = np.array([[1.0, -8, 0], [2, 4, 0], [99, 99, 99]])
    center, scale, _ = scaling(inputs, np.array([0, 1]), "unit")
    assert (center.tolist(), scale.tolist()) == ([0, 0, 0], [2, 8, 1])


def test_none_leaves_the_inputs_and_still_standardises_the_targets() -> None:
    data = prepare(DataSpec("diabetes", scale="none"))
    assert set(data.folds[0].center.tolist()) == {0.0}
    assert set(data.folds[0].scale.tolist()) == {1.0}
    assert data.target_scale > 1


def test_a_column_that_does_not_vary_has_scale_1() -> None:
    # the mean of 1,000 times 0.1 is not 0.1 in floating point; the scale must not become tiny
    inputs = np.full((1000, 1), 0.1)
    assert scaling(inputs, np.arange(1000), "standard")[1].tolist() == [1]
    assert scaling(np.full((5, 1, 2, 2), 7, np.uint8), np.arange(5), "standard")[1].tolist() == [
        [[1]]
    ]


def test_a_scale_may_be_smaller_than_float32_holds() -> None:
    assert scaling(np.array([[1e-60], [3e-60]]), np.arange(2), "standard")[1] == pytest.approx(
        1e-60
    )


def test_moments_are_exact_far_from_zero() -> None:
    center, std = moments(1e9 + np.array([[0.0], [1], [2], [3]]), np.arange(4))
    assert center.item() == 1e9 + 1.5
    assert std.item() == pytest.approx(1.25**0.5)


@pytest.mark.group("inputs far from zero")
@pytest.mark.parametrize("offset", [0.0, 1767225600.0, -1e12, 1e9])
@pytest.mark.parametrize("kind", ["csv", "npz", "images"])
def test_what_little_varies_far_from_zero_is_not_lost(
    table: Callable[..., DataSpec], arrays: Callable[..., DataSpec], offset: float, kind: str
) -> None:
    column, labels = offset + 0.5 * np.arange(200), np.arange(200) // 100
    if kind == "csv":
        rows = [f"{x!r},{y}" for x, y in zip(column.tolist(), labels, strict=True)]
        data = prepare(table("\n".join(["x,y", *rows]) + "\n"))
    else:
        x = column[:, None, None] if kind == "images" else column[:, None]
        data = prepare(arrays(X=x, y=labels))
    feed = Feed(mapped_again(data), "cpu")
    inputs, targets, _ = feed.batch(feed.rows(np.arange(200), 0), [0])
    found, right = inputs.flatten().numpy(), (0.5 * np.arange(200))
    trained = right[data.folds[0].train]
    assert found == pytest.approx((right - trained.mean()) / trained.std(), abs=1e-6)
    assert targets.tolist() == labels.tolist()


def mapped_again(data: Dataset) -> Dataset:
    """Return the data as a worker reads it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "data")
        with path.open("wb") as file:
            write(data, file)
        return mapped(path)


def test_moments_of_more_rows_than_a_block_are_those_of_all() -> None:
    inputs = np.random.default_rng(0).normal(3, 2, (10_000, 2))
    center, std = moments(inputs, np.arange(9_000))
    assert center == pytest.approx(inputs[:9_000].mean(axis=0))
    assert std == pytest.approx(inputs[:9_000].std(axis=0))

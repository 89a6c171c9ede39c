"""Images whose channels are last: they are recognised, and said to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.notes import summary
from hpsearch.data.prepare import prepare
from tests.helpers.sources import Y, same

pytestmark = pytest.mark.group("image layouts")


def pixels(*shape: int, kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, *shape)).astype(kind)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (9, 7, 4), (6, 5, 2), (7, 7, 20)])
def test_channels_that_are_last_are_put_first(
    arrays: Callable[..., DataSpec], shape: tuple[int, int, int], kind: type
) -> None:
    last = pixels(*shape, kind=kind)
    found = prepare(arrays(X=last, y=Y, X_test=last[:4], y_test=Y[:4]))
    first = np.ascontiguousarray(last.transpose(0, 3, 1, 2))
    right = prepare(arrays(X=first, y=Y, X_test=first[:4], y_test=Y[:4]))
    assert found.shape.sides == (shape[2], *shape[:2])
    assert np.array_equal(found.inputs, right.inputs)
    assert found.digest == right.digest
    assert f"{shape[0]} x {shape[1]} pixels with their {shape[2]} channels last" in found.notes[0]


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 32), (4, 9, 7), (512, 7, 7), (5, 6, 8), (1, 8, 1), (3, 40, 3)]
)
def test_channels_that_are_first_stay_there(
    arrays: Callable[..., DataSpec], shape: tuple[int, int, int]
) -> None:
    data = prepare(arrays(X=pixels(*shape), y=Y))
    assert data.shape.sides == shape
    assert not [note for note in data.notes if "channels" in note]


def test_images_without_channels_have_one(arrays: Callable[..., DataSpec]) -> None:
    grey, one = pixels(9, 7), pixels(9, 7, 1)
    assert np.array_equal(prepare(arrays(X=grey, y=Y)).inputs, prepare(arrays(X=one, y=Y)).inputs)
    assert same(prepare(arrays(X=grey, y=Y)), prepare(arrays(X=grey[:, None], y=Y)))


def test_the_summary_says_the_shape(arrays: Callable[..., DataSpec]) -> None:
    line = summary(prepare(arrays(X=pixels(9, 7, 3), y=Y)))
    assert line.startswith("a: 20 images of 9 x 7 pixels, 3 channels, 2 classes of y; 12 train")

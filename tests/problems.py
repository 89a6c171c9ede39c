"""Small data sets and cohorts for tests of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hpsearch.data import Dataset, Fold
from hpsearch.engine.array import Array
from hpsearch.engine.feed import Feed
from hpsearch.engine.plan import Member, Objective
from hpsearch.engine.settings import complete
from hpsearch.engine.train import Ended, train
from hpsearch.trial import Epoch

torch.set_num_threads(1)  # as in a worker; threads only quarrel over nets as small as these


def dataset(
    inputs: np.ndarray, targets: np.ndarray, *, classes: int = 0, validation: float = 0.25, center: float = 0.0
) -> Dataset:
    """Data as given: the last share of the rows is for validation, inputs are not scaled."""
    rows = np.arange(len(inputs))
    first = int(len(rows) * (1 - validation))
    shape = (1,) * (inputs.ndim - 1)
    return Dataset(
        name="test",
        task="classification" if classes else "regression",
        inputs=inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32),
        targets=targets.astype(np.int64) if classes else targets.astype(np.float32),
        classes=tuple(str(k) for k in range(classes)),
        target_center=0.0,
        target_spread=1.0,
        folds=(
            Fold(
                rows[:first],
                rows[first:],
                center=np.full(shape, center, dtype=np.float32),
                spread=np.ones(shape, dtype=np.float32),
            ),
        ),
        whole=None,
        test=rows[:0],
        columns=(),
        digest="",
    )


def blobs(rows: int = 80, features: int = 6, classes: int = 3, seed: int = 0) -> Dataset:
    """Classes that lie apart."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=rows)
    centers = rng.normal(size=(classes, features)) * 2
    return dataset(centers[targets] + rng.normal(size=(rows, features)), targets, classes=classes)


def pictures(rows: int = 48, side: int = 8, classes: int = 2, seed: int = 0) -> Dataset:
    """Images of noise, with a bright bar: on top for one class, on the left for the other."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=rows)
    images = rng.normal(size=(rows, 1, side, side)) * 0.3
    for image, target in zip(images, targets, strict=True):
        if target:
            image[0, :2, :] += 2.0
        else:
            image[0, :, :2] += 2.0
    return dataset(images, targets, classes=classes)


def member(number: int = 0, **settings: Any) -> Member:
    """All settings, with these instead of the defaults; no early stopping unless asked for."""
    return Member(number, complete({"patience": 0, "epochs": 2, "width": 8, "depth": 1, "batch_size": 16, **settings}))


def advance(array: Array, feed: Feed, x: torch.Tensor, y: torch.Tensor) -> None:
    """One step of every member on a batch, without noise."""
    outputs = array.outputs(x)
    array.step(outputs, feed.objective(outputs, y)[1])


def run(
    data: Dataset,
    members: Sequence[Member],
    *,
    seed: int = 0,
    objective: Objective = "loss",
    dtype: torch.dtype = torch.float32,
) -> tuple[dict[int, Ended], list[Epoch]]:
    """Train; every member's end by its number, and the epochs as they came."""
    events = list(train(Feed(data, "cpu", dtype), members, objective, seed))
    return {e.member.number: e for e in events if isinstance(e, Ended)}, [e[1] for e in events if isinstance(e, tuple)]

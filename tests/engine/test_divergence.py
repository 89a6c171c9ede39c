"""What has diverged, in data sets and settings of all sizes: nothing that has learnt anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from hpsearch.data import Dataset
from hpsearch.data.baseline import constant_loss
from hpsearch.engine.structure.settings import OPTIMIZERS
from hpsearch.study.trial import Failed
from tests.helpers.problems import blobs, dataset, member, run


def line(rows: int) -> Dataset:
    """Return a regression by one column."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 1))
    return dataset(x, 2.0 * x[:, 0] + 0.1 * rng.standard_normal(rows))


DATA: dict[str, tuple[Callable[[], Dataset], list[int]]] = {
    "8 rows": (lambda: blobs(rows=8), [1, 3, 8, 100]),
    "2 classes of 3 rows": (lambda: blobs(rows=6, classes=2), [1, 2, 50]),
    "one column": (lambda: line(120), [1, 7, 32, 500]),
    "three classes": (lambda: blobs(rows=90), [1, 16, 1000]),
    "many rows": (lambda: line(20_000), [64, 4096, 100_000]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_a_training_that_was_better_than_a_constant_does_not_fail(name: str) -> None:
    make, batch_sizes = DATA[name]
    data, rng = make(), Random(name)
    (fold,), failed = data.folds, 0
    constant = constant_loss(data, fold.train, fold.validation)
    for _ in range(12 if name == "many rows" else 30):
        one = member(
            lr=10 ** rng.uniform(-6.0, 1.0),
            optimizer=rng.choice(list(OPTIMIZERS)),
            batch_size=rng.choice(batch_sizes),
            depth=rng.randint(1, 4),
            init_scale=rng.choice([0.1, 1.0, 5.0]),
            norm=rng.choice(["none", "batch", "layer"]),
            epochs=rng.choice([1, 4, 12]),
        )
        result = run(data, [one], seed=rng.randrange(99))[0][0].result
        if isinstance(result, Failed):
            failed += 1
            losses = [epoch.loss for epoch in result.curve if math.isfinite(epoch.loss)]
            assert min(losses, default=math.inf) > constant, one.settings
    assert failed < 15

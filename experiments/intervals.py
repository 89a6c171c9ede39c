"""How often has the interval of a test figure the truth in it, and how long does it take?

    python -m experiments.intervals [--studies 400]

Answers to test rows are made up: three classes whose outputs are higher by 2 for the right one,
plus normal noise, or numbers that are right but for noise of half their standard deviation. The
truth is the figure of 200,000 such rows. Columns: the share of studies in whose 95 % interval the
truth is, for so many test rows; and the seconds of the processor that it takes to judge 10,000 and
1,000,000 rows with an interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.comparison import Row, table
from hpsearch.data import Dataset, DataSpec, Fold
from hpsearch.data.prepare import prepare
from hpsearch.engine.feed import Answers, Feed, Split
from hpsearch.engine.resamples import measure
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.metrics import METRICS
from hpsearch.study.trial import Measured

ROWS = (30, 100, 300, 1_000)
TRUTH, TIMED = 200_000, (10_000, 1_000_000)

Numbers = NDArray[np.float64]


class Answering(Feed):
    """A feed all of whose rows are tested, and have these outputs [rows, outputs]."""

    def __init__(self, data: Dataset, outputs: Numbers) -> None:
        super().__init__(data, "cpu", torch.float64)
        self._outputs = torch.from_numpy(outputs)

    def answers(
        self,
        stacked: StackedCohort,
        name: Split,
        predict: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Answers]:
        """Yield all rows in one batch."""
        ones = self.like.new_ones(len(self._targets))
        yield Answers(self._outputs[None], self._targets, ones, ones)


def problem(metric: str, rows: int, seed: int) -> tuple[Dataset, Numbers]:
    """Return data of so many test rows, and outputs for them."""
    rng = np.random.default_rng([seed, rows])
    like = prepare(DataSpec("wine" if METRICS[metric].task == "classification" else "diabetes"))
    if like.classes:
        classes = rng.integers(3, size=rows)
        outputs = 2.0 * np.eye(3)[classes] + rng.normal(size=(rows, 3))
        like = replace(like, targets=classes)
    else:
        numbers = rng.normal(size=rows)
        outputs = (numbers + 0.5 * rng.normal(size=rows))[:, None]
        like = replace(like, targets=numbers.astype(np.float32))
    none = np.zeros(0, dtype=np.int64)
    fold = Fold(np.arange(rows), none, np.zeros(1), np.ones(1), np.zeros(1))
    data = replace(
        like,
        inputs=np.zeros((rows, 1)),
        folds=(fold,),
        test=np.arange(rows),
        columns=(),
    )
    return data, outputs


def measured(metric: str, rows: int, seed: int) -> tuple[Measured, float]:
    """Return what so many rows say of a metric, and the seconds that it took to find out."""
    data, outputs = problem(metric, rows, seed)
    feed = Answering(data, outputs)
    task = TrainingTask(data.shape, data.outputs, seed)
    stacked = StackedCohort([Member(0, complete({}))], task, feed.like)
    start = time.process_time()
    _, found = measure(feed, stacked, "test", metric, seed)
    return found, time.process_time() - start


def covered(metric: str, rows: int, studies: int, truth: float) -> float:
    """Return the share of studies in whose interval the truth is; those without one count."""
    found = (measured(metric, rows, seed)[0].interval for seed in range(studies))
    return sum(one is not None and one.low <= truth <= one.high for one in found) / studies


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Say how often an interval has the truth in it.")
    parser.add_argument("--studies", type=int, default=400)
    studies = parser.parse_args().studies
    rows: list[Row] = [("metric", *(f"{n:,} rows" for n in ROWS), *(f"s, {n:,}" for n in TIMED))]
    for metric in METRICS:
        truth = measured(metric, TRUTH, studies)[0].value
        shares = [f"{covered(metric, n, studies, truth):.1%}" for n in ROWS]
        seconds = [f"{measured(metric, n, 0)[1]:.1f}" for n in TIMED]
        rows.append((metric, *shares, *seconds))
    print(table(rows))


if __name__ == "__main__":
    main()

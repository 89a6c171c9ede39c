"""How long a training would take here, and how much memory, by a few of its steps."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count

import torch

from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.cohorts import arrays
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.device import CPU, Device
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import BAYESIAN
from hpsearch.engine.structure.timing import Timing
from hpsearch.engine.train import stack_members, steps

_WARM_UP = 2  # steps or batches after which memory is had and kernels are chosen
_TIMED = 0.4  # seconds for which steps are timed, and then batches of rows that validate
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which a system counts memory


def peak_memory() -> int:
    """Return the most bytes that this process has held in main memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def time_training(
    feed: Feed, members: Sequence[Member], seed: int, before: int, where: Device = CPU
) -> Timing:
    """Return what the training of a cohort takes, early stopping aside.

    Args:
        feed: the data.
        members: with equal keys; where they are too many for one computation, those of the first
            one are timed.
        seed: the study's.
        before: the most bytes that this process held before it had the data.
        where: the device of the data, whose memory limits how many members are too many.
    """
    device = feed.like.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    parts = arrays(members, feed.data.shape, feed.data.outputs, where)
    stacked = stack_members(feed, parts[-1], seed)
    settings = parts[-1][0].settings
    n_valid = len(feed.data.folds[parts[-1][0].fold].validation)
    cost = Cost.of(settings, feed.data.shape, feed.data.outputs, feed.n_train, n_valid)
    epoch = cost.steps * _seconds_each(_steps(stacked, feed), device)
    epoch += n_valid * _seconds_each(_judged(stacked, feed), device)
    # what comes before the first epoch is taken to go at the same pace
    epochs = cost.flops_after(int(settings["epochs"])) / cost.flops
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Timing(epoch * epochs * len(parts), before, peak_memory(), on_device)


def _steps(stacked: StackedCohort, feed: Feed) -> Iterator[int]:
    """Take one step after the other, of as many epochs as are asked for."""
    for epoch in count(1):
        for _ in steps(stacked, feed, epoch):
            yield 1


@torch.inference_mode()
def _judged(stacked: StackedCohort, feed: Feed) -> Iterator[int]:
    """Judge the rows that validate again and again; give how many there are in each batch."""
    predict = BAYESIAN.load(str(stacked.settings["bayesian"]))(stacked, feed)
    while True:
        for batch in feed.answers(stacked, "validation", predict):
            feed.losses(batch.outputs, batch.targets)
            yield batch.targets.shape[-1]


def _seconds_each(counts: Iterator[int], device: torch.device) -> float:
    """Return the seconds for one of what is done, which is told in counts, after a warm-up."""
    for _ in range(_WARM_UP):
        next(counts)
    _finish(device)
    start, done = time.perf_counter(), 0
    while not done or time.perf_counter() - start < _TIMED:
        done += next(counts)
    _finish(device)
    return (time.perf_counter() - start) / done


def _finish(device: torch.device) -> None:
    """Wait for what a GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

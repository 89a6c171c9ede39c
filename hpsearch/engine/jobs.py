"""What a worker is asked to do: train a cohort, or score the winner on the test split."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import cycle
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.array import Array, Problem
from hpsearch.engine.draws import generator
from hpsearch.engine.feed import Feed
from hpsearch.engine.plan import Job, Member
from hpsearch.engine.train import Ended, train
from hpsearch.trial import Epoch, Result


_TIMED = 50  # steps


def train_cohort(job: Job) -> Iterator[Epoch | tuple[int, Result]]:
    """Train the members; the best weights of each are on disk before its result is given."""
    for event in train(_feed(job.data, job.device), job.members, job.objective, job.seed):
        if isinstance(event, Ended):
            if event.weights:
                _write(job.folder / f"{event.number}.safetensors", event.weights)
            yield event.number, event.result
        else:
            yield event


def score_test(job: Job) -> Iterator[tuple[float, float]]:
    """The loss and the metric of the one member, with the weights that its training left, on the test split."""
    (member,) = job.members
    feed = _feed(job.data, job.device)
    losses, metrics = feed.score(load(member, feed, job.folder), "test")
    yield losses[0], metrics[0]


def time_alone(job: Job) -> Iterator[tuple[int, float]]:
    """Each member's seconds for one optimizer step when it trains by itself: the median of 50.

    What a trial was charged is its share of its cohort's time; this is what its training costs on its own.
    """
    feed = _feed(job.data, job.device)
    for member in job.members:
        array = Array([member], Problem(feed.data.shape, feed.data.outputs, job.seed), feed.like)
        noise = generator(feed.like.device, job.seed, "timing")
        batches = cycle(feed.epoch(1, int(member.settings["batch_size"]), job.seed))
        yield member.number, statistics.median(_timed(array, feed, next(batches), noise) for _ in range(_TIMED))


def _timed(array: Array, feed: Feed, batch: tuple[Tensor, Tensor], noise: torch.Generator) -> float:
    x, y = batch
    start = time.perf_counter()
    array.step(feed.losses(array.outputs(x, noise), y).mean(1))
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - start


def load(member: Member, feed: Feed, folder: Path) -> Array:
    """A cohort of one, with the weights that its training left."""
    array = Array([member], Problem(feed.data.shape, feed.data.outputs, 0), feed.like)
    weights = load_file(folder / f"{member.number}.safetensors")
    with torch.no_grad():
        for view, slot in zip(array.weights.views, array.layout, strict=True):
            view[0].copy_(weights[slot.name])
    return array


def _write(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Old or new, never half."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".tmp")
    half.write_bytes(save(dict(weights)))
    half.replace(path)


@lru_cache(maxsize=1)  # a worker trains many cohorts on the same data
def _feed(data: DataSpec, device: str) -> Feed:
    return Feed(prepare(data), device)

"""What a worker is asked to do: train a cohort, or score the winner on the test split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.array import Array, Problem
from hpsearch.engine.feed import Feed
from hpsearch.engine.plan import Job, Member
from hpsearch.engine.train import Ended, train
from hpsearch.trial import Epoch, Result


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

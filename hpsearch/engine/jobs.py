"""What a worker is asked to do: train a cohort, score the winner on the test split, or diagnose a training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from safetensors.torch import load_file

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.array import Array, Problem
from hpsearch.engine.checkpoint import fill, read_pause, trimmed, write, write_pause
from hpsearch.engine.feed import Feed
from hpsearch.engine.health import probes
from hpsearch.engine.plan import Checkup, Job, Member, arrays
from hpsearch.engine.replicates import joined
from hpsearch.engine.train import Ended, Reached, begun, learn, train
from hpsearch.trial import Begun, Epoch, Probe, Result


def train_cohort(job: Job) -> Iterator[Begun | Epoch | tuple[int, Result]]:
    """Train the members; what a result speaks of, weights and pauses, is on disk before it is given."""
    feed = _feed(job.data, job.device)
    yield Begun()
    for event in joined(job.members, _trained(feed, job)):
        if isinstance(event, Ended):
            if event.weights:
                write(job.folder / f"{event.member.number}.safetensors", event.weights)
            yield event.member.number, event.result
        else:
            yield event


def _trained(feed: Feed, job: Job) -> Iterator[Reached | Ended]:
    for members in arrays(job.members, feed.data.shape, feed.data.outputs, job.device):
        pauses = {m.name: read_pause(job.folder / m.pause_file(m.start)) for m in members if m.start}
        for event in train(feed, members, job.objective, job.seed, pauses):
            if isinstance(event, Ended) and event.pause:
                write_pause(job.folder / event.member.pause_file(event.member.end), event.pause)
            yield event


def score_test(job: Job) -> Iterator[tuple[float, float]]:
    """The loss and the metric of the one trial on the test split, with the weights that its training left.

    Where it was trained on folds, it is trained once more, on all of their rows, for `job.epochs`.
    """
    member, feed = job.members[0], _feed(job.data, job.device)
    if feed.data.whole is None:
        array = load(member, feed, job.seed, job.folder)
    else:
        feed = Feed(replace(feed.data, folds=(feed.data.whole,), whole=None), job.device)
        array = begun(feed, [member], job.seed)
        for epoch in range(1, job.epochs + 1):
            learn(array, feed, epoch)
        write(job.folder / f"{member.number}.safetensors", trimmed(array.weights, 0, array))
    losses, metrics = feed.score(array, "test")
    yield losses[0], metrics[0]


def diagnose(checkup: Checkup) -> Iterator[Probe]:
    """Train the members for a few epochs; how their networks are, before the first one and after each."""
    yield from probes(_feed(checkup.data, checkup.device), checkup.members, checkup.seed, checkup.epochs)


def load(member: Member, feed: Feed, seed: int, folder: Path) -> Array:
    """A cohort of one, with the weights that its training left."""
    array = Array([member], Problem(feed.data.shape, feed.data.outputs, seed), feed.like)
    fill(array.weights, 0, array, load_file(folder / f"{member.number}.safetensors"))
    return array


@lru_cache(maxsize=1)  # a worker trains many cohorts on the same data
def _feed(data: DataSpec, device: str) -> Feed:
    return Feed(prepare(data), device)

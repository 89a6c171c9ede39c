"""What a worker is asked to do: train a cohort, score the winner on the test split, or diagnose a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.checkpoint import (
    Lost,
    Pause,
    fill,
    read,
    read_pause,
    trimmed,
    write,
    write_pause,
)
from hpsearch.engine.feed import Feed
from hpsearch.engine.probes import probes
from hpsearch.engine.replicates import joined
from hpsearch.engine.stacked_cohort import Array, Problem
from hpsearch.engine.structure.cohorts import Checkup, Job, Member, arrays
from hpsearch.engine.train import Ended, Reached, begun, learn, train
from hpsearch.errors import CannotWrite, DiskFull, HpsearchError
from hpsearch.study.trial import Begun, Epoch, Failed, Note, Probe, Result

T = TypeVar("T")


def train_cohort(job: Job) -> Iterator[Begun | Note | Epoch | tuple[int, Result] | HpsearchError]:
    """Train the members; what a result speaks of, weights and pauses, is on disk before it is given."""
    return _written(_train_cohort(job))


def score_test(job: Job) -> Iterator[Note | tuple[float, float, str] | HpsearchError]:
    """The loss and the metric of the one trial on the test split, with the weights that its training left, by digest.

    Where it was trained on folds, or its weights are lost, it is trained once more, on all rows, for `job.epochs`.
    """
    return _written(_score_test(job))


def _written(events: Iterator[T]) -> Iterator[T | HpsearchError]:
    """The events; where something cannot be written, that is the last one, since no trial is to blame."""
    try:
        yield from events
    except (CannotWrite, DiskFull) as error:
        yield error


def _train_cohort(job: Job) -> Iterator[Begun | Note | Epoch | tuple[int, Result]]:
    feed = _feed(job.data, job.device)
    yield Begun()
    pauses: dict[str, Pause] = {}
    for member in job.members:
        if member.start:
            try:
                pauses[member.name] = read_pause(job.folder / member.pause_file(member.start))
            except Lost as lost:
                yield Note(f"trial {member.number} is trained again from its start: {lost}")
                pauses[member.name] = _paused(feed, member, job)
    for event in joined(job.members, _trained(feed, job, pauses)):
        if isinstance(event, Ended):
            result = event.result
            if not isinstance(result, Failed) and event.weights:
                digest = write(job.folder / f"{event.member.number}.safetensors", event.weights)
                result = replace(result, weights=digest)
            yield event.member.number, result
        else:
            yield event


def _trained(feed: Feed, job: Job, pauses: Mapping[str, Pause]) -> Iterator[Reached | Ended]:
    for members in arrays(job.members, feed.data.shape, feed.data.outputs, job.device):
        for event in train(feed, members, job.objective, job.seed, pauses):
            if isinstance(event, Ended) and event.pause:
                write_pause(job.folder / event.member.pause_file(event.member.end), event.pause)
            yield event


def _paused(feed: Feed, member: Member, job: Job) -> Pause:
    """Where the member was before this leg, all legs before it done again as one, alone."""
    *_, ended = train(feed, [replace(member, start=0, upto=member.start)], job.objective, job.seed)
    assert isinstance(ended, Ended)
    if ended.pause is None:
        raise ValueError("trained again, it did not come to where it had paused")
    return ended.pause


def _score_test(job: Job) -> Iterator[Note | tuple[float, float, str]]:
    member, feed, digest = job.members[0], _feed(job.data, job.device), job.weights
    array = None
    if feed.data.whole is None:
        try:
            array = load(member, feed, job)
        except Lost as lost:
            yield Note(f"trial {member.number} is trained again to be tested: {lost}")
    else:
        feed = Feed(replace(feed.data, folds=(feed.data.whole,), whole=None), job.device)
    if array is None:
        array = begun(feed, [member], job.seed)
        for epoch in range(1, job.epochs + 1):
            learn(array, feed, epoch)
        digest = write(
            job.folder / f"{member.number}.safetensors", trimmed(array.weights, 0, array)
        )
    losses, metrics = feed.score(array, "test")
    yield losses[0], metrics[0], digest


def diagnose(checkup: Checkup) -> Iterator[Probe]:
    """Train the members for a few epochs; how their networks are, before the first one and after each."""
    yield from probes(
        _feed(checkup.data, checkup.device), checkup.members, checkup.seed, checkup.epochs
    )


def load(member: Member, feed: Feed, job: Job) -> Array:
    """A cohort of one, with the weights that its training left.

    Raises:
        Lost: they are not there any more.
    """
    weights = read(job.folder / f"{member.number}.safetensors", job.weights)
    array = Array([member], Problem(feed.data.shape, feed.data.outputs, job.seed), feed.like)
    fill(array.weights, 0, array, weights)
    return array


@lru_cache(maxsize=1)  # a worker trains many cohorts on the same data
def _feed(data: DataSpec, device: str) -> Feed:
    return Feed(prepare(data), device)

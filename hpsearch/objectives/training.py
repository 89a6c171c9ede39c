"""What a worker does: it trains a cohort or a model, judges a winner, or diagnoses a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import TypeVar

from torch import Tensor

from hpsearch.data import Dataset, Ints
from hpsearch.data.columns import to_json
from hpsearch.data.splits.refit import for_refit
from hpsearch.data.splits.resplit import resplit
from hpsearch.engine.checkpoint import (
    Pause,
    extract_member,
    pause_from_bytes,
    pause_to_bytes,
    with_weights,
)
from hpsearch.engine.device import own
from hpsearch.engine.feed import Feed, Split
from hpsearch.engine.halves import train_as_fits
from hpsearch.engine.probes import probes
from hpsearch.engine.replicates import joined
from hpsearch.engine.resamples import measure
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.cohorts import arrays
from hpsearch.engine.structure.device import Device
from hpsearch.engine.structure.diagnosis import Probe
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import BAYESIAN
from hpsearch.engine.structure.timing import Timing
from hpsearch.engine.timing import peak_memory, time_training
from hpsearch.engine.train import MemberEnded, MemberEpoch, build_cohort, learn, train
from hpsearch.errors import CannotWrite, DataGone, DiskFull, HpsearchError
from hpsearch.model.weights import (
    MemberInfo,
    ModelInfo,
    ModelScaling,
    TrainedMember,
    TrainedModel,
    model_from_bytes,
    to_bytes,
)
from hpsearch.objectives import TestScore
from hpsearch.objectives.data_artefact import mapped_data
from hpsearch.objectives.jobs import (
    DataRef,
    DiagnosisJob,
    Refit,
    RefitJob,
    TestJob,
    TimingJob,
    TrainingJob,
    pause_name,
)
from hpsearch.runners import WorkStarted
from hpsearch.study.artefacts import Artefacts, Held, Lost
from hpsearch.study.trial import WEIGHTS, Done, Epoch, Measured, Notice, TrialEnded
from hpsearch.versions import versions

T = TypeVar("T")


def train_cohort(
    job: TrainingJob, artefacts: Artefacts
) -> Iterator[WorkStarted | Notice | Epoch | TrialEnded | HpsearchError]:
    """Train the members; weights and pauses are kept before a result speaks of them."""
    return _until_unable(_train_cohort(job, artefacts))


def score_test(job: TestJob, artefacts: Artefacts) -> Iterator[Notice | TestScore | HpsearchError]:
    """Judge the winner on the test split, with the weights that its training left."""
    return _until_unable(_score_test(job, artefacts))


def refit(job: RefitJob, artefacts: Artefacts) -> Iterator[Refit | HpsearchError]:
    """Train a model anew, on other rows or from more seeds than a trial had."""
    return _until_unable(_refit(job, artefacts))


def diagnose(job: DiagnosisJob, artefacts: Artefacts) -> Iterator[Probe | HpsearchError]:
    """Train the members for a few epochs, and give how their networks are before and after each."""
    return _until_unable(_diagnose(job, artefacts))


def _diagnose(job: DiagnosisJob, artefacts: Artefacts) -> Iterator[Probe]:
    yield from probes(_feed(artefacts, job.data, job.device), job.members, job.seed, job.epochs)


def time_cohort(job: TimingJob, artefacts: Artefacts) -> Iterator[Timing | HpsearchError]:
    """Train the members for a few steps, and give what a whole training would take."""
    return _until_unable(_time_cohort(job, artefacts))


def _time_cohort(job: TimingJob, artefacts: Artefacts) -> Iterator[Timing]:
    before = peak_memory()
    feed = _feed(artefacts, job.data, job.device)
    yield time_training(feed, job.members, job.seed, before, job.device)


def _until_unable(events: Iterator[T]) -> Iterator[T | HpsearchError]:
    """Give the events; where something cannot be written, or the data are gone, that is the last.

    No trial is to blame for it, so it is no failure of a trial.
    """
    try:
        yield from events
    except (CannotWrite, DataGone, DiskFull) as error:
        yield error


def _train_cohort(
    job: TrainingJob, artefacts: Artefacts
) -> Iterator[WorkStarted | Notice | Epoch | TrialEnded]:
    feed = _feed(artefacts, job.data, job.device)
    yield WorkStarted()
    pauses: dict[str, Pause] = {}
    for member in job.members:
        if member.start_epoch:
            try:
                pauses[member.name] = _read_pause(member, job, artefacts)
            except Lost as lost:
                yield Notice(f"trial {member.number} is trained again from its start: {lost}")
                pauses[member.name] = _train_to_pause(feed, member, job)
    left: dict[int, dict[str, str]] = {}
    for event in joined(job.members, _trained(feed, job, pauses, left, artefacts)):
        if isinstance(event, Epoch):
            yield event
            continue
        result = event.result
        if isinstance(result, Done):
            best = [(one.member, one.weights, _best_epoch(one)) for one in event.members]
            digest = artefacts.write(to_bytes(_model(best, feed, job.seed)))
            result = replace(result, artefacts={**left.get(event.number, {}), WEIGHTS: digest})
        yield TrialEnded(event.number, result)


def _best_epoch(ended: MemberEnded) -> int:
    assert ended.best is not None, "it has not failed"
    return ended.best.epoch


def _trained(
    feed: Feed,
    job: TrainingJob,
    pauses: Mapping[str, Pause],
    left: dict[int, dict[str, str]],
    artefacts: Artefacts,
) -> Iterator[MemberEpoch | MemberEnded]:
    """Give what happens to the members; keep what they pause with, and note it in `left`."""
    for members in arrays(job.members, feed.data.shape, feed.data.outputs, job.device):
        for event in train_as_fits(feed, members, job.metric, job.seed, pauses):
            if isinstance(event, MemberEnded) and event.pause:
                digest = artefacts.write(pause_to_bytes(event.pause))
                left.setdefault(event.member.number, {})[pause_name(event.member)] = digest
            yield event


def _read_pause(member: Member, job: TrainingJob, artefacts: Artefacts) -> Pause:
    """Return what a member had paused with.

    Raises:
        Lost: it is gone, or has changed.
    """
    if member.name not in job.pauses:
        raise Lost("what it had paused with was not kept")
    return pause_from_bytes(artefacts.read(job.pauses[member.name]))


def _train_to_pause(feed: Feed, member: Member, job: TrainingJob) -> Pause:
    """Return where a member was before this segment: earlier ones are done again, as one."""
    earlier = replace(member, start_epoch=0, until_epoch=member.start_epoch)
    *_, ended = train(feed, [earlier], job.metric, job.seed)
    assert isinstance(ended, MemberEnded)
    if ended.pause is None:
        raise ValueError("trained again, it did not come to where it had paused")
    return ended.pause


def _score_test(job: TestJob, artefacts: Artefacts) -> Iterator[Notice | TestScore]:
    feed, digest = _feed(artefacts, job.data, job.device), job.weights
    stacked = None
    if feed.data.whole is None:
        try:
            stacked = _with_weights(feed, job, artefacts)
        except Lost as lost:
            number = job.members[0].number
            yield Notice(f"trial {number} is trained again to be tested: {lost}")
    else:
        feed = Feed(for_refit(feed.data, "validation"), own(job.device.name))
    if stacked is None:
        stacked, model = _refitted(feed, job.members, job.epochs, job.seed)
        digest = artefacts.write(to_bytes(model))
    loss, metric = measure(feed, stacked, "test", job.metric, job.seed)
    yield TestScore(loss.value, metric.value, digest, loss.interval, metric.interval)


def _refit(job: RefitJob, artefacts: Artefacts) -> Iterator[Refit]:
    data = for_refit(_feed(artefacts, job.data, job.device).data, job.rows)
    feed, (fold,) = Feed(data, own(job.device.name)), data.folds
    stacked, model = _refitted(feed, job.members, job.epochs, job.seed)
    left: Mapping[Split, Ints] = {"validation": fold.validation, "test": data.test}
    scores: Mapping[str, tuple[Measured, Measured]] = {
        part: measure(feed, stacked, part, job.metric, job.seed)
        for part, rows in left.items()
        if len(rows)
    }
    digest = artefacts.write(to_bytes(model))
    yield Refit(digest, len(job.members), len(fold.train), scores)


def _refitted(
    feed: Feed, members: Sequence[Member], epochs: int, seed: int
) -> tuple[StackedCohort, TrainedModel]:
    """Return members after so many epochs, and their model; no row that validates is looked at."""
    stacked = build_cohort(feed, members, seed)
    for epoch in range(1, epochs + 1):
        learn(stacked, feed, epoch)
    last = [
        (member, extract_member(stacked.weights, position, stacked), epochs)
        for position, member in enumerate(stacked.members)
    ]
    return stacked, _model(last, feed, seed)


def _with_weights(feed: Feed, job: TestJob, artefacts: Artefacts) -> StackedCohort:
    """Return the winner's members, with the weights that their training left.

    Raises:
        Lost: they are not there any more.
    """
    if job.weights is None:
        raise Lost("its weights were not kept")
    data = artefacts.read(job.weights)
    try:
        model = model_from_bytes(data)
        return _stacked(job.members, feed, [one.weights for one in model.members], job.seed)
    except ValueError as error:  # such as the file of an older version, with one network of many
        raise Lost(str(error)) from error


def _stacked(
    members: Sequence[Member], feed: Feed, weights: Sequence[Mapping[str, Tensor]], seed: int
) -> StackedCohort:
    """Return the members of a trial as a cohort, with these weights."""
    task = TrainingTask(feed.data.shape, feed.data.outputs, seed)
    return with_weights(members, task, weights, feed.like)


def _model(
    trained: Sequence[tuple[Member, Mapping[str, Tensor], int]], feed: Feed, seed: int
) -> TrainedModel:
    """Return the model of a trial's members, each with its weights and how many epochs it had."""
    data = feed.data
    info = ModelInfo(
        members=tuple(
            MemberInfo(
                settings=dict(member.settings),
                trial=member.number,
                replicate=member.replicate,
                fold=member.fold,
                seed_group=member.seed_group,
                epochs=epochs,
            )
            for member, _, epochs in trained
        ),
        task=data.task,
        inputs=data.shape.sides,
        columns=tuple(to_json(column) for column in data.columns),
        target=data.target,
        classes=data.classes,
        target_center=data.target_center,
        target_scale=data.target_scale,
        data=data.name,
        data_digest=data.digest,
        seed=seed,
        versions=versions(),
    )
    members = (_trained_member(member, weights, feed, seed) for member, weights, _ in trained)
    return TrainedModel(info, tuple(members))


def _trained_member(
    member: Member, weights: Mapping[str, Tensor], feed: Feed, seed: int
) -> TrainedMember:
    """Return a member's network, with what is fitted beside its weights."""
    fold = feed.data.folds[member.fold]
    scaling = ModelScaling(fold.center, fold.scale, fold.fill)
    fit = BAYESIAN.load(str(member.settings["bayesian"])).fit
    if fit is None:
        return TrainedMember(weights, scaling)
    posterior = fit(_stacked([member], feed, [weights], seed), feed)
    return TrainedMember(weights, scaling, asdict(posterior))


@lru_cache(maxsize=1)  # a worker trains many cohorts on the same data
def _feed(artefacts: Artefacts, data: DataRef, device: Device) -> Feed:
    return Feed(resplit(_data(artefacts, data.held), data.resplit), own(device.name))


@lru_cache(maxsize=1)  # all of the data are looked at where they are mapped
def _data(artefacts: Artefacts, held: Held) -> Dataset:
    return mapped_data(held, artefacts)

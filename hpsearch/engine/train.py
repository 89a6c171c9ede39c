"""Training a cohort: a generator of epochs, whose reader may stop by reading no further.

A training may pause and go on in other company as if it had not. A fresh training is one that goes
on after no epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hpsearch.engine.checkpoint import Pause, extract_member, pause_tensors
from hpsearch.engine.feed import Batch, Feed
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.stacked_tensors import StackedTensors
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.diagnosis import has_diverged
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import PRETRAINING
from hpsearch.metrics import minimized
from hpsearch.study.trial import Done, Epoch, Failed, Result

# the rows, at most, on which an untrained network is judged
_UNTRAINED = 256
# the share of members that still learn below which it is worth copying them together
_COMPACT = 3 / 4
_BEFORE = Epoch(0, 0, math.nan, math.inf, math.nan)  # the best epoch before the first one
_FRESH: Mapping[str, Pause] = {}


@dataclass(frozen=True, slots=True)
class MemberEpoch:
    """What an epoch has made of a member."""

    member: Member
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class MemberEnded:
    """The end of a member's segment.

    Attributes:
        weights: those of the best epoch by slot name; none where the member failed.
        best: the best epoch, whichever segment it was in; None where the member failed.
        pause: what the next segment needs, where there is one.
    """

    member: Member
    result: Result
    weights: Mapping[str, Tensor]
    best: Epoch | None = None
    pause: Pause | None = None


@dataclass(slots=True)
class MemberProgress:
    """How far one member has come.

    Attributes:
        cost: what its epochs cost.
        epochs: the epochs behind it, in all segments.
        reference: the loss that others are held against to say whether they have diverged, see
            `reference_losses`.
        best_value: what the best epoch was worth by the metric; smaller is better.
        best: the best epoch so far.
        active: whether it goes on to learn.
        seconds: its share of the time of this segment.
        curve: the epochs of this segment.
    """

    member: Member
    cost: Cost
    epochs: int = 0
    reference: float = math.inf
    best_value: float = math.inf
    best: Epoch = _BEFORE
    active: bool = True
    seconds: float = 0.0
    curve: list[Epoch] = field(default_factory=list)

    def record(self, epoch: Epoch, metric: str) -> bool:
        """Take in an epoch, and return whether it is the best so far.

        A training stops where a loss is no finite number, since none will be finite again.
        """
        self.curve.append(epoch)
        self.epochs = epoch.epoch
        value = minimized(metric, epoch.loss, epoch.metric)
        is_finite = math.isfinite(epoch.loss) and math.isfinite(epoch.train_loss)
        is_best = is_finite and value < self.best_value
        if is_best:
            self.best_value, self.best = value, epoch
        patience = int(self.member.settings["patience"])
        is_patient = patience == 0 or epoch.epoch - self.best.epoch < patience
        self.active = is_finite and is_patient and epoch.epoch < int(self.member.settings["epochs"])
        return is_best

    @property
    def pauses(self) -> bool:
        """Whether it goes on after this segment."""
        return self.active and self.member.pauses

    @property
    def diverged(self) -> bool:
        """Whether it is over, and has diverged by its best epoch.

        Losses may be huge for some epochs and fall again, and what is delivered is the best epoch.
        The loss of a few validation rows may be huge where that of the training rows is not, and
        the mean training loss of an epoch where the loss at its end is not: both have to be.
        """
        least = min(self.best.train_loss, self.best.loss)
        return not self.pauses and has_diverged(least, self.reference)

    def result(self) -> Result:
        """Return what the training has come to, with what this segment alone has cost."""
        curve, start = tuple(self.curve), self.member.start_epoch
        if self.diverged:
            message = self._failure(curve[-1])
            return Failed("diverged", message, self.seconds, curve, self.epochs)
        return Done(
            loss=self.best_value,
            metric=self.best.metric,
            seconds=self.seconds,
            flops=self.cost.flops_after(start + len(curve), start),
            steps=self.cost.steps_after(start + len(curve), start),
            epochs=self.epochs,
            best_epoch=self.best.epoch,
            curve=curve,
            paused=self.pauses,
        )

    def _failure(self, last: Epoch) -> str:
        """Return what was wrong with a training without a result."""
        if math.isfinite(last.loss) and math.isnan(last.metric) and not self.best.epoch:
            return "the metric is not defined on the rows that validate"
        return (
            f"training loss {last.train_loss:.3g} after epoch {self.epochs}, "
            f"where {self.reference:.3g} can be had without learning"
        )

    def pause(self, tensors: Mapping[str, Tensor]) -> Pause:
        """Return what it takes to go on, with the member's tensors."""
        return Pause(self.epochs, self.reference, self.best_value, self.best, self.active, tensors)


def train(
    feed: Feed,
    members: Sequence[Member],
    metric: str,
    seed: int,
    pauses: Mapping[str, Pause] = _FRESH,
) -> Iterator[MemberEpoch | MemberEnded]:
    """Train members together for one segment, yielding each one's epochs and at last its end.

    The time of the computation is shared among the members that still learn, by their FLOPs.

    Args:
        feed: the data.
        members: with equal keys, and of one segment.
        metric: what decides about the best epoch: `loss`, or the name of a metric.
        seed: the study's.
        pauses: where members that go on have paused, by their names. Members that had stopped for
            good by then end at once.

    Raises:
        ValueError: the members are of different segments.
    """
    going: list[Member] = []
    for member in members:
        pause = pauses[member.name] if member.start_epoch else None
        if pause is None or pause.active:
            going.append(member)
        else:
            result = _progress(feed, member, pause).result()
            yield MemberEnded(
                member, result, pause.part("best"), pause.at, pause if member.pauses else None
            )
    if going:
        yield from _train(feed, going, metric, seed, pauses)


def _train(
    feed: Feed,
    members: Sequence[Member],
    metric: str,
    seed: int,
    pauses: Mapping[str, Pause],
) -> Iterator[MemberEpoch | MemberEnded]:
    """Train the members of a segment that still learn."""
    began = time.perf_counter()
    ((start, end),) = {(member.start_epoch, member.end) for member in members}
    stacked = build_cohort(feed, members, seed)
    best = stacked.weights.zeros()  # each member's weights at its best epoch
    progress = [_progress(feed, member, pauses.get(member.name)) for member in stacked.members]
    for position, one in enumerate(progress):
        if start:
            pauses[one.member.name].restore(stacked, best, position)
    if not start:
        for one, reference in zip(progress, reference_losses(stacked, feed), strict=True):
            one.reference = reference
    # what was done so far is shared by the cost of a first epoch, pre-training included
    share = (time.perf_counter() - began) / sum(
        one.cost.flops_after(start + 1, start) for one in progress
    )
    for one in progress:
        one.seconds = share * one.cost.flops_after(start + 1, start)
    for number in range(start + 1, end + 1):
        better: list[int] = []
        ended: list[int] = []
        for position, epoch in _epoch(stacked, feed, progress, metric, number):
            one = progress[position]
            if one.record(epoch, metric):
                better.append(position)
            if not one.active or number == end:
                ended.append(position)
            yield MemberEpoch(one.member, epoch)
        best.copy_from(
            stacked.weights, torch.tensor(better, dtype=torch.long, device=feed.like.device)
        )
        for position in ended:
            yield _ended(progress[position], stacked, best, position)
        active = [position for position, one in enumerate(progress) if one.active]
        if not active:
            return
        # members that have ended are computed along until there are enough of them to be dropped
        if len(active) < _COMPACT * len(progress):
            keep = torch.tensor(active, device=feed.like.device)
            stacked.select(keep)
            best = best.select(keep)
            progress = [progress[position] for position in active]


def _progress(feed: Feed, member: Member, pause: Pause | None) -> MemberProgress:
    """Return a member's progress, at the beginning or where it has paused."""
    n_valid = len(feed.data.folds[member.fold].validation)
    cost = Cost.of(member.settings, feed.data.shape, feed.data.outputs, feed.n_train, n_valid)
    if pause is None:
        return MemberProgress(member, cost)
    return MemberProgress(
        member, cost, pause.epochs, pause.reference, pause.best, pause.at, pause.active
    )


def _ended(
    progress: MemberProgress, stacked: StackedCohort, best: StackedTensors, position: int
) -> MemberEnded:
    """Return the end of a member's segment."""
    member, result = progress.member, progress.result()
    if isinstance(result, Failed):
        return MemberEnded(member, result, {})
    pause = None
    if member.pauses:
        pause = progress.pause(pause_tensors(stacked, best, position, progress.active))
    weights = extract_member(best, position, stacked)
    return MemberEnded(member, result, weights, progress.best, pause)


def stack_members(feed: Feed, members: Sequence[Member], seed: int) -> StackedCohort:
    """Return the members stacked, with their initial weights."""
    steps = -(-feed.n_train // int(members[0].settings["batch_size"]))
    task = TrainingTask(feed.data.shape, feed.data.outputs, seed, steps, feed.n_train)
    return StackedCohort(members, task, feed.like)


def build_cohort(feed: Feed, members: Sequence[Member], seed: int) -> StackedCohort:
    """Return the members stacked, pre-trained where their settings ask for it.

    Members that go on after a pause are yet to be restored to where they were.
    """
    stacked = stack_members(feed, members, seed)
    if not members[0].start_epoch:
        for _ in PRETRAINING.load(str(stacked.settings.get("pretrain", "none")))(stacked, feed):
            pass
    return stacked


def _epoch(
    stacked: StackedCohort,
    feed: Feed,
    progress: Sequence[MemberProgress],
    metric: str,
    number: int,
) -> list[tuple[int, Epoch]]:
    """Train for one epoch and score it.

    Returns the epoch of each active member, with the member's position.
    """
    start = time.perf_counter()
    train_losses = learn(stacked, feed, number)
    losses, metrics = feed.score(stacked, "validation", metric)
    active = [position for position, one in enumerate(progress) if one.active]
    spent = time.perf_counter() - start
    share = spent / sum(progress[position].cost.flops for position in active)
    for position in active:
        progress[position].seconds += share * progress[position].cost.flops
    return [
        (p, Epoch(progress[p].member.number, number, train_losses[p], losses[p], metrics[p]))
        for p in active
    ]


def reference_losses(stacked: StackedCohort, feed: Feed) -> list[float]:
    """Return the loss that each member has without learning anything, [K].

    It is that of the constant predictor, or that of the untrained network on some training rows,
    whichever is larger: the first batch alone may be a single row. A network whose numbers overflow
    before the first step has an infinite one.
    """
    untrained = feed.spread_losses(stacked, _UNTRAINED)
    return [
        max(loss, feed.constant_losses[member.fold]) if math.isfinite(loss) else math.inf
        for member, loss in zip(stacked.members, untrained, strict=True)
    ]


def learn(stacked: StackedCohort, feed: Feed, epoch: int) -> list[float]:
    """Take the steps of one epoch with all members, in place; return their mean training losses."""
    total = torch.zeros(len(stacked.members), device=feed.like.device, dtype=torch.float64)
    counted: Tensor | int = 0
    for losses, batch in steps(stacked, feed, epoch):
        total.add_(losses, alpha=batch.targets.shape[-1])
        counted = counted + batch.counted
    means: list[float] = (total / counted).tolist()
    return means


def steps(stacked: StackedCohort, feed: Feed, epoch: int) -> Iterator[tuple[Tensor, Batch]]:
    """Take the steps of one epoch with all members, in place, each when it is asked for.

    Yields the members' losses over the batch of each step, [K], and the batch.
    """
    noise = stacked.noise("noise", epoch)
    streams = [member.stream for member in stacked.members]
    batch_size = int(stacked.settings["batch_size"])
    for batch in feed.epoch(epoch, batch_size, stacked.task.seed, streams):
        outputs = stacked.outputs(batch.inputs, noise)
        losses, grad_outputs = feed.objective(outputs, batch.targets, batch.weights)
        stacked.step(outputs, grad_outputs, batch.weights)
        yield losses, batch

"""Training a cohort: a generator of epochs. Whoever reads it logs, or stops by no longer reading.

A training may pause and go on, in other company, as if it had not: a fresh one is one that goes on after no epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hpsearch.engine.checkpoint import Pause, parts, trimmed
from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import Array, Problem
from hpsearch.engine.stacked_tensors import Stack
from hpsearch.engine.structure.cohorts import Member, Objective
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.settings import PRETRAINING
from hpsearch.study.trial import Done, Epoch, Failed, Result

_DIVERGED = 10.0  # times the loss before the first step
_COMPACT = 3 / 4  # of the array still learning: below, it is worth copying them together
_BEFORE = Epoch(0, 0, math.nan, math.inf, math.nan)  # the best one, before the first
_FRESH: Mapping[str, Pause] = {}


@dataclass(frozen=True, slots=True)
class Ended:
    """A member's result, and its weights at the best epoch by slot name (none where it failed).

    `best` is that epoch, whichever leg it was in. Where the leg ends before the training, `pause` is what the next one
    needs.
    """

    member: Member
    result: Result
    weights: Mapping[str, Tensor]
    best: Epoch | None = None
    pause: Pause | None = None


@dataclass(slots=True)
class Run:
    """How far one member has come: `at` is its best epoch so far, and `best` what that was worth.

    `first_loss` is that before the first step. `seconds` and `curve` are those of this leg.
    """

    member: Member
    cost: Cost
    epochs: int = 0
    first_loss: float = math.nan
    best: float = math.inf
    at: Epoch = _BEFORE
    active: bool = True
    seconds: float = 0.0
    curve: list[Epoch] = field(default_factory=list)

    def learns(self, seen: Epoch, objective: Objective) -> bool:
        """Take in an epoch. Whether it was the best so far."""
        self.curve.append(seen)
        self.epochs = seen.epoch
        value = seen.loss if objective == "loss" else 1.0 - seen.metric
        better = value < self.best and not self.diverged
        if better:
            self.best, self.at = value, seen
        patience = int(self.member.settings["patience"])
        patient = patience == 0 or seen.epoch - self.at.epoch < patience
        self.active = (
            patient and not self.diverged and seen.epoch < int(self.member.settings["epochs"])
        )
        return better

    @property
    def diverged(self) -> bool:
        """Whether a loss is not a number, or far above that before the first step."""
        last = self.curve[-1] if self.curve else self.at
        finite = math.isfinite(last.loss) and math.isfinite(last.train_loss)
        return not finite or last.train_loss > _DIVERGED * self.first_loss

    def result(self) -> Result:
        """What has become of it: in all, but for what it took, which is this leg's."""
        curve, start = tuple(self.curve), self.member.start
        if self.diverged:
            reason = f"diverged: training loss {curve[-1].train_loss:.3g} after epoch {self.epochs}"
            return Failed(reason, self.seconds, curve)
        return Done(
            loss=self.best,
            metric=self.at.metric,
            seconds=self.seconds,
            flops=self.cost.flops_after(start + len(curve), start),
            steps=self.cost.steps_after(start + len(curve), start),
            epochs=self.epochs,
            best_epoch=self.at.epoch,
            curve=curve,
            paused=self.active and self.member.pauses,
        )

    def paused(self, tensors: Mapping[str, Tensor]) -> Pause:
        """What it takes to go on, with the member's tensors."""
        return Pause(self.epochs, self.first_loss, self.best, self.at, self.active, tensors)


Reached = tuple[Member, Epoch]
"""A member, and what an epoch has made of it."""


def train(
    feed: Feed,
    members: Sequence[Member],
    objective: Objective,
    seed: int,
    pauses: Mapping[str, Pause] = _FRESH,
) -> Iterator[Reached | Ended]:
    """Train members with one key for one leg together: every epoch of each as it ends, and each one's end once.

    Its seconds are shared among the members that still learn, by their FLOPs. `pauses` says where members that go on
    were, by their names; those that had stopped for good by then end at once.
    """
    going: list[Member] = []
    for member in members:
        pause = pauses[member.name] if member.start else None
        if pause is None or pause.active:
            going.append(member)
        else:
            result = _run(feed, member, pause).result()
            yield Ended(
                member, result, pause.part("best"), pause.at, pause if member.pauses else None
            )
    if going:
        yield from _train(feed, going, objective, seed, pauses)


def _train(
    feed: Feed,
    members: Sequence[Member],
    objective: Objective,
    seed: int,
    pauses: Mapping[str, Pause],
) -> Iterator[Reached | Ended]:
    """The leg of those that still learn."""
    began = time.perf_counter()
    ((start, end),) = {(member.start, member.end) for member in members}
    array = begun(feed, members, seed)
    best = array.weights.empty()
    runs = [_run(feed, member, pauses.get(member.name)) for member in array.members]
    for position, run in enumerate(runs):
        if start:
            pauses[run.member.name].restore(array, best, position)
    share = (time.perf_counter() - began) / sum(
        run.cost.flops_after(start + 1, start) for run in runs
    )
    for run in runs:
        run.seconds = share * run.cost.flops_after(start + 1, start)
    for number in range(start + 1, end + 1):
        better: list[int] = []
        ended: list[int] = []
        for position, seen in _epoch(array, feed, runs, number):
            if runs[position].learns(seen, objective):
                better.append(position)
            if not runs[position].active or number == end:
                ended.append(position)
            yield runs[position].member, seen
        best.copy_from(
            array.weights, torch.tensor(better, dtype=torch.long, device=feed.like.device)
        )
        for position in ended:
            yield _ended(runs[position], array, best, position)
        active = [position for position, run in enumerate(runs) if run.active]
        if not active:
            return
        if len(active) < _COMPACT * len(runs):
            keep = torch.tensor(active, device=feed.like.device)
            array.select(keep)
            best = best.select(keep)
            runs = [runs[position] for position in active]


def _run(feed: Feed, member: Member, pause: Pause | None) -> Run:
    """A member's run, from the beginning or from where it was."""
    judged = len(feed.data.folds[member.fold].validation)
    cost = Cost.of(member.settings, feed.data.shape, feed.data.outputs, feed.trained, judged)
    if pause is None:
        return Run(member, cost)
    return Run(member, cost, pause.epochs, pause.first_loss, pause.best, pause.at, pause.active)


def _ended(run: Run, array: Array, best: Stack, position: int) -> Ended:
    """The end of a leg, for a member."""
    result = run.result()
    if isinstance(result, Failed):
        return Ended(run.member, result, {})
    pause = run.paused(parts(array, best, position, run.active)) if run.member.pauses else None
    return Ended(run.member, result, trimmed(best, position, array), run.at, pause)


def begun(feed: Feed, members: Sequence[Member], seed: int) -> Array:
    """The members as they are before their first epoch, pre-trained where that is asked for.

    Where they have epochs behind them, they are yet to be brought to where those left them.
    """
    steps = -(-feed.trained // int(members[0].settings["batch_size"]))
    array = Array(
        members, Problem(feed.data.shape, feed.data.outputs, seed, steps, feed.trained), feed.like
    )
    if not members[0].start:
        for _ in PRETRAINING.load(str(array.settings.get("pretrain", "none")))(array, feed):
            pass
    return array


def _epoch(array: Array, feed: Feed, runs: Sequence[Run], number: int) -> list[tuple[int, Epoch]]:
    """Train and judge for one epoch: what each active member has reached, by its position in the array."""
    start = time.perf_counter()
    train_losses, first_losses = learn(array, feed, number)
    losses, metrics = feed.score(array, "validation")
    active = [position for position, run in enumerate(runs) if run.active]
    share = (time.perf_counter() - start) / sum(runs[position].cost.flops for position in active)
    for position in active:
        runs[position].seconds += share * runs[position].cost.flops
        if number == 1:
            runs[position].first_loss = first_losses[position]
    return [
        (p, Epoch(runs[p].member.number, number, train_losses[p], losses[p], metrics[p]))
        for p in active
    ]


def learn(array: Array, feed: Feed, epoch: int) -> tuple[list[float], list[float]]:
    """One epoch of steps. Each member's mean training loss, and its loss on the first batch, before the first step."""
    noise = array.noise("noise", epoch)
    streams = [member.stream for member in array.members]
    total = torch.zeros(len(array.members), device=feed.like.device, dtype=torch.float64)
    first: Tensor | None = None
    for x, y in feed.epoch(epoch, int(array.settings["batch_size"]), array.problem.seed, streams):
        outputs = array.outputs(x, noise)
        losses, slopes = feed.objective(outputs, y)
        array.step(outputs, slopes)
        total.add_(losses, alpha=y.shape[-1])
        first = losses if first is None else first
    assert first is not None  # data without training rows is refused
    return (total / feed.trained).tolist(), first.tolist()

"""Training a cohort: a generator of epochs. Whoever reads it logs, or stops by no longer reading."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hpsearch.engine.array import Array, Problem
from hpsearch.engine.cost import Cost
from hpsearch.engine.feed import Feed
from hpsearch.engine.plan import Member, Objective
from hpsearch.engine.settings import PRETRAINING
from hpsearch.engine.shapes import slots
from hpsearch.engine.stack import Stack, corner
from hpsearch.trial import Done, Epoch, Failed, Result

_DIVERGED = 10.0  # times the loss before the first step
_COMPACT = 3 / 4  # of the array still learning: below, it is worth copying them together


@dataclass(frozen=True, slots=True)
class Ended:
    """A member's result, and its weights at the best epoch by slot name (none where it failed)."""

    member: Member
    result: Result
    weights: Mapping[str, Tensor]


@dataclass(slots=True)
class Run:
    """How far one member has come; `first_loss` is that before the first step."""

    member: Member
    cost: Cost
    first_loss: float = math.nan
    best: float = math.inf
    metric: float = math.nan
    best_epoch: int = 0
    seconds: float = 0.0
    curve: list[Epoch] = field(default_factory=list)
    active: bool = True

    def learns(self, seen: Epoch, objective: Objective) -> bool:
        """Take in an epoch. Whether it was the best so far."""
        self.curve.append(seen)
        value = seen.loss if objective == "loss" else 1.0 - seen.metric
        better = value < self.best and not self.diverged
        if better:
            self.best, self.metric, self.best_epoch = value, seen.metric, seen.epoch
        patience = int(self.member.settings["patience"])
        patient = patience == 0 or seen.epoch - self.best_epoch < patience
        self.active = patient and not self.diverged and seen.epoch < int(self.member.settings["epochs"])
        return better

    @property
    def diverged(self) -> bool:
        """Whether a loss is not a number, or far above that before the first step."""
        last = self.curve[-1]
        finite = math.isfinite(last.loss) and math.isfinite(last.train_loss)
        return not finite or last.train_loss > _DIVERGED * self.first_loss

    def result(self) -> Result:
        """What has become of it."""
        curve, epochs = tuple(self.curve), len(self.curve)
        if self.diverged:
            reason = f"diverged: training loss {curve[-1].train_loss:.3g} after epoch {epochs}"
            return Failed(reason, self.seconds, curve)
        return Done(
            loss=self.best,
            metric=self.metric,
            seconds=self.seconds,
            flops=self.cost.flops_after(epochs),
            steps=self.cost.steps_after(epochs),
            epochs=epochs,
            best_epoch=self.best_epoch,
            curve=curve,
        )


Reached = tuple[Member, Epoch]
"""A member, and what an epoch has made of it."""


def train(feed: Feed, members: Sequence[Member], objective: Objective, seed: int) -> Iterator[Reached | Ended]:
    """Train members with one key together: every epoch of each as it ends, and each one's end once.

    Its seconds are shared among the members that still learn, by their FLOPs.
    """
    start = time.perf_counter()
    array = begun(feed, members, seed)
    best = array.weights.empty()
    runs = [Run(member, _cost(feed, member)) for member in array.members]
    share = (time.perf_counter() - start) / sum(run.cost.flops_after(1) for run in runs)
    for run in runs:
        run.seconds = share * run.cost.flops_after(1)
    for number in range(1, int(array.settings["epochs"]) + 1):
        better: list[int] = []
        ended: list[int] = []
        for position, seen in _epoch(array, feed, runs, number):
            if runs[position].learns(seen, objective):
                better.append(position)
            if not runs[position].active:
                ended.append(position)
            yield runs[position].member, seen
        best.copy_from(array.weights, torch.tensor(better, dtype=torch.long, device=feed.like.device))
        for position in ended:
            result = runs[position].result()
            weights = {} if isinstance(result, Failed) else trimmed(best, position, array)
            yield Ended(runs[position].member, result, weights)
        active = [position for position, run in enumerate(runs) if run.active]
        if not active:
            return
        if len(active) < _COMPACT * len(runs):
            keep = torch.tensor(active, device=feed.like.device)
            array.select(keep)
            best = best.select(keep)
            runs = [runs[position] for position in active]


def begun(feed: Feed, members: Sequence[Member], seed: int) -> Array:
    """The members as they are before their first epoch, pre-trained where that is asked for."""
    steps = -(-feed.trained // int(members[0].settings["batch_size"]))
    array = Array(members, Problem(feed.data.shape, feed.data.outputs, seed, steps, feed.trained), feed.like)
    for _ in PRETRAINING.load(str(array.settings.get("pretrain", "none")))(array, feed):
        pass
    return array


def _cost(feed: Feed, member: Member) -> Cost:
    judged = len(feed.data.folds[member.fold].validation)
    return Cost.of(member.settings, feed.data.shape, feed.data.outputs, feed.trained, judged)


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
    return [(p, Epoch(runs[p].member.number, number, train_losses[p], losses[p], metrics[p])) for p in active]


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


def trimmed(best: Stack, position: int, array: Array) -> Mapping[str, Tensor]:
    """A member's weights at its best epoch, without padding."""
    layout = slots(array.members[position].settings, array.problem.inputs, array.problem.outputs)
    views = (view[position] for view in best.views)
    return {
        slot.name: corner(view, slot.shape).detach().to("cpu", copy=True).contiguous()
        for slot, view in zip(layout, views, strict=True)
    }

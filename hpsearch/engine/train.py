"""Training a cohort: a generator of epochs. Whoever reads it logs, or stops by no longer reading."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hpsearch.engine.array import Array, Problem, corner
from hpsearch.engine.draws import generator
from hpsearch.engine.feed import Feed
from hpsearch.engine.plan import Member, Objective
from hpsearch.engine.shapes import flops_forward, slots
from hpsearch.engine.stack import Stack
from hpsearch.trial import Done, Epoch, Failed, Result

_DIVERGED = 10.0  # times the loss before the first step
_COMPACT = 3 / 4  # of the array still learning: below, it is worth copying them together


@dataclass(frozen=True, slots=True)
class Ended:
    """A member's result, and its weights at the best epoch by slot name (none where it failed)."""

    number: int
    result: Result
    weights: Mapping[str, Tensor]


@dataclass(slots=True)
class Run:
    """How far one member has come. `flops` are those of one epoch."""

    member: Member
    flops: int
    best: float = math.inf
    metric: float = math.nan
    best_epoch: int = 0
    seconds: float = 0.0
    curve: list[Epoch] = field(default_factory=list)
    active: bool = True

    def ends(self, epoch: Epoch, first_loss: float) -> bool:
        """Whether the member has learnt enough, or nothing."""
        patience = int(self.member.settings["patience"])
        return (
            self.diverged(epoch, first_loss)
            or epoch.epoch == self.member.settings["epochs"]
            or 0 < patience <= epoch.epoch - self.best_epoch
        )

    @staticmethod
    def diverged(epoch: Epoch, first_loss: float) -> bool:
        """Whether a loss is not a number, or far above that before the first step."""
        finite = math.isfinite(epoch.loss) and math.isfinite(epoch.train_loss)
        return not finite or epoch.train_loss > _DIVERGED * first_loss

    def result(self, steps_per_epoch: int, first_loss: float) -> Result:
        """What has become of it."""
        last, curve = self.curve[-1], tuple(self.curve)
        if self.diverged(last, first_loss):
            return Failed(
                f"diverged: training loss {last.train_loss:.3g} after epoch {last.epoch}", self.seconds, curve
            )
        epochs = len(curve)
        return Done(
            self.best,
            self.metric,
            self.seconds,
            float(self.flops * epochs),
            steps_per_epoch * epochs,
            epochs,
            self.best_epoch,
            curve,
        )


def train(feed: Feed, members: Sequence[Member], objective: Objective, seed: int) -> Iterator[Epoch | Ended]:
    """Train members with one key together: every epoch of each as it ends, and each one's end once.

    An epoch's `flops` are 3 forward passes of the training rows (a backward pass costs two) and 1 of the
    validation rows. Its seconds are shared among the members that still learn, by their FLOPs.
    """
    data = feed.data
    problem = Problem(data.shape, data.outputs, seed)
    array = Array(members, problem, feed.like)
    best = array.weights.empty()
    rows = 3 * len(data.train) + len(data.validation)
    runs = [Run(m, rows * flops_forward(slots(m.settings, data.shape, data.outputs))) for m in array.members]
    batch_size, epochs = int(array.settings["batch_size"]), int(array.settings["epochs"])
    steps = -(-len(data.train) // batch_size)
    first: dict[int, float] = {}
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        train_losses, first_losses = _learn(array, feed, batch_size, epoch)
        losses, metrics = feed.score(array, "validation")
        seconds = time.perf_counter() - start
        if epoch == 1:
            first = {run.member.number: loss for run, loss in zip(runs, first_losses, strict=True)}
        share = seconds / sum(run.flops for run in runs if run.active)
        better = torch.tensor(
            [
                run.active and (loss if objective == "loss" else 1.0 - metric) < run.best
                for run, loss, metric in zip(runs, losses, metrics, strict=True)
            ],
            device=feed.like.device,
        )
        best.copy_from(array.weights, better)
        for position, run in enumerate(runs):
            if not run.active:
                continue
            run.seconds += share * run.flops
            seen = Epoch(run.member.number, epoch, train_losses[position], losses[position], metrics[position])
            run.curve.append(seen)
            if better[position]:
                run.best_epoch, run.metric = epoch, seen.metric
                run.best = seen.loss if objective == "loss" else 1.0 - seen.metric
            yield seen
            if run.ends(seen, first[seen.number]):
                run.active = False
                result = run.result(steps, first[seen.number])
                yield Ended(seen.number, result, _trimmed(best, position, run.member, problem, result))
        active = [position for position, run in enumerate(runs) if run.active]
        if not active:
            return
        if len(active) < _COMPACT * len(runs):
            keep = torch.tensor(active, device=feed.like.device)
            array.select(keep)
            best = best.select(keep)
            runs = [runs[position] for position in active]


def _learn(array: Array, feed: Feed, batch_size: int, epoch: int) -> tuple[list[float], list[float]]:
    """One epoch of steps. Each member's mean training loss, and its loss on the first batch, before the first step."""
    seed = array.problem.seed
    noise = generator(feed.like.device, seed, "noise", epoch)
    total = torch.zeros(len(array.members), device=feed.like.device, dtype=torch.float64)
    first: Tensor | None = None
    for x, y in feed.epoch(epoch, batch_size, seed):
        losses = feed.losses(array.outputs(x, noise), y).mean(1)
        array.step(losses)
        total += losses.detach() * len(y)
        first = losses.detach() if first is None else first
    assert first is not None  # data without training rows is refused
    return (total / len(feed.data.train)).tolist(), first.tolist()


def _trimmed(best: Stack, position: int, member: Member, problem: Problem, result: Result) -> Mapping[str, Tensor]:
    """A finished member's best weights, without padding."""
    if isinstance(result, Failed):
        return {}
    layout = slots(member.settings, problem.inputs, problem.outputs)
    views = (view[position] for view in best.views)
    return {
        slot.name: corner(view, slot.shape).detach().to("cpu", copy=True).contiguous()
        for slot, view in zip(layout, views, strict=True)
    }

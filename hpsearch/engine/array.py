"""K members as one array: their weights, gradients and optimizer state, and a step of all of them.

Narrower members are padded to the widest one with weights that are zero and stay so: every activation
takes 0 to 0, so that a padded unit's output is 0, and with it the gradient of all that touches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.engine.draws import generator
from hpsearch.engine.layers import Layers
from hpsearch.engine.optimizers import Coefficients, states
from hpsearch.engine.plan import Member, padded
from hpsearch.engine.settings import INITS, MODELS, OPTIMIZERS
from hpsearch.engine.shapes import slots
from hpsearch.engine.stack import Stack
from hpsearch.space import Params


@dataclass(frozen=True, slots=True)
class Problem:
    """What all members learn: the shape of one input, how many outputs there are, and the study's seed."""

    inputs: tuple[int, ...]
    outputs: int
    seed: int


@dataclass(frozen=True, slots=True)
class Group:
    """Members start..end, which share a rule of a step; and that rule's state."""

    start: int
    end: int
    rule: Callable[..., None]
    coefficients: Coefficients
    state: tuple[Stack, ...]


class Array:
    """Members with equal keys, sorted so that those that share an optimizer stand together."""

    def __init__(self, members: Sequence[Member], problem: Problem, like: Tensor) -> None:
        self.members = tuple(sorted(members, key=lambda member: _rule(member.settings)))
        self.problem = problem
        self.settings = padded([member.settings for member in self.members])
        layout = slots(self.settings, problem.inputs, problem.outputs)
        self.weights = Stack(len(members), [slot.shape for slot in layout], like)
        for position, member in enumerate(self.members):
            for index, value in enumerate(begin(member.settings, problem)):
                corner(self.weights.views[index][position], value.shape).copy_(value)
        self.step_number = 0
        self._states = (self.weights.empty(), self.weights.empty())
        self.layout = layout
        self._prepare()

    def _prepare(self) -> None:
        """Everything that follows from the members and their weights."""
        flat = self.weights.flat
        settings = [member.settings for member in self.members]
        self._model = MODELS.load(str(self.settings["model"]))
        self._layers = Layers(settings, flat)
        self.gradient = self.weights.empty()
        self.leaves = [view.requires_grad_() for view in (w.detach() for w in self.weights.views)]
        for leaf, gradient in zip(self.leaves, self.gradient.views, strict=True):
            leaf.grad = gradient
        self._lr = self.weights.filled(_column(settings, "lr", flat))
        self._momentum = self.weights.filled(_column(settings, "momentum", flat))
        self._l2 = self.weights.filled(_column(settings, "l2", flat))
        for slot, view in zip(self.layout, self._l2.views, strict=True):
            if slot.role == "bias":
                view.zero_()
        self._has_l2 = any(one["l2"] for one in settings)
        self._groups = tuple(self._grouped(settings))

    def _grouped(self, settings: Sequence[Params]) -> Iterator[Group]:
        rules = [_rule(one) for one in settings]
        for rule in dict.fromkeys(rules):
            start, end = rules.index(rule), len(rules) - rules[::-1].index(rule)
            name, beta1, beta2, eps = rule
            step = OPTIMIZERS.load(name)
            lr, momentum = self._lr.slices(start, end), self._momentum.slices(start, end)
            coefficients = Coefficients(lr, momentum, beta1, beta2, eps)
            yield Group(start, end, step, coefficients, self._states[: states(step)])

    @property
    def widest(self) -> int:
        """The most numbers that a member's layer has for one example."""
        return max(slot.shape[0] * slot.positions for slot in self.layout)

    def outputs(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """What the members answer to the batch `x` [B, ...]: [K, B, outputs]. With noise: in training."""
        result: Tensor = self._model(self.settings, self._layers, self.leaves, x, noise)
        return result

    def step(self, losses: Tensor) -> None:
        """One step of every member down its own loss, of `losses` [K]."""
        self.gradient.flat.zero_()
        losses.backward(torch.ones_like(losses))  # type: ignore[no-untyped-call]
        self.step_number += 1
        if self._has_l2:
            self.gradient.flat.addcmul_(self.weights.flat, self._l2.flat)
        for group in self._groups:
            w, g, *state = (
                stack.slices(group.start, group.end) for stack in (self.weights, self.gradient, *group.state)
            )
            group.rule(w, g, *state, c=group.coefficients, t=self.step_number)

    def select(self, keep: Tensor) -> None:
        """Go on with the members at the positions `keep` (rising) alone: compaction."""
        self.members = tuple(self.members[i] for i in keep.tolist())
        self.weights = self.weights.select(keep)
        self._states = (self._states[0].select(keep), self._states[1].select(keep))
        self._prepare()


def begin(settings: Params, problem: Problem) -> Iterator[Tensor]:
    """A member's initial weights in float64, of its true shapes; the same draws for every member of a shape."""
    scale = float(settings["init_scale"])
    init = INITS.load(str(settings["init"]))
    for index, slot in enumerate(slots(settings, problem.inputs, problem.outputs)):
        if slot.role in ("bias", "closing"):
            yield torch.zeros(slot.shape, dtype=torch.float64)
        else:
            noise = generator("cpu", problem.seed, "init", index, *slot.shape)
            yield init(slot, settings, noise) * scale


def corner(stacked: Tensor, shape: Sequence[int]) -> Tensor:
    """The part of a padded weight that a member of this true shape uses."""
    return stacked[tuple(slice(0, side) for side in shape)]


def _rule(settings: Params) -> tuple[str, float, float, float]:
    """What members must share to step together. What an optimizer does not use counts as 0."""
    beta1, beta2, eps = (float(settings.get(name, 0.0)) for name in ("beta1", "beta2", "eps"))
    return str(settings["optimizer"]), beta1, beta2, eps


def _column(settings: Sequence[Params], name: str, like: Tensor) -> Tensor:
    """One setting of all members, [K]; 0 where it does not apply."""
    return like.new_tensor([float(one.get(name, 0.0)) for one in settings])

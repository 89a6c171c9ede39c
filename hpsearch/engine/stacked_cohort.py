"""A stacked cohort: the weights, gradients and optimizer states of K members, and a step of all.

Members with equal keys have the same slots, but for their widths. Narrower members are padded with
zeros to the widest one, and padding has to stay zero. Where every activation maps 0 to 0 it does so
by itself: a padded unit gives 0, and what it gives is multiplied by weights that are 0, so that no
weight into it or out of it gets a gradient. Elsewhere the gradient of padding is masked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hpsearch.data.shape import InputShape
from hpsearch.engine.draws import Noise, generator
from hpsearch.engine.lookup import Lookup
from hpsearch.engine.net import Net
from hpsearch.engine.optimizers import Coefficients, Rule, states
from hpsearch.engine.schedules import Schedule, warmed
from hpsearch.engine.stacked_tensors import StackedTensors, corner
from hpsearch.engine.structure.cohorts import bucketed, padded
from hpsearch.engine.structure.embeddings import looked_up
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.models import model_type, param_slots
from hpsearch.engine.structure.settings import INITS, OPTIMIZERS, SCHEDULES
from hpsearch.engine.structure.slots import WEIGHTS, ParamSlot, Role
from hpsearch.engine.variational import Prior
from hpsearch.registry import resolve
from hpsearch.space.space import Params

_INITIAL: Mapping[Role, float] = {
    "closing": 0.0,
    # a category that no row has stays there, and has no effect
    "embedding": 0.0,
    "bias": 0.0,
    # a highway's gate begins nearly shut (Srivastava, Greff & Schmidhuber 2015)
    "gate": -2.0,
    # a forget gate begins by remembering (Gers, Schmidhuber & Cummins 2000)
    "open": 1.0,
    "gain": 1.0,
    "closing_gain": 0.0,
    "mean": 0.0,
    "variance": 1.0,
    # a standard deviation of a twentieth of the prior's, so that the means are learned first
    "log_scale": -3.0,
    "noise": 0.0,
}
"""The initial values of what is not drawn at random."""
_NOT_FROM_ZERO = ("sigmoid",)  # activations that do not map 0 to 0


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """What all members of a cohort learn.

    Attributes:
        inputs: the shape of one input, as it is encoded.
        outputs: how many numbers a network gives for one row.
        seed: the study's.
        steps: the optimizer steps of an epoch.
        rows: the training rows of an epoch.
    """

    inputs: InputShape
    outputs: int
    seed: int
    steps: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Members start..end, which share an optimizer's rule and schedule, with what the rule needs.

    `weights`, `gradient` and each list of `state` are views of the cohort's own, so that a step
    changes these in place.
    """

    start: int
    end: int
    rule: Rule
    schedule: Schedule
    settings: Params
    coefficients: Coefficients
    weights: list[Tensor]
    gradient: list[Tensor]
    state: tuple[list[Tensor], ...]

    def lr_factor(self, step: int, per_epoch: int) -> float:
        """Return what the schedule multiplies the learning rate by.

        `step` counts the steps before this one, of which an epoch has `per_epoch`.
        """
        e, per_step = step / per_epoch, 1 / per_epoch
        factor = self.schedule(e, float(self.settings["epochs"]), self.settings)
        return warmed(factor, e, float(self.settings["warmup"]), per_step)


class StackedCohort:
    """K members with equal keys, computed together.

    Attributes:
        members: sorted so that members that share a rule stand together; all positions go by it.
        settings: settings whose shapes all members fit into.
        layout: the slots of these settings; the true slots of each member are in `own_layouts`.
        weights: the members' weights, and `gradient` what `backward` leaves.
        leaves: the slots of `weights` as autograd knows them; their `grad` is `gradient`.
        inside: 1 inside the members' true shapes and 0 in padding, where padding needs a mask.
        lookup: what makes of a batch what the model is given.
        net: the operations that the forward pass is made of.
        step_number: the steps taken so far.
    """

    def __init__(self, members: Sequence[Member], task: TrainingTask, like: Tensor) -> None:
        """Stack members as they are before their first step, in the dtype and device of `like`."""
        self.members = tuple(sorted(members, key=lambda member: _rule_key(member.settings)))
        self.task = task
        self.settings = padded([member.settings for member in self.members])
        self.layout: tuple[ParamSlot, ...] = param_slots(self.settings, task.inputs, task.outputs)
        self.weights = StackedTensors(len(members), [slot.shape for slot in self.layout], like)
        for position, member in enumerate(self.members):
            for index, value in enumerate(initial_weights(member, task)):
                corner(self.weights.views[index][position], value.shape).copy_(value)
        self.step_number = members[0].start_epoch * task.steps
        self._anchor = self._initial_copy()
        self._states = (self.weights.zeros(), self.weights.zeros())
        self._prepare()

    def _prepare(self) -> None:
        """Set up everything that follows from the members and their weights."""
        flat = self.weights.flat
        settings = [member.settings for member in self.members]
        self._forward = resolve(model_type(self.settings).forward)
        self.gradient = self.weights.zeros()
        self.leaves = [view.detach().requires_grad_() for view in self.weights.views]
        for leaf, gradient in zip(self.leaves, self.gradient.views, strict=True):
            leaf.grad = gradient
        self.own_layouts = [
            param_slots(one, self.task.inputs, self.task.outputs) for one in settings
        ]
        variational = self.settings["bayesian"] == "variational"
        self._prior = (
            Prior(self.members, self.own_layouts, self.weights, self.task.rows)
            if variational
            else None
        )
        self.net = self._named()
        self.lookup = Lookup(self.task.inputs, self.net.weights)
        penalised = [index for index, slot in enumerate(self.layout) if slot.role in WEIGHTS]
        # adamw takes l2 off the weights by itself, apart from the gradient
        decays = flat.new_tensor([one["optimizer"] == "adamw" for one in settings])
        l2 = _column(settings, "l2", flat)
        self._l2 = self.weights.filled(l2 * (1.0 - decays), penalised)
        self._decay = self.weights.filled(l2 * decays, penalised)
        self._l1 = self.weights.filled(_column(settings, "l1", flat), penalised)
        self._has_l1, self._has_l2 = bool(self._l1.flat.any()), bool(self._l2.flat.any())
        recurrent = [index for index, slot in enumerate(self.layout) if slot.role == "recurrent"]
        self._pull = self.weights.filled(_column(settings, "init_constraint", flat), recurrent)
        self._lr = self.weights.filled(_column(settings, "lr", flat))
        self._momentum = self.weights.filled(_column(settings, "momentum", flat))
        limits = _column(settings, "clip_norm", flat)
        self._limits = torch.where(limits > 0, limits, torch.inf) if limits.any() else None
        self.inside = self._padding_mask()
        self._groups = tuple(self._rule_groups(settings))

    def _initial_copy(self) -> StackedTensors | None:
        """Return the initial weights, where some member's weights are drawn back to them."""
        if not any(member.settings.get("init_constraint") for member in self.members):
            return None
        copy = self.weights.zeros()
        copy.flat.copy_(self.weights.flat)
        return copy

    def _named(self) -> Net:
        """Return the weights by name, with what a model needs to know of their shapes."""
        task = self.task
        gains = [index for index, slot in enumerate(self.layout) if slot.name.endswith(".gain")]
        return Net(
            inputs=looked_up(task.inputs),
            settings=self.settings,
            members=[member.settings for member in self.members],
            widths={
                self.layout[index].name: [own[index].shape[0] for own in self.own_layouts]
                for index in gains
            },
            weights={slot.name: leaf for slot, leaf in zip(self.layout, self.leaves, strict=True)},
            prior_stds=self._prior.stds if self._prior else {},
            draw_shapes={
                slot.name: slot.shape
                for slot in param_slots(bucketed(self.settings), task.inputs, task.outputs)
            },
        )

    def _padding_mask(self) -> StackedTensors | None:
        """Return 1 inside the members' true shapes and 0 in padding; None where none is needed.

        Padding would learn without it where an activation or a variational layer makes something
        of 0, and where the sums of layer norm run over it.
        """
        padding_learns = self._prior is not None or any(
            member.settings["activation"] in _NOT_FROM_ZERO or member.settings["norm"] == "layer"
            for member in self.members
        )
        if not padding_learns or len(self.members) == 1:
            return None
        inside = self.weights.zeros()
        for position, own in enumerate(self.own_layouts):
            for view, slot in zip(inside.views, own, strict=True):
                corner(view[position], slot.shape).fill_(1.0)
        return inside

    def _rule_groups(self, settings: Sequence[Params]) -> Iterator[RuleGroup]:
        keys = [_rule_key(one) for one in settings]
        for key in dict.fromkeys(keys):
            start, end = keys.index(key), len(keys) - keys[::-1].index(key)
            one = settings[start]
            rule = OPTIMIZERS.load(str(one["optimizer"]))
            lr, momentum, decay = (
                stack.slices(start, end) for stack in (self._lr, self._momentum, self._decay)
            )
            beta1, beta2, eps = (float(one.get(name, 0.0)) for name in ("beta1", "beta2", "eps"))
            rates = {float(one["lr"]) for one in settings[start:end]}
            rate = rates.pop() if len(rates) == 1 else None
            yield RuleGroup(
                start=start,
                end=end,
                rule=rule,
                schedule=SCHEDULES.load(str(one["schedule"])),
                settings=one,
                coefficients=Coefficients(lr, momentum, decay, beta1, beta2, eps, rate),
                weights=self.weights.slices(start, end),
                gradient=self.gradient.slices(start, end),
                state=tuple(stack.slices(start, end) for stack in self._states[: states(rule)]),
            )

    def parts(self, position: int) -> Mapping[str, StackedTensors]:
        """Return all stacks of which steps change a member's part: weights and optimizer state."""
        rule = OPTIMIZERS.load(str(self.members[position].settings["optimizer"]))
        state = self._states[: states(rule)]
        return {
            "weights": self.weights,
            **{f"state{index}": stack for index, stack in enumerate(state)},
        }

    @property
    def widest(self) -> int:
        """How many numbers the widest layer of a member gives for one example."""
        return max(slot.shape[0] * slot.positions for slot in self.layout)

    def noise(self, *purpose: int | str, passes: int | None = None) -> Noise:
        """Return the random numbers of all members for this purpose.

        They serve so many forward passes, by default the steps of an epoch.
        """
        seeds = [member.seed_index for member in self.members]
        passes = passes or self.task.steps
        return Noise(self.weights.flat.device, seeds, passes, self.task.seed, *purpose)

    def outputs(self, x: Tensor, noise: Noise | None = None, sampled: bool = False) -> Tensor:
        """Return the members' outputs [K, B, outputs] for the batch `x` [B, *inputs].

        Where the members see batches of their own, `x` is [K, B, *inputs]. With noise it is a
        training pass, or where `sampled` that of one network from the posterior for all rows.
        """
        self.net.start_pass(noise, sampled)
        result: Tensor = self._forward(self.net, self.lookup(x))
        return result

    def backward(
        self, outputs: Tensor, grad_outputs: Tensor, row_weights: Tensor | None = None
    ) -> None:
        """Leave the gradient of each member's own loss in `gradient`.

        `grad_outputs` [K, B, outputs] is the derivative of the losses by the outputs of the last
        pass, by the weights of its rows, [B] or [K, B], where they have some.
        """
        if self.net.backward is not None:
            self.net.backward(grad_outputs)
        else:
            self.gradient.flat.zero_()
            if self._prior is not None:
                grad_outputs = self._prior.with_noise(
                    grad_outputs, self.gradient, self.weights, row_weights
                )
            outputs.backward(grad_outputs)  # type: ignore[no-untyped-call]
        self.lookup.back()
        if self.inside is not None:
            self.gradient.flat.mul_(self.inside.flat)

    def step(
        self, outputs: Tensor, grad_outputs: Tensor, row_weights: Tensor | None = None
    ) -> None:
        """Take one optimizer step with each member; the arguments are those of `backward`."""
        self.backward(outputs, grad_outputs, row_weights)
        # the loss's own gradient is clipped, before anything is added to it
        if self._limits is not None:
            self.gradient.scale((self._limits / self.gradient.norms()).clamp_max(1.0))
        if self._prior is not None:
            self._prior.penalise(self.gradient, self.weights)
        if self._has_l2:
            self.gradient.flat.addcmul_(self.weights.flat, self._l2.flat)
        if self._anchor is not None:
            self.gradient.flat.addcmul_(self.weights.flat - self._anchor.flat, self._pull.flat)
        for group in self._groups:
            factor = group.lr_factor(self.step_number, self.task.steps)
            c = group.coefficients if factor == 1.0 else replace(group.coefficients, scale=factor)
            group.rule(group.weights, group.gradient, *group.state, c=c, t=self.step_number + 1)
            if self._has_l1:
                self._shrink(group, factor)
        self.step_number += 1

    def _shrink(self, group: RuleGroup, factor: float) -> None:
        """Move weights by lr * l1 towards 0, and not beyond (Duchi & Singer 2009)."""
        l1 = self._l1.slices(group.start, group.end)
        for weight, lr, most in zip(group.weights, group.coefficients.lr, l1, strict=True):
            weight.copy_(weight.sign() * (weight.abs() - factor * lr * most).clamp_min(0.0))

    def select(self, keep: Tensor) -> None:
        """Go on with the members at the positions `keep`, which rise, and drop the others."""
        self.members = tuple(self.members[i] for i in keep.tolist())
        self.weights = self.weights.select(keep)
        self._anchor = self._anchor.select(keep) if self._anchor else None
        self._states = (self._states[0].select(keep), self._states[1].select(keep))
        self._prepare()


def initial_weights(member: Member, task: TrainingTask) -> Iterator[Tensor]:
    """Yield a member's initial weights slot by slot, in float64 and of their true shapes.

    The random numbers depend on the seeds, the slot's position and its shape alone, so that members
    of one shape begin from the same draws.
    """
    settings = member.settings
    scale = float(settings["init_scale"])
    slots = param_slots(settings, task.inputs, task.outputs)
    init = INITS.load(str(settings["init"]))
    # an identity is for what a state passes through again and again (Le, Jaitly & Hinton 2015)
    is_recurrent = any(slot.role == "recurrent" for slot in slots)
    inward = INITS.load("fan_normal") if is_recurrent and settings["init"] == "identity" else init
    for index, slot in enumerate(slots):
        if slot.role in _INITIAL:
            yield torch.full(slot.shape, _INITIAL[slot.role], dtype=torch.float64)
        elif slot.role == "slope":
            yield torch.full(slot.shape, float(settings["slope"]), dtype=torch.float64)
        else:
            noise = generator("cpu", task.seed, "init", member.seed_index, index, *slot.shape)
            yield (init if slot.role == "recurrent" else inward)(slot, settings, noise) * scale


_RULE_SETTINGS = (
    "optimizer",
    "beta1",
    "beta2",
    "eps",
    "schedule",
    "warmup",
    "step_every",
    "step_factor",
)


def _rule_key(settings: Params) -> tuple[str, ...]:
    """Return what members must have in common to step together."""
    return tuple(repr(settings.get(name)) for name in _RULE_SETTINGS)


def _column(settings: Sequence[Params], name: str, like: Tensor) -> Tensor:
    """Return one setting of all members, [K]; 0 where it does not apply."""
    return like.new_tensor([float(one.get(name, 0.0)) for one in settings])

"""K members as one array: their weights, gradients and optimizer state, and a step of all of them.

Narrower members are padded to the widest one with weights that are zero and stay so. Where every activation
takes 0 to 0, a padded unit's output is 0, and with it the gradient of all that touches it; elsewhere the
gradient is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hpsearch.engine.draws import Noise, generator
from hpsearch.engine.net import Net
from hpsearch.engine.optimizers import Coefficients, states
from hpsearch.engine.schedules import warmed
from hpsearch.engine.stacked_tensors import Stack, corner
from hpsearch.engine.structure.cohorts import Member, bucketed, padded
from hpsearch.engine.structure.settings import INITS, MODELS, OPTIMIZERS, SCHEDULES
from hpsearch.engine.structure.slots import WEIGHTS, Role, Slot, slots
from hpsearch.engine.variational import Prior
from hpsearch.space.space import Params

_GATE = -2.0  # a highway's gate begins nearly shut (Srivastava, Greff & Schmidhuber 2015)
_BEGIN: dict[Role, float] = {
    "closing": 0.0,
    "bias": 0.0,
    "gate": _GATE,
    "open": 1.0,  # a forget gate begins by remembering (Gers, Schmidhuber & Cummins 2000)
    "gain": 1.0,
    "closing_gain": 0.0,
    "mean": 0.0,
    "variance": 1.0,
    "spread": -3.0,  # log(sigma / s): a twentieth of the prior's, so that the weights are learned first
    "noise": 0.0,
}
_NOT_FROM_ZERO = ("sigmoid",)  # activations that do not take 0 to 0


@dataclass(frozen=True, slots=True)
class Problem:
    """What all members learn: the shape of one input, how many outputs there are, the study's seed, and how
    many steps and rows an epoch has."""

    inputs: tuple[int, ...]
    outputs: int
    seed: int
    steps: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Members start..end, which share the rule of a step and its schedule, as slices of what the rule works on."""

    start: int
    end: int
    rule: Callable[..., None]
    schedule: Callable[[float, float, Params], float]
    settings: Params
    coefficients: Coefficients
    weights: list[Tensor]
    gradient: list[Tensor]
    state: tuple[list[Tensor], ...]

    def scale(self, step: int, per_epoch: int) -> float:
        """The schedule's factor on the learning rate at the step of this number, from 0."""
        e, per_step = step / per_epoch, 1 / per_epoch
        factor = self.schedule(e, float(self.settings["epochs"]), self.settings)
        return warmed(factor, e, float(self.settings["warmup"]), per_step)


class Array:
    """Members with equal keys, sorted so that those that step alike stand together."""

    def __init__(self, members: Sequence[Member], problem: Problem, like: Tensor) -> None:
        self.members = tuple(sorted(members, key=lambda member: _rule(member.settings)))
        self.problem = problem
        self.settings = padded([member.settings for member in self.members])
        self.layout: tuple[Slot, ...] = slots(self.settings, problem.inputs, problem.outputs)
        self.weights = Stack(len(members), [slot.shape for slot in self.layout], like)
        for position, member in enumerate(self.members):
            for index, value in enumerate(begin(member, problem)):
                corner(self.weights.views[index][position], value.shape).copy_(value)
        self.step_number = members[0].start * problem.steps
        self._begun = self._anchored()
        self._states = (self.weights.empty(), self.weights.empty())
        self._prepare()

    def _prepare(self) -> None:
        """Everything that follows from the members and their weights."""
        flat = self.weights.flat
        settings = [member.settings for member in self.members]
        self._model = MODELS.load(str(self.settings["model"]))
        self.gradient = self.weights.empty()
        self.leaves = [view.detach().requires_grad_() for view in self.weights.views]
        for leaf, gradient in zip(self.leaves, self.gradient.views, strict=True):
            leaf.grad = gradient
        own = [slots(one, self.problem.inputs, self.problem.outputs) for one in settings]
        varies = self.settings["bayesian"] == "variational"
        self._prior = Prior(self.members, own, self.weights, self.problem.rows) if varies else None
        self.net = self._named(own)
        penalised = [index for index, slot in enumerate(self.layout) if slot.role in WEIGHTS]
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
        self.inside = self._masked(own)
        self._groups = tuple(self._grouped(settings))

    def _anchored(self) -> Stack | None:
        """The initial weights, where some member's are drawn back to them."""
        if not any(member.settings.get("init_constraint") for member in self.members):
            return None
        begun = self.weights.empty()
        begun.flat.copy_(self.weights.flat)
        return begun

    def _named(self, own: Sequence[Sequence[Slot]]) -> Net:
        """The members' weights by name, with what a model needs to know of their true and drawn shapes."""
        p = self.problem
        gains = [index for index, slot in enumerate(self.layout) if slot.name.endswith(".gain")]
        return Net(
            inputs=p.inputs,
            settings=self.settings,
            members=[member.settings for member in self.members],
            widths={
                self.layout[index].name: [its[index].shape[0] for its in own] for index in gains
            },
            weights={slot.name: leaf for slot, leaf in zip(self.layout, self.leaves, strict=True)},
            deviations=self._prior.deviations if self._prior else {},
            drawn={
                slot.name: slot.shape
                for slot in slots(bucketed(self.settings), p.inputs, p.outputs)
            },
        )

    def _masked(self, own: Sequence[Sequence[Slot]]) -> Stack | None:
        """1 inside the members' true shapes and 0 in their padding, where padding would learn without it.

        It would where an activation or a variational layer makes something of 0, and where layer norm's sums run
        over it.
        """
        learns = self._prior is not None or any(
            member.settings["activation"] in _NOT_FROM_ZERO or member.settings["norm"] == "layer"
            for member in self.members
        )
        if not learns or len(own) == 1:
            return None
        inside = self.weights.empty()
        for position, its in enumerate(own):
            for view, slot in zip(inside.views, its, strict=True):
                corner(view[position], slot.shape).fill_(1.0)
        return inside

    def _grouped(self, settings: Sequence[Params]) -> Iterator[Group]:
        rules = [_rule(one) for one in settings]
        for rule in dict.fromkeys(rules):
            start, end = rules.index(rule), len(rules) - rules[::-1].index(rule)
            one = settings[start]
            step = OPTIMIZERS.load(str(one["optimizer"]))
            lr, momentum, decay = (
                stack.slices(start, end) for stack in (self._lr, self._momentum, self._decay)
            )
            beta1, beta2, eps = (float(one.get(name, 0.0)) for name in ("beta1", "beta2", "eps"))
            rates = {float(one["lr"]) for one in settings[start:end]}
            rate = rates.pop() if len(rates) == 1 else None
            coefficients = Coefficients(lr, momentum, decay, beta1, beta2, eps, rate)
            yield Group(
                start=start,
                end=end,
                rule=step,
                schedule=SCHEDULES.load(str(one["schedule"])),
                settings=one,
                coefficients=coefficients,
                weights=self.weights.slices(start, end),
                gradient=self.gradient.slices(start, end),
                state=tuple(stack.slices(start, end) for stack in self._states[: states(step)]),
            )

    def parts(self, position: int) -> Mapping[str, Stack]:
        """All that steps change of a member, by name: its weights, and what its optimizer remembers."""
        rule = OPTIMIZERS.load(str(self.members[position].settings["optimizer"]))
        memory = self._states[: states(rule)]
        return {
            "weights": self.weights,
            **{f"state{index}": stack for index, stack in enumerate(memory)},
        }

    @property
    def widest(self) -> int:
        """The most numbers that a member's layer has for one example."""
        return max(slot.shape[0] * slot.positions for slot in self.layout)

    def noise(self, *purpose: int | str, passes: int | None = None) -> Noise:
        """The draws of this purpose in the study, each member's own, for an epoch's passes."""
        draws = [member.draws for member in self.members]
        passes = passes or self.problem.steps
        return Noise(self.weights.flat.device, draws, passes, self.problem.seed, *purpose)

    def outputs(self, x: Tensor, noise: Noise | None = None, sampled: bool = False) -> Tensor:
        """What the members answer to the batch `x` [B, *inputs], or [K, B, *inputs]: [K, B, outputs].

        With noise: in training; or of one net for all rows, drawn from the posterior.
        """
        self.net.begin(noise, sampled)
        result: Tensor = self._model(self.net, x)
        return result

    def backward(self, outputs: Tensor, slopes: Tensor) -> None:
        """Leave every member's gradient of its own loss, whose derivative by the outputs is `slopes`, in `gradient`."""
        if self.net.back is not None:
            self.net.back(slopes)
        else:
            self.gradient.flat.zero_()
            if self._prior is not None:
                slopes = self._prior.weighed(slopes, self.gradient, self.weights)
            outputs.backward(slopes)  # type: ignore[no-untyped-call]
        if self.inside is not None:
            self.gradient.flat.mul_(self.inside.flat)

    def step(self, outputs: Tensor, slopes: Tensor) -> None:
        """One step of every member down its own loss, whose derivative by the outputs is `slopes`."""
        self.backward(outputs, slopes)
        if self._limits is not None:
            self.gradient.scale((self._limits / self.gradient.norms()).clamp_max(1.0))
        if self._prior is not None:
            self._prior.penalise(self.gradient, self.weights)
        if self._has_l2:
            self.gradient.flat.addcmul_(self.weights.flat, self._l2.flat)
        if self._begun is not None:
            self.gradient.flat.addcmul_(self.weights.flat - self._begun.flat, self._pull.flat)
        for group in self._groups:
            scale = group.scale(self.step_number, self.problem.steps)
            c = group.coefficients if scale == 1.0 else replace(group.coefficients, scale=scale)
            group.rule(group.weights, group.gradient, *group.state, c=c, t=self.step_number + 1)
            if self._has_l1:
                self._shrink(group, scale)
        self.step_number += 1

    def _shrink(self, group: Group, scale: float) -> None:
        """L1's proximal step: by lr * l1 towards 0, and not beyond (Duchi & Singer 2009)."""
        l1 = self._l1.slices(group.start, group.end)
        for weight, lr, most in zip(group.weights, group.coefficients.lr, l1, strict=True):
            weight.copy_(weight.sign() * (weight.abs() - scale * lr * most).clamp_min(0.0))

    def select(self, keep: Tensor) -> None:
        """Go on with the members at the positions `keep` (rising) alone: compaction."""
        self.members = tuple(self.members[i] for i in keep.tolist())
        self.weights = self.weights.select(keep)
        self._begun = self._begun.select(keep) if self._begun else None
        self._states = (self._states[0].select(keep), self._states[1].select(keep))
        self._prepare()


def begin(member: Member, problem: Problem) -> Iterator[Tensor]:
    """A member's initial weights in float64, of its true shapes; its draws are the same for a shape."""
    settings = member.settings
    scale = float(settings["init_scale"])
    init = INITS.load(str(settings["init"]))
    # an identity is for what a state goes through again and again (Le, Jaitly & Hinton 2015)
    inward = (
        INITS.load("fan_normal")
        if settings["model"] == "rnn" and settings["init"] == "identity"
        else init
    )
    for index, slot in enumerate(slots(settings, problem.inputs, problem.outputs)):
        if slot.role in _BEGIN:
            yield torch.full(slot.shape, _BEGIN[slot.role], dtype=torch.float64)
        elif slot.role == "slope":
            yield torch.full(slot.shape, float(settings["slope"]), dtype=torch.float64)
        else:
            noise = generator("cpu", problem.seed, "init", member.draws, index, *slot.shape)
            yield (init if slot.role == "recurrent" else inward)(slot, settings, noise) * scale


_SHARED = ("optimizer", "beta1", "beta2", "eps", "schedule", "warmup", "step_every", "step_factor")


def _rule(settings: Params) -> tuple[str, ...]:
    """What members must share to step together."""
    return tuple(repr(settings.get(name)) for name in _SHARED)


def _column(settings: Sequence[Params], name: str, like: Tensor) -> Tensor:
    """One setting of all members, [K]; 0 where it does not apply."""
    return like.new_tensor([float(one.get(name, 0.0)) for one in settings])

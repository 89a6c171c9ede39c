"""Parameter slots: the weight tensors that one member of a cohort has.

FLOPs, memory, initial values and forward passes all go by them. The functions here make the slots
of the usual layers; `layout` in each model's record puts them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hpsearch.space.space import Params

Role = Literal[
    "hidden",
    "recurrent",
    "closing",
    "output",
    "embedding",
    "bias",
    "gate",
    "open",
    "gain",
    "closing_gain",
    "slope",
    "mean",
    "variance",
    "log_scale",
    "noise",
]
"""What a slot is for; initial values, penalties and statistics go by it (see `ParamSlot`)."""

WEIGHTS: tuple[Role, ...] = ("hidden", "recurrent", "closing", "output")
"""The roles that penalties draw towards zero, and that a variational posterior is over."""

STATISTICS: tuple[Role, ...] = ("mean", "variance")
"""The roles of running statistics, which get no gradient."""

NOISE = "output.noise"
"""The slot in which a variational regression learns how noisy its targets are."""


@dataclass(frozen=True, slots=True)
class ParamSlot:
    """One weight tensor of a member.

    The shape is (out, in) for a dense layer, (out, in, height, width) for a convolution, (out,) for
    a bias and (places, length) for a table of vectors.

    Attributes:
        role: `closing` weights (or `closing_gain`, where there is a normalisation) end a residual
            branch and begin at zero, so that the block begins as the identity. A `gate` bias begins
            nearly shut, an `open` one open. `mean` and `variance` are the running statistics of
            batch norm. `log_scale` and `noise` belong to variational networks (see
            `hpsearch.engine.variational`). An `embedding` is a table of vectors.
        positions: at how many places of one example it is applied, such as the pixels of a
            convolution's output or the steps of a sequence; 0 where it is looked up.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    positions: int = 1

    @property
    def fan_in(self) -> int:
        """The number of inputs to each of its units."""
        return math.prod(self.shape[1:])

    @property
    def fan_out(self) -> int:
        """The number of units that each of its inputs reaches."""
        return self.shape[0] * math.prod(self.shape[2:])


def dense_slots(name: str, outputs: int, inputs: int, role: Role) -> list[ParamSlot]:
    """Return the weights and biases of a dense layer."""
    return [
        ParamSlot(f"{name}.weight", (outputs, inputs), role),
        ParamSlot(f"{name}.bias", (outputs,), "bias"),
    ]


def conv_slots(
    name: str, outputs: int, inputs: int, side: int, positions: int, role: Role
) -> list[ParamSlot]:
    """Return the weights and biases of a convolution with a square window.

    Args:
        name: of the layer.
        outputs: its channels.
        inputs: the channels that it is given.
        side: the side of its window in pixels.
        positions: the pixels of its output.
        role: of the weights.
    """
    weight = ParamSlot(f"{name}.weight", (outputs, inputs, side, side), role, positions)
    return [weight, ParamSlot(f"{name}.bias", (outputs,), "bias", positions)]


def before_norm(layer: list[ParamSlot], settings: Params) -> list[ParamSlot]:
    """Return a layer's slots without its biases where batch norm follows, which subtracts them."""
    return layer[:1] if settings["norm"] == "batch" else layer


def norm_slots(name: str, units: int, settings: Params, gain: Role = "gain") -> list[ParamSlot]:
    """Return the gain and shift of a layer's normalisation, and batch norm's running statistics.

    There are none where the settings name no normalisation.
    """
    if settings["norm"] == "none":
        return []
    slots = [
        ParamSlot(f"{name}.gain", (units,), gain),
        ParamSlot(f"{name}.shift", (units,), "bias"),
    ]
    if settings["norm"] == "batch":
        slots += [
            ParamSlot(f"{name}.mean", (units,), "mean"),
            ParamSlot(f"{name}.variance", (units,), "variance"),
        ]
    return slots


def slope_slots(name: str, settings: Params) -> list[ParamSlot]:
    """Return the slope that a layer learns where its non-linearity is a PReLU, and nothing else."""
    return [ParamSlot(f"{name}.slope", (1,), "slope")] if settings["activation"] == "prelu" else []


def log_scale_of(weight: ParamSlot) -> str:
    """Return the name of the slot that holds the log scale of a variational weight."""
    return f"{weight.name}.log_scale"


def variational_slots(slots: Sequence[ParamSlot], outputs: int) -> list[ParamSlot]:
    """Return what a variational network has beside these weights.

    Every weight has a log scale of its shape. A single output is a regression's, which learns the
    noise of its targets as well.
    """
    scales = [
        ParamSlot(log_scale_of(slot), slot.shape, "log_scale")
        for slot in slots
        if slot.role in WEIGHTS
    ]
    return [*scales, ParamSlot(NOISE, (1,), "noise")] if outputs == 1 else scales


def flops_forward(layout: Sequence[ParamSlot]) -> int:
    """Return the floating-point operations of one example's forward pass.

    A multiplication and an addition are counted for each weight and position.
    """
    return sum(2 * math.prod(slot.shape) * slot.positions for slot in layout)


def size(layout: Sequence[ParamSlot]) -> int:
    """Return how many numbers the slots hold."""
    return sum(math.prod(slot.shape) for slot in layout)

"""What weights each model has: the one place that FLOPs, memory, initial values and forward passes go by.

Imports no torch: the coordinator knows a trial's cost before it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hpsearch.registry import Registry
from hpsearch.space import Params

Role = Literal["hidden", "closing", "output", "bias"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One weight tensor of a member: (out, in), (out, in, height, width), or (out,) for a bias.

    It is applied at `positions` places of an example (the pixels of a convolution's output).
    A `closing` weight ends a residual branch and begins at zero, so that the block begins as the identity.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    positions: int = 1

    @property
    def fan_in(self) -> int:
        """Inputs to each of its units."""
        return math.prod(self.shape[1:])

    @property
    def fan_out(self) -> int:
        """Units that each of its inputs reaches."""
        return self.shape[0] * math.prod(self.shape[2:])


SHAPES = Registry("model", {"mlp": "hpsearch.engine.shapes:mlp", "resnet": "hpsearch.engine.shapes:resnet"})
"""Each is `(settings, shape of one input, outputs) -> slots`, in the order in which the model takes them."""


def mlp(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[Slot, ...]:
    """`depth` dense layers of `width` units, and the output layer."""
    width, depth = int(settings["width"]), int(settings["depth"])
    slots = []
    for layer in range(depth):
        slots += _dense(f"hidden{layer}", width, width if layer else math.prod(inputs), "hidden")
    return (*slots, *_dense("output", outputs, width, "output"))


def resnet(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[Slot, ...]:
    """A stem, three stages of residual blocks (each halves the image and doubles the channels), the output layer.

    A block is two 3x3 convolutions; the first of a stage has a 1x1 convolution on its way around.
    """
    channels, blocks = int(settings["channels"]), int(settings["blocks"])
    depth, height, width = inputs
    if stem_stride(inputs) == 2:
        height, width = -(-height // 2), -(-width // 2)
    slots = _conv("stem", channels, depth, 3, height * width, "hidden")
    before = channels
    for stage in range(STAGES):
        after = channels * 2**stage
        if stage:
            height, width = -(-height // 2), -(-width // 2)
        for block in range(blocks):
            name = f"stage{stage}.block{block}"
            if before != after:
                slots += _conv(f"{name}.around", after, before, 1, height * width, "hidden")
            slots += _conv(f"{name}.first", after, before, 3, height * width, "hidden")
            slots += _conv(f"{name}.second", after, after, 3, height * width, "closing")
            before = after
    return (*slots, *_dense("output", outputs, before, "output"))


STAGES = 3


def stem_stride(inputs: tuple[int, ...]) -> int:
    """A resnet's stem halves images of more than 16 pixels: a quarter of the work for every layer after it."""
    return 2 if max(inputs[1:]) > 16 else 1


def _dense(name: str, outputs: int, inputs: int, role: Role) -> list[Slot]:
    return [Slot(f"{name}.weight", (outputs, inputs), role), Slot(f"{name}.bias", (outputs,), "bias")]


def _conv(name: str, outputs: int, inputs: int, side: int, positions: int, role: Role) -> list[Slot]:
    weight = Slot(f"{name}.weight", (outputs, inputs, side, side), role, positions)
    return [weight, Slot(f"{name}.bias", (outputs,), "bias", positions)]


def slots(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[Slot, ...]:
    """The weights of a member with these settings."""
    shapes: tuple[Slot, ...] = SHAPES.load(str(settings["model"]))(settings, inputs, outputs)
    return shapes


def flops_forward(layout: tuple[Slot, ...]) -> int:
    """Floating-point operations of one example's forward pass: two per weight and position."""
    return sum(2 * math.prod(slot.shape) * slot.positions for slot in layout)


def size(layout: tuple[Slot, ...]) -> int:
    """How many weights there are."""
    return sum(math.prod(slot.shape) for slot in layout)

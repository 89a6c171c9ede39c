"""What weights each model has: the one place that FLOPs, memory, initial values and forward passes go by.

Imports no torch: the coordinator knows a trial's cost before it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hpsearch.registry import Registry
from hpsearch.space.space import Params

Role = Literal[
    "hidden",
    "recurrent",
    "closing",
    "output",
    "bias",
    "gate",
    "open",
    "gain",
    "closing_gain",
    "slope",
    "mean",
    "variance",
    "spread",
    "noise",
]
WEIGHTS: tuple[Role, ...] = ("hidden", "recurrent", "closing", "output")
"""What penalties draw towards zero."""


NOISE = "output.noise"


@dataclass(frozen=True, slots=True)
class Slot:
    """One weight tensor of a member: (out, in), (out, in, height, width), or (out,) for a bias.

    It is applied at `positions` places of an example (the pixels of a convolution's output).
    A `closing` weight (or gain, where there is one) ends a residual branch and begins at zero, so that the
    block begins as the identity. A `gate` bias begins nearly shut, an `open` one the other way.
    `mean` and `variance` are running statistics: they get no gradient. A variational weight has a `spread` beside
    it, and a variational regression one number for the `noise` of its targets (see `engine.variational`).
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


def spread_of(weight: Slot) -> str:
    """The name of the spread that a variational weight has."""
    return f"{weight.name}.spread"


SHAPES = Registry(
    "model",
    {
        "mlp": "hpsearch.engine.structure.slots:mlp",
        "resnet": "hpsearch.engine.structure.slots:resnet",
        "rnn": "hpsearch.engine.structure.slots:rnn",
    },
)
"""Each is `(settings, shape of one input, outputs) -> slots`, in the order in which the model takes them."""


def mlp(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[Slot, ...]:
    """`depth` dense layers of `width` units, each with its gate where there is a highway, and the output layer."""
    width, depth = int(settings["width"]), int(settings["depth"])
    slots: list[Slot] = []
    for layer in range(depth):
        name = f"hidden{layer}"
        slots += _biased(
            _dense(name, width, width if layer else math.prod(inputs), "hidden"), settings
        )
        slots += [*_norm(name, width, settings), *_slope(name, settings)]
        if layer and settings["skip"] == "highway":
            slots += [
                Slot(f"{name}.gate.weight", (width, width), "hidden"),
                Slot(f"{name}.gate.bias", (width,), "gate"),
            ]
    slots += _dense("output", outputs, width, "output")
    return (
        (*slots, *_spreads(slots, outputs))
        if settings["bayesian"] == "variational"
        else tuple(slots)
    )


def resnet(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[Slot, ...]:
    """A stem, three stages of residual blocks (each halves the image and doubles the channels), the output layer.

    A block is two 3x3 convolutions; the first of a stage has a 1x1 convolution on its way around.
    """
    channels, blocks = int(settings["channels"]), int(settings["blocks"])
    depth, height, width = inputs
    if stem_stride(inputs) == 2:
        height, width = -(-height // 2), -(-width // 2)
    slots = _biased(_conv("stem", channels, depth, 3, height * width, "hidden"), settings)
    slots += [*_norm("stem", channels, settings), *_slope("stem", settings)]
    before = channels
    for stage in range(STAGES):
        after = channels * 2**stage
        if stage:
            height, width = -(-height // 2), -(-width // 2)
        for block in range(blocks):
            name = f"stage{stage}.block{block}"
            if before != after:
                slots += _conv(f"{name}.around", after, before, 1, height * width, "hidden")
            slots += _block(name, after, before, height * width, settings)
            before = after
    return (*slots, *_dense("output", outputs, before, "output"))


STAGES = 3
GATES = {
    "elman": ("new",),
    "gru": ("update", "reset", "new"),
    "lstm": ("input", "forget", "new", "output"),
}
"""What a recurrent cell computes from its input and its last state."""


def rnn(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[Slot, ...]:
    """`depth` recurrent layers of `width` units over the steps of a sequence, and the output layer."""
    width, depth = int(settings["width"]), int(settings["depth"])
    steps, features = sequence(inputs)
    slots: list[Slot] = []
    for layer in range(depth):
        for gate in GATES[str(settings["cell"])]:
            name = f"layer{layer}.{gate}"
            bias: Role = "open" if gate == "forget" else "bias"
            slots += [
                Slot(f"{name}.weight", (width, width if layer else features), "hidden", steps),
                Slot(f"{name}.recurrent", (width, width), "recurrent", steps),
                Slot(f"{name}.bias", (width,), bias, steps),
                *_norm(name, width, settings),
            ]
        slots += _slope(f"layer{layer}", settings)
    return (*slots, *_dense("output", outputs, width, "output"))


def sequence(inputs: tuple[int, ...]) -> tuple[int, int]:
    """How an input is read as a sequence, (steps, features): an image row by row, a table number by number."""
    if len(inputs) == 1:
        return inputs[0], 1
    channels, height, width = inputs
    return height, channels * width


def stem_stride(inputs: tuple[int, ...]) -> int:
    """A resnet's stem halves images of more than 16 pixels: a quarter of the work for every layer after it."""
    return 2 if max(inputs[1:]) > 16 else 1


def _block(name: str, outputs: int, inputs: int, positions: int, settings: Params) -> list[Slot]:
    normed = settings["norm"] != "none"
    first, second = f"{name}.first", f"{name}.second"
    return [
        *_biased(_conv(first, outputs, inputs, 3, positions, "hidden"), settings),
        *_norm(first, outputs, settings),
        *_slope(first, settings),
        *_biased(
            _conv(second, outputs, outputs, 3, positions, "hidden" if normed else "closing"),
            settings,
        ),
        *_norm(second, outputs, settings, "closing_gain"),
        *_slope(second, settings),
    ]


def _dense(name: str, outputs: int, inputs: int, role: Role) -> list[Slot]:
    return [
        Slot(f"{name}.weight", (outputs, inputs), role),
        Slot(f"{name}.bias", (outputs,), "bias"),
    ]


def _conv(
    name: str, outputs: int, inputs: int, side: int, positions: int, role: Role
) -> list[Slot]:
    weight = Slot(f"{name}.weight", (outputs, inputs, side, side), role, positions)
    return [weight, Slot(f"{name}.bias", (outputs,), "bias", positions)]


def _spreads(slots: list[Slot], outputs: int) -> list[Slot]:
    """What a variational net has beside its weights; a single output is a regression's."""
    spreads = [
        Slot(spread_of(slot), slot.shape, "spread") for slot in slots if slot.role in WEIGHTS
    ]
    return [*spreads, Slot(NOISE, (1,), "noise")] if outputs == 1 else spreads


def _biased(layer: list[Slot], settings: Params) -> list[Slot]:
    """A layer before the normalisation: batch norm takes off whatever a bias adds, so there is none."""
    return layer[:1] if settings["norm"] == "batch" else layer


def _norm(name: str, units: int, settings: Params, gain: Role = "gain") -> list[Slot]:
    """A normalised layer's gain and shift, and for batch norm what it has seen so far."""
    if settings["norm"] == "none":
        return []
    slots = [Slot(f"{name}.gain", (units,), gain), Slot(f"{name}.shift", (units,), "bias")]
    if settings["norm"] == "batch":
        slots += [
            Slot(f"{name}.mean", (units,), "mean"),
            Slot(f"{name}.variance", (units,), "variance"),
        ]
    return slots


def _slope(name: str, settings: Params) -> list[Slot]:
    return [Slot(f"{name}.slope", (1,), "slope")] if settings["activation"] == "prelu" else []


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

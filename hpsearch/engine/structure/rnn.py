"""The recurrent network: layers of Elman, GRU or LSTM cells over a sequence, and an output."""

from __future__ import annotations

from hpsearch.engine.structure.models import ModelType
from hpsearch.engine.structure.slots import (
    ParamSlot,
    Role,
    dense_slots,
    norm_slots,
    slope_slots,
)
from hpsearch.space.space import Params

GATES = {
    "elman": ("new",),
    "gru": ("update", "reset", "new"),
    "lstm": ("input", "forget", "new", "output"),
}
"""What each cell computes from its input and its last state."""


def layout(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[ParamSlot, ...]:
    """Return the slots of `depth` recurrent layers of `width` units, and of the output layer."""
    width, depth = int(settings["width"]), int(settings["depth"])
    steps, features = sequence(inputs)
    slots: list[ParamSlot] = []
    for layer in range(depth):
        for gate in GATES[str(settings["cell"])]:
            name = f"layer{layer}.{gate}"
            bias: Role = "open" if gate == "forget" else "bias"
            slots += [
                ParamSlot(f"{name}.weight", (width, width if layer else features), "hidden", steps),
                ParamSlot(f"{name}.recurrent", (width, width), "recurrent", steps),
                ParamSlot(f"{name}.bias", (width,), bias, steps),
                *norm_slots(name, width, settings),
            ]
        slots += slope_slots(f"layer{layer}", settings)
    return (*slots, *dense_slots("output", outputs, width, "output"))


def sequence(inputs: tuple[int, ...]) -> tuple[int, int]:
    """Return how an input is read as a sequence: the number of steps, and the features of each.

    An image is read row by row, with all channels of a row side by side; a table number by number.
    """
    if len(inputs) == 1:
        return inputs[0], 1
    channels, height, width = inputs
    return height, channels * width


RNN = ModelType(
    forward="hpsearch.engine.models.rnn:forward",
    layout=layout,
    structure=("depth", "cell"),
    padded=("width",),
)
"""Recurrent layers, whose last state the output layer reads."""

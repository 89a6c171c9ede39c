"""The multi-layer perceptron: dense layers, with or without a residual or highway path around."""

from __future__ import annotations

import math

from hpsearch.engine.structure.models import ModelType
from hpsearch.engine.structure.slots import (
    ParamSlot,
    before_norm,
    dense_slots,
    norm_slots,
    slope_slots,
)
from hpsearch.space.space import Params


def layout(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[ParamSlot, ...]:
    """Return the slots of `depth` hidden layers of `width` units, and of the output layer.

    With a highway every hidden layer after the first has a gate as well.
    """
    width, depth = int(settings["width"]), int(settings["depth"])
    slots: list[ParamSlot] = []
    for layer in range(depth):
        name, before = f"hidden{layer}", width if layer else math.prod(inputs)
        slots += before_norm(dense_slots(name, width, before, "hidden"), settings)
        slots += [*norm_slots(name, width, settings), *slope_slots(name, settings)]
        if layer and settings["skip"] == "highway":
            slots += [
                ParamSlot(f"{name}.gate.weight", (width, width), "hidden"),
                ParamSlot(f"{name}.gate.bias", (width,), "gate"),
            ]
    return (*slots, *dense_slots("output", outputs, width, "output"))


MLP = ModelType(
    forward="hpsearch.engine.models.mlp:forward",
    layout=layout,
    structure=("depth", "skip", "pretrain"),
    padded=("width",),
)
"""Dense layers; an image is read as a row of its numbers."""

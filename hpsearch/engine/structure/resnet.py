"""The residual network for images: a stem, three stages of blocks, and an output layer."""

from __future__ import annotations

from hpsearch.engine.structure.device import DeviceKind
from hpsearch.engine.structure.models import GPU_WEIGHTS, ModelType
from hpsearch.engine.structure.slots import (
    ParamSlot,
    before_norm,
    conv_slots,
    dense_slots,
    norm_slots,
    slope_slots,
)
from hpsearch.space.space import Params

STAGES = 3
_GPU_MEMBERS = 64
_NARROW, _NARROW_MEMBERS = 8, 4  # channels up to which members gain on a CPU, and how many of them


def layout(settings: Params, inputs: tuple[int, ...], outputs: int) -> tuple[ParamSlot, ...]:
    """Return the slots of the stem, of three stages of `blocks` blocks, and of the output layer.

    Each stage after the first halves the image and doubles the channels. A block is two 3x3
    convolutions; the first one of such a stage has a 1x1 convolution on its way around.
    """
    channels, blocks = int(settings["channels"]), int(settings["blocks"])
    depth, height, width = inputs
    if stem_stride(inputs) == 2:
        height, width = _halved(height, width)
    slots = before_norm(conv_slots("stem", channels, depth, 3, height * width, "hidden"), settings)
    slots += [*norm_slots("stem", channels, settings), *slope_slots("stem", settings)]
    before = channels
    for stage in range(STAGES):
        after = channels * 2**stage
        if stage:
            height, width = _halved(height, width)
        for block in range(blocks):
            name = f"stage{stage}.block{block}"
            if before != after:
                slots += conv_slots(f"{name}.around", after, before, 1, height * width, "hidden")
            slots += _block(name, after, before, height * width, settings)
            before = after
    return (*slots, *dense_slots("output", outputs, before, "output"))


def stem_stride(inputs: tuple[int, ...]) -> int:
    """Return the stride of the stem: 2 for images of more than 16 pixels on a side, else 1.

    Halving a large image spares every later layer three quarters of its work.
    """
    return 2 if max(inputs[1:]) > 16 else 1


def _halved(height: int, width: int) -> tuple[int, int]:
    return -(-height // 2), -(-width // 2)


def _block(
    name: str, outputs: int, inputs: int, positions: int, settings: Params
) -> list[ParamSlot]:
    first, second = f"{name}.first", f"{name}.second"
    # what ends the branch begins at zero: the gain of a normalisation, or else the weights
    closing = conv_slots(
        second,
        outputs,
        outputs,
        3,
        positions,
        "closing" if settings["norm"] == "none" else "hidden",
    )
    return [
        *before_norm(conv_slots(first, outputs, inputs, 3, positions, "hidden"), settings),
        *norm_slots(first, outputs, settings),
        *slope_slots(first, settings),
        *before_norm(closing, settings),
        *norm_slots(second, outputs, settings, "closing_gain"),
        *slope_slots(second, settings),
    ]


def capacity(settings: Params, weights: int, device: DeviceKind) -> int:
    """Return how many members train together.

    On a CPU grouped convolutions gain only while they are very narrow.
    """
    if device == "cuda":
        return max(1, min(_GPU_MEMBERS, GPU_WEIGHTS // weights))
    return _NARROW_MEMBERS if int(settings["channels"]) <= _NARROW else 1


RESNET = ModelType(
    forward="hpsearch.engine.models.resnet:forward",
    layout=layout,
    structure=("blocks",),
    padded=("channels",),
    input_ranks=(3,),
    capacity=capacity,
)
"""Residual blocks of convolutions; it takes images alone."""

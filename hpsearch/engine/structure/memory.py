"""How much memory a training takes on its device, known before it runs.

These are bounds: tests hold what torch allocates against them.
"""

from __future__ import annotations

import math

from hpsearch.data import Dataset
from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.device import Device
from hpsearch.engine.structure.models import param_slots
from hpsearch.engine.structure.slots import size
from hpsearch.space.space import Params

_NUMBER = 4  # bytes of a float32
_INDEX = 8  # bytes of a target
# What a member has for each weight: the weight, its gradient, two of an optimizer's state, the best
# ones so far, the initial ones, the mask of its padding, six settings that are written out, and
# three that a step, or the dropping of members that have ended, needs for a moment.
_COPIES = 16
# What a layer keeps of each of its outputs for the way back: what it sums, what is normalised, what
# is activated and what is left of that, with masks and two derivatives.
_KEPT = 7
_JUDGED = 256  # rows on which untrained networks are judged, all members at once
_PASSING = 3  # numbers for each output of a layer while nothing is kept for a way back
JUDGING = 1 << 26
"""Bytes that judging a split takes, however many members there are: its batches go by their number
(see `Feed.answers`)."""
# The rest is for what torch itself holds, for what its kernels need for a moment, and for holes.
_USABLE = 0.8


def fitting(settings: Params, inputs: InputShape, outputs: int, device: Device) -> float:
    """Return how many members with these settings fit into a device's memory."""
    if device.memory is None:
        return math.inf
    return (_USABLE * device.memory - JUDGING) // member_bytes(settings, inputs, outputs)


def member_bytes(settings: Params, inputs: InputShape, outputs: int) -> int:
    """Return how many bytes a member takes at most while it trains, beside the data."""
    slots = param_slots(settings, inputs, outputs)
    units = [slot.shape[0] * slot.positions for slot in slots if len(slot.shape) > 1]
    batch = int(settings["batch_size"])
    numbers = math.prod(inputs.sides)
    learning = batch * (2 * numbers + _KEPT * sum(units))
    judging = max(batch, _JUDGED) * (2 * numbers + _PASSING * max(units, default=0))
    return _NUMBER * (_COPIES * size(slots) + max(learning, judging))


def data_bytes(data: Dataset) -> int:
    """Return how many bytes the data take on a device, where they stay while anything trains."""
    rows = len(data.inputs)
    if data.inputs.dtype == "uint8":  # images are scaled on their way into a batch
        return data.inputs.nbytes + rows * (_INDEX + _NUMBER)
    return len(data.folds) * rows * (_NUMBER * math.prod(data.shape.sides) + _INDEX + _NUMBER)

"""Which trials train together: the key and the size of cohorts, from settings alone.

Nothing here looks at a clock or at who is free: the cohorts are a function of the study.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from hpsearch.data import Dataset
from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.costs import Cost, WaveCost
from hpsearch.engine.structure.device import Device
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.memory import fitting
from hpsearch.engine.structure.models import model_type, param_slots
from hpsearch.engine.structure.slots import size
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params

T = TypeVar("T")

_STRUCTURE = ("model", "norm", "bayesian", "batch_size", "epochs")  # of every model


def key(settings: Params) -> tuple[Value | None, ...]:
    """Return what members must have in common to be computed together.

    Their weights then have the same layout, up to widths that share a bucket (see `bucket`).
    """
    model = model_type(settings)
    structure = (settings.get(name) for name in (*_STRUCTURE, *model.structure))
    # a slope that is learned is a slot of its own
    learns_slope = settings["activation"] == "prelu"
    return (*structure, learns_slope, *(bucket(int(settings[name])) for name in model.padded))


def bucket(width: int) -> int:
    """Return the width up to which a layer may be padded.

    Buckets are the powers of two from 64, and from 128 on the midpoints between them as well: in
    wide layers products with padding cost more, in narrow ones waiting for company does.
    """
    power = 1 << max(6, (width - 1).bit_length())
    return power * 3 // 4 if power > 128 and width <= power * 3 // 4 else power


def capacity(settings: Params, inputs: InputShape, outputs: int, device: Device) -> int:
    """Return how many members with these settings one computation on this device has.

    They are those that gain from it, as far as they fit into its memory; one at least.
    """
    weights = size(param_slots(settings, inputs, outputs))
    gaining = model_type(settings).capacity(settings, weights, device.kind)
    return max(1, int(min(gaining, fitting(settings, inputs, outputs, device))))


def cohorts(
    settings: Sequence[Mapping[str, Value]],
    inputs: InputShape,
    outputs: int,
    device: Device,
    runs: int = 1,
    apart: Sequence[Hashable] | None = None,
) -> list[list[int]]:
    """Split a wave into cohorts, given as lists of positions in it.

    Trials with the same key train together in their order; where they are too many for one
    computation, they are split evenly.

    Args:
        settings: those of each trial, with defaults filled in.
        inputs: the shape of one input.
        outputs: how many numbers a network gives for one row.
        device: where the wave is trained.
        runs: how many members each trial has; they are never parted.
        apart: what else must be equal within a cohort, for each trial, such as its segment.
    """
    groups: dict[Hashable, list[int]] = {}
    for position, one in enumerate(settings):
        groups.setdefault((key(one), apart and apart[position]), []).append(position)
    split = []
    for positions in groups.values():
        most = capacity(padded([settings[p] for p in positions]), inputs, outputs, device)
        split += even_parts(positions, max(1, most // runs))
    return split


def arrays(
    members: Sequence[Member], inputs: InputShape, outputs: int, device: Device
) -> list[list[Member]]:
    """Split a cohort into the computations that are trained one after the other.

    There is one, unless the members of a single trial are too many for it.
    """
    return even_parts(
        members, capacity(padded([member.settings for member in members]), inputs, outputs, device)
    )


def even_parts(items: Sequence[T], most: int) -> list[list[T]]:
    """Split items, in order, into the fewest parts of at most `most`, as even as can be."""
    parts = -(-len(items) // most)
    return [
        list(items[i * len(items) // parts : (i + 1) * len(items) // parts]) for i in range(parts)
    ]


def wave_cost(settings: Params, data: Dataset, device: Device, members: int) -> WaveCost:
    """Return what a trial of so many `members` adds to the cost of a wave."""
    fold = data.folds[0]
    cost = Cost.of(settings, data.shape, data.outputs, len(fold.train), len(fold.validation))
    epochs = int(settings["epochs"])
    most = capacity(bucketed(settings), data.shape, data.outputs, device)
    flops, steps = members * cost.flops_after(epochs), cost.steps_after(epochs)
    return WaveCost(key(settings), max(1, most // members), flops, steps, members)


def padded(settings: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Return the first settings, widened so that all members, which have one key, fit into them."""
    widest = {
        name: max(int(one[name]) for one in settings) for name in model_type(settings[0]).padded
    }
    return {**settings[0], **widest}


def bucketed(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings of the widest member that has the same key."""
    widest = {name: bucket(int(settings[name])) for name in model_type(settings).padded}
    return {**settings, **widest}

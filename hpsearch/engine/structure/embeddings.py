"""Tables of vectors: what a network learns of features that are places in a table.

Source: Guo & Berkhahn 2016.
"""

from __future__ import annotations

from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.slots import ParamSlot

LENGTH = 16
"""How many numbers a vector has, however many places there are (see docs/decisions/0029)."""


def embedding_slots(inputs: InputShape) -> list[ParamSlot]:
    """Return a table for each feature that is looked up."""
    return [
        ParamSlot(f"embedding{k}.weight", (feature.places, LENGTH), "embedding", positions=0)
        for k, feature in enumerate(inputs.embedded)
    ]


def looked_up(inputs: InputShape) -> tuple[int, ...]:
    """Return the shape of what a model is given: numbers, and a vector in place of each place."""
    if not inputs.embedded:
        return inputs.sides
    return (inputs.numbers + LENGTH * len(inputs.embedded),)

"""Tables of vectors: what a network learns of features that are places in a table.

Source: Guo & Berkhahn 2016.
"""

from __future__ import annotations

import math

from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.slots import ParamSlot


def vector_length(places: int) -> int:
    """Return how many numbers each vector of a table has: 6 times the fourth root of the places.

    Source: Wang, Fu, Fu & Wang 2017.

    >>> [vector_length(places) for places in (66, 1_000, 10_001)]
    [17, 34, 60]
    """
    return round(6.0 * math.pow(places, 0.25))


def embedding_slots(inputs: InputShape) -> list[ParamSlot]:
    """Return a table for each feature that is looked up."""
    return [
        ParamSlot(
            f"embedding{k}.weight",
            (feature.places, vector_length(feature.places)),
            "embedding",
            positions=0,
        )
        for k, feature in enumerate(inputs.embedded)
    ]


def looked_up(inputs: InputShape) -> tuple[int, ...]:
    """Return the shape of what a model is given: numbers, and a vector in place of each place."""
    if not inputs.embedded:
        return inputs.sides
    return (inputs.numbers + sum(vector_length(feature.places) for feature in inputs.embedded),)

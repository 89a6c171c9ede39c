"""The shape of one input of a network, and which of its features are looked up in a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpsearch.data.columns import Column


@dataclass(frozen=True, slots=True)
class EmbeddedFeature:
    """A feature that is a place in a table, of which a network learns the vectors.

    Attributes:
        position: where it stands among the features, from 0.
        places: how many places the table has.
    """

    position: int
    places: int


@dataclass(frozen=True, slots=True)
class InputShape:
    """The shape of one input, as a data set's rows are encoded.

    Attributes:
        sides: (features,) or (channels, height, width).
        embedded: the features that are looked up, in the order of their positions; all others are
            numbers that a network takes as they are.
    """

    sides: tuple[int, ...]
    embedded: tuple[EmbeddedFeature, ...] = ()

    @property
    def numbers(self) -> int:
        """How many of its features are numbers."""
        return math.prod(self.sides) - len(self.embedded)


def shape_of(columns: Sequence[Column]) -> InputShape:
    """Return the shape of a row of these columns.

    >>> from hpsearch.data.columns import CategoryColumn, NumberColumn
    >>> towns = CategoryColumn("town", tuple(f"town{k}" for k in range(100)))
    >>> shape_of([NumberColumn("size"), towns])
    InputShape(sides=(2,), embedded=(EmbeddedFeature(position=1, places=101),))
    """
    embedded, features = [], 0
    for column in columns:
        if column.places:
            embedded.append(EmbeddedFeature(features, column.places))
        features += len(column.features)
    return InputShape((features,), tuple(embedded))

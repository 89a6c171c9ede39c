"""Validation rows that a source brings along: they are used where the split asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec
from hpsearch.errors import Problem, SpecError

PART = "part"
"""What the column is called that says which rows of such a source train and which validate."""


def own_parts(train: int, validation: int, what: Sequence[str], spec: DataSpec) -> NDArray[np.str_]:
    """Return the part of each row, those that train before those that validate.

    Args:
        train: how many rows train.
        validation: how many rows validate.
        what: the names of the folders or arrays that hold the latter, for the message.
        spec: it must name the column `part`, since rows are drawn by default.

    Raises:
        SpecError: the split is another one.
    """
    if spec.column != PART:
        named = " and ".join(f"'{name}'" for name in what)
        fault = f"'{spec.source}' has validation rows of its own ({named}), which are not asked for"
        place = spec.places.get("column", spec.places.get("source"))
        help_ = f"split: {{column: {PART}}} takes them; to have such rows drawn, leave {named} out"
        raise SpecError(Problem("E076", fault, place, help=help_))
    return np.repeat(["train", "validation"], [train, validation])

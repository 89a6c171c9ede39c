"""Find rows that depend on one another: several of one owner, or a series in time.

A random split puts some rows of an owner, or of a week, into training and others into validation.
A network then recognises what it has seen, and is worse with new owners and in weeks to come.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator

import numpy as np

from hpsearch.data import Dataset, Exact

_OWNER = re.compile(
    r"(?:.*[_ .-])?(?:id|uuid|guid|key|patient|subject|participant|person|user|customer|client|"
    r"owner|household|family|session|device|batch)s?|.*[a-z]I[dD]",
    re.I,
)
_FEWEST = 20  # owners, or times
_ROWS = 2  # of an owner, in the mean


def dependence(data: Dataset) -> Iterator[str]:
    """Yield which columns seem to say that rows belong together, unless the split goes by one."""
    if data.rule.by_column:
        return
    for k, column in enumerate(data.columns):
        is_owner = _OWNER.fullmatch(column.name) is not None
        if not is_owner and column.kind != "date":
            continue
        name, numbers = reprlib.repr(column.name), data.inputs[:, k].astype(np.float64)
        known = numbers[~np.isnan(numbers)]
        values = len(np.unique(known))
        if values < _FEWEST:
            continue
        if column.kind == "date" and _is_sorted(known):
            series = f"rows are in order of {name}: where later rows are predicted from earlier"
            yield f"{series} ones, split: {{by: {name}}}"
        elif is_owner and values * _ROWS <= len(known):
            owners = (
                f"{name} has {values:,} values in {len(known):,} rows: if it says whose they are"
            )
            yield f"{owners}, split: {{group: {name}}}"


def _is_sorted(times: Exact) -> bool:
    steps = np.diff(times)
    return bool((steps >= 0.0).all() or (steps <= 0.0).all())

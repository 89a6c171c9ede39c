"""Split rows in order of time: what trains is earlier than what validates, and tests the latest."""

from __future__ import annotations

import numpy as np

from hpsearch.data import Exact, Ints


def held_out(times: Exact, validation: int, test: int) -> tuple[Ints, Ints, Ints]:
    """Return the rows that train, validate and test, each in ascending order.

    Rows of one time stay together, so that the sizes are only about those that are asked for.

    Args:
        times: (rows,) the time of each row.
        validation: how many rows should validate.
        test: how many should test: the latest ones.

    >>> times = np.array([3.0, 1, 2, 0, 4, 5, 6, 7, 8, 9])
    >>> [rows.tolist() for rows in held_out(times, validation=2, test=2)]
    [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]
    """
    order = np.argsort(times, kind="stable")
    ends = [len(order) - test - validation, len(order) - test]
    first, second = (_between(times[order], end) for end in ends)
    train, judged, tested = (np.sort(part) for part in np.split(order, [first, second]))
    return train, judged, tested


def folded(rows: Ints, times: Exact, folds: int) -> list[tuple[Ints, Ints]]:
    """Return the rows that train and those that validate in each fold, in ascending order.

    The first half of the time trains the first fold. Each fold validates the next stretch, and its
    window of training rows, as long in all of them, moves along.

    >>> [(train.tolist(), judged.tolist()) for train, judged
    ...     in folded(np.arange(8), np.arange(8.0), 2)]
    [([0, 1, 2, 3], [4, 5]), ([2, 3, 4, 5], [6, 7])]
    """
    order = rows[np.argsort(times[rows], kind="stable")]
    length = len(order) // (2 * folds)  # of what a fold validates
    window = len(order) - length * folds
    starts = [_between(times[order], window + length * k) for k in range(folds)]
    begins = [_between(times[order], length * k) for k in range(folds)]
    ends = [*starts[1:], len(order)]
    return [
        (np.sort(order[begin:start]), np.sort(order[start:end]))
        for begin, start, end in zip(begins, starts, ends, strict=True)
    ]


def _between(times: Exact, at: int) -> int:
    """Return a place near `at` in ascending times that parts no two equal ones."""
    if not 0 < at < len(times):
        return at
    before = int(np.searchsorted(times, times[at], side="left"))
    after = int(np.searchsorted(times, times[at], side="right"))
    return before if at - before <= after - at else after

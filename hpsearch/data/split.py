"""The split: which rows train, which validate, which test. Depends on the groups, the sizes and the seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Ints


def split(groups: Ints, validation: int, test: int, seed: int) -> tuple[Ints, Ints, Ints]:
    """Rows for training, validation and test, each ascending; the last two have the given sizes.

    A part gets of each group its share, rounded down or up, and training at least one row of each. `groups` numbers
    them 0, 1, ...: the classes, or a single group for a plain permutation. There must be more rows besides validation
    and test than groups, or as many.
    """
    rows = len(groups)
    counts = np.bincount(groups)
    tests = _seats(counts * test / rows, counts - 1, test)
    owed = counts * (test + validation) / rows - tests
    validations = _seats(counts * validation / rows, counts - tests - 1, validation, owed)
    order, place = _queues(groups, counts, np.random.default_rng([seed, 0]))
    group = groups[order]
    in_test, in_both = place < tests[group], place < (tests + validations)[group]
    return np.sort(order[~in_both]), np.sort(order[in_both & ~in_test]), np.sort(order[in_test])


def set_aside(groups: Ints, test: int, seed: int) -> tuple[Ints, Ints]:
    """All rows but the test's, and the test's, ascending; of each group its share, and two left at least."""
    counts = np.bincount(groups)
    tests = _seats(counts * test / len(groups), counts - 2, test)
    order, place = _queues(groups, counts, np.random.default_rng([seed, 0]))
    in_test = place < tests[groups[order]]
    return np.sort(order[~in_test]), np.sort(order[in_test])


def folded(rows: Ints, groups: Ints, folds: int, seed: int) -> list[tuple[Ints, Ints]]:
    """The rows for training and for validation in each fold, ascending. Each row validates in one.

    The folds' sizes differ by one at most, and so do their rows of one group.
    """
    inside = groups[rows]
    order, _ = _queues(inside, np.bincount(inside), np.random.default_rng([seed, 2]))
    fold_of = np.empty_like(rows)
    fold_of[order] = np.arange(len(rows)) % folds  # dealt out group by group
    return [(rows[fold_of != fold], rows[fold_of == fold]) for fold in range(folds)]


def thinned(rows: Ints, groups: Ints, most: int, seed: int) -> Ints:
    """At most `most` of the rows, ascending, of each group its share, rounded down or up."""
    if most >= len(rows):
        return rows
    inside = groups[rows]
    counts = np.bincount(inside)
    order, place = _queues(inside, counts, np.random.default_rng([seed, 1]))
    seats = _seats(counts * most / len(rows), counts, most)
    return rows[np.sort(order[place < seats[inside[order]]])]


def _seats(
    quota: NDArray[np.float64], room: Ints, total: int, owed: NDArray[np.float64] | None = None
) -> Ints:
    """Hand out `total` whole seats: each group its quota rounded down, then one more to those that are owed most."""
    if total > room.sum():
        raise ValueError(f"{total} seats do not fit in {room.sum()}")
    owed = quota if owed is None else owed
    seats = np.minimum(np.floor(quota).astype(np.int64), room)
    while (left := total - int(seats.sum())) > 0:
        free = np.flatnonzero(seats < room)
        seats[free[np.argsort((seats - owed)[free], kind="stable")[:left]]] += 1
    return seats


def _queues(groups: Ints, counts: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The rows in random order, group by group, and each one's place (from 0) in the queue of its group."""
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    return order, np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)

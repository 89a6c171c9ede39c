"""Draw the rows of a split; they depend on groups, sizes and seed alone.

The rows of a group (a class; or all rows, where there are no classes) are dealt out evenly: each
part of the split gets the group's share, rounded down or up. `groups` gives the number of each
row's group, counted from 0. Every generator is seeded with the split's seed and a number of its
own, so that the choices are independent: 0 for validation and test, 1 for thinning, 2 for folds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Ints


def split(groups: Ints, validation: int, test: int, seed: int) -> tuple[Ints, Ints, Ints]:
    """Return the rows that train, validate and test, each in ascending order.

    Each part gets of each group its share, rounded down or up, but training always gets one row.

    Args:
        groups: (rows,) the number of each row's group; zeros for a plain random split.
        validation: how many rows validate.
        test: how many rows test; at least as many rows as there are groups must be left to train.
        seed: the same seed gives the same rows.

    >>> train, validation, test = split(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 2, 2, seed=0)
    >>> train.tolist(), validation.tolist(), test.tolist()
    ([0, 1, 5, 7], [3, 6], [2, 4])
    """
    rows = len(groups)
    counts = np.bincount(groups)
    tests = _seats(counts * test / rows, counts - 1, test)
    # A group whose share was rounded up in the test is rounded down here: it is the share of both
    # together that is rounded.
    owed = counts * (test + validation) / rows - tests
    validations = _seats(counts * validation / rows, counts - tests - 1, validation, owed)
    order, place = _queues(groups, counts, np.random.default_rng([seed, 0]))
    group = groups[order]
    in_test, in_both = place < tests[group], place < (tests + validations)[group]
    return np.sort(order[~in_both]), np.sort(order[in_both & ~in_test]), np.sort(order[in_test])


def set_aside(groups: Ints, test: int, seed: int) -> tuple[Ints, Ints]:
    """Return all rows but `test` of them, and these, both in ascending order.

    Each group gives its share, rounded down or up, but keeps two rows at least.
    """
    counts = np.bincount(groups)
    tests = _seats(counts * test / len(groups), counts - 2, test)
    order, place = _queues(groups, counts, np.random.default_rng([seed, 0]))
    in_test = place < tests[groups[order]]
    return np.sort(order[~in_test]), np.sort(order[in_test])


def folded(rows: Ints, groups: Ints, folds: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Return the rows that train and those that validate in each fold, in ascending order.

    Each of `rows` validates in exactly one fold. The folds' sizes differ by one at most, and so do
    the numbers of validating rows of each group.
    """
    inside = groups[rows]
    order, _ = _queues(inside, np.bincount(inside), np.random.default_rng([seed, 2]))
    fold_of = np.empty_like(rows)
    fold_of[order] = np.arange(len(rows)) % folds  # dealt out one group after the other
    return [(rows[fold_of != fold], rows[fold_of == fold]) for fold in range(folds)]


def thinned(rows: Ints, groups: Ints, most: int, seed: int) -> Ints:
    """Return at most `most` of the rows, ascending, each group with its share of them."""
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
    """Hand out `total` whole seats to the groups, by the method of largest remainders.

    Args:
        quota: what each group would get if seats could be divided; it gets that, rounded down.
        room: how many seats each group can take.
        total: how many seats there are.
        owed: by which the remaining seats go to the groups; by default their quota.

    Raises:
        ValueError: there are more seats than room.
    """
    if total > room.sum():
        raise ValueError(f"{total} seats do not fit in {room.sum()}")
    owed = quota if owed is None else owed
    seats = np.minimum(np.floor(quota).astype(np.int64), room)
    while (left := total - int(seats.sum())) > 0:
        free = np.flatnonzero(seats < room)
        seats[free[np.argsort((seats - owed)[free], kind="stable")[:left]]] += 1
    return seats


def _queues(groups: Ints, counts: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return the rows in random order, group by group, and each one's place in its group from 0."""
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    return order, np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)

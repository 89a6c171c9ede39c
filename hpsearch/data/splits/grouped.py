"""Split rows so that those of one group stay together: all in training, or all elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpsearch.data import Ints


def held_out(groups: Ints, validation: int, test: int, seed: int) -> tuple[Ints, Ints, Ints]:
    """Return the rows that train, validate and test, each in ascending order.

    Each part has as many rows as it should, to within the rows of one group.

    Args:
        groups: (rows,) the number of each row's group, from 0.
        validation: how many rows should validate.
        test: how many should test.
        seed: the same seed gives the same rows.

    Raises:
        ValueError: there are too few groups.

    >>> owners = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    >>> [rows.tolist() for rows in held_out(owners, validation=2, test=2, seed=1)]
    [[0, 1, 4, 5, 8, 9], [6, 7], [2, 3]]
    """
    wanted = [len(groups) - validation - test, validation, test]
    part_of = _dealt(np.bincount(groups), wanted, np.random.default_rng([seed, 3]))
    train, judged, tested = (np.flatnonzero(part_of[groups] == part) for part in range(3))
    return train, judged, tested


def folded(rows: Ints, groups: Ints, folds: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Return the rows that train and those that validate in each fold, in ascending order.

    Each of `rows` validates in exactly one fold, and the folds' sizes differ by no more than the
    rows of one group.

    Raises:
        ValueError: there are too few groups.
    """
    _, inside = np.unique(groups[rows], return_inverse=True)
    rng = np.random.default_rng([seed, 4])
    fold_of = _dealt(np.bincount(inside), [len(rows) / folds] * folds, rng)[inside]
    return [(rows[fold_of != fold], rows[fold_of == fold]) for fold in range(folds)]


def _dealt(counts: Ints, wanted: Sequence[float], rng: np.random.Generator) -> Ints:
    """Return the part that each group goes to: the largest first, to where most rows are lacking.

    Groups of one size are dealt in random order.

    Raises:
        ValueError: a part gets none.
    """
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order], kind="stable")]
    lacking = np.array(wanted, dtype=np.float64)
    part_of = np.empty(len(counts), dtype=np.int64)
    for group in order:
        part_of[group] = part = int(lacking.argmax())
        lacking[part] -= counts[group]
    if any(rows and part not in part_of for part, rows in enumerate(wanted)):
        raise ValueError(f"{len(counts)} groups are too few")
    return part_of

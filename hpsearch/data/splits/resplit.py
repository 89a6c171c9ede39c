"""Split a data set anew, from the data set alone: without its source, on any machine."""

from __future__ import annotations

import numpy as np

from hpsearch.data import Dataset, Ints
from hpsearch.data.prepare import with_parts
from hpsearch.data.splits.parts import Parts
from hpsearch.data.splits.split import folded, set_aside


def resplit(dataset: Dataset, number: int) -> Dataset:
    """Return the data with the rows of training and validation drawn anew, in the same sizes.

    The test split stays as it is, and so do the targets, so that losses of all splits are in one
    unit; inputs are scaled by the new training rows. Number 0 is the data set itself. It is also
    returned where a column says which part each row belongs to, and where too few rows are held in
    to leave two of each class for training.

    Args:
        dataset: what `prepare` returned, or the same read from a file.
        number: which split, 0 or more; the same number gives the same split.

    >>> from hpsearch.data import DataSpec
    >>> from hpsearch.data.prepare import prepare
    >>> wine = prepare(DataSpec("wine"))
    >>> resplit(wine, 0) is wine
    True
    >>> other = resplit(wine, 1)
    >>> wine.folds[0].validation[:5].tolist(), other.folds[0].validation[:5].tolist()
    ([1, 2, 9, 11, 20], [4, 7, 9, 20, 22])
    """
    if number == 0 or dataset.rule.by_column:
        return dataset
    # 2^64 is more than any seed that a person can write, so that no two splits share a seed
    seed = dataset.rule.split_seed + (number << 64)
    parts = Parts([(fold.train, fold.validation) for fold in dataset.folds], dataset.test)
    groups = _groups(dataset)
    if len(parts.folds) > 1:
        drawn = folded(parts.pool, groups, len(parts.folds), seed)
        return with_parts(dataset, Parts(drawn, dataset.test))
    ((_, judged),) = parts.folds
    pool = parts.pool
    kinds, inside = np.unique(groups[pool], return_inverse=True)
    if len(judged) > len(inside) - 2 * len(kinds):
        return dataset
    train, judged = (pool[rows] for rows in set_aside(inside, len(judged), seed))
    return with_parts(dataset, Parts([(train, judged)], dataset.test))


def _groups(dataset: Dataset) -> Ints:
    """Return the number of each row's class, or zeros where there are none."""
    if dataset.task == "classification":
        return dataset.targets.astype(np.int64, copy=False)
    return np.zeros(len(dataset.targets), dtype=np.int64)

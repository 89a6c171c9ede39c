"""The rows on which a model is trained once its settings are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from hpsearch.data import Dataset
from hpsearch.data.scale import scaled_fold
from hpsearch.data.splits.parts import Parts

RefitRows = Literal["train", "validation", "all"]
"""The rows that train; those that validate as well; or those of the test split, too."""


def for_refit(dataset: Dataset, rows: RefitRows) -> Dataset:
    """Return the data with one fold, which trains on these rows; no other row moves.

    Inputs are scaled by the rows that train. Of several folds every row that is not in the test
    split trains in some of them, so that `train` and `validation` are the same.

    >>> from hpsearch.data import DataSpec
    >>> from hpsearch.data.prepare import prepare
    >>> wine = prepare(DataSpec("wine"))
    >>> for rows in ("train", "validation", "all"):
    ...     found = for_refit(wine, rows)
    ...     [len(part) for part in (found.folds[0].train, found.folds[0].validation, found.test)]
    [106, 36, 36]
    [142, 0, 36]
    [178, 0, 0]
    """
    none = dataset.test[:0]
    if rows != "all" and dataset.whole is not None:
        return replace(dataset, folds=(dataset.whole,), whole=None)
    if rows == "train":
        return dataset
    pool = Parts([(fold.train, fold.validation) for fold in dataset.folds], dataset.test).pool
    trained = np.union1d(pool, dataset.test) if rows == "all" else pool
    kind, columns = dataset.rule.input_scale, dataset.columns
    fold = scaled_fold(dataset.inputs, trained, none, kind, columns)
    test = none if rows == "all" else dataset.test
    return replace(dataset, folds=(fold,), whole=None, test=test)

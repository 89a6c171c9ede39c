"""The digest of a data set, by which a study recognises the data that it was begun with."""

from __future__ import annotations

import hashlib

import numpy as np

from hpsearch.data import Dataset
from hpsearch.data.columns import to_json
from hpsearch.data.columns.encode import is_plain


def digest_of(dataset: Dataset) -> str:
    """Return the sha256 (64 hexadecimal digits) of all that results rest on.

    That is inputs, targets, their meaning and weights, and the split.

    The name, the names of the columns and the scale of the inputs do not count: they change no
    result, or follow from what does count.
    """
    rows = [part for fold in dataset.folds for part in (fold.train, fold.validation)]
    facts: tuple[object, ...] = (dataset.classes, dataset.target_center, dataset.target_scale)
    if not all(is_plain(column) for column in dataset.columns):
        facts = (*facts, [to_json(column) for column in dataset.columns])
    arrays = [dataset.inputs, dataset.targets, *rows, dataset.test]
    if dataset.weights is not None:
        facts = (*facts, "losses" if dataset.metric_weights is None else "losses and metrics")
        arrays.append(dataset.weights)
    total = hashlib.sha256(repr(facts).encode())
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()

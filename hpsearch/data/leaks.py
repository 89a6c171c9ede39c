"""Find what makes figures better than they will be: columns that tell the target, copies of rows.

A network that is given the answer in its inputs learns to copy it. Losses are then excellent, and
predictions for rows whose answer nobody knows yet are not.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator

import numpy as np

from hpsearch.data import Dataset, Exact, Ints

_TRAINED, _JUDGED = 10_000, 5_000  # rows that are looked at
_LEAST = 20  # rows that validate; fewer may be right by chance
_ERRORS = 0.01  # share of errors, up to which a column tells the classes
_OF_CONSTANT = 0.15  # and up to which part of the constant prediction's errors
_UNEXPLAINED = 0.001  # share of the variance of numbers
_COPIES = 0.05  # share of the rows that validate


def leaks(data: Dataset) -> Iterator[str]:
    """Yield what of a table may be known too early, in words that a person reads.

    Columns are judged on the first fold: the rows that validate are answered by the nearest value
    among the rows that train.
    """
    fold = data.folds[0]
    train, judged = _few(fold.train, _TRAINED), _few(fold.validation, _JUDGED)
    if data.inputs.ndim != 2 or len(judged) < _LEAST:
        return
    for k, column in enumerate(data.columns):
        if _tells(data, data.inputs[:, k].astype(np.float64), train, judged):
            name = reprlib.repr(column.name)
            known = f"{name} alone tells {data.target}: will it be known when you predict?"
            yield f"{known} If not, drop it"
    share = _copied(data, train, judged)
    if share > _COPIES and len(data.columns) > 1:
        copies = f"{share:.0%} of the rows that validate are copies of rows that train"
        yield f"{copies}; split: {{group: COLUMN}} keeps together what belongs together"


def _few(rows: Ints, most: int) -> Ints:
    """Return at most so many of the rows, spread over all of them."""
    return rows[:: -(-len(rows) // most)]


def _tells(data: Dataset, column: Exact, train: Ints, judged: Ints) -> bool:
    """Say whether a column alone is nearly as good as the target."""
    train, judged = (rows[~np.isnan(column[rows])] for rows in (train, judged))
    if len(judged) < _LEAST or len(train) < 2:
        return False
    order = train[np.argsort(column[train], kind="stable")]
    known = column[order]
    after = np.searchsorted(known, column[judged]).clip(1, len(known) - 1)
    is_before = column[judged] - known[after - 1] <= known[after] - column[judged]
    answers = data.targets[order[np.where(is_before, after - 1, after)]]
    found = data.targets[judged]
    if data.task == "classification":
        usual = float((found != np.bincount(data.targets[train]).argmax()).mean())
        return float((answers != found).mean()) <= min(_ERRORS, _OF_CONSTANT * usual)
    error = float(((answers - found) ** 2).mean())
    usual = float(((found - data.targets[train].mean(dtype=np.float64)) ** 2).mean())
    return error <= _UNEXPLAINED * usual


def _copied(data: Dataset, train: Ints, judged: Ints) -> float:
    """Return the share of rows that validate of which all inputs and the target are in training."""
    known = {row.tobytes() for row in _with_targets(data, train)}
    return float(np.mean([row.tobytes() in known for row in _with_targets(data, judged)]))


def _with_targets(data: Dataset, rows: Ints) -> Exact:
    inputs = np.nan_to_num(data.inputs[rows].astype(np.float64), nan=-1.0)
    return np.column_stack([inputs, data.targets[rows].astype(np.float64)])

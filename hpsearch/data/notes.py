"""What a person should know of data before the first trial: what they are, and what is doubtful."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hpsearch.data import BALANCED, Dataset, Ints, Kind
from hpsearch.data.columns import UNSEEN
from hpsearch.data.dependence import dependence
from hpsearch.data.leaks import leaks
from hpsearch.data.scale import varies
from hpsearch.data.weights import variance

_FEW_ROWS = 20  # that validate
_STEADY_ROWS = 200  # that validate, from which on one set of them gives a steady loss
_FOLDS = "split: {folds: 5} lets each row validate once"
_FEW_OF_A_CLASS = 5
_UNEVEN = 10  # times as many rows of the most frequent class as of the rarest one
_LISTED = 3
_MANY_OTHERS = 0.1  # share of the rows with a category that is not told apart
_PLURALS: Mapping[Kind, str] = {"number": "numbers", "category": "categories", "date": "dates"}


def summary(data: Dataset) -> str:
    """Return in a line what the data are, and which rows do what.

    >>> from hpsearch.data import DataSpec
    >>> from hpsearch.data.prepare import prepare
    >>> summary(prepare(DataSpec("wine")))
    'wine: 178 rows of 13 inputs, 3 classes of class; 106 train, 36 validate, 36 test'
    >>> summary(prepare(DataSpec("diabetes", folds=5)))
    'diabetes: 442 rows of 10 inputs, regression of progression; 354 in 5 folds, 88 test'
    """
    return f"{data.name}: {_inputs(data)}, {_task(data)}; {', '.join(_parts(data))}"


def announcement(data: Dataset) -> list[str]:
    """Return what a person is told of the data before they are trained on, and what is doubtful."""
    return [summary(data), *(f"note: {note}" for note in data.notes)]


def _inputs(data: Dataset) -> str:
    rows = f"{len(data.targets):,}"
    if len(data.shape.sides) == 1:
        return (
            f"{rows} rows of {_counted(len(data.columns) or data.features, 'input')}{_kinds(data)}"
        )
    channels, height, width = data.shape.sides
    return f"{rows} images of {height} x {width} pixels, {_counted(channels, 'channel')}"


def _kinds(data: Dataset) -> str:
    """Return how many columns are of each kind, unless all are numbers."""
    counts = Counter(column.kind for column in data.columns)
    if set(counts) <= {"number"}:
        return ""
    said = [
        f"{count:,} {kind if count == 1 else _PLURALS[kind]}"
        for kind in _PLURALS
        if (count := counts[kind])
    ]
    return f" ({', '.join(said)})"


def _task(data: Dataset) -> str:
    task = f"regression of {data.target}"
    if data.task == "classification":
        task = f"{len(data.classes)} classes of {data.target}"
    if data.weighted_by == BALANCED:
        return f"{task} that count alike"
    return task if data.weighted_by is None else f"{task}, weighted by {data.weighted_by}"


def _parts(data: Dataset) -> Iterator[str]:
    fold = data.folds[0]
    train, judged = len(fold.train), len(fold.validation)
    if len(data.folds) > 1:
        yield f"{train + judged:,} in {len(data.folds)} folds"
    else:
        yield f"{train:,} train"
        yield f"{judged:,} validate"
    if len(data.test):
        yield f"{len(data.test):,} test"


def doubts(data: Dataset) -> Iterator[str]:
    """Yield what makes the figures of trials worth less than they look.

    Few rows validate, or few of a class, or few that count; some classes are rare; a column only
    varies where nothing is learned from it, or tells the target; or rows belong together.
    """
    judged = np.concatenate([fold.validation for fold in data.folds])
    worth = _worth(data, judged)
    if len(judged) < _FEW_ROWS:
        rows = _counted(len(judged), "row")
        yield f"only {rows} to validate: losses are mostly chance{_remedy(data)}"
    elif worth < _FEW_ROWS:
        yield (
            f"by their weights, the {len(judged):,} rows to validate are worth {worth:.0f} that "
            f"count alike: losses are mostly chance{_remedy(data)}"
        )
    elif data.task == "classification":
        counts = np.bincount(data.targets[judged], minlength=len(data.classes))
        few = [
            f"{count} of {reprlib.repr(name)}"
            for name, count in zip(data.classes, counts, strict=True)
            if count < _FEW_OF_A_CLASS
        ]
        if few:
            rows = f"few rows of a class to validate ({_listed(few)})"
            yield f"{rows}: how it is told is chance{_remedy(data)}"
    yield from _rare_class(data)
    of_one = any(not variance(data.targets[fold.validation]) for fold in data.folds)
    if data.task == "regression" and of_one:
        yield "all rows that validate have one target, so that r2 is not defined"
    if len(data.shape.sides) == 1:
        yield from _only_elsewhere(data)
        yield from _not_told_apart(data)
        yield from leaks(data)
        yield from dependence(data)


def _worth(data: Dataset, rows: Ints) -> float:
    """Return of how many rows that count alike a mean would be as sure (Kish 1965)."""
    if data.metric_weights is None:
        return len(rows)
    weights = data.metric_weights[rows].astype(np.float64)
    return float(weights.sum() ** 2 / (weights**2).sum())


def _rare_class(data: Dataset) -> Iterator[str]:
    """Yield that a class is rare, where nobody has said how much its rows count."""
    if data.task != "classification" or data.weights is not None:
        return
    rows = np.unique(np.concatenate([part for f in data.folds for part in (f.train, f.validation)]))
    counts = np.bincount(data.targets[rows], minlength=len(data.classes))
    rare, often = int(counts.argmin()), int(counts.argmax())
    if counts[rare] * _UNEVEN < counts[often]:
        names = [reprlib.repr(data.classes[k]) for k in (rare, often)]
        yield (
            f"{counts[often]:,} rows are of {names[1]}, and {counts[rare]:,} of {names[0]}: with "
            f"`weights: {BALANCED}` they count alike, and `metric: balanced_accuracy` judges so"
        )


def _remedy(data: Dataset) -> str:
    """Return what helps where few rows validate; nothing where folds cannot, or are there."""
    return "" if len(data.folds) > 1 or data.rule.by_column else f"; {_FOLDS}"


def advice(data: Dataset) -> Iterator[str]:
    """Yield what could be done better, beside what the notes on the data say."""
    judged = len(data.folds[0].validation)
    is_said = any(_FOLDS in note for note in data.notes)
    if _remedy(data) and judged < _STEADY_ROWS and not is_said:
        yield f"{judged} rows that validate give an unsteady loss; {_FOLDS}"


def _only_elsewhere(data: Dataset) -> Iterator[str]:
    """Yield which columns are constant in training, and not in other rows."""
    found = np.zeros(len(data.columns), dtype=np.bool_)
    for fold in data.folds:
        first, others = fold.train[0], np.concatenate([fold.validation, data.test])
        found |= ~varies(data.inputs, fold.train, first) & varies(data.inputs, others, first)
    if found.any():
        names = [reprlib.repr(data.columns[k].name) for k in np.flatnonzero(found)]
        which = f"column {names[0]} does" if len(names) == 1 else f"columns {_listed(names)} do"
        yield f"{which} not vary in training, but in other rows: the effect there is chance"


def _not_told_apart(data: Dataset) -> Iterator[str]:
    """Yield the columns of which many rows have a category that is too rare to be told apart."""
    for k, column in enumerate(data.columns):
        share = float((data.inputs[:, k] == UNSEEN).mean()) if column.kind == "category" else 0.0
        if share > _MANY_OTHERS:
            name = reprlib.repr(column.name)
            yield f"{name}: {share:.0%} of the rows have a category too rare to be told apart"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

"""Find the task, and turn targets into class numbers or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Ints, RawData, Task
from hpsearch.errors import Problem, SpecError

FEW = 20
"""Whole numbers of at most so many different values are classes, unless told otherwise."""
MOST_CLASSES = 1000
_EXACT = 2.0**53  # float64 holds every whole number below it


def task_of(raw: RawData, asked: Task | None) -> Task:
    """Return the task asked for, else the one that the source knows, else a guess by the targets.

    Text and booleans are classes, and so are whole numbers of at most 20 different values.
    """
    if asked is not None:
        return asked
    if raw.task is not None:
        return raw.task
    if raw.targets.dtype.kind in "bU":
        return "classification"
    few = _whole(raw.targets).all() and len(np.unique(raw.targets)) <= FEW
    return "classification" if few else "regression"


def class_numbers(raw: RawData) -> tuple[Ints, tuple[str, ...]]:
    """Return the class of each row as a position in the names of the classes, and these names.

    Text is ordered by its letters, numbers by their size. The rows of the source's test file come
    after the others.

    Raises:
        SpecError: a target is a fraction, there is one class only or more than 1,000 of them, a
            class has a single row, or the test file has a class of its own.
    """
    labels = _labels(raw)
    found, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    classes = tuple(str(label) for label in found)
    if len(classes) == 1:
        raise SpecError(Problem("E075", f"{raw.name}: there is one class only, '{classes[0]}'"))
    if len(classes) > MOST_CLASSES:
        fault = f"target '{raw.target}' has {len(classes):,} different values, too many for classes"
        raise SpecError(Problem("E075", f"{raw.name}: {fault}", help=_if_numbers(raw)))
    if counts.min() < 2:
        lone = [name for name, count in zip(classes, counts, strict=True) if count < 2]
        named = ", ".join(f"'{name}'" for name in lone[:5]) + (", ..." if len(lone) > 5 else "")
        fault = (
            "each class needs 2 rows, to train and to validate; "
            f"with one there {'is' if len(lone) == 1 else 'are'} {named}"
        )
        raise SpecError(Problem("E076", f"{raw.name}: {fault}", help=_if_numbers(raw)))
    if raw.test is not None:
        numbers = np.concatenate([numbers, _known(raw.test, classes)])
    return numbers.astype(np.int64), classes


def regression_values(raw: RawData) -> NDArray[np.float64]:
    """Return the number of each row, those of the source's test file after the others.

    Raises:
        SpecError: the targets are text, or all the same.
    """
    parts = (raw,) if raw.test is None else (raw, raw.test)
    for part in parts:
        if part.targets.dtype.kind == "U":
            row, text = (_words(part.targets) or [(1, part.targets[0])])[0]
            fault = f"regression needs numbers, and target '{part.target}', row {row}, is '{text}'"
            raise SpecError(Problem("E075", f"{part.name}: {fault}"))
    if (raw.targets == raw.targets[0]).all():
        value = float(raw.targets[0])
        fault = f"target '{raw.target}' is {value:g} in every row: there is nothing to learn"
        raise SpecError(Problem("E075", f"{raw.name}: {fault}"))
    return np.concatenate([part.targets.astype(np.float64) for part in parts])


def _labels(raw: RawData) -> NDArray[Any]:
    """Return text and booleans as they are, numbers as integers."""
    targets = raw.targets
    if targets.dtype.kind in "bU":
        return targets
    whole = _whole(targets)
    if not whole.all():
        at = int(whole.argmin())
        fault = (
            "classes are text or whole numbers, "
            f"and target '{raw.target}', row {at + 1}, is {targets[at]:g}"
        )
        raise SpecError(Problem("E075", f"{raw.name}: {fault}", help="task: regression"))
    return targets.astype(np.int64)


def _whole(targets: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which targets are whole numbers that float64 and int64 hold alike."""
    numbers = targets.astype(np.float64)
    whole: NDArray[np.bool_] = (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)
    return whole


def _known(test: RawData, classes: tuple[str, ...]) -> Ints:
    """Return the class numbers of the test file, whose classes must all be among these."""
    number = {name: k for k, name in enumerate(classes)}
    labels = [str(label) for label in _labels(test)]
    for row, label in enumerate(labels, 1):
        if label not in number:
            fault = (
                f"target '{test.target}', row {row}, is '{label}', a class that no other row has"
            )
            raise SpecError(Problem("E075", f"{test.name}: {fault}"))
    return np.array([number[label] for label in labels], dtype=np.int64)


def _if_numbers(raw: RawData) -> str:
    """Return the advice for a person who meant a regression; '' where the targets are words."""
    if raw.targets.dtype.kind != "U":
        return "task: regression, if the target is a quantity"
    words = _words(raw.targets)
    if not 0 < len(words) < len(raw.targets):
        return ""
    row, text = words[0]
    return f"if the target is a quantity, mend row {row}: '{text}' is not a number"


def _words(targets: NDArray[Any]) -> list[tuple[int, str]]:
    """Return the targets that are not numbers, each after its row, counted from 1."""
    return [(row, str(text)) for row, text in enumerate(targets, 1) if not _is_number(text)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

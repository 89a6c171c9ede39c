"""Find the task, and turn targets into class numbers or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, Exact, Ints, RawData, Task, values
from hpsearch.data.check import LARGEST, not_finite
from hpsearch.errors import Problem, SpecError

FEW = 20
"""Whole numbers of at most so many different values are classes, unless told otherwise."""
MOST_CLASSES = 1000


def task_of(raw: RawData, asked: Task | None) -> Task:
    """Return the task asked for, else the one that the source knows, else a guess by the targets.

    Words and booleans are classes, and so are whole numbers of at most 20 different values.
    """
    if asked is not None:
        return asked
    if raw.task is not None:
        return raw.task
    if raw.targets.dtype.kind == "b":
        return "classification"
    if not values.is_text(raw.targets):
        few = values.whole(raw.targets).all() and len(np.unique(raw.targets)) <= FEW
        return "classification" if few else "regression"
    known = [values.exact_number(text) for text in set(values.texts(raw.targets))]
    if None in known:
        return "classification"
    few = len(known) <= FEW and all(values.is_whole(one) for one in known if one is not None)
    return "classification" if few else "regression"


def with_targets(raw: RawData) -> RawData:
    """Return the rows that have a target, with a note where others are left out.

    Raises:
        SpecError: no row has one.
    """
    if values.is_text(raw.targets):
        texts = values.texts(raw.targets)
        absent = {text for text in set(texts) if values.is_missing(text)}
        known = np.array([text not in absent for text in texts], dtype=np.bool_)
    else:
        known = raw.targets == raw.targets  # NaN is not equal to itself
    if known.all():
        return raw
    rows = np.flatnonzero(known)
    if not len(rows):
        raise SpecError(Problem("E075", f"{raw.name}: no row has a target '{raw.target}'"))
    left = len(known) - len(rows)
    first = raw.place(int(known.argmin()))
    are = "row has no target and is" if left == 1 else "rows have no target and are"
    return raw.only(rows, f"{left:,} {are} left out, the first of them {first}")


def class_numbers(raw: RawData, spec: DataSpec) -> tuple[Ints, tuple[str, ...]]:
    """Return the class of each row as a position in the names of the classes, and these names.

    Text is ordered by its letters, numbers by their size. The rows of the source's test file come
    after the others, and classes that only it has come last.

    Raises:
        SpecError: a target is a fraction, there is one class only or more than 1,000 of them, or a
            class has a single row.
    """
    names, numbers = _coded(raw, spec)
    counts = np.bincount(numbers)
    if len(names) == 1:
        raise SpecError(Problem("E075", f"{raw.name}: there is one class only, '{names[0]}'"))
    if len(names) > MOST_CLASSES:
        fault = f"target '{raw.target}' has {len(names):,} different values, too many for classes"
        place = spec.places.get("task")
        raise SpecError(Problem("E075", f"{raw.name}: {fault}", place, help=_if_numbers(raw)))
    if counts.min() < 2:
        lone = [name for name, count in zip(names, counts, strict=True) if count < 2]
        named = ", ".join(f"'{name}'" for name in lone[:5]) + (", ..." if len(lone) > 5 else "")
        fault = (
            "each class needs 2 rows, to train and to validate; "
            f"with one there {'is' if len(lone) == 1 else 'are'} {named}"
        )
        help_ = _if_numbers(raw) or "leave such rows out, or give them one class in common"
        raise SpecError(Problem("E076", f"{raw.name}: {fault}", help=help_))
    if raw.test is not None:
        others, more = _coded(raw.test, spec)
        names = [*dict.fromkeys([*names, *others])]
        position = {name: k for k, name in enumerate(names)}
        known = np.array([position[name] for name in others], dtype=np.int64)
        numbers = np.concatenate([numbers, known[more]])
    return numbers, tuple(names)


def regression_values(raw: RawData, spec: DataSpec) -> Exact:
    """Return the number of each row, those of the source's test file after the others.

    Raises:
        SpecError: the targets are words, too large, or all the same.
    """
    parts = (raw,) if raw.test is None else (raw, raw.test)
    found = [_quantities(part, spec) for part in parts]
    if (found[0] == found[0][0]).all():
        fault = f"target '{raw.target}' is {found[0][0]:g} in every row: there is nothing to learn"
        raise SpecError(Problem("E075", f"{raw.name}: {fault}"))
    return np.concatenate(found)


def _coded(raw: RawData, spec: DataSpec) -> tuple[list[str], Ints]:
    """Return the names of the classes in their order, and the position of each row's."""
    if not values.is_text(raw.targets):
        found, numbers = np.unique(_labels(raw, spec), return_inverse=True)
        return [str(label) for label in found], numbers.astype(np.int64)
    texts = values.texts(raw.targets)
    different = sorted(set(texts))
    written = {
        text: number for text in different if (number := values.written_number(text)) is not None
    }
    named = {text: text for text in different}
    if len(written) == len(different):
        for text, number in written.items():
            if not values.is_whole(number):
                raise SpecError(_no_class(raw, texts.index(text), number, spec))
            named[text] = str(int(number))
        different.sort(key=written.__getitem__)
    names = [*dict.fromkeys(named[text] for text in different)]
    position = {name: k for k, name in enumerate(names)}
    return names, np.array([position[named[text]] for text in texts], dtype=np.int64)


def _labels(raw: RawData, spec: DataSpec) -> NDArray[Any]:
    """Return booleans and integers as they are, and other whole numbers as integers."""
    targets = raw.targets
    whole = values.whole(targets)
    if not whole.all():
        at = int(whole.argmin())
        raise SpecError(_no_class(raw, at, float(targets[at]), spec))
    return targets.astype(np.int64) if targets.dtype.kind == "f" else targets


def _no_class(raw: RawData, row: int, label: float, spec: DataSpec) -> Problem:
    """Return the problem with a number that is no class: a fraction, or one that is not exact."""
    target = f"target '{raw.target}', {raw.place(row)}, is"
    place = spec.places.get("task")
    if label.is_integer():
        fault = f"{target} {label:.0f}, which float64 does not tell from its neighbours"
        return Problem("E075", f"{raw.name}: {fault}", place, help="store it as an integer or text")
    fault = f"classes are text or whole numbers, and {target} {label:g}"
    return Problem("E075", f"{raw.name}: {fault}", place, help="task: regression")


def _quantities(raw: RawData, spec: DataSpec) -> Exact:
    """Return the number of each row."""
    if not values.is_text(raw.targets):
        return raw.targets.astype(np.float64)
    texts = values.texts(raw.targets)
    found = values.truths(texts) if values.is_truth(texts[0]) else values.numbers(texts)
    fit = np.abs(found) <= LARGEST
    if not fit.all():
        at = int(fit.argmin())
        text = texts[at]
        if values.is_number(text):
            raise SpecError(not_finite(raw, f"target '{raw.target}'", at, float(found[at])))
        fault = f"regression needs numbers, and target '{raw.target}', "
        fault += f"{raw.place(at)}, is '{text}'"
        place, help_ = spec.places.get("task"), "write a number there, or nothing"
        raise SpecError(Problem("E075", f"{raw.name}: {fault}", place, help=help_))
    return found


def _if_numbers(raw: RawData) -> str:
    """Return the advice for a person who meant a regression; '' where the targets are words."""
    if not values.is_text(raw.targets):
        return "task: regression, if the target is a quantity"
    texts = values.texts(raw.targets)
    words = [row for row, text in enumerate(texts) if not values.is_number(text)]
    if not words:
        return "task: regression, if the target is a quantity"
    if len(words) == len(texts):
        return ""
    at, text = raw.place(words[0]), texts[words[0]]
    return f"if the target is a quantity, mend {at}: '{text}' is not a number"

"""Make a source of arrays that have names, such as those of an .npz file.

The inputs are `X` (also `x` or `inputs`), the targets `y` (also `Y`, `targets` or `target`, or what
the spec names). With `_train` after their names, as Keras writes them, they are the same. The rows
of `X_test` and `y_test` test; those of `X_val` and `y_val` validate, where the split asks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.sources.own_parts import own_parts
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

Read = Callable[[str], NDArray[Any]]
"""A function that returns the array of a name."""

_KEYS = ("target", "column")  # of the section `data:`, which name arrays
_INPUTS = ("X", "x", "inputs")
_TARGETS = ("y", "Y", "targets", "target")
_TRAIN, _TEST = "_train", "_test"
_VALIDATION = ("_val", "_valid", "_validation")


class _Pair(NamedTuple):
    """Inputs and targets that belong together.

    Attributes:
        x: the name of the array of inputs.
        y: the name of the array of targets.
        inputs: numbers; images have channels.
        targets: one for each row.
        columns: how many columns the targets had, if they were one-hot, else 0.
    """

    x: str
    y: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    columns: int


def source_of(names: Collection[str], read: Read, spec: DataSpec) -> RawData:
    """Return the source that is made of the arrays of these names.

    Inputs are (rows, features), (rows, height, width), or (rows, channels, height, width) with the
    channels there or last. Targets are (rows,), (rows, 1), or one-hot: (rows, classes).

    Args:
        names: the names of all arrays that there are.
        read: a function that returns the array of a name.
        spec: it may name the array of the targets, and one that divides the rows.

    Raises:
        SpecError: an array is missing, or two of them do not fit together.
    """
    x, y = _own_names(names, spec)
    own = _pair(x, y, read, spec)
    bases = x.removesuffix(_TRAIN), y.removesuffix(_TRAIN if x.endswith(_TRAIN) else "")

    def others(endings: Sequence[str], what: str) -> list[_Pair]:
        given = [end for end in endings if {base + end for base in bases} & {*names}]
        keys = [[_choose(names, [base + end], what, spec) for base in bases] for end in given]
        return [_pair(one, other, read, spec) for one, other in keys]

    validation, tested = others(_VALIDATION, "validation"), others([_TEST], "a test file")
    inputs, targets = _joined([own, *validation])
    parts = None
    if validation:
        rows, what = len(own.inputs), [pair.x for pair in validation]
        parts = own_parts(rows, len(inputs) - rows, what, spec)
    elif spec.column is not None:
        key = _choose(names, [spec.column], "the parts of the split", spec)
        parts = _one_column(read(key)).astype(np.str_)
    note = _one_hot_note([own, *validation, *tested])
    test = [RawData("the test arrays", one.inputs, one.targets, target=bases[1]) for one in tested]
    return RawData(
        spec.path.stem,
        inputs,
        targets,
        target=bases[1],
        task="classification" if note else None,
        test=test[0] if test else None,
        parts=parts,
        notes=(note,) if note else (),
    )


def _own_names(names: Collection[str], spec: DataSpec) -> tuple[str, str]:
    """Return the names of the arrays of those inputs and targets that are not for the test."""
    plain = [name for name in _INPUTS if name in names]
    trained = [name + _TRAIN for name in _INPUTS if name + _TRAIN in names]
    if plain and trained:
        fault = f"'{spec.source}' has both '{plain[0]}' and '{trained[0]}'"
        help_ = "leave one of the two out of the file"
        raise SpecError(Problem("E072", fault, spec.places.get("source"), help=help_))
    end = _TRAIN if trained else ""
    wanted = [name + end for name in _TARGETS]
    if spec.target is not None:
        wanted = [*dict.fromkeys([spec.target, spec.target + end])]
    x = _choose(names, [name + end for name in _INPUTS], "inputs", spec)
    return x, _choose(names, wanted, "targets", spec)


def _choose(names: Collection[str], wanted: Sequence[str], what: str, spec: DataSpec) -> str:
    """Return the first of the wanted names that is there, or refuse the file."""
    for name in wanted:
        if name in names:
            return name
    near = closest(wanted[0], names) if len(wanted) == 1 else None
    place = next((spec.places.get(key) for key in _KEYS if getattr(spec, key) in wanted), None)
    raise SpecError(
        Problem(
            "E072",
            f"'{spec.source}' has no array '{' or '.join(wanted)}' for {what}",
            place,
            f"did you mean '{near}'?" if near else "",
            help=f"its arrays: {', '.join(sorted(names)) or 'none'}",
        )
    )


def _pair(x: str, y: str, read: Read, spec: DataSpec) -> _Pair:
    """Read inputs and targets; images without a channel get one, and one-hot becomes numbers."""
    inputs, targets, columns = read(x), _one_column(read(y)), 0
    if targets.ndim > 1:
        if spec.task == "regression" or not _is_one_hot(targets):
            raise SpecError(_many_targets(targets, y, spec))
        columns, targets = targets.shape[1], targets.argmax(axis=1)
    return _Pair(x, y, inputs[:, None] if inputs.ndim == 3 else inputs, targets, columns)


def _one_column(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose single column, where it has no other, has become one dimension."""
    return numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers


def _is_one_hot(targets: NDArray[Any]) -> bool:
    """Say whether each row is zeros and a single one.

    >>> _is_one_hot(np.eye(3)), _is_one_hot(np.ones((2, 2))), _is_one_hot(np.full((2, 2), 0.5))
    (True, False, False)
    """
    if targets.ndim != 2 or targets.dtype.kind not in "biuf":
        return False
    ones = targets == 1
    return bool((ones | (targets == 0)).all() and (ones.sum(axis=1) == 1).all())


def _many_targets(targets: NDArray[Any], key: str, spec: DataSpec) -> Problem:
    """Return the problem with an array that has more than one target in each row."""
    fault = f"array '{key}' of '{spec.source}' has shape {targets.shape}: each row has one target"
    help_ = "store one number or text for each row; or one-hot, a single 1 among the 0 of each row"
    if spec.task == "regression":
        help_ = "a regression predicts one number for each row: store that"
    return Problem("E073", fault, spec.places.get("target"), help=help_)


def _one_hot_note(pairs: Sequence[_Pair]) -> str:
    """Return in words which targets were one-hot; "" where none were.

    Raises:
        SpecError: they have different numbers of columns.
    """
    found = [pair for pair in pairs if pair.columns]
    if len({pair.columns for pair in found}) > 1:
        sizes = ", ".join(f"'{pair.y}' {pair.columns}" for pair in found)
        fault = f"one-hot targets have different numbers of columns: {sizes}"
        raise SpecError(Problem("E073", fault, help="each class has a column in all of them"))
    if not found:
        return ""
    named = " and ".join(f"'{pair.y}'" for pair in found) + (" are" if len(found) > 1 else " is")
    return f"{named} one-hot: the classes are the columns, 0 to {found[0].columns - 1}"


def _joined(pairs: Sequence[_Pair]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the inputs and the targets of several pairs, one after the other.

    Raises:
        SpecError: they do not fit together.
    """
    first = pairs[0]
    if len(pairs) == 1:
        return first.inputs, first.targets
    for pair in pairs:
        if pair.inputs.shape[:1] != pair.targets.shape:
            fault = f"'{pair.x}' has shape {pair.inputs.shape}, '{pair.y}' {pair.targets.shape}"
        elif pair.inputs.shape[1:] != first.inputs.shape[1:]:
            fault = f"'{pair.x}' has shape {pair.inputs.shape}, '{first.x}' {first.inputs.shape}"
        elif (pair.targets.dtype.kind == "U") != (first.targets.dtype.kind == "U"):
            fault = f"'{pair.y}' holds {pair.targets.dtype}, '{first.y}' {first.targets.dtype}"
        else:
            continue
        raise SpecError(Problem("E073", fault, help="rows for validation look as the others do"))
    return (
        np.concatenate([pair.inputs for pair in pairs]),
        np.concatenate([pair.targets for pair in pairs]),
    )

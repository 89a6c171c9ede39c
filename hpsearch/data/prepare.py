"""From `data:` to a Dataset: read, checked once, split, measured."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import LOADERS, Dataset, DataSpec, Floats, Fold, Ints, Raw
from hpsearch.data.check import check_targets, checked_inputs
from hpsearch.data.scale import moments, scaling
from hpsearch.data.split import folded, set_aside, split, thinned
from hpsearch.data.targets import class_numbers, regression_values, task_of
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_TEST_SHARE = 0.2
_MOST_NEIGHBOURS = 1000
_PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of training and validation of each fold (one where rows are held out), and those of the test split."""

    folds: list[tuple[Ints, Ints]]
    test: Ints

    @property
    def pool(self) -> Ints:
        """All rows but the test split's, ascending."""
        return np.sort(np.concatenate(self.folds[0]))


def prepare(spec: DataSpec) -> Dataset:
    """Read the source and make it ready for training; the same data and `split_seed` give the same Dataset.

    Classes keep their shares in every part of the split. The test file of a source that has one is its test split, and
    its rows come after the others.

    Raises:
        SpecError: codes E070 to E076, see `hpsearch.data`.
    """
    raw = _read(spec)
    inputs = _inputs(raw)
    task = task_of(raw, spec.task)
    if task == "classification":
        groups, classes = class_numbers(raw)
        parts = _split(raw, groups, spec)
        targets: Ints | Floats = groups
        center, spread = 0.0, 1.0
    else:
        values, classes = regression_values(raw), ()
        groups = np.zeros(len(values), dtype=np.int64)
        parts = _split(raw, groups, spec)
        # folds are judged in one unit, so it is measured on all of their rows
        measured = parts.folds[0][0] if len(parts.folds) == 1 else parts.pool
        targets, center, spread = _standardised(values, measured)
    parts = _redrawn(parts, groups, spec)  # losses of all draws are in one unit
    nothing = parts.test[:0]
    rows = [row for fold in parts.folds for row in fold]
    return Dataset(
        name=_name(raw.name),
        task=task,
        inputs=inputs,
        targets=targets,
        classes=classes,
        target_center=center,
        target_spread=spread,
        folds=tuple(Fold(*fold, *scaling(inputs, fold[0], spec.scale)) for fold in parts.folds),
        whole=Fold(parts.pool, nothing, *scaling(inputs, parts.pool, spec.scale))
        if len(parts.folds) > 1
        else None,
        test=parts.test,
        columns=raw.columns,
        digest=_digest((inputs, targets, *rows, parts.test), (classes, center, spread)),
    )


def _read(spec: DataSpec) -> Raw:
    try:
        raw: Raw = LOADERS.load(_kind(spec))(spec)
    except OSError as error:
        raise SpecError(
            Problem("E070", f"cannot read '{spec.source}': {error.strerror or error}")
        ) from error
    return raw


def _kind(spec: DataSpec) -> str:
    """Which of the loaders reads the source."""
    if spec.source in LOADERS and not spec.source.startswith("*"):
        return spec.source
    path = spec.path
    if not path.exists():
        raise _not_there(spec)
    if not path.is_dir() and not path.is_file():  # a device need not have an end
        raise SpecError(
            Problem("E070", f"'{spec.source}' is neither a file nor a folder", help=_known())
        )
    kind = "*/" if path.is_dir() else f"*{path.suffix.lower()}"
    if kind not in LOADERS:
        raise SpecError(
            Problem("E070", f"'{spec.source}' is no kind of data that can be read", help=_known())
        )
    return kind


def _not_there(spec: DataSpec) -> SpecError:
    path = spec.path
    names = {name: name for name in LOADERS if not name.startswith("*")}
    if path.parent.is_dir():
        near_by = islice(path.parent.iterdir(), _MOST_NEIGHBOURS)
        names |= {file.name: str(Path(spec.source).parent / file.name) for file in near_by}
    near = closest(path.name, names)
    hint = f"did you mean '{names[near]}'?" if near else ""
    return SpecError(
        Problem(
            "E070",
            f"there is no '{spec.source}' (looked for {path.absolute()})",
            None,
            hint,
            _known(),
        )
    )


def _known() -> str:
    return f"data comes from: {', '.join(LOADERS)}"


def _inputs(raw: Raw) -> NDArray[np.uint8] | Floats:
    """The checked inputs, those of the test file after the others."""
    inputs = checked_inputs(raw)
    check_targets(raw)
    if raw.test is None:
        return inputs
    more = checked_inputs(raw.test)
    check_targets(raw.test)
    if more.shape[1:] != inputs.shape[1:]:
        fault = f"a test input has shape {more.shape[1:]}, the others {inputs.shape[1:]}"
        raise SpecError(Problem("E073", f"{raw.name}: {fault}"))
    return np.concatenate([inputs, more])


def _split(raw: Raw, groups: Ints, spec: DataSpec) -> Split:
    """Split the source's own rows; those after them are those of its own test file."""
    own = len(raw.targets)
    has_test = own < len(groups)
    if has_test and spec.test is not None:
        fault = f"'{spec.source}' has a test file of its own, which is used"
        raise SpecError(Problem("E076", fault, help="leave `test:` out"))
    if spec.folds is not None:
        parts = _folds(groups[:own], spec.folds, has_test, spec)
    elif spec.column is not None:
        parts = _fewer(_by_column(raw, spec), groups, spec)
    else:
        validation, test = _sizes(own, int(groups.max()) + 1, has_test, spec)
        train, judged, tested = split(groups[:own], validation, test, spec.split_seed)
        parts = _fewer(Split([(train, judged)], tested), groups, spec)
    if not has_test:
        return parts
    tested = np.arange(own, len(groups))
    return Split(
        parts.folds,
        tested if spec.rows is None else thinned(tested, groups, spec.rows, spec.split_seed),
    )


def _folds(groups: Ints, folds: int, has_test: bool, spec: DataSpec) -> Split:
    """Folds of the rows that are not set aside for the test."""
    asked = 0.0 if has_test else _TEST_SHARE if spec.test is None else spec.test
    test, kinds = round(len(groups) * asked), len(np.unique(groups))
    if (asked and test < 1) or len(groups) - test < 2 * kinds:
        sizes = f"{len(groups)} rows are too few for folds" + (
            f" and a test share of {asked:g}" if asked else ""
        )
        raise SpecError(Problem("E076", sizes, help="each class needs two rows outside the test"))
    pool, tested = set_aside(groups, test, spec.split_seed)
    if spec.rows is not None:
        pool, tested = (
            thinned(part, groups, spec.rows, spec.split_seed) for part in (pool, tested)
        )
    if len(pool) < folds:
        raise SpecError(
            Problem("E076", f"{len(pool)} rows are too few for {folds} folds: each needs one")
        )
    return Split(folded(pool, groups, folds, spec.split_seed), tested)


def _redrawn(parts: Split, groups: Ints, spec: DataSpec) -> Split:
    """Another draw of the rows that are not the test's."""
    if spec.draw == 0 or spec.column is not None:
        return parts
    seed = spec.split_seed + (spec.draw << 64)  # beyond any seed of a person
    if spec.folds is not None:
        return Split(folded(parts.pool, groups, spec.folds, seed), parts.test)
    ((_, judged),) = parts.folds
    kinds, inside = np.unique(groups[parts.pool], return_inverse=True)
    if len(judged) > len(inside) - 2 * len(
        kinds
    ):  # too few rows for a draw that leaves some of each class
        return parts
    train, judged = (parts.pool[rows] for rows in set_aside(inside, len(judged), seed))
    return Split([(train, judged)], parts.test)


def _by_column(raw: Raw, spec: DataSpec) -> Split:
    """The parts that a column names for each row."""
    if raw.parts is None:
        fault = f"'{spec.source}' has no columns, and so none that says how it is split"
        raise SpecError(Problem("E076", fault, help="split: {validation: 0.2}"))
    allowed = _PARTS[:2] if raw.test is not None else _PARTS
    fit = np.isin(raw.parts, allowed)
    if not fit.all():
        at = int(fit.argmin())
        found = str(raw.parts[at])
        near = closest(found, allowed)
        fault = f"column '{spec.column}', row {at + 1}, is '{found}'"
        hint = f"did you mean '{near}'?" if near else ""
        raise SpecError(
            Problem("E076", fault, hint=hint, help=f"a row belongs to: {', '.join(allowed)}")
        )
    train, validation, test = (np.flatnonzero(raw.parts == part) for part in _PARTS)
    if not len(train) or not len(validation):
        lacking = "validation" if len(train) else "train"
        raise SpecError(Problem("E076", f"column '{spec.column}' says '{lacking}' of no row"))
    return Split([(train, validation)], test)


def _sizes(rows: int, groups: int, has_test: bool, spec: DataSpec) -> tuple[int, int]:
    """How many rows validate and test."""
    asked = 0.0 if has_test else _TEST_SHARE if spec.test is None else spec.test
    if not (0 < spec.validation < 1 and 0 <= asked < 1 and spec.validation + asked < 1):
        shares = f"validation: {spec.validation:g}, test: {asked:g}"
        raise SpecError(Problem("E076", f"the shares must leave rows for training ({shares})"))
    validation, test = round(rows * spec.validation), round(rows * asked)
    train = rows - validation - test
    if validation < 1 or (asked and test < 1) or train < groups:
        least = "one of each class" if groups > 1 else "one"
        sizes = (
            f"{rows} rows give {train} for training, {validation} for validation, {test} for test"
        )
        raise SpecError(
            Problem(
                "E076",
                sizes,
                help=f"training needs {least}, the others one where they are asked for",
            )
        )
    return validation, test


def _fewer(parts: Split, groups: Ints, spec: DataSpec) -> Split:
    """`spec.rows` for training and validation together, in the same ratio, and at most as many for test."""
    if spec.rows is None:
        return parts
    if spec.rows < 2:
        raise SpecError(Problem("E076", f"{spec.rows} rows are too few to train and to validate"))
    ((train, judged),) = parts.folds
    judging = min(
        max(round(spec.rows * len(judged) / (len(train) + len(judged))), 1), spec.rows - 1
    )
    sizes = (spec.rows - judging, judging, spec.rows)
    fewer = [
        thinned(rows, groups, most, spec.split_seed)
        for rows, most in zip((train, judged, parts.test), sizes, strict=True)
    ]
    return Split([(fewer[0], fewer[1])], fewer[2])


def _standardised(values: NDArray[np.float64], train: Ints) -> tuple[Floats, float, float]:
    """The values in units of the training rows' deviation from their mean, that mean, and that deviation."""
    center, spread = (float(moment[0]) for moment in moments(values[:, None], train))
    spread = spread or 1.0
    return ((values - center) / spread).astype(np.float32), center, spread


def _name(name: str) -> str:
    """A name fit for files, at most 64 characters of letters, digits, dot, underscore and dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "data"


def _digest(arrays: tuple[NDArray[np.generic], ...], facts: object) -> str:
    """The sha256 of the arrays' types, shapes and bytes, and of the facts as Python writes them."""
    total = hashlib.sha256(repr(facts).encode())
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()

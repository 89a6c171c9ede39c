"""Divide the rows of a source into training, validation and test, as `data:` asks."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpsearch.data import DataSpec, Exact, Ints, RawData
from hpsearch.data.splits import grouped, ordered
from hpsearch.data.splits.split import folded, set_aside, split, thinned
from hpsearch.data.values import texts
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_TEST_SHARE = 0.2
_PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The rows that train and validate in each fold, and the rows of the test split."""

    folds: list[tuple[Ints, Ints]]
    test: Ints

    @property
    def pool(self) -> Ints:
        """All rows that train or validate in some fold, ascending."""
        return np.unique(np.concatenate([rows for fold in self.folds for rows in fold]))


def divide(raw: RawData, groups: Ints, classes: Sequence[str], spec: DataSpec) -> Parts:
    """Return the parts of the source's rows, those of its own test file counted after the others.

    Args:
        raw: the source.
        groups: the number of each row's class, from 0; zeros for a regression. They are longer than
            `raw.targets` where the source has a test file.
        classes: the names of the classes; none for a regression.
        spec: how the rows are to be divided.

    Raises:
        SpecError: the division is impossible or leaves a part too few rows (E076), or no training
            row has a class that other rows have (E075).
    """
    own = len(raw.targets)
    has_test = own < len(groups)
    if has_test and spec.test is not None:
        fault = f"'{spec.source}' has a test file of its own, which is used"
        place = spec.places.get("test")
        raise SpecError(Problem("E076", fault, place, help="leave `test:` out"))
    trained = np.arange(own)  # of folds, some other one trains on each class
    if raw.group is not None or raw.times is not None:
        parts = _fewer(_kept_together(raw, has_test, spec), groups, spec)
        trained = np.concatenate([train for train, _ in parts.folds])
    elif spec.folds is not None:
        parts = _in_folds(groups[:own], spec.folds, has_test, spec)
    else:
        by_column = spec.column is not None
        parts = _by_column(raw, spec) if by_column else _held_out(groups[:own], has_test, spec)
        trained = parts.folds[0][0]
        parts = _fewer(parts, groups, spec)
    if classes:
        _check_classes(raw, groups, classes, trained, spec)
    if not has_test:
        return parts
    test = np.arange(own, len(groups))
    if spec.rows is not None:
        test = thinned(test, groups, spec.rows, spec.split_seed)
    return replace(parts, test=test)


def _check_classes(
    raw: RawData, groups: Ints, classes: Sequence[str], trained: Ints, spec: DataSpec
) -> None:
    """Refuse a class that no training row has: nothing could be learned of it."""
    known = np.isin(groups, groups[trained])
    if known.all():
        return
    at = int(known.argmin())
    label, own = classes[groups[at]], len(raw.targets)
    part, row = (raw, at) if raw.test is None or at < own else (raw.test, at - own)
    fault = f"target '{part.target}', {part.place(row)}, is '{label}'"
    fault += ", a class that no row has that trains"
    help_ = "let some row of each class train, or leave the others of that class out"
    place = spec.places.get("column")
    raise SpecError(Problem("E075", f"{part.name}: {fault}", place, help=help_))


def _kept_together(raw: RawData, has_test: bool, spec: DataSpec) -> Parts:
    """Return parts by groups, or in order of time."""
    rows = len(raw.targets)
    test, validation = round(rows * _test_share(has_test, spec)), round(rows * spec.validation)
    judged = 0 if spec.folds is not None else validation
    try:
        if raw.times is not None:
            train, held, tested = ordered.held_out(_known_times(raw, spec), judged, test)
            times = raw.times
            folds = spec.folds and ordered.folded(train, times, spec.folds)
        else:
            assert raw.group is not None
            codes = np.unique(np.array(texts(raw.group)), return_inverse=True)[1]
            train, held, tested = grouped.held_out(codes, judged, test, spec.split_seed)
            folds = spec.folds and grouped.folded(train, codes, spec.folds, spec.split_seed)
    except ValueError as error:
        fault, place = f"column '{spec.group}': {error} for this split", spec.places.get("group")
        raise SpecError(Problem("E076", fault, place)) from error
    found = folds or [(train, held)]
    if not all(len(part) for fold in found for part in fold) or (test and not len(tested)):
        fault = f"column '{spec.group or spec.by}' leaves a part of the split without rows"
        raise SpecError(Problem("E076", fault, spec.places.get("group", spec.places.get("by"))))
    return Parts([(train, held) for train, held in found], tested)


def _known_times(raw: RawData, spec: DataSpec) -> Exact:
    """Return the time of each row; refuse one that has none."""
    assert raw.times is not None
    missing = np.isnan(raw.times)
    if missing.any():
        fault = f"column '{spec.by}', {raw.place(int(missing.argmax()))}, has no time"
        help_ = "order is by numbers or dates: fill it in, or leave the row out"
        raise SpecError(Problem("E076", fault, spec.places.get("by"), help=help_))
    return raw.times


def _in_folds(groups: Ints, folds: int, has_test: bool, spec: DataSpec) -> Parts:
    """Set the test split aside, and divide the other rows into folds."""
    share = _test_share(has_test, spec)
    test, kinds = round(len(groups) * share), len(np.unique(groups))
    if (share and test < 1) or len(groups) - test < 2 * kinds:
        sizes = f"{len(groups)} rows are too few for folds"
        sizes += f" and a test share of {share:g}" if share else ""
        place, help_ = spec.places.get("split"), "each class needs two rows outside the test"
        raise SpecError(Problem("E076", sizes, place, help=help_))
    pool, tested = set_aside(groups, test, spec.split_seed)
    if spec.rows is not None:
        pool, tested = (
            thinned(part, groups, spec.rows, spec.split_seed) for part in (pool, tested)
        )
    if len(pool) < folds:
        fault = f"{len(pool)} rows are too few for {folds} folds: each needs one"
        raise SpecError(Problem("E076", fault, spec.places.get("folds")))
    return Parts(folded(pool, groups, folds, spec.split_seed), tested)


def _by_column(raw: RawData, spec: DataSpec) -> Parts:
    """Give each row the part that its column names."""
    if raw.parts is None:
        fault = f"'{spec.source}' has no columns, and so none that says how it is split"
        place = spec.places.get("column")
        raise SpecError(Problem("E076", fault, place, help="split: {validation: 0.2}"))
    allowed = _PARTS[:2] if raw.test is not None else _PARTS
    given = texts(raw.parts)
    wrong = set(given) - {*allowed}
    at = next((row for row, part in enumerate(given) if part in wrong), None)
    if at is not None:
        near = closest(given[at], allowed)
        fault = f"column '{spec.column}', {raw.place(at)}, is {reprlib.repr(given[at])}"
        hint = f"did you mean '{near}'?" if near else ""
        raise SpecError(
            Problem("E076", fault, hint=hint, help=f"a row belongs to: {', '.join(allowed)}")
        )
    train, validation, test = (
        np.array([row for row, part in enumerate(given) if part == wanted], dtype=np.int64)
        for wanted in _PARTS
    )
    if not len(train) or not len(validation):
        lacking = "validation" if len(train) else "train"
        fault, place = (
            f"column '{spec.column}' says '{lacking}' of no row",
            spec.places.get("column"),
        )
        raise SpecError(Problem("E076", fault, place))
    return Parts([(train, validation)], test)


def _held_out(groups: Ints, has_test: bool, spec: DataSpec) -> Parts:
    """Hold out the shares that are asked for."""
    share = _test_share(has_test, spec)
    if not (0 < spec.validation < 1 and 0 <= share < 1 and spec.validation + share < 1):
        shares = f"validation: {spec.validation:g}, test: {share:g}"
        raise SpecError(Problem("E076", f"the shares must leave rows for training ({shares})"))
    rows, kinds = len(groups), len(np.unique(groups))
    validation, test = round(rows * spec.validation), round(rows * share)
    train = rows - validation - test
    if validation < 1 or (share and test < 1) or train < kinds:
        least = "one of each class" if kinds > 1 else "one"
        sizes = (
            f"{rows} rows give {train} for training, {validation} for validation, {test} for test"
        )
        help_ = f"training needs {least}, the others one where they are asked for"
        raise SpecError(Problem("E076", sizes, spec.places.get("split"), help=help_))
    trained, judged, tested = split(groups, validation, test, spec.split_seed)
    return Parts([(trained, judged)], tested)


def _test_share(has_test: bool, spec: DataSpec) -> float:
    """Return the share of the source's own rows that test: none where it has a test file."""
    return 0.0 if has_test else _TEST_SHARE if spec.test is None else spec.test


def _fewer(parts: Parts, groups: Ints, spec: DataSpec) -> Parts:
    """Keep `spec.rows` of training and validation together, in their ratio, and of the test."""
    if spec.rows is None:
        return parts
    if spec.rows < 2:
        raise SpecError(Problem("E076", f"{spec.rows} rows are too few to train and to validate"))
    folds = []
    for train, judged in parts.folds:
        share = len(judged) / (len(train) + len(judged))
        judging = min(max(round(spec.rows * share), 1), spec.rows - 1)
        sizes = (spec.rows - judging, judging)
        train, judged = (
            thinned(rows, groups, most, spec.split_seed)
            for rows, most in zip((train, judged), sizes, strict=True)
        )
        folds.append((train, judged))
    return Parts(folds, thinned(parts.test, groups, spec.rows, spec.split_seed))

"""Divide the rows of a source into training, validation and test, as `data:` asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hpsearch.data import DataSpec, Ints, RawData
from hpsearch.data.split import folded, set_aside, split, thinned
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
        """All rows but those of the test split, ascending."""
        return np.sort(np.concatenate(self.folds[0]))


def divide(raw: RawData, groups: Ints, spec: DataSpec) -> Parts:
    """Return the parts of the source's rows, those of its own test file counted after the others.

    Args:
        raw: the source.
        groups: the number of each row's class, from 0; zeros for a regression. They are longer than
            `raw.targets` where the source has a test file.
        spec: how the rows are to be divided.

    Raises:
        SpecError: the division is impossible or leaves a part too few rows (E076).
    """
    own = len(raw.targets)
    has_test = own < len(groups)
    if has_test and spec.test is not None:
        fault = f"'{spec.source}' has a test file of its own, which is used"
        raise SpecError(Problem("E076", fault, help="leave `test:` out"))
    if spec.folds is not None:
        parts = _in_folds(groups[:own], spec.folds, has_test, spec)
    elif spec.column is not None:
        parts = _fewer(_by_column(raw, spec), groups, spec)
    else:
        parts = _fewer(_held_out(groups[:own], has_test, spec), groups, spec)
    if not has_test:
        return parts
    test = np.arange(own, len(groups))
    if spec.rows is not None:
        test = thinned(test, groups, spec.rows, spec.split_seed)
    return replace(parts, test=test)


def _in_folds(groups: Ints, folds: int, has_test: bool, spec: DataSpec) -> Parts:
    """Set the test split aside, and divide the other rows into folds."""
    share = _test_share(has_test, spec)
    test, kinds = round(len(groups) * share), len(np.unique(groups))
    if (share and test < 1) or len(groups) - test < 2 * kinds:
        sizes = f"{len(groups)} rows are too few for folds"
        sizes += f" and a test share of {share:g}" if share else ""
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
    return Parts(folded(pool, groups, folds, spec.split_seed), tested)


def _by_column(raw: RawData, spec: DataSpec) -> Parts:
    """Give each row the part that its column names."""
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
        raise SpecError(Problem("E076", sizes, help=help_))
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
    ((train, judged),) = parts.folds
    share = len(judged) / (len(train) + len(judged))
    judging = min(max(round(spec.rows * share), 1), spec.rows - 1)
    sizes = (spec.rows - judging, judging, spec.rows)
    fewer = [
        thinned(rows, groups, most, spec.split_seed)
        for rows, most in zip((train, judged, parts.test), sizes, strict=True)
    ]
    return Parts([(fewer[0], fewer[1])], fewer[2])

"""Turn the section `data:` into a Dataset: read, check, split and scale."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hpsearch.data import (
    BALANCED,
    Dataset,
    DataSpec,
    Exact,
    Floats,
    Fold,
    Inputs,
    Ints,
    RawData,
    RawTable,
    SplitRule,
)
from hpsearch.data.check import checked_inputs, target_problem
from hpsearch.data.columns import CategoryColumn, Column, number_columns
from hpsearch.data.digest import digest_of
from hpsearch.data.notes import doubts
from hpsearch.data.scale import moments, scaled_fold
from hpsearch.data.source import read_source
from hpsearch.data.sources.images import channels_first
from hpsearch.data.splits.parts import Parts, divide
from hpsearch.data.targets import class_numbers, regression_values, task_of, with_targets
from hpsearch.data.weights import mean, scaled_weights, variance, with_weights
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest, resolve


def prepare(spec: DataSpec) -> Dataset:
    """Return the data that the spec describes; the same source and spec give the same Dataset.

    Each class has its share in every part of the split. Where a source has a test file of its own,
    that is the test split, and its rows come after the others.

    Raises:
        SpecError: the data or the spec is wrong; the codes stand at the head of `hpsearch.data`.

    >>> wine = prepare(DataSpec("wine"))
    >>> wine.task, wine.inputs.shape, len(wine.classes)
    ('classification', (178, 13), 3)
    >>> [len(rows) for rows in (wine.folds[0].train, wine.folds[0].validation, wine.test)]
    [106, 36, 36]
    """
    raw = checked(spec)
    inputs = _joined(raw)
    task = task_of(raw, spec.task)
    targets: Ints | Floats
    if task == "classification":
        targets, classes = class_numbers(raw, spec)
        parts = divide(raw, targets, classes, spec)
        weights = scaled_weights(raw, spec, _measured(parts), targets)
        center, scale = 0.0, 1.0
    else:
        values, classes = regression_values(raw, spec), ()
        parts = divide(raw, np.zeros(len(values), dtype=np.int64), classes, spec)
        weights = scaled_weights(raw, spec, _measured(parts))
        targets, center, scale = _standardised(values, _measured(parts), weights)
    columns, inputs = _fitted(raw, inputs, parts.pool)
    data = with_parts(
        Dataset(
            name=_file_name(raw.name),
            task=task,
            inputs=inputs,
            targets=targets,
            target=raw.target,
            classes=classes,
            target_center=center,
            target_scale=scale,
            folds=(),
            whole=None,
            test=parts.test,
            columns=columns,
            digest="",
            weights=weights,
            weighted_by=spec.weights,
            rule=SplitRule(spec.split_seed, _is_by_column(spec), spec.scale),
        ),
        parts,
    )
    notes = (*raw.notes, *_split_notes(raw, parts, spec), *_embedded(columns), *doubts(data))
    return replace(data, notes=notes)


def _is_by_column(spec: DataSpec) -> bool:
    return not (spec.column is None and spec.group is None and spec.by is None)


def with_parts(dataset: Dataset, parts: Parts) -> Dataset:
    """Return the data split into these parts, its folds scaled and its digest computed."""

    def measured(train: Ints, validation: Ints) -> Fold:
        kind = dataset.rule.input_scale
        return scaled_fold(dataset.inputs, train, validation, kind, dataset.columns)

    divided = replace(
        dataset,
        folds=tuple(measured(*fold) for fold in parts.folds),
        whole=measured(parts.pool, parts.test[:0]) if len(parts.folds) > 1 else None,
        test=parts.test,
    )
    return replace(divided, digest=digest_of(divided))


def checked(spec: DataSpec) -> RawData:
    """Return what the source holds, checked, without the rows that have no target.

    Raises:
        SpecError: inputs or targets cannot be used.
    """
    found = read_source(spec)
    if isinstance(found, RawTable):
        # loaded here, since a source that is no table needs no pyarrow
        found = resolve("hpsearch.data.table:data_of")(found, spec)
    else:
        _check_unasked(spec)
    raw = _checked(channels_first(found), spec)
    return raw if raw.test is None else replace(raw, test=_checked(raw.test, spec))


def _check_unasked(spec: DataSpec) -> None:
    """Refuse what is asked of columns, where a source has none with names."""
    named = [key for key in ("group", "by", "weights") if key in spec.named]
    for key in ["columns", *named] if spec.columns else named:
        fault = f"'{spec.source}' has no columns with names, and `{key}:` no meaning"
        near = closest(spec.named[key], [BALANCED]) if key == "weights" else None
        hint = f"did you mean '{near}'?" if near else ""
        raise SpecError(Problem("E072", fault, spec.places.get(key), hint, "leave it out"))


def _checked(raw: RawData, spec: DataSpec) -> RawData:
    imputes = spec.missing == "impute"
    raw = replace(raw, inputs=checked_inputs(raw, imputes))
    if imputes:
        raw = with_targets(raw)
    raw = with_weights(raw, spec)
    if problem := target_problem(raw):
        raise SpecError(problem)
    return raw


def _joined(raw: RawData) -> Inputs:
    """Return the inputs, those of the test file after the others.

    Raises:
        SpecError: they are of other shapes.
    """
    if raw.test is None:
        return raw.inputs
    shape, others = raw.test.inputs.shape[1:], raw.inputs.shape[1:]
    if shape != others:
        fault = f"a test input has shape {shape}, the others {others}"
        raise SpecError(Problem("E073", f"{raw.name}: {fault}"))
    both: Inputs = np.concatenate([raw.inputs, raw.test.inputs])
    return both


def _fitted(raw: RawData, inputs: Inputs, pool: Ints) -> tuple[tuple[Column, ...], Inputs]:
    """Return the columns as the rows have them that train or validate, and the inputs by that."""
    if inputs.ndim != 2:
        return (), inputs
    named = raw.columns or number_columns([f"x{k + 1}" for k in range(inputs.shape[1])])
    columns: list[Column] = []
    for k, column in enumerate(named):
        own = inputs[:, k].astype(np.float64, copy=False)
        fitted, numbers = column.fitted(own, pool)
        if numbers is not own:
            inputs[:, k] = numbers
        columns.append(fitted)
    return tuple(columns), inputs


def _split_notes(raw: RawData, parts: Parts, spec: DataSpec) -> Iterator[str]:
    """Yield how a column has decided about the split."""
    if raw.group is not None:
        groups = len(set(raw.group.tolist()))
        yield f"rows of one '{spec.group}' stay together, of which there are {groups:,}"
    if raw.times is not None:
        yield f"rows are in order of '{spec.by}': the latest ones test, and what trains is earlier"
        judged = sum(len(rows) for _, rows in parts.folds)
        if spec.folds is not None:
            rows = len(parts.pool)
            yield f"the earliest {rows - judged:,} of {rows:,} rows only train"


def _embedded(columns: Sequence[Column]) -> Iterator[str]:
    """Yield which columns have too many categories for a feature of each."""
    for column in columns:
        if isinstance(column, CategoryColumn) and column.places:
            name, count = reprlib.repr(column.name), len(column.categories)
            yield f"{name} has {count:,} categories: networks learn a vector for each"


def _measured(parts: Parts) -> Ints:
    """Return the rows whose targets set the unit of the losses.

    They are the training rows. Of several folds they are the rows of all, since losses of folds are
    averaged and so must be in one unit.
    """
    return parts.folds[0][0] if len(parts.folds) == 1 else parts.pool


def _standardised(values: Exact, rows: Ints, weights: Floats | None) -> tuple[Floats, float, float]:
    """Return the values less the mean of these rows, by their standard deviation; and both."""
    if weights is None:
        center, scale = (float(moment[0]) for moment in moments(values[:, None], rows))
    else:
        center = mean(values[rows], weights[rows])
        scale = math.sqrt(variance(values[rows], weights[rows]))
    scale = scale or 1.0
    return ((values - center) / scale).astype(np.float32), center, scale


def _file_name(name: str) -> str:
    """Return the name with what does not belong into file names replaced, at most 64 characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "data"

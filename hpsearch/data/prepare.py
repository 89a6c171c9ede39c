"""Turn the section `data:` into a Dataset: read, check, split and scale."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from hpsearch.data import Dataset, DataSpec, Exact, Floats, Inputs, Ints, RawData, SplitRule
from hpsearch.data.check import checked_inputs, target_problem
from hpsearch.data.digest import digest_of
from hpsearch.data.images import channels_first
from hpsearch.data.notes import doubts
from hpsearch.data.parts import Parts, divide
from hpsearch.data.scale import moments, scaled_fold
from hpsearch.data.source import read_source
from hpsearch.data.targets import class_numbers, regression_values, task_of
from hpsearch.errors import Problem, SpecError


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
    raw = channels_first(read_source(spec))
    inputs = _inputs(raw)
    task = task_of(raw, spec.task)
    targets: Ints | Floats
    if task == "classification":
        targets, classes = class_numbers(raw, spec)
        parts = divide(raw, targets, classes, spec)
        center, scale = 0.0, 1.0
    else:
        values, classes = regression_values(raw, spec), ()
        parts = divide(raw, np.zeros(len(values), dtype=np.int64), classes, spec)
        targets, center, scale = _standardised(values, _measured(parts))
    data = with_parts(
        Dataset(
            name=_file_name(raw.name),
            task=task,
            inputs=inputs,
            targets=targets,
            classes=classes,
            target_center=center,
            target_scale=scale,
            folds=(),
            whole=None,
            test=parts.test,
            columns=raw.columns,
            digest="",
            rule=SplitRule(spec.split_seed, spec.column is not None, spec.scale),
        ),
        parts,
    )
    return replace(data, notes=(*raw.notes, *doubts(data)))


def with_parts(dataset: Dataset, parts: Parts) -> Dataset:
    """Return the data split into these parts, its folds scaled and its digest computed."""
    inputs, kind = dataset.inputs, dataset.rule.input_scale
    divided = replace(
        dataset,
        folds=tuple(scaled_fold(inputs, *fold, kind) for fold in parts.folds),
        whole=scaled_fold(inputs, parts.pool, parts.test[:0], kind)
        if len(parts.folds) > 1
        else None,
        test=parts.test,
    )
    return replace(divided, digest=digest_of(divided))


def _inputs(raw: RawData) -> Inputs:
    """Return the checked inputs, those of the test file after the others; check the targets, too.

    Raises:
        SpecError: one or the other cannot be used.
    """
    inputs = checked_inputs(raw)
    if problem := target_problem(raw):
        raise SpecError(problem)
    if raw.test is None:
        return inputs
    more = _inputs(raw.test)
    if more.shape[1:] != inputs.shape[1:]:
        fault = f"a test input has shape {more.shape[1:]}, the others {inputs.shape[1:]}"
        raise SpecError(Problem("E073", f"{raw.name}: {fault}"))
    both: Inputs = np.concatenate([inputs, more])
    return both


def _measured(parts: Parts) -> Ints:
    """Return the rows whose targets set the unit of the losses.

    They are the training rows. Of several folds they are the rows of all, since losses of folds are
    averaged and so must be in one unit.
    """
    return parts.folds[0][0] if len(parts.folds) == 1 else parts.pool


def _standardised(values: Exact, rows: Ints) -> tuple[Floats, float, float]:
    """Return the values less the mean of these rows, by their standard deviation; and both."""
    center, scale = (float(moment[0]) for moment in moments(values[:, None], rows))
    scale = scale or 1.0
    return ((values - center) / scale).astype(np.float32), center, scale


def _file_name(name: str) -> str:
    """Return the name with what does not belong into file names replaced, at most 64 characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "data"

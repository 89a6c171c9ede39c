"""How much each row counts: as a column says, or so that classes count alike."""

from __future__ import annotations

import reprlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import BALANCED, DataSpec, Exact, Floats, Ints, RawData, values
from hpsearch.data.check import LARGEST
from hpsearch.errors import Problem, SpecError

_SMALLEST = float(np.finfo(np.float32).tiny)
_HELP = "a weight is a number, 0 or more; a row of weight 0 is left out"


def with_weights(raw: RawData, spec: DataSpec) -> RawData:
    """Return the rows that count, each with its weight, and a note where others are left out.

    Raises:
        SpecError: a weight is missing, negative, infinite or no number; or all of them are 0.
    """
    if raw.weights is None:
        return raw
    weights = _numbers(raw, raw.weights, spec)
    raw = replace(raw, weights=weights)
    rows = np.flatnonzero(weights)
    if len(rows) == len(weights):
        return raw
    if not len(rows):
        fault = f"{raw.name}: weight '{spec.weights}' is 0 in every row"
        raise SpecError(Problem("E074", fault, spec.places.get("weights"), help=_HELP))
    left, first = len(weights) - len(rows), raw.place(int((weights == 0.0).argmax()))
    are = "row of weight 0 is" if left == 1 else "rows of weight 0 are"
    return raw.only(rows, f"{left:,} {are} left out, the first of them {first}")


def scaled_weights(
    raw: RawData, spec: DataSpec, measured: Ints, classes: Ints | None = None
) -> Floats | None:
    """Return how much each row counts, those of the source's test file after the others.

    Args:
        raw: the source, checked.
        spec: what is asked for.
        measured: the rows whose mean weight is 1.
        classes: the class of each row; None for a regression.

    Raises:
        SpecError: there are no classes to be balanced (E075), or a weight is too large or too small
            beside the others (E074).
    """
    if spec.weights == BALANCED:
        if classes is None:
            fault = f"`weights: {BALANCED}` lets classes count alike, and this is a regression"
            help_ = "name a column that says how much each row counts, or leave `weights:` out"
            raise SpecError(Problem("E075", fault, spec.places.get("weights"), help=help_))
        return _balancing(classes, measured)
    if raw.weights is None:
        return None
    parts = (raw,) if raw.test is None else (raw, raw.test)
    found = np.concatenate([part.weights for part in parts if part.weights is not None])
    with np.errstate(over="ignore"):
        scaled = found / found[measured].mean()
    fit = (scaled >= _SMALLEST) & (scaled <= LARGEST)
    if not fit.all():
        at, own = int(fit.argmin()), len(raw.targets)
        part, row = (raw, at) if at < own else (parts[-1], at - own)
        fault = f"{found[at]:g} is {scaled[at]:.2g} times the mean weight, too far from it"
        raise SpecError(Problem("E074", f"{_named(part, row, spec)}: {fault}", help=_HELP))
    weights: Floats = scaled.astype(np.float32)
    return weights


def mean(numbers: NDArray[Any], weights: Floats | None = None) -> float:
    """Return the mean of numbers, in float64, by their weights where they have some."""
    if weights is None:
        return float(numbers.mean(dtype=np.float64))
    return float(np.average(numbers.astype(np.float64), weights=weights.astype(np.float64)))


def variance(numbers: NDArray[Any], weights: Floats | None = None) -> float:
    """Return the variance of numbers, which is exactly 0 where all are equal."""
    if not (numbers != numbers[0]).any():
        return 0.0
    if weights is None:
        return float(numbers.var(dtype=np.float64))
    return mean((numbers.astype(np.float64) - mean(numbers, weights)) ** 2, weights)


def _balancing(classes: Ints, measured: Ints) -> Floats:
    """Return weights by which the classes of the measured rows count alike, 1 in their mean."""
    counts = np.bincount(classes[measured], minlength=int(classes.max()) + 1)
    # where rows are thinned out, a class may have none among those that are measured
    share = len(measured) / (counts > 0).sum()
    found: Floats = (share / np.maximum(counts, 1))[classes].astype(np.float32)
    return found


def _numbers(raw: RawData, weights: NDArray[Any], spec: DataSpec) -> Exact:
    """Return the weight of each row, and refuse what is none."""
    is_text = values.is_text(weights)
    found: Exact = values.numbers(values.texts(weights)) if is_text else weights.astype(np.float64)
    fit = (found >= 0.0) & (found <= LARGEST)
    if fit.all():
        return found
    row = int(fit.argmin())
    raise SpecError(
        Problem("E074", f"{_named(raw, row, spec)}: {_fault(weights[row])}", help=_HELP)
    )


def _fault(weight: Any) -> str:
    """Return what is wrong with a text or a number that is no weight."""
    text = str(weight).strip()
    if values.is_missing(text):
        return "the weight is missing"
    if values.is_infinite(text):
        return f"{text} is not a finite number"
    if not values.is_number(text):
        return f"{reprlib.repr(text)} is not a number"
    return f"{text} is below 0" if float(text) < 0.0 else f"{text} is beyond {LARGEST:.2g}"


def _named(raw: RawData, row: int, spec: DataSpec) -> str:
    return f"{raw.name}: weight '{spec.weights}', {raw.place(row)}"

"""Check what a loader has read, whichever it was, before anything is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Floats, RawData
from hpsearch.errors import Problem, SpecError

_LARGEST = float(np.finfo(np.float32).max)


def checked_inputs(raw: RawData) -> NDArray[np.uint8] | Floats:
    """Return the inputs as the engine takes them: images of bytes as they are, else float32.

    Raises:
        SpecError: the shape is wrong, there are no rows or columns, or a number is NaN, infinite
            or too large for float32.
    """
    inputs = raw.inputs
    _check_shape(raw)
    if inputs.ndim == 4 and inputs.dtype == np.uint8:
        return inputs
    with np.errstate(over="ignore"):  # what overflows is found below
        numbers = inputs.astype(np.float32)
    finite = np.isfinite(numbers)
    if not finite.all():
        at = tuple(int(i) for i in np.unravel_index(finite.argmin(), finite.shape))
        raise SpecError(_not_finite(raw, _column(raw, at), at[0], inputs[at]))
    return numbers


def check_targets(raw: RawData) -> None:
    """Refuse targets that no task can learn.

    Raises:
        SpecError: they are neither numbers nor text, or one is NaN, infinite or an empty text.
    """
    targets = raw.targets
    if targets.dtype.kind not in "biufU":
        fault = f"{raw.name}: the targets are {targets.dtype}, neither numbers nor text"
        raise SpecError(Problem("E075", fault))
    text = targets.dtype.kind == "U"
    fit = targets != "" if text else np.abs(targets) <= _LARGEST
    if not fit.all():
        at = int(fit.argmin())
        raise SpecError(_not_finite(raw, f"target '{raw.target}'", at, targets[at]))


def _check_shape(raw: RawData) -> None:
    inputs = raw.inputs
    if inputs.dtype.kind not in "biuf" or inputs.ndim not in (2, 4):
        fault = f"{raw.name}: the inputs are an array {inputs.shape} of {inputs.dtype}"
        help_ = (
            "numbers are needed, of a table (rows, features) "
            "or of images (rows, channels, height, width)"
        )
        raise SpecError(Problem("E073", fault, help=help_))
    if raw.targets.shape != inputs.shape[:1]:
        sizes = f"{len(inputs)} rows of inputs, but targets of shape {raw.targets.shape}"
        raise SpecError(Problem("E073", f"{raw.name}: {sizes}", help="each row has one target"))
    if not inputs.size:
        empty = "columns" if len(inputs) else "rows"
        fault = f"{raw.name}: there are no {empty}, the inputs have shape {inputs.shape}"
        raise SpecError(Problem("E076", fault))


def _column(raw: RawData, at: tuple[int, ...]) -> str:
    """Return in words which number of a row stands at this index."""
    if len(at) > 2:
        return "pixel " + ", ".join(str(i + 1) for i in at[1:]) + " (channel, line, column)"
    return f"column '{raw.columns[at[1]]}'" if raw.columns else f"column {at[1] + 1}"


def _not_finite(raw: RawData, what: str, row: int, value: Any) -> Problem:
    """Return the problem with a value that is missing, not finite or too large."""
    if value == "":
        fault = "the value is missing"
    elif np.isfinite(value):
        fault = f"{value:g} is too large, beyond {_LARGEST:.2g}"
    else:
        fault = f"{value} is not a finite number"
    help_ = "fill it in, or leave the row out"
    return Problem("E074", f"{raw.name}: {what}, row {row + 1}: {fault}", help=help_)

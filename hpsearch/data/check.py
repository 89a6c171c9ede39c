"""Check what a loader has read, whichever it was, before anything is made of it."""

from __future__ import annotations

import reprlib

import numpy as np

from hpsearch.data import Exact, Floats, Inputs, RawData, values
from hpsearch.errors import Problem, SpecError

LARGEST = float(np.finfo(np.float32).max)
"""The largest number that is read, since networks compute in float32."""
_SMALLER = "put a smaller number there, or leave the row out"
_LONGEST = 256  # characters of the name of a class


def checked_inputs(raw: RawData, imputes: bool = True) -> Inputs:
    """Return the inputs as they are kept: images of bytes as they are, other numbers exactly.

    They are float32 where that holds every number of their type, else float64. In a table a number
    may be missing where `imputes`.

    Raises:
        SpecError: the shape is wrong, there are no rows or columns, or a number is missing,
            infinite or too large for float32, in which networks compute.
    """
    inputs = raw.inputs
    _check_shape(raw)
    if inputs.ndim == 4 and inputs.dtype == np.uint8:
        return inputs
    numbers: Floats | Exact = (
        inputs.astype(np.float32, copy=False)
        if np.can_cast(inputs.dtype, np.float32)
        else inputs.astype(np.float64, copy=False)
    )
    fit = np.abs(numbers) <= LARGEST
    if imputes and numbers.ndim == 2:
        fit |= np.isnan(numbers)
    if not fit.all():
        at = tuple(int(i) for i in np.unravel_index(fit.argmin(), fit.shape))
        raise SpecError(not_finite(raw, _column(raw, at), at[0], float(numbers[at])))
    return numbers


def target_problem(raw: RawData) -> Problem | None:
    """Return why no task could learn these targets, if so.

    They are neither numbers nor text, one is missing, infinite or too large, or a text is too long
    to be the name of a class.
    """
    targets, what = raw.targets, f"target '{raw.target}'"
    if values.is_text(targets):
        return _label_problem(raw, what)
    if targets.dtype.kind not in "biuf":
        fault = f"{raw.name}: the targets are {targets.dtype}, neither numbers nor text"
        return Problem("E075", fault)
    fit = np.abs(targets) <= LARGEST
    if fit.all():
        return None
    at = int(fit.argmin())
    return not_finite(raw, what, at, float(targets[at]))


def _label_problem(raw: RawData, what: str) -> Problem | None:
    """Return the problem with the first text that is no label, if there is one."""
    texts = values.texts(raw.targets)
    different = dict.fromkeys(texts)
    for text in different:
        if values.is_missing(text):
            place = raw.place(texts.index(text))
            return values.missing(f"{raw.name}: {what}", place, text, is_target=True)
        if len(text) > _LONGEST:
            fault = f"text of {len(text):,} characters is no name of a class"
            return _at(raw, what, texts.index(text), f"{fault} ({reprlib.repr(text)})", "E075")
    infinite = [text for text in different if values.is_infinite(text)]
    numbers = sum(map(values.is_number, different)) if infinite else 0
    # among words `inf` may be the name of a class; among numbers it is what a computation left
    if numbers and numbers + len(infinite) == len(different):
        fault = f"'{infinite[0]}' is not a finite number"
        return _at(raw, what, texts.index(infinite[0]), fault, help=_SMALLER)
    return None


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
    return f"column '{raw.columns[at[1]].name}'" if raw.columns else f"column {at[1] + 1}"


def not_finite(raw: RawData, what: str, row: int, found: float) -> Problem:
    """Return the problem with a number that is missing, infinite or too large."""
    if np.isnan(found):
        return values.missing(f"{raw.name}: {what}", raw.place(row))
    if np.isinf(found):
        fault = f"{found} is not a finite number"
    else:
        fault = f"{found:g} is too large, beyond {LARGEST:.2g}"
    return _at(raw, what, row, fault, help=_SMALLER)


def _at(
    raw: RawData, what: str, row: int, fault: str, code: str = "E074", help: str = ""
) -> Problem:
    place = raw.place(row)
    return Problem(code, f"{raw.name}: {what}, {place}: {fault}", help=help)

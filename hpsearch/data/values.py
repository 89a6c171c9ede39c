"""What a value is, whichever source it comes from: missing, a number, true or false, or a text.

Every loader reads text by these rules, so that the same cell means the same in a CSV file, in a
Parquet file and in an array:

- **Missing** is a cell with nothing in it, or with one of the usual spellings of that (`NA`, `NaN`,
  `null`, `None`, `?` and so on), in small or capital letters. No label is missing and a class.
- **A number** is digits with a point, a sign and an exponent, where it has them. Digits of other
  scripts, underscores, `0x10`, `nan` and `inf` are none.
- **True and false** are 1 and 0 in a column that has nothing else.
- **A label** is a number only where every label of its column is written as that number is written:
  `01` and `1` are two classes.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import Problem

MISSING = frozenset(
    ["", "?", "na", "n/a", "nan", "-nan", "nat", "null", "none", "<na>", "#na", "#n/a", "#n/a n/a"]
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r"[0-9.eE+ -]*")  # of such text, Python takes for numbers what `_NUMBER` does
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_TRUTHS = {"true": 1.0, "false": 0.0}
_EXACT = 2.0**53  # float64 holds every whole number below it
_LONGEST = 100  # characters of a text that may be a number
_MOST_DIGITS = 1_000  # of a whole number; Python refuses to read one of some thousands


def is_missing(text: str) -> bool:
    """Say whether a cell stands for a value that is not there."""
    return text.strip().lower() in MISSING


def is_infinite(text: str) -> bool:
    """Say whether a text spells an infinite number, as programs write it that have computed one."""
    return _INFINITE.fullmatch(text.strip()) is not None


def number(text: str) -> float:
    """Return the number that a text is, in any of its spellings; NaN where it is none.

    >>> number(" 1.50 "), number("-4e1"), number("007")
    (1.5, -40.0, 7.0)
    >>> [number(text) for text in ("1_000", "0x10", "nan", "\\u0661", "$3", "")]
    [nan, nan, nan, nan, nan, nan]
    """
    return float(text) if is_number(text) else math.nan


def is_number(text: str) -> bool:
    """Say whether a text is a number, in any of its spellings."""
    return _NUMBER.fullmatch(text.strip()) is not None


def numbers(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the number that each text is; NaN where it is none."""
    # a long text may stand in many rows: all of them in one would take more than there is
    short = max(map(len, texts), default=0) <= _LONGEST
    if short and _PLAIN.fullmatch("".join(texts)):
        try:
            return np.array(texts, dtype=np.float64)
        except ValueError:
            pass
    return np.array([number(text) for text in texts], dtype=np.float64)


def truths(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 for each `true` and 0 for each `false`, in any letters; NaN for all else."""
    return np.array([_TRUTHS.get(text.strip().lower(), math.nan) for text in texts], np.float64)


def is_truth(text: str) -> bool:
    """Say whether a text is `true` or `false`, in any letters."""
    return text.strip().lower() in _TRUTHS


def exact_number(text: str) -> int | float | None:
    """Return the number that a text is, whole numbers as integers; None where it is none."""
    text = text.strip()
    if not is_number(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() and len(text) < _MOST_DIGITS else float(text)


def written_number(text: str) -> int | float | None:
    """Return the number that a text is, where it is written as Python writes that number.

    >>> [written_number(text) for text in ("1", "-2", "0.5", "1.0", "1357924680135792468")]
    [1, -2, 0.5, 1.0, 1357924680135792468]
    >>> [written_number(text) for text in ("01", "+1", "1.50", "1e5", "-0", "1_1", "a")]
    [None, None, None, None, None, None, None]
    """
    found = exact_number(text)
    return found if str(found) == text else None


def labels(names: Sequence[str]) -> list[int] | list[str]:
    """Return the names of classes as whole numbers, where all of them are.

    >>> labels(["0", "1", "10"]), labels(["0", "1", "more"])
    ([0, 1, 10], ['0', '1', 'more'])
    """
    numbers = [written_number(name) for name in names]
    whole = [number for number in numbers if isinstance(number, int)]
    return whole if len(whole) == len(names) else [*names]


def is_whole(number: float) -> bool:
    """Say whether a number is whole and can be told from its neighbours."""
    return isinstance(number, int) or (number.is_integer() and abs(number) < _EXACT)


def whole(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which numbers are whole and can be told from their neighbours."""
    if numbers.dtype.kind != "f":
        return np.ones(numbers.shape, dtype=np.bool_)
    found: NDArray[np.bool_] = (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)
    return found


def is_text(values: NDArray[Any]) -> bool:
    """Say whether an array holds text rather than numbers."""
    return values.dtype.kind in "UO"


def texts(values: NDArray[Any]) -> list[str]:
    """Return the texts of an array, without the blanks around them."""
    return [text.strip() for text in values.tolist()]


def missing(what: str, place: str, text: str = "", is_target: bool = False) -> Problem:
    """Return the problem with a value that is missing, and how that is spelled."""
    spelled = f" ({reprlib.repr(text.strip())})" if text.strip() else ""
    help_ = "fill it in, leave it out, or write `missing: impute`"
    if is_target:
        help_ = "fill it in, or write `missing: impute`, by which such rows are left out"
        if spelled:
            help_ += f"; if '{text.strip()}' is the name of a class, give it another name"
    return Problem("E074", f"{what}, {place}: the value is missing{spelled}", help=help_)

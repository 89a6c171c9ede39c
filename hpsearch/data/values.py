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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import Problem

_MISSING = frozenset(
    ["", "?", "na", "n/a", "nan", "-nan", "nat", "null", "none", "<na>", "#na", "#n/a", "#n/a n/a"]
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r"[0-9.eE+ -]*")  # of such text, Python takes for numbers what `_NUMBER` does
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_TRUTHS = {"true": 1.0, "false": 0.0}
_EXACT = 2.0**53  # float64 holds every whole number below it
_LONGEST = 100  # characters of what may be meant as a number
_ENCODE = "inputs are numbers: encode text as columns of 0 and 1, or leave the column out"
_KEPT_ONCE = 1000  # different texts of a column

# what people and programs write where a number belongs
_DECIMAL_COMMA = re.compile(r"[+-]?(?![1-9][0-9]{0,2},[0-9]{3}$)[0-9]*,[0-9]+")
_BASED = re.compile(r"[+-]?0(?:x[0-9a-f]{1,16}|o[0-7]{1,16}|b[01]{1,64})", re.IGNORECASE)
_DATE = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}.*|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}.*"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?(?:\s?[AaPp][Mm])?"
)
_CURRENCY = r"(?:[$\u20ac\u00a3\u00a5]|[A-Z]{3})"
_DIGITS = r"(?:[0-9]{1,3}(?:[,'\s][0-9]{3})+|[0-9]+(?:_[0-9]+)*)(?:\.[0-9]+)?"
_UNIT = rf"(?:%|{_CURRENCY}|[^\W\d_]{{1,8}}[23]?)"
_DRESSED = re.compile(rf"([+-]?\s*{_CURRENCY}?\s*[+-]?)({_DIGITS})\s*{_UNIT}?")


def is_missing(text: str) -> bool:
    """Say whether a cell stands for a value that is not there."""
    return text.strip().lower() in _MISSING


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
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def written_number(text: str) -> int | float | None:
    """Return the number that a text is, where it is written as Python writes that number.

    >>> [written_number(text) for text in ("1", "-2", "0.5", "1.0", "1357924680135792468")]
    [1, -2, 0.5, 1.0, 1357924680135792468]
    >>> [written_number(text) for text in ("01", "+1", "1.50", "1e5", "-0", "1_1", "a")]
    [None, None, None, None, None, None, None]
    """
    found = exact_number(text)
    return found if str(found) == text else None


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


def as_array(column: Sequence[str]) -> NDArray[Any]:
    """Return texts as an array that takes the room of their characters, whatever the longest is."""
    found = np.empty(len(column), dtype=object)
    found[:] = column
    return found


class Texts(list[str]):
    """The texts of a column as they are read, without the blanks around them.

    A text that stands in many rows is kept once, as long as there are not very many of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, str] = {}

    def add(self, cells: Sequence[str]) -> None:
        """Take in more rows."""
        kept = self._kept
        for cell in cells:
            text = cell.strip()
            if len(kept) < _KEPT_ONCE:
                text = kept.setdefault(text, text)
            self.append(kept.get(text, text))


@dataclass
class InputColumn:
    """Reads a column of inputs from text, a few rows at a time.

    Attributes:
        name: the column's.
        problem: the first value that is missing or no number, if there is one.
    """

    name: str
    problem: Problem | None = None
    _of_truths: bool | None = None

    def read(
        self, cells: Sequence[str], done: int, lines: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Return the numbers of the next rows, NaN for each value that is none.

        Args:
            cells: the text of each row.
            done: how many rows were read before.
            lines: the lines of all rows so far, where the source has lines.
        """
        if self._of_truths is None and cells:
            self._of_truths = is_truth(cells[0])
        found = truths(cells) if self._of_truths else numbers(cells)
        finite = np.isfinite(found)
        if self.problem is None and not finite.all():
            at = int(finite.argmin())
            place = row_at(done + at, lines)
            self.problem = _no_input(self.name, place, cells[at], bool(self._of_truths))
        return found


def row_at(row: int, lines: Sequence[int] | None = None) -> str:
    """Return a row in words; it counts from 0, and what is said of it from 1."""
    return f"row {row + 1}" if lines is None else f"row {row + 1} (line {lines[row]})"


def missing(what: str, place: str, text: str = "", is_target: bool = False) -> Problem:
    """Return the problem with a value that is missing, and how that is spelled."""
    spelled = f" ({reprlib.repr(text.strip())})" if text.strip() else ""
    help_ = "fill it in, or leave the row or the column out"
    if is_target:
        help_ = "fill it in, or leave the row out"
        if spelled:
            help_ += f"; if '{text.strip()}' is the name of a class, give it another name"
    return Problem("E074", f"{what}, {place}: the value is missing{spelled}", help=help_)


def _no_input(name: str, place: str, text: str, among_truths: bool) -> Problem:
    """Return what is wrong with the text of an input."""
    what = f"column '{name}'"
    if is_missing(text):
        return missing(what, place, text)
    if among_truths:
        fault = "is neither true nor false, as the rows before it are"
        help_ = "write true or false in each row of the column, or a number"
    else:
        infinite = is_infinite(text) or math.isinf(number(text))
        fault = "is not a finite number" if infinite else "is not a number"
        help_ = advice(text)
    return Problem("E074", f"{what}, {place}: {reprlib.repr(text)} {fault}", help=help_)


def advice(text: str) -> str:
    """Return what to do about a text that stands where a number belongs.

    >>> advice("$1,234.50"), advice("1,5"), advice("2020-01-31")[:12]
    ('write 1234.50, without what stands around it or in it', 'write 1.5', 'it is a date')
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return _ENCODE
    if is_infinite(text) or _NUMBER.fullmatch(text):
        return "put a smaller number there, or leave the row or the column out"
    if is_truth(text):
        return "a column is of true and false alone, or of numbers: write 1 and 0"
    if _DECIMAL_COMMA.fullmatch(text):
        return f"write {text.replace(',', '.')}"
    if _BASED.fullmatch(text):
        return f"write {int(text, 0)}"
    if text.isdecimal():
        return f"write {int(text)}"
    if _DATE.fullmatch(text):
        return "it is a date or a time: make numbers of it, such as year, month and hour"
    if dressed := _DRESSED.fullmatch(text):
        plain = re.sub(r"[^0-9.]", "", dressed[2])
        sign = "-" if "-" in dressed[1] else ""
        return f"write {sign}{plain}, without what stands around it or in it"
    return _ENCODE

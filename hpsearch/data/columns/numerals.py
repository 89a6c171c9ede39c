"""How the numbers of a column are written: `1,234.50`, `1.234,50`, `$12`, `3 %`.

All numbers of a column are written in one way. It is found out from them, and shown where it is not
the plain one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.data import values

_CURRENCY = r"(?:[$\u20ac\u00a3\u00a5]|[A-Z]{3})"
_WRITTEN = re.compile(
    rf"(?P<before>[+-]?)\s*(?P<prefix>{_CURRENCY}?)\s*(?P<sign>[+-]?)"
    rf"(?P<digits>[0-9][0-9.,'\u2019\u00a0\u202f ]*|[.,][0-9]+)(?P<exponent>[eE][+-]?[0-9]+)?"
    rf"\s*(?P<suffix>%|{_CURRENCY})?"
)
_ZEROS = re.compile(r"[+-]?0+(?:[.,]0+)?")
_SPACES = "\u00a0\u202f "
_MARKS = [  # before a fraction, and between thousands
    *[(".", ""), (".", ","), (".", "'"), (".", " ")],
    *[(",", ""), (",", "."), (",", " "), (",", "'")],
]
_TRIED = 1000  # texts of a column that say how its numbers are written
_MOST_OF = 0.5  # share of them that must be numbers
_LONGEST = 100  # characters of what may be a number


@dataclass(frozen=True, slots=True)
class Numerals:
    """How the numbers of a column are written.

    Attributes:
        decimal: what stands before the fraction.
        thousands: what stands between groups of three digits, or ''.
        unit: the currency or the percent sign around each of them, or ''.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def number(self, text: str) -> float:
        """Return the number that a text is; NaN where it is not one that is written this way.

        >>> Numerals(",", ".", "EUR").number("-1.234,50 EUR"), Numerals(",").number("1.5")
        (-1234.5, nan)
        """
        if self == PLAIN:
            return float(text) if values.is_infinite(text) else values.number(text)
        found = _split(text)
        if found is None or found.unit not in ("", self.unit):
            return math.nan
        if not found.unit and self.unit and not _ZEROS.fullmatch(found.digits):
            return math.nan
        whole, _, fraction = found.digits.partition(self.decimal)
        if self.thousands and _grouped(self.thousands).fullmatch(whole):
            whole = whole.replace(self.thousands, "")
        if not (whole + fraction).isdigit():
            return math.nan
        return float(f"{found.sign}{whole}.{fraction}{found.exponent}")

    def __str__(self) -> str:
        """Return what is unlike the plain way, in words."""
        said = [f"decimal '{self.decimal}'"] if self.decimal != "." else []
        said += [f"thousands '{self.thousands}'"] if self.thousands else []
        return ", ".join([*said, *([f"in {self.unit}"] if self.unit else [])])


PLAIN = Numerals()


@dataclass(frozen=True, slots=True)
class _Parts:
    sign: str
    digits: str
    exponent: str
    unit: str


def _grouped(mark: str) -> re.Pattern[str]:
    return re.compile(rf"[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+")


def _split(text: str) -> _Parts | None:
    """Return the parts of what looks like a number; every blank between digits is a plain one."""
    if len(text) > _LONGEST or not (match := _WRITTEN.fullmatch(text)):
        return None
    if (match["before"] and match["sign"]) or (match["prefix"] and match["suffix"]):
        return None
    digits = match["digits"].rstrip(_SPACES)
    for space in _SPACES:
        digits = digits.replace(space, " ")
    sign = (match["before"] + match["sign"]).replace("+", "")
    unit = match["prefix"] or match["suffix"] or ""
    return _Parts(sign, digits.replace("\u2019", "'"), match["exponent"] or "", unit)


def numerals_of(texts: Sequence[str]) -> Numerals | None:
    """Return how most of these texts are written as numbers; None where most are not.

    What may be thousands or a fraction (`1,234`) is thousands, unless other texts speak against it.

    >>> str(numerals_of(["1,5", "2,25"])), str(numerals_of(["$1,200", "$35"]))
    ("decimal ','", "thousands ',', in $")
    >>> numerals_of(["red", "green"]) is None
    True
    """
    tried = texts[:_TRIED]
    units = Counter(parts.unit for text in tried if (parts := _split(text)) is not None)
    unit = max(units, key=units.__getitem__, default="")
    candidates = [Numerals(decimal, thousands, unit) for decimal, thousands in _MARKS]
    fits = [sum(math.isfinite(one.number(text)) for text in tried) for one in candidates]
    most = max(fits)
    return candidates[fits.index(most)] if most > _MOST_OF * len(tried) else None

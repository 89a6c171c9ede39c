"""What a network sees of a date beside the time itself: year, month, weekday and hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from hpsearch.data import Exact

DatePart = Literal["year", "month", "weekday", "hour"]

YEAR = 31_556_952.0
"""The seconds of a mean year of the Gregorian calendar."""


def _year(numbers: Exact) -> Exact:
    return _in("Y", numbers) + 1970.0


def _month(numbers: Exact) -> Exact:
    return _in("M", numbers) % 12.0 + 1.0


def _weekday(numbers: Exact) -> Exact:
    return (np.floor(numbers / 86400.0) + 3.0) % 7.0  # 1970 began on a Thursday


def _hour(numbers: Exact) -> Exact:
    return np.floor(numbers / 3600.0) % 24.0


PARTS: Mapping[DatePart, Callable[[Exact], Exact]] = {
    "year": _year,
    "month": _month,
    "weekday": _weekday,
    "hour": _hour,
}
"""How each part follows from the seconds since 1970. Weekdays count from 0, a Monday."""


def _in(unit: Literal["Y", "M"], numbers: Exact) -> Exact:
    """Return the whole years or months since 1970, NaN where the number is."""
    known = np.where(np.isnan(numbers), 0.0, numbers)
    counted = known.astype("datetime64[s]").astype(f"datetime64[{unit}]").astype(np.float64)
    return np.where(np.isnan(numbers), np.nan, counted)


def parts_of(numbers: Exact) -> tuple[DatePart, ...]:
    """Return the parts that vary among these dates."""
    known = numbers[~np.isnan(numbers)]
    return tuple(name for name, of in PARTS.items() if len(known) and np.ptp(of(known)) > 0)

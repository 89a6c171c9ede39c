"""What a network sees of a date beside the time itself: year, month, weekday and hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from hpsearch.data import Exact

DatePart = Literal["year", "month", "weekday", "hour"]

Floor = Callable[[Exact], Exact]
"""Gives the whole numbers below: numpy's `floor`, or what writes it into a graph."""

YEAR = 31_556_952.0
"""The seconds of a mean year of the Gregorian calendar."""


def _year(numbers: Exact, floor: Floor) -> Exact:
    year, month = _since_march(numbers, floor)
    return year + floor(month / 10.0)


def _month(numbers: Exact, floor: Floor) -> Exact:
    _, month = _since_march(numbers, floor)
    return month + 3.0 - 12.0 * floor(month / 10.0)


def _weekday(numbers: Exact, floor: Floor) -> Exact:
    return (floor(numbers / 86400.0) + 3.0) % 7.0  # 1970 began on a Thursday


def _hour(numbers: Exact, floor: Floor) -> Exact:
    return floor(numbers / 3600.0) % 24.0


def _since_march(numbers: Exact, floor: Floor) -> tuple[Exact, Exact]:
    """Return the year, which begins in March, and the months since then, 0 to 11.

    A leap day is then the last day of its year (Hinnant 2013, chrono-compatible low-level date
    algorithms). After 400 years, which are 146,097 days, the calendar repeats itself.
    """
    days = floor(numbers / 86400.0) + 719468.0  # since 0000-03-01
    era = floor(days / 146097.0)
    day = days - 146097.0 * era
    leap_days = floor(day / 1460.0) - floor(day / 36524.0) + floor(day / 146096.0)
    year = floor((day - leap_days) / 365.0)
    day_of_year = day - (365.0 * year + floor(year / 4.0) - floor(year / 100.0))
    return 400.0 * era + year, floor((5.0 * day_of_year + 2.0) / 153.0)


PARTS: Mapping[DatePart, Callable[[Exact, Floor], Exact]] = {
    "year": _year,
    "month": _month,
    "weekday": _weekday,
    "hour": _hour,
}
"""How each part follows from the seconds since 1970. Weekdays count from 0, a Monday."""


def parts_of(numbers: Exact) -> tuple[DatePart, ...]:
    """Return the parts that vary among these dates."""
    known = numbers[~np.isnan(numbers)]
    return tuple(
        name for name, of in PARTS.items() if len(known) and np.ptp(of(known, np.floor)) > 0
    )

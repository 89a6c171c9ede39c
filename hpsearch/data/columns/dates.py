"""Read dates and times, in whichever way they are written, as the seconds since 1970."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from hpsearch.data import Exact
from hpsearch.data.columns.cells import distinct, stamps

_DAYS = [
    *["%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y"],
    *["%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y"],
    *["%b %d, %Y", "%B %d, %Y", "%b %d %Y"],
]
_TIMES = ["%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p"]
FORMATS = (*_DAYS, *(f"{day} {time}" for day in _DAYS for time in _TIMES), *_TIMES)
"""In which ways dates may be written, beside ISO 8601; the first one that fits all is taken."""

_LONGEST = 40  # characters
_FEW = 50  # texts that are tried before all are


def seconds(cells: pa.Array, format: str | None) -> Exact:
    """Return the seconds since 1970 of each date, NaN where it is missing or is none.

    Dates of a time zone are those of UTC. A time without a day is one of 1900-01-01.
    """
    if pa.types.is_temporal(cells.type):
        return stamps(cells)
    different = distinct(cells)
    return different.spread(stamps(_parsed(different.known, format)))


def format_of(texts: pa.Array) -> tuple[bool, str | None]:
    """Say whether all of these texts are dates that are written in one way, and in which.

    The way is None for ISO 8601.
    """
    if not len(texts) or pc.max(pc.utf8_length(texts)).as_py() > _LONGEST:
        return False, None
    for part in (texts[:_FEW], texts):
        formats = [form for form in (None, *FORMATS) if _fits(part, form)]
        if not formats:
            return False, None
    return True, formats[0]


def _fits(texts: pa.Array, format: str | None) -> bool:
    if format is not None:
        return not _parsed(texts, format).null_count
    return not _parsed(texts[:1], None).null_count and not _parsed(texts, None).null_count


def _parsed(texts: pa.Array, format: str | None) -> pa.Array:
    """Return the time of each text; null where it is none."""
    if format is not None:
        return pc.strptime(texts, format=format, unit="s", error_is_null=True)
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return pc.cast(texts, kind).cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            continue
    if len(texts) <= 1:
        return pa.nulls(len(texts), pa.timestamp("us"))
    half = len(texts) // 2  # the few that are no dates are found by halves
    parts = (_parsed(part, None) for part in (texts[:half], texts[half:]))
    return pa.concat_arrays(list(parts))

"""What all JSON records of reports share."""

from __future__ import annotations

from math import isfinite

SCHEMA_VERSION = 2
"""The version of the records: it grows where a name in them changes."""


def finite(value: float | None) -> float | None:
    """Return the value if it is a finite number, else None, which JSON writes as null."""
    return value if value is not None and isfinite(value) else None

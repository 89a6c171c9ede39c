"""How much work something is, in calls of functions: the same on every machine, as time is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def calls_at_most(number: int) -> Iterator[None]:
    """Fail as soon as more functions than that, Python's and C's, were called in this thread.

    >>> with calls_at_most(100):
    ...     sorted(range(10))
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> with calls_at_most(100):
    ...     total = sum(abs(n) for n in range(10**12))
    Traceback (most recent call last):
    ...
    AssertionError: more than 100 calls of functions
    """
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        assert calls <= number, f"more than {number:,} calls of functions"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert calls <= number, f"more than {number:,} calls of functions"

"""Limit the memory that a data file may ask for."""

from __future__ import annotations

from hpsearch.errors import Problem, SpecError

MOST_BYTES = 4 << 30
MOST_RATIO = 100
HARMLESS = 16 << 20  # bytes; below it any ratio will do, since sorted labels pack a thousandfold


def check_size(what: str, size: int, stored: int) -> None:
    """Refuse a file whose numbers would take far more memory than it has bytes.

    It is called before anything is allocated.

    Args:
        what: the file or array, as the message names it.
        size: how many bytes of numbers it claims to hold.
        stored: how many bytes of the file they take.

    Raises:
        SpecError: `size` is more than 4 GiB, or more than 16 MiB and 100 times `stored`.
    """
    if size > MOST_BYTES:
        fault = f"{what} claims {size:,} bytes of numbers; at most {MOST_BYTES:,} (4 GiB) are read"
        raise SpecError(Problem("E073", fault))
    if size > HARMLESS and size > MOST_RATIO * stored:
        fault = (
            f"{what} claims {size:,} bytes of numbers in {stored:,} stored bytes, "
            f"over {MOST_RATIO} times as many"
        )
        help_ = "if the file is honest, store it uncompressed"
        raise SpecError(Problem("E073", fault, help=help_))

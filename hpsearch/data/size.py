"""How much a data file may unfold to."""

from __future__ import annotations

from hpsearch.errors import Problem, SpecError

MOST_BYTES = 4 << 30
MOST_RATIO = 100
HARMLESS = 16 << 20
"""Up to so many bytes any ratio will do: sorted labels are honestly packed a thousand times smaller."""


def check_size(what: str, size: int, stored: int) -> None:
    """Refuse, before anything is allocated, `stored` bytes of a file that claim to hold `size` bytes of numbers.

    Raises:
        SpecError: more than 4 GiB, or more than 16 MiB out of less than a hundredth of it.
    """
    if size > MOST_BYTES:
        raise SpecError(
            Problem(
                "E073",
                f"{what} claims {size:,} bytes of numbers; at most {MOST_BYTES:,} (4 GiB) are read",
            )
        )
    if size > HARMLESS and size > MOST_RATIO * stored:
        raise SpecError(
            Problem(
                "E073",
                f"{what} claims {size:,} bytes of numbers in {stored:,} stored bytes, over {MOST_RATIO} times as many",
                help="if the file is honest, store it uncompressed",
            )
        )

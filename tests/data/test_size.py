"""How much memory a data file may ask for."""

from __future__ import annotations

import pytest

from hpsearch.data.size import HARMLESS, MOST_BYTES, MOST_RATIO, check_size
from hpsearch.errors import SpecError


@pytest.mark.parametrize(
    ("size", "stored"),
    [(HARMLESS, 1), (MOST_BYTES, MOST_BYTES // MOST_RATIO + 1), (100 * HARMLESS, HARMLESS)],
)
def test_up_to_16_mib_any_ratio_will_do_and_up_to_4_gib_one_of_100(size: int, stored: int) -> None:
    check_size("'a.npz'", size, stored)


@pytest.mark.parametrize(
    ("size", "stored", "said"),
    [
        (MOST_BYTES + 1, MOST_BYTES, "4 GiB"),
        (HARMLESS + 1, 1, "over 100 times"),
        (100 * HARMLESS + 1, HARMLESS, "over 100 times"),
    ],
)
def test_one_byte_more_is_refused(size: int, stored: int, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        check_size("'a.npz'", size, stored)

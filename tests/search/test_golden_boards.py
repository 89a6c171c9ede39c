"""The boards of small studies of every kind are those of commit 2ed286d.

See `tests.helpers.boards`, which has made the golden files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.boards import BOARDS, GOLDEN, NO_LOSS, kind, lines, without_losses

QUICK = ("random-halving", "folds-confirm", "minimize-time")
KIND = (GOLDEN / "KIND").read_text(encoding="utf-8").strip()
ALIKE = kind() == KIND
"""Whether losses are the same here to the last bit; else only what rests on none is compared."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in BOARDS]
)
def test_a_study_comes_to_what_it_came_to_before(name: str, tmp_path: Path) -> None:
    golden = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    if not ALIKE and name not in NO_LOSS:
        pytest.skip(f"made on another kind of processor ({KIND}): {__doc__}")
    found = lines(name, tmp_path)
    if ALIKE:
        assert found == golden
    else:
        assert without_losses(found) == without_losses(golden)

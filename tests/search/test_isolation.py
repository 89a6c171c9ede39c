"""What a process has set for its own computations, while a strategy is asked."""

from __future__ import annotations

import pytest
import torch

from hpsearch.search.isolation import own_state


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_how_strict_torch_is_stays_as_it_was_and_its_compiler_is_not_imported(
    mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_deterministic_debug_mode(mode)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", pytest.fail)  # imports it
    try:
        with own_state():
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.get_deterministic_debug_mode() == mode
    finally:
        torch.set_deterministic_debug_mode("default")

"""Writers of data files; each returns the spec of what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., DataSpec]:
    """A function that writes a text as a table."""

    def write(
        text: str | bytes, name: str = "t.csv", target: str | None = "y", **options: Any
    ) -> DataSpec:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return DataSpec(name, target=target, folder=tmp_path, **options)

    return write


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[..., DataSpec]:
    """A function that writes arrays by name as an .npz file; the first argument is for the spec."""

    def write(spec: dict[str, Any] | None = None, **stored: Any) -> DataSpec:
        np.savez(tmp_path / "a.npz", **stored)
        return DataSpec("a.npz", folder=tmp_path, **(spec or {}))

    return write

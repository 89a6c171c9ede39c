"""Models that were trained and exported, once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpsearch.data import DataSpec
from hpsearch.model import folder
from hpsearch.model.weights import to_bytes
from tests.helpers.models import MIXED, TOWNS, spec_of, trained


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of classes, of numbers, of images, and of embedded categories."""
    made: Path = tmp_path_factory.mktemp("models")
    (made / "t.csv").write_text(MIXED)
    (made / "towns.csv").write_text(TOWNS)
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "classes": (spec_of(made, "y"), {}),
        "numbers": (spec_of(made, "z"), {}),
        "images": ("digits", {}),
        "towns": (DataSpec("towns.csv", "y", folder=made), {}),
    }
    for name, (spec, settings) in kinds.items():
        _, result, model = trained(made / f"{name}.artefacts", spec, settings)
        facts = {"metrics": {"validation": {"loss": result.loss}}, "command": "hpsearch export"}
        folder.save(made / name, to_bytes(model), facts)
    return made

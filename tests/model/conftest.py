"""Models that were trained and exported, once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpsearch.model import folder
from hpsearch.model.weights import to_bytes
from tests.helpers.models import MIXED, spec_of, trained


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three models of the mixed table: classes, numbers, and images."""
    made: Path = tmp_path_factory.mktemp("models")
    (made / "t.csv").write_text(MIXED)
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "classes": (spec_of(made, "y"), {}),
        "numbers": (spec_of(made, "z"), {}),
        "images": ("digits", {}),
    }
    for name, (spec, settings) in kinds.items():
        _, result, model = trained(made / f"{name}.artefacts", spec, settings)
        facts = {"metrics": {"validation": {"loss": result.loss}}, "command": "hpsearch export"}
        folder.save(made / name, to_bytes(model), facts)
    return made

"""Which parts of the report know what is trained."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPORT = Path(__file__).parent.parent.parent / "hpsearch" / "report"


def imported(path: Path) -> set[str]:
    """Return the modules of hpsearch that a file imports from."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name for name in names if name.startswith("hpsearch.")}


@pytest.mark.parametrize("part", ["board", "trial", "surrogate", "render"])
def test_only_the_diagnosis_knows_networks(part: str) -> None:
    known = {name.split(".")[1] for path in (REPORT / part).glob("*.py") for name in imported(path)}
    assert not known & {"engine", "data", "config", "objectives", "model", "runners"}


@pytest.mark.parametrize("part", ["board", "trial", "surrogate", "diagnosis"])
def test_texts_and_pages_are_made_of_views_and_never_the_other_way_round(part: str) -> None:
    view = imported(REPORT / part / "view.py")
    assert not {name for name in view if name.rsplit(".", 1)[-1] in ("text", "page")}

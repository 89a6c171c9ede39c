"""The wall clock may jump: nothing that is decided or measured goes by it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpsearch.report.board.view import canonical
from hpsearch.study.store import read

ROOT = Path(__file__).parent.parent.parent
WALL = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime"}

# Every look at the clock is an hour behind, an hour ahead, a day behind, or right; here, and where
# trials are trained.
JUMPS = """
import itertools, os, pathlib, time
pathlib.Path(os.environ["JUMPS"], str(os.getpid())).touch()
real, jumps = time.time, itertools.cycle([-3600, 3600, -86400, 0])
time.time = lambda: real() + next(jumps)
"""


def looks(path: Path) -> list[str]:
    """Return where a file asks for the time of day."""
    return [
        f"{path.relative_to(ROOT / 'hpsearch')}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in WALL
        and isinstance(node.value, ast.Name)
        and node.value.id in ("time", "datetime", "date")
    ] + [
        f"{path.relative_to(ROOT / 'hpsearch')}: from {node.module} import {alias.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in WALL
    ]


def test_nobody_asks_for_the_time_of_day_but_for_when_a_study_was_begun() -> None:
    found = [look for path in sorted((ROOT / "hpsearch").rglob("*.py")) for look in looks(path)]
    assert found == ["commands/search.py: datetime.now", "search/kept.py: datetime.now"]


@pytest.mark.slow
@pytest.mark.group("clock")
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "jumps").mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPS)
    jumping = {"JUMPS": str(tmp_path / "jumps"), "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}"}
    for study, env in (("calm", {}), ("jumping", jumping)):
        command = [
            sys.executable,
            "-m",
            "hpsearch",
            "bayes",
            "--budget",
            "6",
            "--epochs",
            "2",
            "--study",
            study,
        ]
        subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            check=True,
            env={**os.environ, **env},
            timeout=300,
        )
    # the search, and the server from which its workers are forked as they are
    assert len(list((tmp_path / "jumps").iterdir())) == 2
    calm, jumped = read(tmp_path / "calm"), read(tmp_path / "jumping")
    assert canonical(jumped) == canonical(calm)
    assert all(result.seconds >= 0 for result in jumped.history.results.values())
    assert all(0 <= session.wall_seconds < 300 for session in jumped.sessions)

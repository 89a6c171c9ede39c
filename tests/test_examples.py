"""Every example runs by the command at its head, and prints what stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_file())
_COMMAND = re.compile(r"(python|hpsearch) ")


@dataclass(frozen=True)
class Head:
    """The commands at the head of an example, and the lines that the last one prints."""

    commands: list[list[str]]
    printed: list[str]


def head_of(path: Path) -> Head:
    """Return what stands at the head: indented lines are commands, and then what is printed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        _, head, _ = text.split('"""', 2)
        lines = [line.removeprefix("    ") for line in head.splitlines() if line[:4] == "    "]
    else:
        head = text.partition("data:")[0]
        lines = [line.removeprefix("#   ") for line in head.splitlines() if line[:4] == "#   "]
    commands = [shlex.split(line) for line in lines if _COMMAND.match(line)]
    return Head(commands, [line for line in lines if not _COMMAND.match(line)])


def masked(line: str) -> str:
    """Return a line without its numbers, which differ in their last digits between machines."""
    return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", line)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder with the examples."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.slow if path.suffix == ".yaml" else ())
        for path in EXAMPLES
    ],
    ids=lambda path: path.name,
)
def test_an_example_runs_by_the_command_at_its_head(path: Path, folder: Path) -> None:
    head = head_of(path)
    assert f"examples/{path.name}" in head.commands[-1]
    assert head.printed
    programs = {"python": [sys.executable], "hpsearch": [sys.executable, "-m", "hpsearch"]}
    env = {name: value for name, value in os.environ.items() if "HPSEARCH" not in name}
    for program, *arguments in head.commands:
        done = subprocess.run(
            [*programs[program], *arguments],
            cwd=folder,
            env={**env, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    printed = [masked(line) for line in done.stdout.splitlines()]
    shown = [masked(line).partition("...")[0] for line in head.printed]
    assert all(any(line.startswith(start) for line in printed) for start in shown), done.stdout
    if path.suffix == ".py":
        assert len(printed) == len(shown)


def test_each_kind_of_example_is_there() -> None:
    assert {path.name for path in EXAMPLES} >= {
        *(
            "ask_and_tell.py",
            "halving_function.py",
            "own_objective.py",
            "own_strategy.py",
            "study_to_dataframe.py",
        ),
        *("search.yaml", "regression.yaml"),
    }

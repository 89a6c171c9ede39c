"""The recipes of docs/own-trainers.md, run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hpsearch.config.document import read
from hpsearch.config.spec import free_space
from hpsearch.objectives.command import Command
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.trainers import CommandSpec, mistakes
from hpsearch.runners import Resources
from hpsearch.study.trial import Done, Failed
from tests.helpers.programs import search

PAGE = (Path(__file__).parent.parent / "docs" / "own-trainers.md").read_text(encoding="utf-8")
_FILE = re.compile(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^```sh\nhpsearch (\w+) (.*?)\n```$", re.MULTILINE)
_MOST = 4  # trials, whatever the page says


@dataclass(frozen=True)
class Recipe:
    """A section: its files by name, and the command that searches."""

    files: dict[str, str]
    strategy: str
    budget: int
    halving: bool
    words: tuple[str, ...]


def recipe(title: str) -> Recipe:
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    ((strategy, arguments),) = _COMMAND.findall(section)
    flags, _, words = arguments.partition(" -- ")
    budget = min(_MOST, int(re.findall(r"--budget (\d+)", flags)[0]))
    files = dict(_FILE.findall(section))
    return Recipe(files, strategy, budget, "--halving" in flags, tuple(shlex.split(words)))


def run(found: Recipe, folder: Path) -> list[Done]:
    """Search as a recipe says, with its words; return all results, which are losses."""
    for name, text in found.files.items():
        (folder / name).write_text(text)
    keys: dict[str, Any] = read(found.files["space.yaml"], "space.yaml").value
    space = free_space(keys["parameters"])
    counts = keys.get("maximize") or keys.get("minimize", "loss")
    template = keys.get("template")
    spec = CommandSpec(
        words=found.words,
        folder=folder,
        style=keys.get("arguments", "--a=b"),
        template=template and found.files[template],
        template_name=template or "",
        patterns=keys.get("metrics", {}),
        reporting=Reporting(counts, "maximize" in keys, keys.get("epochs", 1)),
    )
    assert [*mistakes(spec, space.parameters)] == []
    objective = Command(spec, space, folder / "study")
    extra = {"halving": True} if found.halving else {}
    history, _ = search(
        objective, found.budget, Resources(workers=2), found.strategy, max_retries=0, **extra
    )
    results = [*history.results.values()]
    done = [result for result in results if isinstance(result, Done)]
    lost = [result.reason for result in results if isinstance(result, Failed)]
    assert all(reason.startswith("diverged") for reason in lost), lost
    assert not history.pending
    assert len(results) >= found.budget > 2 * len(lost)
    assert not found.halving or any(trial.start_epoch for trial in history.trials)
    return done


@pytest.fixture(autouse=True)
def _python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `python` be the one that runs the tests."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def test_each_recipe_is_tested() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.partition("## What a call costs")[2], re.MULTILINE)
    untested = {"Lightning and Transformers", "Hydra"}
    assert set(titles) == untested | {
        "A PyTorch script, as it is",
        "scikit-learn",
        "LightGBM",
        "A program with a config file",
        "Checkpoints for halving",
        "Python functions",
    }


def test_a_program_with_a_config_file(tmp_path: Path) -> None:
    done = run(recipe("A program with a config file"), tmp_path)
    assert min(result.loss for result in done) < 1


def test_checkpoints_for_halving(tmp_path: Path) -> None:
    for result in run(recipe("Checkpoints for halving"), tmp_path):
        assert result.curve
    assert max(one.count("$ ") for one in logs(tmp_path)) > 1


def logs(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.glob("study/trials/*/log.txt")]


@pytest.mark.slow
def test_a_pytorch_script_as_it_is(tmp_path: Path) -> None:
    done = run(recipe("A PyTorch script, as it is"), tmp_path)
    assert all(len(result.curve) == 5 for result in done)
    assert any("--momentum" in text for text in logs(tmp_path))
    assert any("--momentum" not in text for text in logs(tmp_path))


@pytest.mark.slow
def test_scikit_learn(tmp_path: Path) -> None:
    done = run(recipe("scikit-learn"), tmp_path)
    assert max(result.metric for result in done) > 0.9
    assert all(result.measures["worst"] <= result.metric for result in done)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lightgbm") is None, reason="lightgbm is in the extra `bench`")
def test_lightgbm(tmp_path: Path) -> None:
    done = run(recipe("LightGBM"), tmp_path)
    assert min(result.loss for result in done) < 0.3


def test_python_functions(tmp_path: Path) -> None:
    class Trial:
        epochs = 9
        reported: list[int] = []  # noqa: RUF012 (there is one trial)

        def report(self, epoch: int, loss: float) -> bool:
            self.reported.append(epoch)
            return epoch < 3

    names: dict[str, Any] = {}
    exec(recipe("Python functions").files["train.py"], names)
    assert names["train"]({"lr": 0.5}, Trial()) is None
    assert Trial.reported == [1, 2, 3]

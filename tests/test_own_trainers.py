"""The recipes of docs/own-trainers.md, run as they stand there."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hpsearch.study.history import History
from hpsearch.study.store import read
from hpsearch.study.trial import Done, Failed
from tests.helpers.commands import AS_MODULE, ended

PAGE = (Path(__file__).parent.parent / "docs" / "own-trainers.md").read_text(encoding="utf-8")
_FILE = re.compile(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^```sh\nhpsearch (.*?)\n```$", re.MULTILINE)
_BUDGET = "4"  # trials, whatever the page says

UNTESTED = {"Lightning and Transformers", "Hydra"}
TESTED = {
    "A PyTorch script, as it is",
    "scikit-learn",
    "LightGBM",
    "A program with a config file",
    "Checkpoints for halving",
    "Python functions",
}


def search(title: str, folder: Path) -> History:
    """Search as a recipe says; return all trials, of which most have succeeded."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    for name, text in _FILE.findall(section):
        (folder / name).write_text(text)
    (command,) = _COMMAND.findall(section)
    words = re.sub(r"--budget \d+", f"--budget {_BUDGET}", command).split()
    ran = ended(folder, *AS_MODULE, *words, "--workers", "2", "--study", "study")
    assert ran.returncode == 0, ran.stderr
    history = read(folder / "study").history
    lost = [one.reason for one in history.results.values() if isinstance(one, Failed)]
    assert all(reason.startswith("diverged") for reason in lost), lost
    assert len(history.done) >= 2
    return history


def results(history: History) -> list[Done]:
    return [result for result in history.results.values() if isinstance(result, Done)]


def logs(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.glob("study/trials/*/log.txt")]


@pytest.fixture(autouse=True)
def _python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `python` be the one that runs the tests."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def test_each_recipe_is_tested() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.partition("## What a call costs")[2], re.MULTILINE)
    assert set(titles) == UNTESTED | TESTED


def test_a_program_with_a_config_file(tmp_path: Path) -> None:
    found = results(search("A program with a config file", tmp_path))
    assert len({result.loss for result in found}) == int(_BUDGET)
    assert len(list(tmp_path.glob("study/trials/*/settings.conf"))) == int(_BUDGET)


@pytest.mark.slow
@pytest.mark.parametrize("title", ["Checkpoints for halving", "Python functions"])
def test_what_reports_its_epochs_is_halved(title: str, tmp_path: Path) -> None:
    history = search(title, tmp_path)
    assert any(trial.start_epoch for trial in history.trials)
    assert {result.epochs for result in results(history)} >= {3, 9}


@pytest.mark.slow
def test_a_pytorch_script_as_it_is(tmp_path: Path) -> None:
    found = results(search("A PyTorch script, as it is", tmp_path))
    assert all(result.epochs == 5 for result in found)
    assert any("--momentum" in text for text in logs(tmp_path))
    assert any("--momentum" not in text for text in logs(tmp_path))


@pytest.mark.slow
def test_scikit_learn(tmp_path: Path) -> None:
    found = results(search("scikit-learn", tmp_path))
    assert max(result.metric for result in found) > 0.9
    assert all(result.measures["worst"] <= result.metric for result in found)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lightgbm") is None, reason="lightgbm is in the extra `bench`")
def test_lightgbm(tmp_path: Path) -> None:
    found = results(search("LightGBM", tmp_path))
    assert min(result.loss for result in found) < 0.3

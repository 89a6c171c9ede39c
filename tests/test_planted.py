"""The tests can fail: faults are planted in a copy of the package, and each must be noticed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.metrics import METRICS
from hpsearch.space.parameters import Choice
from tests.helpers.planted import FAULTS, Fault

ROOT = Path(__file__).parent.parent
CHOICES = [
    f"{name} {value}"
    for name, setting in SETTINGS.items()
    if isinstance(setting.domain, Choice)
    for value in setting.domain.options
]
FORKS = """
import json, os, sys
import pytest, sklearn.metrics, sklearn.preprocessing, torch  # what takes seconds, and has no fault

for line in sys.stdin:
    folder, tests = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = folder
        log = os.open("log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        quiet = ["-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
        code = pytest.main([*quiet, "-m", "", *tests])  # also those that are slow
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Reads folders and tests; runs the tests in a fork, with the package in the folder; answers with
pytest's exit codes."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_a_fault_changes_is_there_once(fault: Fault) -> None:
    assert (ROOT / "hpsearch" / fault.file).read_text(encoding="utf-8").count(fault.old) == 1
    assert fault.new != fault.old


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_fault_planted_in_it(metric: str) -> None:
    assert f"metric {metric}" in {fault.of for fault in FAULTS}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_of_the_engine_has_a_fault_planted_in_it(choice: str) -> None:
    assert choice in {fault.of for fault in FAULTS}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    elsewhere = tmp_path_factory.mktemp("forks")
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(
        command, cwd=elsewhere, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def outcome(
    forks: subprocess.Popen[str], tests: Sequence[str], fault: Fault | None
) -> tuple[int, str]:
    """Run tests on a copy of the package with a fault; return pytest's code, and what it prints."""
    with TemporaryDirectory() as name:
        copy = Path(name)
        for folder in ("hpsearch", "tests"):
            shutil.copytree(ROOT / folder, copy / folder)
        shutil.copy(ROOT / "pyproject.toml", copy)
        if fault:
            file = copy / "hpsearch" / fault.file
            file.write_text(
                file.read_text(encoding="utf-8").replace(fault.old, fault.new), encoding="utf-8"
            )
        assert forks.stdin
        assert forks.stdout
        print(json.dumps([name, tests]), file=forks.stdin, flush=True)
        return int(forks.stdout.readline()), (copy / "log").read_text(encoding="utf-8")


@pytest.mark.faults
def test_where_nothing_is_planted_nothing_is_noticed(forks: subprocess.Popen[str]) -> None:
    code, log = outcome(forks, sorted({test for fault in FAULTS for test in fault.tests}), None)
    assert code == pytest.ExitCode.OK, log


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(fault: Fault, forks: subprocess.Popen[str]) -> None:
    code, log = outcome(forks, fault.tests, fault)
    assert code == pytest.ExitCode.TESTS_FAILED, log
    for test in fault.tests:
        assert f"\nFAILED {test}" in log, f"{test} does not notice it\n{log}"

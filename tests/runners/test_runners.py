"""What every runner promises, over the table of runners, and what a coordinator's end does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hpsearch.errors import EXIT_INTERRUPTED, SpecError
from hpsearch.runners import RUNNERS
from hpsearch.runners.call import attempt
from hpsearch.testing import Check
from hpsearch.testing.runners import (
    Build,
    checks,
    events_of,
    fault_checks,
    is_alive,
    job,
    process_checks,
    runner_of,
)
from tests.helpers.processes import descendants

ROOT = Path(__file__).parents[2]
_HERE = [name for name in RUNNERS if name != "ray"]
"""The runners that start within a second; `test_ray_contract` has the same checks for Ray."""

_IN_PROCESSES = [name for name in _HERE if name != "inline"]
"""Those of them that do work in processes of their own, which can have limits."""


def builder(name: str) -> Build:
    """Return what builds a runner, with its default options."""
    return RUNNERS.load(name)().build


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep workers from importing pytest, the main module of their coordinator, for a second."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)


def checks_of(suite: Callable[[Build], list[Check[Build]]], names: Iterable[str]) -> list[Any]:
    """Return the checks of a suite for each of these runners, named after it."""
    return [
        pytest.param(check, id=f"{name}-{check}")
        for name in names
        for check in suite(builder(name))
    ]


@pytest.mark.parametrize("check", checks_of(checks, _HERE))
def test_every_runner(check: Check[Build]) -> None:
    check()


@pytest.mark.parametrize("check", checks_of(process_checks, _IN_PROCESSES))
def test_runners_with_processes(check: Check[Build]) -> None:
    check()


@pytest.mark.group("workers: dead, hung, too large")
@pytest.mark.parametrize("check", checks_of(fault_checks, _IN_PROCESSES))
def test_faults(check: Check[Build]) -> None:
    check()


def test_a_worker_imports_nothing_that_only_a_coordinator_needs() -> None:
    """Each worker pays for what it imports, and a search of a few seconds would feel it."""
    worker = "hpsearch.runners.worker, hpsearch.runners.fork_server, hpsearch.objectives.training"
    code = f"import sys, {worker}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "torch" in loaded.split()
    assert not {"pydantic", "yaml", "click", "rich", "scipy", "sklearn"} & {*loaded.split()}


def test_a_script_that_would_end_its_worker_where_it_is_imported_is_an_error() -> None:
    found = attempt(partial(sys.exit, 3))
    assert isinstance(found, SpecError)
    assert "cannot import what it is to call: SystemExit: 3" in str(found)


class TestInline:
    """What only a runner does that works in the process of its coordinator."""

    def test_ctrl_c_during_work_leaves_the_call_as_itself(self, tmp_path: Path) -> None:
        with runner_of(builder("inline"), tmp_path) as runner:
            runner.submit(job(0, "quit_politely", EXIT_INTERRUPTED))
            assert [event for _, event in runner.wait(0.2)] == [1]
            with pytest.raises(SystemExit):
                runner.wait(0.2)

    def test_work_is_done_in_this_process_whatever_the_resources_are(self, tmp_path: Path) -> None:
        with runner_of(builder("inline"), tmp_path, workers=4, memory=1) as runner:
            assert events_of(runner, job(0, "process", 0.0))[0] == os.getpid()


@pytest.fixture(params=_IN_PROCESSES)
def coordinate(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(function: str, argument: object) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.helpers.coordinator",
            request.param,
            str(tmp_path / "artefacts"),
            f"hpsearch.testing.work:{function}",
            str(argument),
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def left_after_the_kill(
    process: subprocess.Popen[str], pids: set[int], seconds: float
) -> list[int]:
    """Kill a coordinator; return which of the processes are alive so long after that."""
    process.kill()
    process.wait()
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [pid for pid in pids if is_alive(pid)]


def test_no_process_is_left_two_seconds_after_the_coordinator_is_killed(
    coordinate: Callable[..., subprocess.Popen[str]],
) -> None:
    process = coordinate("process", 600)
    workers = {int(line(process)), int(line(process))}
    left = descendants(process.pid)
    assert workers <= left
    assert not left_after_the_kill(process, left, 2)


def test_nor_does_one_that_is_still_importing(
    coordinate: Callable[..., subprocess.Popen[str]],
) -> None:
    process = coordinate("process", 600)
    while not descendants(process.pid):  # the server that workers come from
        time.sleep(0.01)
    left = descendants(process.pid)
    time.sleep(0.2)  # to import what workers begin with takes the server seconds
    assert not left_after_the_kill(process, left, 1)


@pytest.mark.parametrize("how", ["in a call into C", "deaf", "in a process of its own"])
def test_nor_does_one_that_cannot_hear_of_it(
    coordinate: Callable[..., subprocess.Popen[str]], how: str
) -> None:
    process = coordinate("hang", how)
    pids = {int(line(process)) for _ in range(4 if how == "in a process of its own" else 2)}
    assert not left_after_the_kill(process, pids, 2)


def test_signals_to_the_whole_group_reach_the_coordinator_alone(
    coordinate: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = tmp_path / "go"
    process = coordinate("wait_for", path)
    assert [line(process), line(process)] == ["begun", "begun"]
    for number in (signal.SIGINT, signal.SIGTERM):
        os.killpg(process.pid, number)
    time.sleep(0.3)
    path.touch()
    lines = [line(process) for _ in range(5)]
    assert sorted(lines) == ["WorkFinished()", "WorkFinished()", "ended", "ended", "over"]


def test_the_signals_do_not_reach_workers_that_are_still_starting(
    coordinate: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = coordinate("wait_for", tmp_path / "go")
    (tmp_path / "go").touch()
    for _ in range(10):
        time.sleep(0.15)
        if descendants(process.pid):  # the server of the workers has begun to import
            os.killpg(process.pid, signal.SIGINT)
    lines = [line(process) for _ in range(7)]
    assert lines[-1] == "over"
    assert not [text for text in lines if text.startswith("WorkCrashed")]

"""What workers are forked from: killed, stopped, short of files, and in folders of all kinds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpsearch.runners import Runner
from hpsearch.runners.local import LocalOptions
from hpsearch.testing.runners import (
    FINISHED,
    events_of,
    first_events,
    job,
    runner_of,
)
from tests.helpers.processes import descendants, is_gone, kill, server_of, stop

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep workers from importing pytest, the main module of their coordinator, for a second."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    with runner_of(LocalOptions().build, tmp_path, workers=2) as runner:
        yield runner


@pytest.mark.group("fork server")
@pytest.mark.parametrize("end", [kill, stop])
class TestEnded:
    """A server that somebody has killed or stopped."""

    def test_while_it_starts(self, runner: Runner, end: Callable[[int], None]) -> None:
        runner.submit(job(0, "count", 2))
        end(server_of(os.getpid()))
        assert first_events(runner, 3) == [0, 1, FINISHED]

    def test_while_workers_work(
        self, runner: Runner, end: Callable[[int], None], tmp_path: Path
    ) -> None:
        runner.submit(job(0, "wait_for", tmp_path / "go"))
        assert first_events(runner, 1) == ["begun"]
        end(server_of(os.getpid()))
        assert events_of(runner, job(1, "count", 2)) == [0, 1, FINISHED]
        (tmp_path / "go").touch()
        assert first_events(runner, 2) == ["ended", FINISHED]

    def test_with_a_worker_at_work(self, runner: Runner, end: Callable[[int], None]) -> None:
        runner.submit(job(0, "process", 600.0))
        (worker,) = first_events(runner, 1)
        end(server_of(os.getpid()))
        os.kill(worker, signal.SIGKILL)
        (crash,) = first_events(runner, 1)
        assert crash.kind == "killed"
        assert events_of(runner, job(1, "count", 1)) == [0, FINISHED]

    def test_with_a_worker_that_has_nothing_to_do(
        self, runner: Runner, end: Callable[[int], None]
    ) -> None:
        worker, _ = events_of(runner, job(0, "process", 0.0))
        end(server_of(os.getpid()))
        kill(worker)
        assert events_of(runner, job(1, "count", 1)) == [0, FINISHED]

    def test_before_all_is_over(self, tmp_path: Path, end: Callable[[int], None]) -> None:
        with runner_of(LocalOptions().build, tmp_path) as runner:
            runner.submit(job(0, "process", 600.0))
            (worker,) = first_events(runner, 1)
            end(server_of(os.getpid()))
            began = time.monotonic()
        assert time.monotonic() < began + 10
        assert is_gone(worker)  # its files, by which it is known, are closed a moment before


@pytest.mark.group("fork server")
def test_it_is_started_again_as_often_as_it_is_killed(runner: Runner) -> None:
    for cohort in range(5):
        worker, _ = events_of(runner, job(cohort, "process", 0.0))
        kill(server_of(os.getpid()))
        kill(worker)


def test_no_more_workers_start_than_there_is_work_for(tmp_path: Path) -> None:
    with runner_of(LocalOptions().build, tmp_path, workers=40) as runner:
        assert events_of(runner, job(0, "count", 1)) == [0, FINISHED]
        assert len(descendants(server_of(os.getpid()))) == 1


def test_it_leaves_no_temporary_files_and_needs_no_place_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with coordinator(tmp_path, tmp_path) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    assert not list(folder.iterdir())


def coordinator(folder: Path, working: Path) -> subprocess.Popen[str]:
    """Start a process with two workers that sleep; it prints their process ids."""
    script = folder / "coordinator.py"
    script.write_text(
        "from tests.helpers.coordinator import main\nimport sys\nmain(*sys.argv[1:])\n"
    )
    arguments = ["local", str(folder / "artefacts"), "hpsearch.testing.work:process", "600"]
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        cwd=working,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

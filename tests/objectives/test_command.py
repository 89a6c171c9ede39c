"""Searches over programs: one leaderboard whatever happens, and nothing that outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.errors import SpecError
from hpsearch.objectives.reports import Reporting
from hpsearch.runners import Resources
from hpsearch.search.loop import CohortRetried
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, Notice
from hpsearch.testing.runners import PATIENCE, is_alive
from tests.helpers.processes import children, is_gone, kill, server_of
from tests.helpers.program_search import objective
from tests.helpers.programs import RESUMES, board, command, search, shell

TWO = Resources(workers=2)


def results(history: History) -> list[Done | Failed]:
    return [history.results[trial.number] for trial in history.trials]


@contextmanager
def hanging(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Give a search whose programs hang, and the processes of two of them."""
    folder.mkdir()
    (folder / "hang").touch()
    arguments = [sys.executable, "-m", "tests.helpers.program_search", str(folder)]
    with subprocess.Popen(arguments) as process:
        try:
            yield process, pids(folder, 6)
        finally:
            process.kill()


def pids(folder: Path, many: int) -> list[int]:
    """Return the processes of programs once there are so many."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
        if len(found) >= many:
            return [int(pid) for pid in found]
        time.sleep(0.02)
    raise TimeoutError


@pytest.mark.slow
def test_any_number_of_workers_finds_the_same(tmp_path: Path) -> None:
    one, two = (objective(tmp_path / name) for name in ("one", "two"))
    assert board(search(one, 6)[0]) == board(search(two, 6, TWO)[0])


@pytest.mark.slow
def test_nothing_outlives_a_coordinator_and_the_search_goes_on(tmp_path: Path) -> None:
    with hanging(tmp_path / "killed") as (process, found):
        kill(process.pid)
        assert all(is_gone(pid) for pid in found)
    (tmp_path / "killed" / "hang").unlink()
    history, _ = search(objective(tmp_path / "killed"), 6, TWO)
    assert board(history) == board(search(objective(tmp_path / "quiet"), 6)[0])


@pytest.mark.slow
def test_nothing_outlives_a_worker_and_its_trial_is_tried_again(tmp_path: Path) -> None:
    with hanging(tmp_path / "killed") as (process, found):
        (tmp_path / "killed" / "hang").unlink()
        kill(min(children(server_of(process.pid))))
        deadline = time.monotonic() + PATIENCE
        while len(left := [pid for pid in found if is_alive(pid)]) > 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert process.wait(PATIENCE) == 0
    history, _ = search(objective(tmp_path / "killed"), 6)
    assert all(isinstance(result, Done) for result in results(history))


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    of = objective(tmp_path)
    (tmp_path / "hang").touch()
    history, _ = search(replace(of, timeout=0.5), 1, max_retries=0)
    (result,) = results(history)
    assert isinstance(result, Failed)
    assert result.reason == "timeout: it took longer than 0.5 s"
    assert all(is_gone(pid) for pid in pids(tmp_path, 3))


def test_a_program_has_the_memory_of_its_worker(tmp_path: Path) -> None:
    of = command(tmp_path, "x = bytearray(10**9)\nprint('{\"loss\": 1}')")
    history, _ = search(of, 1, Resources(memory=600_000_000), max_retries=0)
    (result,) = results(history)
    assert isinstance(result, Failed)
    assert result.reason == "memory: its process ended with code 1: MemoryError"


def test_a_crash_is_tried_again_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    script = """[ -e was ] || { touch was; echo first >&2; echo second >&2; exit 3; }
    echo '{"loss": 1}'"""
    history, events = search(shell(tmp_path, script), 1)
    assert [type(result) for result in results(history)] == [Done]
    (retried,) = (event for event in events if isinstance(event, CohortRetried))
    assert retried.failure.reason == "error: its process ended with code 3: second"
    assert retried.failure.traceback == "first\nsecond"


def test_a_program_that_cannot_be_run_ends_the_search(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="E182"):
        search(command(tmp_path, words=("no-such-program", "{x}")))


def test_each_worker_has_a_slot_of_its_own(tmp_path: Path) -> None:
    script = """echo $HPSEARCH_TRIAL_SLOT of $HPSEARCH_TRIAL_SLOTS >> slots
    while [ `wc -l < slots` -lt 2 ]; do sleep 0.02; done; echo '{"loss": 1}'"""
    search(shell(tmp_path, script), 2, TWO)
    assert sorted((tmp_path / "slots").read_text().splitlines()) == ["0 of 2", "1 of 2"]


class TestHalving:
    def halved(self, folder: Path, script: str) -> tuple[History, list[object]]:
        of = command(folder, script, reporting=Reporting(epochs=9))
        history, events = search(of, 4, TWO, halving=True, confirm=False)
        return history, [*events]

    @pytest.mark.slow
    def test_trainings_that_go_on_and_those_that_begin_anew_come_to_the_same(
        self, tmp_path: Path
    ) -> None:
        script = RESUMES.replace("1 / epoch", "float(__import__('sys').argv[1]) + 1 / epoch")
        anew = script.replace("if os.path.exists(path)", "if False")
        endless = anew.replace('int(os.environ["HPSEARCH_TRIAL_EPOCHS"])', "9")
        found = [
            board(self.halved(tmp_path / name, text)[0])
            for name, text in (("on", script), ("anew", anew), ("endless", endless))
        ]
        assert found[0] == found[1] == found[2]
        assert any("start_epoch=3" in line for line in found[0])

    def test_a_program_that_reports_its_end_alone_is_told_once(self, tmp_path: Path) -> None:
        _, events = self.halved(tmp_path, "print('{\"loss\": 1}')")
        assert sum(isinstance(event, Notice) for event in events) == 1

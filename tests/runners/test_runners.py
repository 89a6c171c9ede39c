"""What every runner promises, over the table of runners: order, and that a failure is a result of its work alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpsearch.runners import RUNNERS, Crashed, Finished, Runner, Work
from tests.helpers.faulty import is_alive

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds, for a machine that is busy


def job(key: int, function: str, argument: object = None) -> Work:
    return Work(key, f"tests.helpers.work:{function}", argument)


def finished(runner: Runner, *works: Work) -> dict[int, list[object]]:
    """Have the work done: the events of each."""
    given: dict[int, list[object]] = {work.key: [] for work in works}
    for work in works:
        runner.submit(work)
    left, deadline = len(works), time.monotonic() + PATIENCE
    while left:
        assert time.monotonic() < deadline
        for key, event in runner.wait(0.2):
            given[key].append(event)
            left -= isinstance(event, Finished | Crashed)
    return given


def descendants(pid: int) -> set[int]:
    """All processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports what the main module of its coordinator is; pytest would take it a second."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)


@pytest.fixture(params=RUNNERS)
def make(request: pytest.FixtureRequest) -> Callable[..., Runner]:
    name = request.param

    def build(workers: int = 1, threads: int = 1, memory: int | None = None) -> Runner:
        runner: Runner = RUNNERS.load(name)(workers, threads, memory)
        return runner

    return build


class TestWork:
    def test_events_come_in_order_and_end_with_finished(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            assert finished(runner, job(7, "count", 200)) == {7: [*range(200), Finished()]}

    def test_more_work_than_workers_is_all_done(self, make: Callable[..., Runner]) -> None:
        with make(2) as runner:
            given = finished(runner, *(job(key, "count", key) for key in range(12)))
        assert given == {key: [*range(key), Finished()] for key in range(12)}

    def test_a_worker_does_one_piece_of_work_after_the_other(
        self, make: Callable[..., Runner]
    ) -> None:
        with make() as runner:
            given = finished(runner, *(job(key, "process", 0.0) for key in range(4)))
        assert len({events[0] for events in given.values()}) == 1

    def test_workers_work_at_the_same_time(
        self, make: Callable[..., Runner], tmp_path: Path
    ) -> None:
        path = tmp_path / "go"
        with make(2) as runner:
            for key in range(2):
                runner.submit(job(key, "wait_for", str(path)))
            begun: list[object] = []
            while len(begun) < 2:
                begun += [event for _, event in runner.wait(0.2)]
            path.touch()
            assert begun == ["begun", "begun"]

    def test_an_event_may_be_larger_than_a_pipe(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            assert finished(runner, job(0, "large", 3)) == {0: [bytes(3 << 20), Finished()]}

    def test_waiting_takes_no_longer_than_told(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            start = time.monotonic()
            assert list(runner.wait(0.1)) == []
            assert time.monotonic() - start < PATIENCE / 4

    def test_work_that_has_not_begun_can_be_withdrawn(
        self, make: Callable[..., Runner], tmp_path: Path
    ) -> None:
        path = tmp_path / "go"
        with make() as runner:
            for key in range(3):
                runner.submit(job(key, "wait_for", str(path)))
            assert list(runner.withdraw()) == [0]
            path.touch()
            events: list[tuple[int, object]] = []
            while (0, Finished()) not in events:
                events += runner.wait(0.2)
            assert {key for key, _ in events} == {0}
            assert list(runner.withdraw()) == []

    def test_torch_computes_with_the_threads_it_is_given(self, make: Callable[..., Runner]) -> None:
        with make(threads=2) as runner:
            assert finished(runner, job(0, "threads"))[0][0] == 2

    def test_a_runner_can_be_entered_again(self, make: Callable[..., Runner]) -> None:
        runner = make()
        for _ in range(2):
            with runner:
                assert finished(runner, job(0, "count", 1)) == {0: [0, Finished()]}


@pytest.mark.group("workers: dead, hung, too large")
class TestFailures:
    def test_an_exception_is_a_result_with_its_traceback(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            first, crash = finished(runner, job(0, "fail", "two words\nand a line"))[0]
        assert first == 1
        assert isinstance(crash, Crashed)
        assert crash.reason == "error: ValueError: two words"
        assert "in fail" in crash.traceback

    def test_a_worker_survives_an_exception(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            before, failed, after = finished(
                runner, job(0, "process", 0.0), job(1, "fail", "no"), job(2, "process", 0.0)
            ).values()
        assert isinstance(failed[-1], Crashed)
        assert before[0] == after[0]

    @pytest.mark.parametrize(
        ("function", "argument", "reason", "events"),
        [
            ("leave", 3, "killed: its process ended with code 3", 3),
            ("leave", 0, "killed: its process ended with code 0", 3),
            ("quit_politely", 4, "killed: its process ended with code 4", 1),
            ("die", signal.SIGKILL, "killed: SIGKILL (out of memory?)", 1),
            ("die", signal.SIGSEGV, "killed: SIGSEGV", 1),
        ],
    )
    def test_the_death_of_a_worker_is_a_result_and_the_others_go_on(
        self, make: Callable[..., Runner], function: str, argument: int, reason: str, events: int
    ) -> None:
        with make(2) as runner:
            others = [job(key, "count", 50) for key in (0, 2, 3, 4)]
            given = finished(runner, others[0], job(1, function, argument), *others[1:])
        assert given.pop(1)[events:] == [Crashed(reason)]
        assert all(one == [*range(50), Finished()] for one in given.values())

    def test_what_cannot_be_called_or_sent_is_a_result(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            given = finished(runner, job(0, "nobody"), job(1, "unspeakable"), job(2, "count", 1))
        assert [type(events[-1]) for events in given.values()] == [Crashed, Crashed, Finished]

    def test_a_worker_that_died_while_it_had_nothing_to_do_is_replaced(
        self, make: Callable[..., Runner]
    ) -> None:
        with make() as runner:
            (pid, _) = finished(runner, job(0, "process", 0.0))[0]
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.2)
            (fresh, last) = finished(runner, job(1, "process", 0.0))[1]
        assert last == Finished()
        assert fresh != pid


HANGS = ["asleep", "computing", "in a call into C", "stopped", "deaf", "in a process of its own"]


@pytest.mark.group("workers: dead, hung, too large")
class TestLimits:
    @pytest.mark.parametrize("how", HANGS)
    def test_work_that_hangs_is_ended_with_all_it_has_started(
        self, make: Callable[..., Runner], how: str
    ) -> None:
        with make() as runner:
            hanging, after = finished(
                runner, replace(job(0, "hang", how), seconds=0.5), job(1, "count", 2)
            ).values()
        *pids, crash = hanging
        assert crash == Crashed("timeout: it took longer than 0.5 s")
        assert after == [0, 1, Finished()]
        assert not any(is_alive(pid) for pid in pids if isinstance(pid, int))
        assert len(pids) == 1 + (how == "in a process of its own")

    def test_time_is_counted_from_where_the_work_says_that_it_has_begun(
        self, make: Callable[..., Runner]
    ) -> None:
        with make() as runner:  # the first worker takes longer than that to start
            assert finished(runner, replace(job(0, "prepare", 1.0), seconds=0.5))[0] == [
                "begun",
                Finished(),
            ]

    def test_the_others_go_on_while_one_hangs(self, make: Callable[..., Runner]) -> None:
        with make(2) as runner:
            others = [job(key, "count", 50) for key in range(1, 6)]
            given = finished(runner, replace(job(0, "hang", "asleep"), seconds=0.5), *others)
        assert isinstance(given.pop(0)[-1], Crashed)
        assert all(one == [*range(50), Finished()] for one in given.values())

    def test_too_much_memory_is_a_result_and_the_worker_goes_on(
        self, make: Callable[..., Runner]
    ) -> None:
        with make(memory=10**9) as runner:
            large, small = finished(
                runner, job(0, "allocate", 2000), job(1, "allocate", 1)
            ).values()
        assert isinstance(large[0], Crashed)
        assert large[0].reason == "memory: it takes more than the 1 GB that a worker may hold"
        assert small == [1 << 20, Finished()]

    def test_a_worker_that_grows_is_replaced_by_a_fresh_one(
        self, make: Callable[..., Runner]
    ) -> None:
        with make() as runner:
            pids = [
                events[0]
                for events in finished(
                    runner, *(job(key, "leak", 90) for key in range(10))
                ).values()
            ]
        assert pids == sorted(pids, key=pids.index)
        assert len(set(pids)) == 2
        assert pids.count(pids[0]) == 7  # the first, after which 512 MiB and no more are to be kept


class TestEnd:
    def test_no_worker_is_left_when_it_is_over(self, make: Callable[..., Runner]) -> None:
        with make(2) as runner:
            for key in range(2):
                runner.submit(job(key, "process", 600.0))
            pids: list[Any] = []
            while len(pids) < 2:
                pids += [event for _, event in runner.wait(0.2)]
            assert all(is_alive(pid) for pid in pids)
        assert not any(is_alive(pid) for pid in pids)

    def test_requests_to_end_are_the_coordinators_affair(self, make: Callable[..., Runner]) -> None:
        with make() as runner:
            assert finished(runner, job(0, "ignores_requests")) == {0: [True, Finished()]}


@pytest.fixture(params=RUNNERS)
def coordinate(request: pytest.FixtureRequest) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(function: str, argument: object) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.helpers.coordinator",
            request.param,
            f"tests.helpers.work:{function}",
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
    """Kill a coordinator; which of the processes are alive so long after that."""
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
    while (
        len(descendants(process.pid)) < 2
    ):  # Python's tracker of resources, and the server that workers come from
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
    assert sorted(lines) == ["Finished()", "Finished()", "ended", "ended", "over"]


def test_the_signals_do_not_reach_workers_that_are_still_starting(
    coordinate: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = coordinate("wait_for", tmp_path / "go")
    (tmp_path / "go").touch()
    for _ in range(10):
        time.sleep(0.15)
        if len(descendants(process.pid)) >= 2:  # the server of the workers has begun to import
            os.killpg(process.pid, signal.SIGINT)
    lines = [line(process) for _ in range(7)]
    assert lines[-1] == "over"
    assert not [text for text in lines if text.startswith("Crashed")]

"""What every runner promises, as functions of what builds a runner and of an empty folder.

`checks` are for all runners; `process_checks` and `fault_checks` for those that do work in
processes of their own, several pieces at the same time, with limits of time and memory.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from hpsearch.objectives.networks import set_up
from hpsearch.runners import (
    Resources,
    Runner,
    SetUp,
    Work,
    WorkCrashed,
    WorkFinished,
    WorkKey,
    WorkStarted,
)
from hpsearch.study.artefacts import Artefacts, Held
from hpsearch.testing import Check

Build = Callable[[Resources, Artefacts], Runner]
"""Such as `LocalOptions().build`."""

Promise = Callable[[Build, Path], None]
"""Fails where a runner does not keep it."""

PATIENCE = 60  # seconds, for a machine that is busy
_WORK = "hpsearch.testing.work"
_TORCH_WORK = "hpsearch.testing.torch_work"
FINISHED = WorkFinished()


def runner_of(
    build: Build, folder: Path, workers: int = 1, threads: int = 1, memory: int | None = None
) -> Runner:
    """Return a runner that has so many workers and keeps artefacts in a folder below this one."""
    return build(Resources(workers, threads, memory), Artefacts(folder / "artefacts"))


def job(cohort: int, function: str, argument: object = None, attempt: int = 1) -> Work:
    """Return a piece of work of `hpsearch.testing.work`."""
    return Work(WorkKey(cohort, attempt), f"{_WORK}:{function}", argument)


def finished(runner: Runner, *works: Work) -> dict[WorkKey, list[Any]]:
    """Have work done; return the events of each piece."""
    given: dict[WorkKey, list[Any]] = {work.key: [] for work in works}
    for work in works:
        runner.submit(work)
    left, deadline = len(works), time.monotonic() + PATIENCE
    while left:
        assert time.monotonic() < deadline
        for key, event in runner.wait(0.2):
            given[key].append(event)
            left -= is_last(event)
    return given


def is_last(event: object) -> bool:
    """Return whether an event is the last one of its work."""
    return isinstance(event, WorkFinished | WorkCrashed)


def events_of(runner: Runner, work: Work) -> list[Any]:
    """Have one piece of work done; return its events."""
    return finished(runner, work)[work.key]


def first_events(runner: Runner, many: int) -> list[Any]:
    """Return the first events of all work, at least so many."""
    events: list[Any] = []
    deadline = time.monotonic() + PATIENCE
    while len(events) < many:
        assert time.monotonic() < deadline
        events += [event for _, event in runner.wait(0.2)]
    return events


def is_alive(pid: int) -> bool:
    """Return whether there is such a process, and not only its exit code."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# Everywhere


def events_come_in_order_and_end_with_finished(build: Build, folder: Path) -> None:
    """The events of work arrive in their order, and the last says that it has finished."""
    with runner_of(build, folder) as runner:
        assert events_of(runner, job(7, "count", 200)) == [*range(200), FINISHED]


def more_work_than_workers_is_all_done(build: Build, folder: Path) -> None:
    """Work for which no worker is free waits for one."""
    with runner_of(build, folder, workers=2) as runner:
        given = finished(runner, *(job(cohort, "count", cohort) for cohort in range(12)))
    assert given == {WorkKey(cohort): [*range(cohort), FINISHED] for cohort in range(12)}


def events_bear_the_attempt_of_their_work(build: Build, folder: Path) -> None:
    """The key of an event has the attempt, by which a second try is told from the first."""
    with runner_of(build, folder) as runner:
        works = [job(3, "count", 2, attempt) for attempt in (1, 2, 3)]
        side = job(-1, "count", 1)
        given = finished(runner, *works, side)
    expected = {WorkKey(3, attempt): [0, 1, FINISHED] for attempt in (1, 2, 3)}
    assert given == {**expected, WorkKey(-1): [0, FINISHED]}


def a_worker_does_one_piece_of_work_after_the_other(build: Build, folder: Path) -> None:
    """One worker serves for many pieces of work."""
    with runner_of(build, folder) as runner:
        given = finished(runner, *(job(cohort, "process", 0.0) for cohort in range(4)))
    assert len({events[0] for events in given.values()}) == 1


def an_event_may_be_larger_than_a_pipe(build: Build, folder: Path) -> None:
    """Events may have any size."""
    with runner_of(build, folder) as runner:
        assert events_of(runner, job(0, "large", 3)) == [bytes(3 << 20), FINISHED]


def artefacts_go_both_ways(build: Build, folder: Path) -> None:
    """Work reads the artefacts of the coordinator, which reads those of the work."""
    artefacts = Artefacts(folder / "artefacts")
    digest = artefacts.write(b"from the coordinator")
    with runner_of(build, folder) as runner:
        fetch = replace(job(0, "fetch", digest), needs=(Held(digest),))
        fetched, kept = finished(runner, fetch, job(1, "keep", b"from a worker")).values()
    assert fetched == [b"from the coordinator", FINISHED]
    assert isinstance(kept[0], str)
    assert artefacts.read(kept[0]) == b"from a worker"


def what_is_held_open_can_be_mapped(build: Build, folder: Path) -> None:
    """Work maps what the coordinator holds open, again and again, though it has no name."""
    artefacts = Artefacts(folder / "artefacts")

    def write(file: BinaryIO) -> None:
        file.write(b"data" * 1000)

    with artefacts.held(write) as held, runner_of(build, folder, workers=2) as runner:
        works = [replace(job(n, "map_held", held), needs=(held,)) for n in range(4)]
        given = finished(runner, *works)
        left = list((folder / "artefacts").iterdir())
    assert all(events == [b"data" * 1000, FINISHED] for events in given.values())
    assert not left


def artefacts_come_before_the_events_that_follow_them(build: Build, folder: Path) -> None:
    """What was written is there when the event that names it is heard, also of work that fails."""
    artefacts = Artefacts(folder / "artefacts")
    with runner_of(build, folder) as runner:
        first, second, crash = events_of(runner, job(0, "keep_and_fail", [b"one", b"two"]))
        assert [artefacts.read(digest) for digest in (first, second)] == [b"one", b"two"]
    assert isinstance(crash, WorkCrashed)
    assert {path.name for path in artefacts.folder.iterdir()} == {first, second}


def a_process_is_set_up_once_and_before_its_work(build: Build, folder: Path) -> None:
    """The set-up of work is done once in each process, before its first work."""
    noted = str(folder / "set up")
    wanted = SetUp(f"{_WORK}:set_up", noted)
    with runner_of(build, folder) as runner:
        works = [replace(job(n, "times_set_up", noted), set_up=wanted) for n in range(4)]
        given = finished(runner, *works)
    assert {times for (_, times), _ in given.values()} == {1}
    processes = {pid for (pid, _), _ in given.values()}
    assert sorted(Path(noted).read_text().split()) == sorted(map(str, processes))


def work_that_wants_another_set_up_gets_it(build: Build, folder: Path) -> None:
    """Each set-up that work names is done."""
    first, second = (SetUp(f"{_WORK}:set_up", str(folder / name)) for name in ("first", "second"))
    with runner_of(build, folder) as runner:
        before = replace(job(0, "times_set_up", first.argument), set_up=first)
        after = replace(job(1, "times_set_up", second.argument), set_up=second)
        given = finished(runner, before, after)
    assert [times for (_, times), _ in given.values()] == [1, 1]


def a_set_up_that_fails_is_a_crash_of_its_work(build: Build, folder: Path) -> None:
    """An error in the set-up is an event of the work, and other work goes on."""
    wanted = SetUp(f"{_WORK}:refuse", "no such library")
    with runner_of(build, folder) as runner:
        failed, after = finished(
            runner, replace(job(0, "count", 2), set_up=wanted), job(1, "count", 2)
        ).values()
    (crash,) = failed
    assert isinstance(crash, WorkCrashed)
    assert crash.reason == "error: ImportError: no such library"
    assert "in refuse" in crash.traceback
    assert after == [0, 1, FINISHED]


def nobody_hears_that_work_has_begun(build: Build, folder: Path) -> None:
    """The mark from which a time limit counts is no event for the coordinator."""
    with runner_of(build, folder) as runner:
        given = events_of(runner, job(0, "prepare", 0.0))
    assert given == ["begun", FINISHED]
    assert WorkStarted() not in given


def waiting_takes_no_longer_than_told(build: Build, folder: Path) -> None:
    """The coordinator may wait for a limited time."""
    with runner_of(build, folder) as runner:
        start = time.monotonic()
        assert list(runner.wait(0.1)) == []
        assert time.monotonic() - start < PATIENCE / 4


def what_is_withdrawn_never_begins_and_the_rest_goes_on(build: Build, folder: Path) -> None:
    """Work that had not begun never does, and its key may be submitted anew."""
    path = folder / "go"
    with runner_of(build, folder) as runner:
        for cohort in range(3):
            runner.submit(job(cohort, "wait_for", str(path)))
        assert first_events(runner, 1) == ["begun"]
        assert list(runner.withdraw()) == [WorkKey(0)]
        path.touch()
        events: list[tuple[WorkKey, object]] = []
        while (WorkKey(0), FINISHED) not in events:
            events += runner.wait(0.2)
        events += runner.wait(0.2)
        assert {key for key, _ in events} == {WorkKey(0)}
        assert list(runner.withdraw()) == []
        assert events_of(runner, job(1, "count", 1, attempt=2)) == [0, FINISHED]


def withdraw_names_what_still_runs(build: Build, folder: Path) -> None:
    """Work that it does not name gives no event, whether or not a runner begins work at once."""
    path = folder / "go"
    path.touch()
    with runner_of(build, folder) as runner:
        for cohort in range(3):
            runner.submit(job(cohort, "wait_for", str(path)))
        left = set(runner.withdraw())
        assert left <= {WorkKey(0)}
        heard, deadline = set[WorkKey](), time.monotonic() + PATIENCE
        while running := left - heard:
            assert time.monotonic() < deadline, running
            heard |= {key for key, event in runner.wait(0.2) if is_last(event)}
        assert list(runner.wait(0.2)) == []


def leaving_stops_everything(build: Build, folder: Path) -> None:
    """No work goes on when the runner is left."""
    path = folder / "ticks"
    with runner_of(build, folder) as runner:
        runner.submit(job(0, "tick", str(path)))
        assert first_events(runner, 3)[:3] == [1, 2, 3]
    size = path.stat().st_size
    time.sleep(0.2)
    assert path.stat().st_size == size


def an_error_stops_everything_as_well(build: Build, folder: Path) -> None:
    """No work goes on when an error leaves the runner."""
    path = folder / "ticks"
    try:
        with runner_of(build, folder) as runner:
            runner.submit(job(0, "tick", str(path)))
            first_events(runner, 1)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        size = path.stat().st_size
    time.sleep(0.2)
    assert path.stat().st_size == size


def a_runner_that_is_entered_again_begins_afresh(build: Build, folder: Path) -> None:
    """Nothing of an earlier use is left in a runner."""
    runner, path = runner_of(build, folder), folder / "ticks"
    with runner:
        for cohort in range(3):
            runner.submit(job(cohort, "tick", str(path)))
        first_events(runner, 1)
    for _ in range(2):
        with runner:
            assert list(runner.wait(0.0)) == []
            assert events_of(runner, job(0, "count", 1, attempt=2)) == [0, FINISHED]


def an_exception_is_an_event_with_its_traceback(build: Build, folder: Path) -> None:
    """An exception in work is told with its kind, its first line and its traceback."""
    with runner_of(build, folder) as runner:
        first, crash = events_of(runner, job(0, "fail", "two words\nand a line"))
    assert first == 1
    assert isinstance(crash, WorkCrashed)
    assert crash.reason == "error: ValueError: two words"
    assert "in fail" in crash.traceback
    assert 0 <= crash.seconds < PATIENCE


def a_lack_of_memory_is_an_event(build: Build, folder: Path) -> None:
    """A MemoryError is told as a failure of its own kind."""
    with runner_of(build, folder) as runner:
        first, crash = events_of(runner, job(0, "exhaust"))
    assert first == 1
    assert isinstance(crash, WorkCrashed)
    assert crash.reason == "memory: it takes more than there is"
    assert "in exhaust" in crash.traceback


def a_worker_survives_an_exception(build: Build, folder: Path) -> None:
    """The worker in which work failed does the next work."""
    with runner_of(build, folder) as runner:
        before, failed, after = finished(
            runner, job(0, "process", 0.0), job(1, "fail", "no"), job(2, "process", 0.0)
        ).values()
    assert isinstance(failed[-1], WorkCrashed)
    assert before[0] == after[0]


def what_cannot_be_called_is_an_event(build: Build, folder: Path) -> None:
    """A function or module that does not exist is a crash of its work."""
    with runner_of(build, folder) as runner:
        unnamed = Work(WorkKey(1), "hpsearch.testing.nowhere:count", 1)
        given = finished(runner, job(0, "nobody"), unnamed, job(2, "count", 1))
    kinds = [type(events[-1]) for events in given.values()]
    assert kinds == [WorkCrashed, WorkCrashed, WorkFinished]


_EVERYWHERE: Sequence[Promise] = (
    events_come_in_order_and_end_with_finished,
    more_work_than_workers_is_all_done,
    events_bear_the_attempt_of_their_work,
    a_worker_does_one_piece_of_work_after_the_other,
    an_event_may_be_larger_than_a_pipe,
    artefacts_go_both_ways,
    what_is_held_open_can_be_mapped,
    artefacts_come_before_the_events_that_follow_them,
    a_process_is_set_up_once_and_before_its_work,
    work_that_wants_another_set_up_gets_it,
    a_set_up_that_fails_is_a_crash_of_its_work,
    nobody_hears_that_work_has_begun,
    waiting_takes_no_longer_than_told,
    what_is_withdrawn_never_begins_and_the_rest_goes_on,
    withdraw_names_what_still_runs,
    leaving_stops_everything,
    an_error_stops_everything_as_well,
    a_runner_that_is_entered_again_begins_afresh,
    an_exception_is_an_event_with_its_traceback,
    a_lack_of_memory_is_an_event,
    a_worker_survives_an_exception,
    what_cannot_be_called_is_an_event,
)


# In processes of their own


def workers_work_at_the_same_time(build: Build, folder: Path) -> None:
    """There is work on each of the workers at the same time."""
    path = folder / "go"
    with runner_of(build, folder, workers=2) as runner:
        for cohort in range(2):
            runner.submit(job(cohort, "wait_for", str(path)))
        assert first_events(runner, 2) == ["begun", "begun"]
        path.touch()


def each_worker_is_set_up_by_itself(build: Build, folder: Path) -> None:
    """Every worker does the set-up of its work."""
    noted, go = str(folder / "set up"), folder / "go"
    wanted = SetUp(f"{_WORK}:set_up", noted)
    with runner_of(build, folder, workers=2) as runner:
        for cohort in range(2):
            runner.submit(replace(job(cohort, "wait_for", str(go)), set_up=wanted))
        first_events(runner, 2)
        go.touch()
        first_events(runner, 4)
    processes = Path(noted).read_text().split()
    assert len(processes) == len(set(processes)) == 2


def a_fresh_worker_is_set_up_again(build: Build, folder: Path) -> None:
    """The worker in the place of a dead one does the set-up anew."""
    noted = str(folder / "set up")
    wanted = SetUp(f"{_WORK}:set_up", noted)
    with runner_of(build, folder) as runner:
        works = [replace(job(n, "times_set_up", noted), set_up=wanted) for n in (0, 2)]
        first, _, second = finished(runner, works[0], job(1, "leave", 3), works[1]).values()
    (before, _), (after, times) = first[0], second[0]
    assert before != after
    assert times == 1


def torch_computes_with_the_threads_it_is_given(build: Build, folder: Path) -> None:
    """The set-up of networks sets the number of threads."""
    with runner_of(build, folder, threads=2) as runner:
        work = Work(WorkKey(0), f"{_TORCH_WORK}:threads", None, set_up=set_up(threads=2))
        assert events_of(runner, work) == [2, FINISHED]


def _death(
    function: str, argument: int, message: str, said: Sequence[object], build: Build, folder: Path
) -> None:
    """The death of a worker is an event, and the others go on."""
    with runner_of(build, folder, workers=2) as runner:
        others = [job(cohort, "count", 50) for cohort in (0, 2, 3, 4)]
        given = finished(runner, others[0], job(1, function, argument), *others[1:])
    assert given.pop(WorkKey(1)) == [*said, WorkCrashed("killed", message)]
    assert all(one == [*range(50), FINISHED] for one in given.values())


def what_cannot_be_sent_is_an_event(build: Build, folder: Path) -> None:
    """An event that cannot be pickled is a crash of its work, and other work goes on."""
    with runner_of(build, folder) as runner:
        (crash,), after = finished(runner, job(1, "unspeakable"), job(2, "count", 1)).values()
    assert isinstance(crash, WorkCrashed)
    assert crash.kind == "error"
    assert after == [0, FINISHED]


def a_worker_that_died_while_it_had_nothing_to_do_is_replaced(build: Build, folder: Path) -> None:
    """Work goes to a living worker."""
    with runner_of(build, folder) as runner:
        pid, _ = events_of(runner, job(0, "process", 0.0))
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        fresh, last = events_of(runner, job(1, "process", 0.0))
    assert last == FINISHED
    assert fresh != pid


def _hang(how: str, build: Build, folder: Path) -> None:
    """Work that hangs is ended with all that it has started."""
    with runner_of(build, folder) as runner:
        hanging, after = finished(
            runner, replace(job(0, "hang", how), seconds=0.5), job(1, "count", 2)
        ).values()
    *pids, crash = hanging
    assert crash == WorkCrashed("timeout", "it took longer than 0.5 s", seconds=0.5)
    assert after == [0, 1, FINISHED]
    assert not any(is_alive(pid) for pid in pids if isinstance(pid, int))
    assert len(pids) == 1 + (how == "in a process of its own")


def time_is_counted_from_where_the_work_says_that_it_has_begun(build: Build, folder: Path) -> None:
    """Starting a worker and preparing data do not count."""
    with runner_of(build, folder) as runner:  # the first worker takes longer than that to start
        given = events_of(runner, replace(job(0, "prepare", 1.0), seconds=0.5))
    assert given == ["begun", FINISHED]


def the_others_go_on_while_one_hangs(build: Build, folder: Path) -> None:
    """The time limit of one piece of work concerns no other."""
    with runner_of(build, folder, workers=2) as runner:
        others = [job(cohort, "count", 50) for cohort in range(1, 6)]
        given = finished(runner, replace(job(0, "hang", "asleep"), seconds=0.5), *others)
    assert isinstance(given.pop(WorkKey(0))[-1], WorkCrashed)
    assert all(one == [*range(50), FINISHED] for one in given.values())


def too_much_memory_is_an_event_and_the_worker_goes_on(build: Build, folder: Path) -> None:
    """Work beyond the limit of memory fails by itself."""
    with runner_of(build, folder, memory=10**9) as runner:
        wanted = set_up(threads=1)
        works = [
            Work(WorkKey(cohort), f"{_TORCH_WORK}:allocate", megabytes, set_up=wanted)
            for cohort, megabytes in enumerate((2000, 1))
        ]
        (crash,), small = finished(runner, *works).values()
    assert isinstance(crash, WorkCrashed)
    assert crash.reason == "memory: it takes more than the 1 GB that a worker may hold"
    assert small == [1 << 20, FINISHED]


def a_worker_that_grows_is_replaced_by_a_fresh_one(build: Build, folder: Path) -> None:
    """What leaks memory is kept small by new workers."""
    with runner_of(build, folder) as runner:
        given = finished(runner, *(job(cohort, "leak", 90) for cohort in range(10)))
    pids = [events[0] for events in given.values()]
    assert pids == sorted(pids, key=pids.index)
    assert len(set(pids)) == 2
    assert pids.count(pids[0]) == 7  # the first, after which 512 MiB and no more are to be kept


def no_worker_is_left_when_it_is_over(build: Build, folder: Path) -> None:
    """All processes are gone when the runner is left."""
    with runner_of(build, folder, workers=2) as runner:
        for cohort in range(2):
            runner.submit(job(cohort, "process", 600.0))
        pids = first_events(runner, 2)
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)


def requests_to_end_are_the_coordinators_affair(build: Build, folder: Path) -> None:
    """SIGINT and SIGTERM do not disturb a worker."""
    with runner_of(build, folder) as runner:
        assert events_of(runner, job(0, "ignores_requests")) == [True, FINISHED]


_OUT_OF_MEMORY = "SIGKILL (out of memory?)"

_IN_PROCESSES: Sequence[Promise] = (
    workers_work_at_the_same_time,
    each_worker_is_set_up_by_itself,
    a_fresh_worker_is_set_up_again,
    torch_computes_with_the_threads_it_is_given,
    no_worker_is_left_when_it_is_over,
    requests_to_end_are_the_coordinators_affair,
)

_FAULTS: Mapping[str, Promise] = {
    "code 3": partial(_death, "leave", 3, "its process ended with code 3", [0, 1, 2]),
    "code 0": partial(_death, "leave", 0, "its process ended with code 0", [0, 1, 2]),
    "SystemExit": partial(_death, "quit_politely", 4, "its process ended with code 4", [1]),
    "SIGKILL": partial(_death, "die", signal.SIGKILL, _OUT_OF_MEMORY, [1]),
    "SIGSEGV": partial(_death, "die", signal.SIGSEGV, "SIGSEGV", [1]),
    "signal 40": partial(_death, "die", 40, "signal 40", [1]),
    "unspeakable": what_cannot_be_sent_is_an_event,
    "death while idle": a_worker_that_died_while_it_had_nothing_to_do_is_replaced,
    **{
        f"hangs, {how}": partial(_hang, how)
        for how in (
            *("asleep", "computing", "in a call into C", "stopped", "deaf"),
            "in a process of its own",
        )
    },
    "time counts from the beginning": time_is_counted_from_where_the_work_says_that_it_has_begun,
    "the others go on": the_others_go_on_while_one_hangs,
    "too much memory": too_much_memory_is_an_event_and_the_worker_goes_on,
    "a leak": a_worker_that_grows_is_replaced_by_a_fresh_one,
}


def checks(build: Build) -> list[Check[Build]]:
    """Return the checks of a runner, given what builds it: such as `LocalOptions().build`."""
    return [_check(one.__name__, one, build) for one in _EVERYWHERE]


def process_checks(build: Build) -> list[Check[Build]]:
    """Return the checks of a runner that does work in processes of its own."""
    return [_check(one.__name__, one, build) for one in _IN_PROCESSES]


def fault_checks(build: Build) -> list[Check[Build]]:
    """Return checks of what happens where such a process dies, hangs or grows too large."""
    return [_check(name, one, build) for name, one in _FAULTS.items()]


def _check(name: str, promise: Promise, build: Build) -> Check[Build]:
    def in_an_empty_folder(build: Build) -> None:
        with TemporaryDirectory() as folder:
            promise(build, Path(folder))

    return Check(name, in_an_empty_folder, build)

"""Nothing lost: the coordinator is killed with -9 again and again, and the leaderboard is that of a calm run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpsearch.errors import HpsearchError
from hpsearch.report.view import canonical
from hpsearch.store import FILE, read

_BUDGET = 14
SEARCH = ["bayes", "--budget", str(_BUDGET), "--epochs", "4", "--study", "study"]
_TIMEOUT = 120


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hpsearch", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def is_begun(folder: Path) -> bool:
    """Whether the study's first transaction is in its file."""
    if not (folder / "study" / FILE).exists():
        return False
    try:
        read(folder / "study")
    except HpsearchError:
        return False
    return True


def results(folder: Path) -> int:
    """How many results the study holds."""
    return len(read(folder / "study").history.results) if is_begun(folder) else 0


def killed_again_and_again(folder: Path, kills: int, rng: random.Random) -> int:
    """Run the search to its end; until `kills` are done, each process is killed somewhere on its way.

    A quarter of them are killed while they start, the others a moment after they have brought another result:
    on a fast machine, too, something is left to be killed.
    """
    done = 0
    while True:
        arguments = ["resume", "study"] if is_begun(folder) else [*SEARCH[:-1], "study"]
        if arguments[0] == "bayes" and (folder / "study").exists():  # killed before its first transaction
            (folder / "study").rename(folder / f"stillborn-{done}")
        had, process = results(folder), start(folder, *arguments)
        if done == kills:
            assert process.wait(_TIMEOUT) == 0
            return done
        if rng.random() < 0.25:
            time.sleep(rng.uniform(0.2, 1.5))
        else:
            while process.poll() is None and results(folder) == had:
                time.sleep(0.02)
            time.sleep(rng.uniform(0.0, 0.1))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        elif results(folder) == _BUDGET and read(folder / "study").sessions:
            return done
        process.wait(_TIMEOUT)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The canonical rows of a search that nobody disturbs."""
    folder = tmp_path_factory.mktemp("calm")
    assert start(folder, *SEARCH).wait(_TIMEOUT) == 0
    return canonical(read(folder / "study"))


@pytest.mark.slow
def test_a_search_killed_three_times_ends_as_if_it_never_was(tmp_path: Path, calm: str) -> None:
    assert killed_again_and_again(tmp_path, 3, random.Random(0)) > 0
    assert canonical(read(tmp_path / "study")) == calm


@pytest.mark.faults
def test_a_hundred_random_kills_lose_nothing_and_change_nothing(tmp_path: Path, calm: str) -> None:
    rng, kills, round = random.Random(1), 0, 0
    while kills < 100:
        folder = tmp_path / str(round)
        folder.mkdir()
        kills += killed_again_and_again(folder, min(8, 100 - kills), rng)
        assert canonical(read(folder / "study")) == calm
        round += 1


@pytest.mark.slow
def test_no_process_outlives_a_killed_coordinator(tmp_path: Path) -> None:
    process = start(tmp_path, *SEARCH)
    deadline = time.monotonic() + 60
    while not is_begun(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    children = descendants(process.pid)
    assert children
    process.send_signal(signal.SIGKILL)
    process.wait(_TIMEOUT)
    time.sleep(2)
    assert not [pid for pid in children if is_alive(pid)]


def descendants(pid: int) -> set[int]:
    """All processes below this one."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found |= {child} | descendants(child)
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

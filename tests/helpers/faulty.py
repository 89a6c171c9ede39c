"""Searches that are disturbed, and what must be true of them afterwards."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hpsearch.report.board.view import canonical
from hpsearch.study.artefacts import FOLDER as ARTEFACTS
from hpsearch.study.folder import FILE
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import read
from hpsearch.testing.runners import is_alive
from tests.helpers.kill_at import SAID
from tests.helpers.tally import Tally

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 300  # seconds that no search here takes
# seconds after which nothing of a dead search may be left: 2, if the machine did nothing else
_GONE = 5.0
_MARK = "TESTS_FOLDER"


@dataclass(frozen=True)
class Trace:
    """What a search that ran to its end has left, the same for all, disturbed or not.

    `passings` says how often it passed each point.
    """

    rows: str
    artefacts: Mapping[str, str]
    passings: Mapping[str, int]

    @property
    def result(self) -> tuple[str, Mapping[str, str]]:
        """Return what must be the same."""
        return self.rows, self.artefacts


class Killed(Protocol):
    """A search that may be killed and started again."""

    def start(self) -> subprocess.Popen[bytes]:
        """Begin it, or go on with it."""

    def results(self) -> int:
        """Return how many it has brought."""

    def is_over(self) -> bool:
        """Return whether it has ended by itself."""

    def audit(self) -> None:
        """Count a kill, and see what it has left."""

    def check(self) -> None:
        """See that all is as it should be in the end."""


class Undertaking:
    """A search in a folder of its own, started again as often as it takes."""

    def __init__(self, folder: Path, tally: Tally, *command: str) -> None:
        self.folder = folder
        self.tally = tally
        self.command = (*command, "--study", "study")
        self._log = folder / "log"
        self._log.mkdir(parents=True)

    def start(
        self, point: str = "nowhere", k: int = 0, number: int = signal.SIGKILL
    ) -> subprocess.Popen[bytes]:
        """Begin it, or go on with it; the signal comes the k-th time it passes the point."""
        arguments = ("resume", "study") if self.is_begun() else self.command
        place = (str(self._log), point, str(k), str(int(number)))
        command = [sys.executable, "-m", "tests.helpers.kill_at", *place, "--", *arguments]
        with (
            (self.folder / "stderr").open("ab") as stderr,
            (self.folder / "stdout").open("ab") as stdout,
        ):
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), _MARK: str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # a group that a signal can be sent to
            )

    def finish(self) -> None:
        """Run it to its end."""
        assert self.start().wait(TIMEOUT) == 0, self.stderr()
        self.check()

    def stderr(self) -> str:
        """Return what all its processes have written there."""
        return (self.folder / "stderr").read_text()

    def is_begun(self) -> bool:
        """Return whether the study's first transaction is in its file."""
        return (self.folder / "study" / FILE).exists()

    def study(self) -> StudyRecord:
        """Return the study as it stands."""
        return read(self.folder / "study")

    def results(self) -> int:
        """Return how many results it holds."""
        return len(self.study().history.results) if self.is_begun() else 0

    def is_over(self) -> bool:
        """Return whether a process has brought it to its end."""
        return self.is_begun() and any(session.exit == 0 for session in self.study().sessions)

    def trace(self) -> Trace:
        """Return what it has left."""
        artefacts = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.folder / "study" / ARTEFACTS).glob("*")
        }
        passings = {
            path.name: path.stat().st_size for path in self._log.iterdir() if path.name != SAID
        }
        study = self.study()
        places = "\n".join(
            f"{trial.number} {trial.wave} {trial.cohort}" for trial in study.history.trials
        )
        assert all(name == digest for name, digest in artefacts.items())
        return Trace(f"{canonical(study)}\n{places}", artefacts, passings)

    def living(self) -> set[int]:
        """Return the processes that it has started, and those that they have."""
        mark = f"{_MARK}={self.folder}".encode()
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0") and is_alive(
                    int(process.name)
                ):
                    found.add(int(process.name))
            except OSError:  # it has ended, or is not ours
                continue
        return found

    def audit(self) -> None:
        """Count a disturbance, and see what it has left."""
        self.tally.tried += 1
        self.check()

    def check(self) -> None:
        """Count what disturbances have cost; fail where that is anything."""
        tally = self.tally
        deadline = time.monotonic() + _GONE
        while (left := self.living()) and time.monotonic() < deadline:
            time.sleep(0.02)
        tally.orphans += len(left)
        said = self.said()
        twice = [number for number, times in Counter(said).items() if times > 1]
        tally.duplicates += len(twice)
        stderr = self.stderr()
        broken = stderr.count("Traceback") + stderr.count("bug in hpsearch")
        tally.tracebacks += bool(broken)
        lost, stuck = said, 0
        if self.is_begun():
            with closing(
                sqlite3.connect(f"file:{self.folder / 'study' / FILE}?mode=ro", uri=True)
            ) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            history = self.study().history
            lost = [number for number in said if number not in history.results]
            stuck = len(history.pending) if self.is_over() else 0
            assert [trial.number for trial in history.trials] == list(range(len(history.trials)))
        tally.lost += len(lost)
        tally.stuck += stuck
        assert not any((left, twice, lost, stuck, broken)), (left, twice, lost, stuck, stderr)

    def said(self) -> list[int]:
        """Return the trials whose results were said to be written down."""
        path = self._log / SAID
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def killed_again_and_again(
    search: Killed, kills: int, rng: random.Random, pause: float = 0.1
) -> int:
    """Run the search to its end, kill its processes on the way, and return how many were killed.

    Each process is killed until `kills` were: a quarter of them while they start, the others within
    `pause` seconds after they have brought another result. So something is left to be killed on a
    fast machine, too.
    """
    done = 0
    while True:
        had, process = search.results(), search.start()
        if done == kills:
            assert process.wait(TIMEOUT) == 0
            break
        if rng.random() < 0.25:
            time.sleep(rng.uniform(0.2, 1.5))
        else:
            while process.poll() is None and search.results() == had:
                time.sleep(0.02)
            time.sleep(rng.uniform(0.0, pause))
        assert not process.poll(), "it ended by itself, and not well"
        killed = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT)
        if search.is_over():
            break
        if killed:
            done += 1
            search.audit()
    search.check()
    return done

"""A study's memory: one SQLite file, one writer. What was committed is safe; what was not is asked again."""

from __future__ import annotations

import fcntl
import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from hpsearch.errors import CannotWrite, DamagedStudy, DiskFull, HpsearchError, Problem, StudyInUse
from hpsearch.trial import Done, Epoch, Failed, History, Result, Trial

FILE = "study.db"
_LOCK = "study.lock"
_APPLICATION = 0x68707331  # "hps1"
_VERSION = 1

_SCHEMA = """
CREATE TABLE study (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL, time_weight REAL NOT NULL,
    config TEXT NOT NULL, file TEXT NOT NULL, folder TEXT NOT NULL,
    overrides TEXT NOT NULL, rows INTEGER, budget INTEGER, threads INTEGER NOT NULL, device TEXT NOT NULL,
    data TEXT NOT NULL, baseline_loss REAL, baseline_metric REAL, created TEXT NOT NULL, versions TEXT NOT NULL
) STRICT;
CREATE TABLE trial (
    number INTEGER PRIMARY KEY CHECK (number >= 0),
    wave INTEGER NOT NULL, cohort INTEGER NOT NULL, params TEXT NOT NULL, why TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    loss REAL, metric REAL, seconds REAL CHECK (seconds >= 0), flops REAL, steps INTEGER,
    epochs INTEGER, best_epoch INTEGER, reason TEXT,
    CHECK ((state = 'done') = (loss IS NOT NULL AND metric IS NOT NULL AND flops IS NOT NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
) STRICT;
CREATE TABLE epoch (
    number INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL,
    train_loss REAL, loss REAL, metric REAL,
    PRIMARY KEY (number, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE look (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL REFERENCES trial, loss REAL NOT NULL, metric REAL NOT NULL
) STRICT;
CREATE TABLE session (id INTEGER PRIMARY KEY, wall_seconds REAL NOT NULL, exit INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Meta:
    """What a study is: the config as it was given, the flags over it, and what its results rest on.

    `overrides` is JSON (see `spec.Override`), `budget` the total of trials (None: all there are), `data` JSON
    of what is trained on (with its digest), `versions` JSON of what computed.
    """

    name: str
    strategy: str
    seed: int
    time_weight: float
    config: str
    file: str
    folder: str
    overrides: str
    rows: int | None
    budget: int | None
    threads: int
    device: str
    data: str
    baseline_loss: float
    baseline_metric: float
    created: str
    versions: str


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the test split: which trial, and what it was worth there."""

    number: int
    loss: float
    metric: float


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the search: how long it took, and its exit code."""

    wall_seconds: float
    exit: int


@dataclass(frozen=True, slots=True)
class Study:
    """All that a study's file says."""

    meta: Meta
    history: History
    looks: tuple[Look, ...]
    sessions: tuple[Session, ...]


class Store:
    """The one writer of a study. Holding it means holding the study's lock."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: int) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock

    @classmethod
    def create(cls, folder: Path, meta: Meta) -> Store:
        """Begin a study in a new folder.

        Raises:
            CannotWrite: the folder cannot be made, or is there already.
        """
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            help = f"go on with it:  hpsearch resume {folder}"
            raise CannotWrite(Problem("E173", f"the study {folder} is there already", help=help)) from error
        except OSError as error:
            raise CannotWrite(Problem("E173", f"cannot write to {folder}: {error.strerror}")) from error
        lock = _locked(folder)
        store = cls(folder, _connect(folder), lock)
        with store._transaction() as run:
            for statement in _SCHEMA.split(";\n"):
                run(statement)
            run(f"PRAGMA application_id = {_APPLICATION}")
            run(f"PRAGMA user_version = {_VERSION}")
            names = [field.name for field in fields(Meta)]
            marks = ", ".join("?" for _ in names)
            run(f"INSERT INTO study (id, {', '.join(names)}) VALUES (1, {marks})", astuple(meta))
        return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Go on with a study.

        Raises:
            StudyInUse: another process holds it.
            DamagedStudy: there is none, or none of this version.
        """
        read(folder)
        lock = _locked(folder)
        return cls(folder, _connect(folder), lock)

    def close(self) -> None:
        """Fold everything into the one file, and let the lock go."""
        with closing(self._connection):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.close(self._lock)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def study(self) -> Study:
        """All that is known."""
        return _study(self._connection)

    def extend(self, budget: int) -> None:
        """Give the study another total."""
        with self._transaction() as run:
            run("UPDATE study SET budget = ?", (budget,))

    def asked(self, trials: Iterable[Trial]) -> None:
        """Write down a wave before any of it is run."""
        with self._transaction() as run:
            for t in trials:
                values = (t.number, t.wave, t.cohort, json.dumps(dict(t.params)), t.why)
                run("INSERT INTO trial (number, wave, cohort, params, why) VALUES (?, ?, ?, ?, ?)", values)

    def told(self, results: Mapping[int, Result]) -> None:
        """Write down what became of a cohort. A trial that has a result keeps it."""
        with self._transaction() as run:
            for number, result in results.items():
                if _told(run, number, result):
                    for e in result.curve:
                        values = (number, e.epoch, _finite(e.train_loss), _finite(e.loss), _finite(e.metric))
                        run("INSERT INTO epoch VALUES (?, ?, ?, ?, ?)", values)

    def looked(self, look: Look) -> None:
        """Write down a look at the test split."""
        with self._transaction() as run:
            run("INSERT INTO look (number, loss, metric) VALUES (?, ?, ?)", (look.number, look.loss, look.metric))

    def ended(self, session: Session) -> None:
        """Write down how a run of the search ended."""
        with self._transaction() as run:
            run("INSERT INTO session (wall_seconds, exit) VALUES (?, ?)", (session.wall_seconds, session.exit))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection.execute
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise _unwritable(error, self.folder) from error
        finally:
            if connection.in_transaction:  # a full disk may have ended it already
                connection.execute("ROLLBACK")


_FIGURES = ("loss", "metric", "seconds", "flops", "steps", "epochs", "best_epoch")
"""The columns of a trial that are fields of Done."""


def _told(run: Any, number: int, result: Result) -> bool:
    if isinstance(result, Failed):
        columns: dict[str, object] = {"state": "failed", "reason": result.reason, "seconds": result.seconds}
    else:
        columns = {"state": "done", **{name: getattr(result, name) for name in _FIGURES}}
    marks = ", ".join(f"{name} = ?" for name in columns)
    changed = run(f"UPDATE trial SET {marks} WHERE number = ? AND state = 'pending'", (*columns.values(), number))
    return bool(changed.rowcount)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def read(folder: Path) -> Study:
    """A study as it stands, also while another process writes it. Nothing is changed.

    Raises:
        DamagedStudy: there is no study in the folder, or it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise DamagedStudy(
            Problem("E165", f"there is no study in {folder}", help="hpsearch studies are folders with a study.db")
        )
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if application != _APPLICATION:
                raise DamagedStudy(Problem("E165", f"{path} is not a study of hpsearch"))
            if version > _VERSION:
                raise DamagedStudy(
                    Problem(
                        "E165",
                        f"{path} is of version {version}; this hpsearch reads up to {_VERSION}",
                        help="use a newer hpsearch",
                    )
                )
            return _study(connection)
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise DamagedStudy(Problem("E165", f"{path} cannot be read: {error}")) from error


def _study(connection: sqlite3.Connection) -> Study:
    names = ", ".join(field.name for field in fields(Meta))
    meta = Meta(*connection.execute(f"SELECT {names} FROM study").fetchone())
    curves: dict[int, list[Epoch]] = {}
    for row in connection.execute("SELECT number, epoch, train_loss, loss, metric FROM epoch ORDER BY number, epoch"):
        numbers = (math.nan if value is None else value for value in row[2:])
        curves.setdefault(row[0], []).append(Epoch(row[0], row[1], *numbers))
    trials: list[Trial] = []
    results: dict[int, Result] = {}
    columns = f"number, params, why, wave, cohort, state, reason, {', '.join(_FIGURES)}"
    for number, params, why, wave, cohort, state, reason, *figures in connection.execute(
        f"SELECT {columns} FROM trial ORDER BY number"
    ):
        trials.append(Trial(number, json.loads(params), why, wave, cohort))
        known = dict(zip(_FIGURES, figures, strict=True))
        curve = tuple(curves.get(number, ()))
        if state == "done":
            results[number] = Done(**known, curve=curve)
        elif state == "failed":
            results[number] = Failed(reason, known["seconds"], curve)
    looks = tuple(Look(*row) for row in connection.execute("SELECT number, loss, metric FROM look ORDER BY id"))
    sessions = tuple(Session(*row) for row in connection.execute("SELECT wall_seconds, exit FROM session ORDER BY id"))
    return Study(meta, History(tuple(trials), results), looks, sessions)


def _connect(folder: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(folder / FILE, isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.OperationalError as error:
        raise _unwritable(error, folder) from error
    return connection


def _locked(folder: Path) -> int:
    """The study's lock: the OS lets it go when its holder dies, so it cannot be left behind."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotWrite(Problem("E173", f"cannot write to {folder}: {error.strerror}")) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 100, 0).decode(errors="replace")
        os.close(lock)
        raise StudyInUse(Problem("E175", f"the study {folder} is in use by process {holder}")) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _unwritable(error: sqlite3.OperationalError, folder: Path) -> HpsearchError:
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        help = f"free some space, then:  hpsearch resume {folder}"
        return DiskFull(Problem("E174", f"no space left for {folder}", help=help))
    return CannotWrite(Problem("E173", f"cannot write to {folder}: {error}"))

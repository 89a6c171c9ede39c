"""A study's memory: one SQLite file, one writer. What was committed is safe; what was not is asked again.

SQLite notices a file that is torn, but not a value that a bad disk has changed, nor a row that is gone. So a seal goes
with each commit: the exclusive or of the digests of all there is, where a trial, with its curve and its replicates, is
one thing, and the schema and all else are another. Who reads a study sees that it fits.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import platform
import shlex
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from functools import reduce
from hashlib import blake2b
from operator import xor
from pathlib import Path
from typing import Any

from hpsearch.errors import CannotWrite, DamagedStudy, DiskFull, HpsearchError, Problem, StudyInUse
from hpsearch.study.files import settle, unwritable
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Epoch, Failed, Replicate, Result, Trial

FILE = "study.db"
CONFIG = "config.yaml"
_LOCK = "study.lock"
_HALF = "study.db.new"
_APPLICATION = 0x68707331  # "hps1"
_VERSION = 6

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
    of INTEGER REFERENCES trial CHECK (of < number), replicate INTEGER NOT NULL, promise REAL,
    start INTEGER NOT NULL CHECK (start >= 0), upto INTEGER CHECK (upto > start), lot INTEGER NOT NULL CHECK (lot >= 0),
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    loss REAL CHECK (abs(loss) <= 1.7976931348623157e308), metric REAL, seconds REAL CHECK (seconds >= 0),
    flops REAL, steps INTEGER, epochs INTEGER, best_epoch INTEGER, loss_se REAL, paused INTEGER,
    weights TEXT, reason TEXT,
    CHECK ((state = 'done') = (loss IS NOT NULL AND seconds IS NOT NULL AND flops IS NOT NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL)), CHECK ((of IS NULL) = (replicate = 0 AND start = 0))
) STRICT;
CREATE TABLE epoch (
    number INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL,
    train_loss REAL, loss REAL, metric REAL,
    PRIMARY KEY (number, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE replicate (
    number INTEGER NOT NULL REFERENCES trial, replicate INTEGER NOT NULL, fold INTEGER NOT NULL,
    loss REAL NOT NULL, metric REAL, best_epoch INTEGER NOT NULL,
    PRIMARY KEY (number, replicate, fold)
) STRICT, WITHOUT ROWID;
CREATE TABLE look (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL REFERENCES trial, loss REAL, metric REAL, weights TEXT
) STRICT;
CREATE TABLE session (id INTEGER PRIMARY KEY, wall_seconds REAL NOT NULL, exit INTEGER NOT NULL) STRICT;
CREATE TABLE seal (digest INTEGER NOT NULL) STRICT;
"""

_Run = Callable[..., sqlite3.Cursor]
_Row = tuple[Any, ...]


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
    """One look at the test split: which trial, what it was worth there, and the SHA-256 of its weights' file."""

    number: int
    loss: float
    metric: float
    weights: str | None = None


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


_ASKED = tuple(field.name for field in fields(Trial))
_FIGURES = (
    "loss",
    "metric",
    "seconds",
    "flops",
    "steps",
    "epochs",
    "best_epoch",
    "loss_se",
    "paused",
    "weights",
)
"""The columns of a trial that are fields of Done."""
_OF_TRIALS = {
    "trial": (*_ASKED, "state", "reason", *_FIGURES),
    "epoch": ("number", "epoch", "train_loss", "loss", "metric"),
    "replicate": ("number", "replicate", "fold", "loss", "metric", "best_epoch"),
}
_OF_STUDY = {
    "sqlite_master": ("type", "name", "sql"),
    "study": ("id", *(field.name for field in fields(Meta))),
    "look": ("id", "number", "loss", "metric", "weights"),
    "session": ("id", "wall_seconds", "exit"),
}
_STUDY = -1
"""What the seal's parts are called: a trial by its number, and this is all else."""


class Store:
    """The one writer of a study. Holding it means holding the study's lock."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: int) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock

    @classmethod
    def create(cls, folder: Path, meta: Meta) -> Store:
        """Begin a study in a folder that is new or empty.

        Raises:
            CannotWrite: the folder cannot be made, or holds something.
            StudyInUse: another process begins one there.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / FILE).exists():
                os.close(_locked(folder))  # if it is in use, that is what there is to say
            _refuse_full(folder)
        except OSError as error:
            raise unwritable(folder, error) from error
        with ExitStack() as stack:
            lock = _locked(folder)
            stack.callback(os.close, lock)
            _refuse_full(folder)  # another process may have been faster
            try:
                (folder / _HALF).unlink(missing_ok=True)
                _write_new(folder, meta)
            except OSError as error:
                raise unwritable(folder, error) from error
            store = cls(folder, _connect(folder), lock)
            stack.pop_all()
            return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Go on with a study.

        Raises:
            StudyInUse: another process holds it.
            DamagedStudy: there is none, or none of this version.
        """
        read(folder, thorough=True)
        with ExitStack() as stack:
            lock = _locked(folder)
            stack.callback(os.close, lock)
            store = cls(folder, _connect(folder), lock)
            stack.pop_all()
            return store

    def close(self) -> None:
        """Fold everything into the one file, and let the lock go."""
        try:
            # where this cannot be done, because somebody reads or the disk is full, the journal keeps it
            with closing(self._connection) as connection, suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA busy_timeout = 1000")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.execute("PRAGMA journal_mode = MEMORY")  # see _journaled
        finally:
            os.close(self._lock)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def study(self) -> Study:
        """All that is known."""
        with _readable(self.folder):
            return _study(self._connection)

    def amend(self, meta: Meta) -> None:
        """Let the study be another than it was begun as."""
        names = ", ".join(f"{field.name} = ?" for field in fields(Meta))
        with self._transaction() as run:
            run(f"UPDATE study SET {names}", astuple(meta))

    def asked(self, trials: Iterable[Trial]) -> None:
        """Write down a wave before any of it is run."""
        wave = tuple(trials)
        with self._transaction(trial.number for trial in wave) as run:
            for t in wave:
                values = {name: getattr(t, name) for name in _ASKED} | {
                    "params": json.dumps(dict(t.params))
                }
                marks = ", ".join("?" for _ in values)
                run(
                    f"INSERT INTO trial ({', '.join(values)}) VALUES ({marks})",
                    tuple(values.values()),
                )

    def told(self, results: Mapping[int, Result]) -> None:
        """Write down what became of a cohort. A trial that has a result keeps it."""
        with self._transaction(results) as run:
            for number, result in results.items():
                if _told(run, number, result):
                    for e in result.curve:
                        values = (
                            number,
                            e.epoch,
                            _finite(e.train_loss),
                            _finite(e.loss),
                            _finite(e.metric),
                        )
                        run("INSERT INTO epoch VALUES (?, ?, ?, ?, ?)", values)
                    for r in result.replicates if isinstance(result, Done) else ():
                        known = (
                            number,
                            r.replicate,
                            r.fold,
                            r.loss,
                            _finite(r.metric),
                            r.best_epoch,
                        )
                        run("INSERT INTO replicate VALUES (?, ?, ?, ?, ?, ?)", known)

    def looked(self, look: Look) -> None:
        """Write down a look at the test split."""
        with self._transaction() as run:
            values = (look.number, _finite(look.loss), _finite(look.metric), look.weights)
            run("INSERT INTO look (number, loss, metric, weights) VALUES (?, ?, ?, ?)", values)

    def ended(self, session: Session) -> None:
        """Write down how a run of the search ended."""
        with self._transaction() as run:
            run(
                "INSERT INTO session (wall_seconds, exit) VALUES (?, ?)",
                (session.wall_seconds, session.exit),
            )

    @contextmanager
    def _transaction(self, numbers: Iterable[int] | None = None) -> Iterator[_Run]:
        """All or nothing, of these trials; of none, where it is about the study. The seal goes with it."""
        changed = [_STUDY] if numbers is None else list(numbers)
        with _transaction(self._connection, self.folder) as run:
            before = _digests(run, changed)
            yield run
            run(
                "UPDATE seal SET digest = (digest | ?1) - (digest & ?1)",
                (before ^ _digests(run, changed),),
            )


@contextmanager
def _transaction(connection: sqlite3.Connection, folder: Path) -> Iterator[_Run]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection.execute
        connection.execute("COMMIT")
    except sqlite3.IntegrityError:  # nonsense was to be written: a bug
        raise
    except sqlite3.DatabaseError as error:
        raise _unwritable(error, folder) from error
    finally:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")


def _write_new(folder: Path, meta: Meta) -> None:
    """Make a study's file; it gets its name when it is complete."""
    names = [field.name for field in fields(Meta)]
    with (
        closing(_connect(folder, _HALF, "DELETE")) as connection,
        _transaction(connection, folder) as run,
    ):
        for statement in _SCHEMA.split(";\n"):
            run(statement)
        run(f"PRAGMA application_id = {_APPLICATION}")
        run(f"PRAGMA user_version = {_VERSION}")
        marks = ", ".join("?" for _ in names)
        run(f"INSERT INTO study (id, {', '.join(names)}) VALUES (1, {marks})", astuple(meta))
        run("INSERT INTO seal VALUES (?)", (_digests(run, [_STUDY]),))
    (folder / _HALF).replace(folder / FILE)
    settle(folder)


def _refuse_full(folder: Path) -> None:
    """See that no study, and nothing of somebody else's, is in the folder."""
    if (folder / FILE).exists():
        help = f"go on with it:  hpsearch resume {shlex.quote(str(folder))}"
        raise CannotWrite(Problem("E173", f"the study {folder} is there already", help=help))
    if any(path.name not in (_LOCK, _HALF, f"{_HALF}-journal") for path in folder.iterdir()):
        help = "a study gets a folder of its own: one that is new or empty"
        raise CannotWrite(Problem("E173", f"the folder {folder} is not empty", help=help))


def _told(run: _Run, number: int, result: Result) -> bool:
    if isinstance(result, Failed):
        columns: dict[str, object] = {
            "state": "failed",
            "reason": result.reason,
            "seconds": result.seconds,
        }
    else:
        figures = {name: getattr(result, name) for name in _FIGURES}
        columns = {"state": "done", **figures, "metric": _finite(result.metric)}
    marks = ", ".join(f"{name} = ?" for name in columns)
    changed = run(
        f"UPDATE trial SET {marks} WHERE number = ? AND state = 'pending'",
        (*columns.values(), number),
    )
    return bool(changed.rowcount)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def read(folder: Path, thorough: bool = False) -> Study:
    """A study as it stands, also while another process writes it. Nothing is changed.

    Where it is to be written, a `thorough` look sees that the file is whole, in what is not read, too.

    Raises:
        DamagedStudy: there is no study in the folder, or it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise DamagedStudy(
            Problem(
                "E165",
                f"there is no study in {folder}",
                help="hpsearch studies are folders with a study.db",
            )
        )
    with (
        _readable(folder),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != _APPLICATION:
            raise DamagedStudy(Problem("E165", f"{path} is not a study of hpsearch"))
        if version != _VERSION:
            age = "newer" if version > _VERSION else "older"
            raise DamagedStudy(
                Problem(
                    "E165",
                    f"{path} is of version {version}; this hpsearch reads version {_VERSION}",
                    help=f"use the {age} hpsearch that made it",
                )
            )
        connection.execute("BEGIN")  # one moment for all tables, whatever is being written
        if (
            thorough
            and (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok"
        ):
            raise ValueError(found)
        return _study(connection)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (
        sqlite3.Error,
        ValueError,
        TypeError,
        MemoryError,
    ) as error:  # memory: of a length that makes no sense
        said = " ".join(str(error).split()) or type(error).__name__
        raise DamagedStudy(Problem("E165", f"{folder / FILE} cannot be read: {said}")) from error


def _study(connection: sqlite3.Connection) -> Study:
    """All of it.

    Raises:
        ValueError: it is not what was written.
    """
    run = connection.execute
    kept, rest = _kept(run), _rest(run)
    (seal,) = run("SELECT digest FROM seal").fetchone()
    if seal != reduce(xor, map(_digest, kept.values()), _digest(rest)) or [*kept] != [
        *range(len(kept))
    ]:
        raise ValueError("it is not what was written there")
    trials: list[Trial] = []
    results: dict[int, Result] = {}
    for (row,), epochs, trainings in kept.values():
        number, params, *more = row[: len(_ASKED)]
        trials.append(Trial(number, json.loads(params), *more))
        state, reason, *figures = row[len(_ASKED) :]
        known = dict(zip(_FIGURES, figures, strict=True))
        known["metric"], known["paused"] = _number(known["metric"]), bool(known["paused"])
        curve = tuple(Epoch(number, epoch, *map(_number, values)) for _, epoch, *values in epochs)
        if state == "done":
            replicates = tuple(
                Replicate(k, fold, loss, _number(m), best)
                for _, k, fold, loss, m, best in trainings
            )
            results[number] = Done(**known, curve=curve, replicates=replicates)
        elif state == "failed":
            results[number] = Failed(reason, known["seconds"], curve)
    _, ((_, *meta),), looks, sessions = rest
    return Study(
        Meta(*meta),
        History(tuple(trials), results),
        tuple(
            Look(number, _number(loss), _number(metric), weights)
            for _, number, loss, metric, weights in looks
        ),
        tuple(Session(*values) for _, *values in sessions),
    )


def _kept(run: _Run, number: int | None = None) -> Mapping[int, Sequence[list[_Row]]]:
    """The rows of each trial, or of one: its own, its curve's, its replicates'."""
    kept: dict[int, list[list[_Row]]] = {}
    for position, table in enumerate(_OF_TRIALS):
        for row in _rows(
            run, table, _OF_TRIALS[table], "" if number is None else f"WHERE number = {number}"
        ):
            kept.setdefault(row[0], [[], [], []])[position].append(row)
    return kept


def _rest(run: _Run) -> Sequence[list[_Row]]:
    """The rows of all else."""
    return [_rows(run, table, columns).fetchall() for table, columns in _OF_STUDY.items()]


def _rows(run: _Run, table: str, columns: Sequence[str], where: str = "") -> sqlite3.Cursor:
    return run(f"SELECT {', '.join(columns)} FROM {table} {where} ORDER BY 1, 2, 3")


def _digests(run: _Run, parts: Iterable[int]) -> int:
    """What these parts contribute to the seal, as they stand."""
    found = [[_rest(run)] if part == _STUDY else _kept(run, part).values() for part in parts]
    return reduce(xor, (_digest(rows) for of_part in found for rows in of_part), 0)


def _digest(rows: object) -> int:
    # JSON says the same in every version of Python, to the last bit of a float
    return int.from_bytes(blake2b(json.dumps(rows).encode(), digest_size=8).digest(), signed=True)


def _connect(folder: Path, file: str = FILE, journal: str = "WAL") -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(folder / file, isolation_level=None, timeout=30)
        _journaled(connection, journal)
        connection.execute("PRAGMA synchronous = FULL")
        # a commit has returned when it is in the file: SQLite drops a damaged journal without a word
        connection.execute("PRAGMA wal_autocheckpoint = 1")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.OperationalError as error:
        raise _unwritable(error, folder) from error
    return connection


def _journaled(connection: sqlite3.Connection, journal: str) -> None:
    """Let what is not yet committed stand in such a journal.

    The change itself is one write of one page, and needs none. A kill might leave one that is hot, and then nobody
    could read the study before it is opened to be written.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0].upper() != journal:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(f"PRAGMA journal_mode = {journal}")


def _locked(folder: Path) -> int:
    """The study's lock: the OS lets it go when its holder dies, so it cannot be left behind."""
    with ExitStack() as stack:
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()} on {platform.node()}".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(lock, 300, 0).decode(errors="replace") or "that begins just now"
            raise StudyInUse(
                Problem("E175", f"the study {folder} is in use by process {holder}")
            ) from error
        except OSError as error:
            raise unwritable(folder, error) from error
        stack.pop_all()
        return lock


def _unwritable(error: sqlite3.DatabaseError, folder: Path) -> HpsearchError:
    kind = error.sqlite_errorcode & 0xFF  # the rest says more of the same
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        help = f"make room, then go on with:  hpsearch resume {shlex.quote(str(folder))}"
        return DiskFull(Problem("E174", f"cannot write to {folder}: {error}", help=help))
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedStudy(Problem("E165", f"{folder / FILE} is damaged: {error}"))
    return CannotWrite(Problem("E173", f"cannot write to {folder}: {error}"))

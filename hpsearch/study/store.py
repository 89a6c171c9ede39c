"""A study's memory: one SQLite file with one writer. What was committed is safe.

SQLite notices a file that is torn, but not a value that a bad disk has changed, nor a row that is
gone. Therefore a seal goes with each commit: the exclusive or of the digests of all rows, where a
trial with its curve, replicates and artefacts is one part, and the schema with all else is another.
Whoever reads a study checks that the seal fits (decision 13).
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from hpsearch.errors import (
    CannotWrite,
    DamagedStudy,
    DiskFull,
    HpsearchError,
    Problem,
)
from hpsearch.study.files import settle, unreadable, unwritable
from hpsearch.study.folder import BEGUN, FILE, HALF, refuse_links, refuse_shared
from hpsearch.study.history import History
from hpsearch.study.layout import (
    ASKED,
    FIGURES,
    LAYOUT,
    SCHEMA,
    VERSION,
    Contents,
    Execute,
    StudyMeta,
    TableRow,
    check_semantics,
    contents,
    digest_of_study,
    digest_of_trials,
)
from hpsearch.study.lock import Lock
from hpsearch.study.migrations import LAYOUTS, migrate
from hpsearch.study.trial import Done, Epoch, Failed, Interval, Replicate, Result, Trial
from hpsearch.text import shell_word

_ASIDE = (
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL),
)
"""What SQLite says where it cannot make what it needs beside a file that may be sound."""

_APPLICATION = 0x68707331  # "hps1"
_NO_INTERVAL = (None, None)


@dataclass(frozen=True, slots=True)
class TestEvaluation:
    """One evaluation on the test split.

    Attributes:
        number: that of the trial.
        loss: what was found.
        metric: likewise; NaN where it is not defined.
        weights: the digest of the model that was scored.
        loss_interval: None where too few rows were tested, or by a version that measured none.
        metric_interval: likewise.
        model: the trial's `own`, or one that was `retrained` with its settings.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of such names for tests

    number: int
    loss: float
    metric: float
    weights: str | None = None
    loss_interval: Interval | None = None
    metric_interval: Interval | None = None
    model: Literal["own", "retrained"] = "own"


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the search: how long it took, and its exit code."""

    wall_seconds: float
    exit: int


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """All that a study's file says."""

    meta: StudyMeta
    history: History
    evaluations: tuple[TestEvaluation, ...]
    sessions: tuple[Session, ...]


class Store:
    """The one writer of a study; to hold it means to hold the study's lock."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: Lock) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._known = _stamp(folder / FILE)
        self._seal = connection.execute("SELECT digest FROM seal").fetchone()
        beside = (folder / f"{FILE}-wal", folder / f"{FILE}-shm")
        self._beside = {path: _stamp(path) for path in beside}

    @classmethod
    def create(cls, folder: Path, meta: StudyMeta) -> Store:
        """Begin a study in a folder that is new or empty.

        Raises:
            CannotWrite: the folder cannot be made, or holds something.
            StudyInUse: another process begins one there.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_full(folder)
        except CannotWrite:
            if (folder / FILE).exists():
                Lock(folder).close()  # if it is in use, that is what there is to say
            raise
        except OSError as error:
            raise unwritable(folder, error) from error
        with ExitStack() as stack:
            lock = stack.enter_context(Lock(folder))
            _refuse_full(folder)  # another process may have been faster
            row = (1, *astuple(meta))
            none: Contents = Contents({}, {"study": [row], "test_evaluation": [], "session": []})
            _write_new(folder, none)
            store = cls(folder, _connect(folder), lock)
            stack.pop_all()
            return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Go on with a study; a file of an earlier version becomes one of this version.

        Raises:
            StudyInUse: another process holds it.
            DamagedStudy: there is none, or none that can be read.
            ConfigDiffers: it was begun by a version that asked other questions, which finishes it.
        """
        version, found = _rows(folder, thorough=True)
        check_semantics(_meta(found))  # before anything is written
        refuse_shared(folder)
        with ExitStack() as stack:
            lock = stack.enter_context(Lock(folder))
            if version < VERSION:
                _replace_older(folder)
            store = cls(folder, _connect(folder), lock)
            stack.pop_all()
            return store

    def close(self) -> None:
        """Fold everything into the one file, and let the lock go."""
        try:
            # where this cannot be done, as somebody reads or the disk is full, the journal keeps it
            with closing(self._connection) as connection, suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA busy_timeout = 1000")
                with suppress(CannotWrite):  # what is there is another file
                    self._check_in_place()
                    _fold(connection)
            if not self._is_in_place():
                self._remove_journal()
        finally:
            self._lock.close()

    def _remove_journal(self) -> None:
        """Remove the journal of a file that is gone: SQLite would take it for that of another."""
        for path, known in self._beside.items():
            now = _stamp(path)
            if known and now and now[:2] == known[:2]:
                with suppress(OSError):
                    path.unlink()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def study(self) -> StudyRecord:
        """Return all that is known."""
        with _readable(self.folder):
            return _record(contents(self._connection.execute, LAYOUT))

    def history(self) -> History:
        """Return the trials and their results."""
        return self.study().history

    def amend(self, meta: StudyMeta) -> None:
        """Let the study be another than it was begun as."""
        names = ", ".join(f"{field.name} = ?" for field in fields(StudyMeta))
        with self._transaction() as execute:
            execute(f"UPDATE study SET {names}", astuple(meta))

    def record_wave(self, trials: Iterable[Trial]) -> None:
        """Write down a wave before any of it is run."""
        wave = tuple(trials)
        with self._transaction(trial.number for trial in wave) as execute:
            for trial in wave:
                values = {name: getattr(trial, name) for name in ASKED}
                _insert(execute, "trial", values | {"params": json.dumps(dict(trial.params))})

    def record_results(self, results: Mapping[int, Result]) -> None:
        """Write down what became of a cohort; a trial that has a result keeps it."""
        with self._transaction(results) as execute:
            for number, result in results.items():
                if not _record_result(execute, number, result):
                    continue
                for at in result.curve:
                    losses = map(_finite, (at.train_loss, at.loss, at.metric))
                    _insert_row(execute, "epoch", (number, at.epoch, *losses))
                if isinstance(result, Done):
                    for r in result.replicates:
                        figures = (r.loss, _finite(r.metric), r.best_epoch)
                        _insert_row(execute, "replicate", (number, r.replicate, r.fold, *figures))
                    for name, digest in sorted(result.artefacts.items()):
                        _insert_row(execute, "artefact", (number, name, digest))

    def record_test(self, evaluation: TestEvaluation) -> None:
        """Write down an evaluation on the test split."""
        one = evaluation
        row = (one.number, _finite(one.loss), _finite(one.metric), one.weights)
        ends = (*(one.loss_interval or _NO_INTERVAL), *(one.metric_interval or _NO_INTERVAL))
        with self._transaction() as execute:
            _insert_row(execute, "test_evaluation", (None, *row, *ends, one.model))

    def record_session(self, session: Session) -> None:
        """Write down how a run of the search ended."""
        values = {"wall_seconds": session.wall_seconds, "exit": session.exit}
        with self._transaction() as execute:
            _insert(execute, "session", values)

    @contextmanager
    def _transaction(self, numbers: Iterable[int] | None = None) -> Iterator[Execute]:
        """Commit all or nothing that is done in here to these trials, or else to the study itself.

        The seal is brought up to date in the same transaction.
        """
        changed = None if numbers is None else list(numbers)

        def digest(execute: Execute) -> int:
            return (
                digest_of_study(execute) if changed is None else digest_of_trials(execute, changed)
            )

        self._check_in_place()
        with _transaction(self._connection, self.folder) as execute:
            before = digest(execute)
            yield execute
            # SQLite has no exclusive or: a ^ b is (a | b) - (a & b)
            change = before ^ digest(execute)
            execute("UPDATE seal SET digest = (digest | ?1) - (digest & ?1)", (change,))
            seal = execute("SELECT digest FROM seal").fetchone()
        self._seal = seal
        self._check_in_place(written=True)

    def _is_in_place(self) -> bool:
        """Return whether the file that is written still has its name."""
        now = _stamp(self.folder / FILE)
        return now is not None and self._known is not None and now[:2] == self._known[:2]

    def _check_in_place(self, written: bool = False) -> None:
        """See that the file has its name, and that nobody but this has `written` it.

        SQLite would go on with a file that is gone, or has got other contents, and say nothing.

        Raises:
            CannotWrite: it was removed, replaced or written over.
        """
        path = self.folder / FILE
        if not self._is_in_place():
            what = "replaced" if os.path.lexists(path) else "removed"
            message = f"{path} was {what} while it was being written"
            help = "what was found since then, at least, is lost; put the file back, or begin anew"
            raise CannotWrite(Problem("E173", message, help=help))
        now = _stamp(path)
        if not written and now != self._known and _seal(self.folder) != self._seal:
            message = f"somebody else has written {path} while it was being written"
            help = "put back what was there, or begin a new study"
            raise CannotWrite(Problem("E173", message, help=help))
        self._known = now


@contextmanager
def _transaction(connection: sqlite3.Connection, folder: Path) -> Iterator[Execute]:
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


def _write_new(folder: Path, found: Contents) -> None:
    """Write a study's file with these rows; it gets its name when it is complete."""
    try:
        (folder / HALF).unlink(missing_ok=True)
        connection = _connect(folder, HALF, "DELETE")
        with closing(connection), _transaction(connection, folder) as execute:
            for statement in SCHEMA.split(";\n"):
                execute(statement)
            execute(f"PRAGMA application_id = {_APPLICATION}")
            execute(f"PRAGMA user_version = {VERSION}")
            for row in found.study["study"]:
                _insert_row(execute, "study", row)
            for rows_of_tables in found.trials.values():
                for table, rows in zip(LAYOUT.trials, rows_of_tables, strict=True):
                    for row in rows:
                        _insert_row(execute, table, row)
            for table in ("test_evaluation", "session"):
                for row in found.study[table]:
                    _insert_row(execute, table, row)
            seal = digest_of_study(execute) ^ digest_of_trials(execute, found.trials)
            execute("INSERT INTO seal VALUES (?)", (seal,))
        (folder / HALF).replace(folder / FILE)
        settle(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def _insert_row(execute: Execute, table: str, row: TableRow) -> None:
    _insert(execute, table, dict(zip(_columns(table), row, strict=True)))


def _insert(execute: Execute, table: str, values: Mapping[str, Any]) -> None:
    marks = ", ".join("?" for _ in values)
    execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", (*values.values(),))


def _columns(table: str) -> tuple[str, ...]:
    return LAYOUT.trials[table] if table in LAYOUT.trials else LAYOUT.study[table]


def _refuse_full(folder: Path) -> None:
    """See that no study, and nothing of somebody else's, is in the folder."""
    if (folder / FILE).exists():
        help = f"go on with it:  hpsearch resume {shell_word(str(folder))}"
        raise CannotWrite(Problem("E173", f"the study {folder} is there already", help=help))
    if any(path.name not in BEGUN for path in folder.iterdir()):
        help = "a study gets a folder of its own: one that is new or empty"
        raise CannotWrite(Problem("E173", f"the folder {folder} is not empty", help=help))


def _record_result(execute: Execute, number: int, result: Result) -> bool:
    """Write down a result; return whether the trial had none."""
    columns: dict[str, object]
    if isinstance(result, Failed):
        columns = {"failure_kind": result.kind, "failure_message": result.message}
        columns |= {"state": "failed", "seconds": result.seconds}
    else:
        columns = {name: getattr(result, name) for name in FIGURES}
        columns |= {"state": "done", "metric": _finite(result.metric)}
    marks = ", ".join(f"{name} = ?" for name in columns)
    changed = execute(
        f"UPDATE trial SET {marks} WHERE number = ? AND state = 'pending'",
        (*columns.values(), number),
    )
    return bool(changed.rowcount)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def read(folder: Path, thorough: bool = False) -> StudyRecord:
    """Return a study as it stands, also while another process writes it; nothing is changed.

    With `thorough`, which is for a study that is going to be written, all of the file is checked.

    Raises:
        DamagedStudy: there is no study in the folder, or it cannot be read.
    """
    return _record(_rows(folder, thorough)[1])


def _rows(folder: Path, thorough: bool = False) -> tuple[int, Contents]:
    """Return the version of a study's file, and its rows as those of this version."""
    _check_readable(folder)
    with _readable(folder):
        try:
            return _rows_in(folder, folder, thorough)
        except sqlite3.OperationalError as error:
            if _kind(error) not in _ASIDE:
                raise
        # A file that was not closed needs an index beside it, which cannot be made here.
        with _copied(folder) as copy:
            return _rows_in(copy, folder, thorough)


def _rows_in(place: Path, folder: Path, thorough: bool) -> tuple[int, Contents]:
    """Return the rows of the file in a place, which is the study in `folder`, or a copy of it."""
    address = f"{(place / FILE).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        version = _version(connection, folder)
        connection.execute("BEGIN")  # one moment for all tables, whatever is being written
        if thorough:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise ValueError(said)
        return version, migrate(contents(connection.execute, LAYOUTS[version]), version)


def _check_readable(folder: Path) -> None:
    """See that there is a study's file which may be read, and no link.

    Raises:
        DamagedStudy: there is none, or a link.
        CannotWrite: it may not be read.
    """
    path = folder / FILE
    try:
        refuse_links(folder)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise FileNotFoundError
        if not os.access(path, os.R_OK):  # to open it and close it would drop this process' locks
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (FileNotFoundError, NotADirectoryError) as error:
        help = "hpsearch studies are folders with a study.db"
        raise DamagedStudy(Problem("E165", f"there is no study in {folder}", help=help)) from error
    except OSError as error:
        raise unreadable(path, error) from error


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """Give a folder with a copy of the study's file and of the journal beside it.

    Raises:
        CannotWrite, DiskFull: they cannot be read, or not be copied.
    """
    with ExitStack() as stack:
        path = folder / FILE
        try:
            copy = Path(stack.enter_context(TemporaryDirectory(prefix="hpsearch-")))
            for path in (folder / FILE, folder / f"{FILE}-wal", folder / f"{FILE}-journal"):
                if path == folder / FILE or path.exists():
                    shutil.copyfile(path, copy / path.name)
        except OSError as error:
            raise unreadable(path, error) from error
        yield copy


def _seal(folder: Path) -> TableRow | None:
    """Return the seal of a study's file as a new reader finds it; None of one that is not sound."""
    try:
        _rows(folder)
        address = f"{(folder / FILE).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            found: TableRow = connection.execute("SELECT digest FROM seal").fetchone()
            return found
    except (HpsearchError, sqlite3.Error):
        return None


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    """Return which file lies at a path, how large it is and when it was written; None of none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _version(connection: sqlite3.Connection, folder: Path) -> int:
    """Return the version of the file's layout.

    Raises:
        DamagedStudy: it is no study's file, or of a version that cannot be read.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    path = folder / FILE
    if application != _APPLICATION:
        raise DamagedStudy(Problem("E165", f"{path} is not a study of hpsearch"))
    if version not in LAYOUTS:
        age = "newer" if version > VERSION else "older"
        readable = f"this hpsearch reads versions {min(LAYOUTS)} to {VERSION}"
        message = f"{path} is of version {version}; {readable}"
        raise DamagedStudy(Problem("E165", message, help=f"use the {age} hpsearch that made it"))
    return int(version)


def _replace_older(folder: Path) -> None:
    """Put a file of this version in the place of an older one.

    A kill leaves the old file, which is migrated again, or the new one.

    Raises:
        CannotWrite, DiskFull: the new file cannot be written, or somebody reads the old one.
        DamagedStudy: the old one cannot be read.
    """
    version, found = _rows(folder)
    if version == VERSION:
        return  # another process was faster
    try:
        with closing(sqlite3.connect(folder / FILE, isolation_level=None, timeout=30)) as old:
            _fold(old)  # a journal of the old file would be taken for one of the new file
    except sqlite3.DatabaseError as error:
        raise _unwritable(error, folder) from error
    _write_new(folder, found)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    # a length that makes no sense ends in a MemoryError
    except (sqlite3.Error, ValueError, TypeError, MemoryError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        message = f"{folder / FILE} cannot be read: {said}"
        raise DamagedStudy(Problem("E165", message)) from error


def _record(found: Contents) -> StudyRecord:
    trials: list[Trial] = []
    results: dict[int, Result] = {}
    for (row,), epochs, replicates, artefacts in found.trials.values():
        number, params, *more = row[: len(ASKED)]
        trials.append(Trial(number, json.loads(params), *more))
        state, kind, message, *figures = row[len(ASKED) :]
        known = dict(zip(FIGURES, figures, strict=True))
        known["metric"], known["paused"] = _number(known["metric"]), bool(known["paused"])
        curve = tuple(Epoch(number, epoch, *map(_number, at)) for _, epoch, *at in epochs)
        if state == "done":
            results[number] = Done(
                **known,
                curve=curve,
                replicates=tuple(_replicate(one) for one in replicates),
                artefacts={name: digest for _, name, digest in artefacts},
            )
        elif state == "failed":
            results[number] = Failed(kind, message, known["seconds"], curve)
    return StudyRecord(
        _meta(found),
        History(tuple(trials), results),
        tuple(map(_evaluation, found.study["test_evaluation"])),
        tuple(Session(*values) for _, *values in found.study["session"]),
    )


def _meta(found: Contents) -> StudyMeta:
    ((_, *meta),) = found.study["study"]
    named = dict(zip((field.name for field in fields(StudyMeta)), meta, strict=True))
    return StudyMeta(**{**named, "has_cost": bool(named["has_cost"])})


def _evaluation(row: TableRow) -> TestEvaluation:
    _, number, loss, metric, weights, *ends, model = row
    of_loss, of_metric = (
        None if ends[at] is None else Interval(*ends[at : at + 2]) for at in (0, 2)
    )
    figures = _number(loss), _number(metric)
    return TestEvaluation(number, *figures, weights, of_loss, of_metric, model)


def _replicate(row: TableRow) -> Replicate:
    _, replicate, fold, loss, metric, best_epoch = row
    return Replicate(replicate, fold, loss, _number(metric), best_epoch)


def _connect(folder: Path, file: str = FILE, journal: str = "WAL") -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(folder / file, isolation_level=None, timeout=30)
        _set_journal(connection, journal)
        connection.execute("PRAGMA synchronous = FULL")
        # a commit returns when it is in the file: SQLite drops a damaged journal without a word
        connection.execute("PRAGMA wal_autocheckpoint = 1")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.OperationalError as error:
        raise _unwritable(error, folder) from error
    return connection


def _set_journal(connection: sqlite3.Connection, journal: str) -> None:
    """Let what is not yet committed stand in such a journal.

    The change of the journal's mode is one write of one page, and is made without a journal: a kill
    might leave a hot one, and then nobody could read the study before somebody has opened it to be
    written.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0].upper() != journal:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(f"PRAGMA journal_mode = {journal}")


def _fold(connection: sqlite3.Connection) -> None:
    """Bring everything into the one file."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = MEMORY")  # see _set_journal


def _kind(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's code for an error; 0 where only Python has seen it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more of the same


def _unwritable(error: sqlite3.DatabaseError, folder: Path) -> HpsearchError:
    kind = _kind(error)
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        help = f"make room, then go on with:  hpsearch resume {shell_word(str(folder))}"
        return DiskFull(Problem("E174", f"cannot write to {folder}: {error}", help=help))
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedStudy(Problem("E165", f"{folder / FILE} is damaged: {error}"))
    return CannotWrite(Problem("E173", f"cannot write to {folder}: {error}"))

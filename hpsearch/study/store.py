"""A study's memory: one SQLite file with one writer. What was committed is safe.

Whoever reads a study checks its seal: that all rows are those that were written (`study.seal`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple, fields, replace
from pathlib import Path

from hpsearch.errors import (
    CannotWrite,
    DamagedStudy,
    DiskFull,
    HpsearchError,
    Problem,
)
from hpsearch.study.files import settle, unwritable
from hpsearch.study.folder import BEGUN, FILE, HALF, refuse_shared
from hpsearch.study.history import History
from hpsearch.study.layout import SCHEMA, TABLES, VERSION, StudyMeta, check_semantics
from hpsearch.study.lock import Lock
from hpsearch.study.reading import APPLICATION, contents_of, kind_of, look, readable
from hpsearch.study.record import (
    Session,
    StudyRecord,
    TestEvaluation,
    curve_text,
    evaluation_row,
    record_of,
    result_columns,
    trial_columns,
    with_curves,
    with_rows,
)
from hpsearch.study.seal import (
    Contents,
    Execute,
    TableRow,
    check_curves,
    contents,
    curves,
    digest_of_study,
    digest_of_trials,
    seal,
    sealed,
    study_rows,
    trial_rows,
)
from hpsearch.study.trial import Result, Trial
from hpsearch.text import shell_word


class Store:
    """The one writer of a study; to hold it means to hold the study's lock.

    What the file says is read once. After that only what was written is read again.
    """

    def __init__(
        self, folder: Path, connection: sqlite3.Connection, lock: Lock, study: StudyRecord
    ) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._known = _stamp(folder / FILE)
        self._seal = sealed(connection.execute)
        self._study = study
        self._written: set[int] = set()  # the trials that are to be read again
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
            _write_new(folder, Contents((), {"study": [row], "test_evaluation": [], "session": []}))
            connection = _connect(folder)
            store = cls(folder, connection, lock, record_of(contents(connection.execute)))
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
        version, seal, study = look(folder, _checked)
        check_semantics(study.meta)  # before anything is written
        refuse_shared(folder)
        with ExitStack() as stack:
            lock = stack.enter_context(Lock(folder))
            if version < VERSION:
                _replace_older(folder)
            connection = _connect(folder)
            if sealed(connection.execute) != seal:  # it was written before there was the lock
                with readable(folder):
                    _, _, study = _checked(VERSION, connection.execute)
            store = cls(folder, connection, lock, study)
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
        """Return all that is known but curves, as it stands in the file."""
        execute = self._connection.execute
        with readable(self.folder):
            history, now = self._study.history, record_of(Contents((), study_rows(execute)))
            if self._written:
                history = with_rows(history, trial_rows(execute, sorted(self._written)))
        self._study, self._written = replace(now, history=history), set()
        return self._study

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
                _insert(execute, "trial", trial_columns(trial))

    def record_results(self, results: Mapping[int, Result]) -> None:
        """Write down what became of a cohort; a trial that has a result keeps it."""
        with self._transaction(results) as execute:
            for number, result in results.items():
                columns = result_columns(result)
                marks = ", ".join(f"{name} = ?" for name in columns)
                changed = execute(
                    f"UPDATE trial SET {marks} WHERE number = ? AND state = 'pending'",
                    (*columns.values(), number),
                )
                if changed.rowcount and (curve := curve_text(result.curve)):
                    _insert_row(execute, "curve", (number, curve))

    def record_test(self, evaluation: TestEvaluation) -> None:
        """Write down an evaluation on the test split."""
        with self._transaction() as execute:
            _insert_row(execute, "test_evaluation", evaluation_row(evaluation))

    def record_session(self, session: Session) -> None:
        """Write down how a run of the search ended."""
        with self._transaction() as execute:
            _insert_row(execute, "session", (None, session.wall_seconds, session.exit))

    @contextmanager
    def _transaction(self, numbers: Iterable[int] | None = None) -> Iterator[Execute]:
        """Commit all or nothing that is done in here to these trials, or else to the study itself.

        The seal is brought up to date in the same transaction.
        """
        changed = None if numbers is None else list(numbers)

        def digest(execute: Execute) -> int:
            if changed is None:
                return digest_of_study(study_rows(execute))
            return digest_of_trials(trial_rows(execute, changed))

        self._check_in_place()
        with _transaction(self._connection, self.folder) as execute:
            before = digest(execute)
            yield execute
            # SQLite has no exclusive or: a ^ b is (a | b) - (a & b)
            change = before ^ digest(execute)
            execute("UPDATE seal SET digest = (digest | ?1) - (digest & ?1)", (change,))
            now = sealed(execute)
        self._seal = now
        self._written.update(changed or ())
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
            execute(f"PRAGMA application_id = {APPLICATION}")
            execute(f"PRAGMA user_version = {VERSION}")
            own = {"trial": found.trials, "curve": [*found.curves.items()]}
            for table in ("study", "trial", "curve", "test_evaluation", "session"):
                for row in own.get(table) or found.study.get(table, ()):
                    _insert_row(execute, table, row)
            written = replace(found, study=study_rows(execute))
            execute("INSERT INTO seal VALUES (?)", (seal(written),))
        (folder / HALF).replace(folder / FILE)
        settle(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def _insert_row(execute: Execute, table: str, row: TableRow) -> None:
    _insert(execute, table, dict(zip(TABLES[table], row, strict=True)))


def _insert(execute: Execute, table: str, values: Mapping[str, object]) -> None:
    marks = ", ".join("?" for _ in values)
    execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", (*values.values(),))


def _refuse_full(folder: Path) -> None:
    """See that no study, and nothing of somebody else's, is in the folder."""
    if (folder / FILE).exists():
        help = f"go on with it:  hpsearch resume {shell_word(str(folder))}"
        raise CannotWrite(Problem("E173", f"the study {folder} is there already", help=help))
    if any(path.name not in BEGUN for path in folder.iterdir()):
        help = "a study gets a folder of its own: one that is new or empty"
        raise CannotWrite(Problem("E173", f"the folder {folder} is not empty", help=help))


def read(folder: Path, curves_of: int | None = None) -> StudyRecord:
    """Return a study as it stands, also while another process writes it; nothing is changed.

    Args:
        folder: the study's.
        curves_of: the number of a trial. With it come the curves of the trial that it belongs to,
            in all its runs; no others are read.

    Raises:
        DamagedStudy: there is no study in the folder, or it cannot be read.
    """

    def take(version: int, execute: Execute) -> StudyRecord:
        found = contents_of(version, execute)
        study = record_of(found)
        numbers = () if curves_of is None else study.history.family(curves_of)
        if version == VERSION:
            found = replace(found, curves=curves(execute, [found.trials[n] for n in numbers]))
        wanted = {number: found.curves[number] for number in numbers if number in found.curves}
        return replace(study, history=with_curves(study.history, wanted)) if wanted else study

    return look(folder, take)


def _checked(version: int, execute: Execute) -> tuple[int, int, StudyRecord]:
    """Return version and seal of a file and what it says, where all is sound, curves included."""
    (said,) = execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise ValueError(said)
    found = contents_of(version, execute)
    if version == VERSION:
        check_curves(execute, found.trials)
    return version, sealed(execute), record_of(found)


def _seal(folder: Path) -> int | None:
    """Return the seal of a study's file as a new reader finds it; None of one that is not sound."""

    def take(version: int, execute: Execute) -> int:
        contents_of(version, execute)
        return sealed(execute)

    try:
        return look(folder, take)
    except HpsearchError:
        return None


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    """Return which file lies at a path, how large it is and when it was written; None of none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _replace_older(folder: Path) -> None:
    """Put a file of this version in the place of an older one.

    A kill leaves the old file, which is migrated again, or the new one.

    Raises:
        CannotWrite, DiskFull: the new file cannot be written, or somebody reads the old one.
        DamagedStudy: the old one cannot be read.
    """
    version, found = look(folder, lambda version, execute: (version, contents_of(version, execute)))
    if version == VERSION:
        return  # another process was faster
    try:
        with closing(sqlite3.connect(folder / FILE, isolation_level=None, timeout=30)) as old:
            _fold(old)  # a journal of the old file would be taken for one of the new file
    except sqlite3.DatabaseError as error:
        raise _unwritable(error, folder) from error
    _write_new(folder, found)


def _connect(folder: Path, file: str = FILE, journal: str = "WAL") -> sqlite3.Connection:
    try:
        # whoever has several threads lets one of them in at a time
        connection = sqlite3.connect(
            folder / file, isolation_level=None, timeout=30, check_same_thread=False
        )
        _set_journal(connection, journal)
        connection.execute("PRAGMA synchronous = FULL")
        # a commit returns when it is in the file: SQLite drops a damaged journal without a word
        connection.execute("PRAGMA wal_autocheckpoint = 1")
        connection.execute("PRAGMA foreign_keys = ON")
        # the first to read makes the memory that all share, for which there may be no room
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
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


def _unwritable(error: sqlite3.DatabaseError, folder: Path) -> HpsearchError:
    kind = kind_of(error)
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        help = f"make room, then go on with:  hpsearch resume {shell_word(str(folder))}"
        return DiskFull(Problem("E174", f"cannot write to {folder}: {error}", help=help))
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedStudy(Problem("E165", f"{folder / FILE} is damaged: {error}"))
    return CannotWrite(Problem("E173", f"cannot write to {folder}: {error}"))

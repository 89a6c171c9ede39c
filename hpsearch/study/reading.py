"""Access to a study's file for who only reads it: nothing is changed, whoever writes it."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hpsearch.errors import DamagedStudy, Problem
from hpsearch.study.files import unreadable
from hpsearch.study.folder import FILE, refuse_links
from hpsearch.study.layout import VERSION
from hpsearch.study.migrations import LAYOUTS, migrated
from hpsearch.study.seal import Contents, Execute, contents

T = TypeVar("T")

_ASIDE = (
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL),
)
"""What SQLite says where it cannot make what it needs beside a file that may be sound."""

APPLICATION = 0x68707331  # "hps1"
"""What SQLite calls an application id: by it a file is known to be a study's."""


def look(folder: Path, take: Callable[[int, Execute], T]) -> T:
    """Return what is taken from a study's file, given its version; all of it is of one moment.

    Raises:
        DamagedStudy: there is no study in the folder, or it cannot be read.
        CannotWrite: it may not be read.
    """
    _check_readable(folder)
    with readable(folder), uncollected():
        try:
            return _look(folder, folder, take)
        except sqlite3.OperationalError as error:
            if kind_of(error) not in _ASIDE:
                raise
        # A file that was not closed needs an index beside it, which cannot be made here.
        with _copied(folder) as copy:
            return _look(copy, folder, take)


def _look(place: Path, folder: Path, take: Callable[[int, Execute], T]) -> T:
    """Look into the file in a place, which is the study in `folder`, or a copy of it."""
    address = f"{(place / FILE).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        version = _version(connection, folder)
        connection.execute("BEGIN")  # one moment for all tables, whatever is being written
        return take(version, connection.execute)


def contents_of(version: int, execute: Execute) -> Contents:
    """Return the rows of a file of this version as those of the present one.

    Of an earlier version all curves are among them, since one seal goes over all; else there are
    none.

    Raises:
        OtherRows: they are not what was written.
    """
    return contents(execute) if version == VERSION else migrated(execute, version)


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
def uncollected() -> Iterator[None]:
    """Leave cycles of objects alone: of a large study a third of the time goes to looking for them.

    All that is made of a study stays as long as what it is made for.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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


def _version(connection: sqlite3.Connection, folder: Path) -> int:
    """Return the version of the file's layout.

    Raises:
        DamagedStudy: it is no study's file, or of a version that cannot be read.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    path = folder / FILE
    if application != APPLICATION:
        raise DamagedStudy(Problem("E165", f"{path} is not a study of hpsearch"))
    if version not in (*LAYOUTS, VERSION):
        age = "newer" if version > VERSION else "older"
        readable = f"this hpsearch reads versions {min(LAYOUTS)} to {VERSION}"
        message = f"{path} is of version {version}; {readable}"
        raise DamagedStudy(Problem("E165", message, help=f"use the {age} hpsearch that made it"))
    return int(version)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Let whatever SQLite and its rows say of a file that is no study's be damage."""
    try:
        yield
    # a length that makes no sense ends in a MemoryError
    except (sqlite3.Error, ValueError, TypeError, MemoryError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        message = f"{folder / FILE} cannot be read: {said}"
        raise DamagedStudy(Problem("E165", message)) from error


def kind_of(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's code for an error; 0 where only Python has seen it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more of the same

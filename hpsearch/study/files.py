"""Files that are old or new and never half, and what is said where one cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from hpsearch.errors import CannotWrite, DiskFull, HpsearchError, Problem

_HALF = ".tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def write(path: Path, data: bytes, settled: bool = True) -> None:
    """Put a file at `path`, or another in its place; its folder is made where it is not there.

    A kill leaves the old file or the new one. So does a power cut where the file is `settled`,
    which takes some milliseconds; of others the reader must know the digest.

    Raises:
        DiskFull: there is no room for it.
        CannotWrite: the file system refuses it for another reason.
    """
    half = unfinished(path)
    try:
        path.parent.mkdir(exist_ok=True)
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            if settled:
                os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        with suppress(OSError):
            half.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def fill(path: Path, writer: Callable[[BinaryIO], None]) -> None:
    """Have `writer` write a file at `path` piece by piece; what it leaves unfinished is removed.

    Raises:
        DiskFull, CannotWrite: see `write`.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            writer(file)
    except OSError as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unfinished(path: Path) -> Path:
    """Return the name under which a file is written before it is complete."""
    # a process that outlives a killed search may write the same file
    return path.with_name(f"{path.name}.{os.getpid()}{_HALF}")


def sweep(folder: Path) -> None:
    """Remove what killed processes have left half written, in a folder and below."""
    for half in folder.rglob(f"*{_HALF}"):
        half.unlink(missing_ok=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards.

    Raises:
        CannotWrite: there is no place for it.
    """
    try:
        folder = TemporaryDirectory(prefix="hpsearch-", ignore_cleanup_errors=True)
    except OSError as error:
        message = f"no folder for temporary files can be written: {error.strerror}"
        raise CannotWrite(Problem("E173", message, help="TMPDIR names one")) from error
    with folder as name:
        yield Path(name)


def settle(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def unwritable(path: Path, error: OSError) -> HpsearchError:
    """Return what a file system says as an error that a person can mend."""
    said = f"cannot write to {path}: {error.strerror}"
    if error.errno in _FULL:
        help = "make room, then go on with:  hpsearch resume STUDY"
        return DiskFull(Problem("E174", said, help=help))
    return CannotWrite(Problem("E173", said))

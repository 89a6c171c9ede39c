"""Writing a file: old or new, never half; and what is said where that fails."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from hpsearch.errors import CannotWrite, DiskFull, HpsearchError, Problem

_HALF = ".tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def write(path: Path, data: bytes, settled: bool = True) -> None:
    """Put a file there, or another in its place, also in a folder that is not yet there.

    A kill leaves the old one or the new one. So does a power cut where it is `settled`, which takes some milliseconds;
    else who reads it must know its digest.

    Raises:
        DiskFull: there is no room for it.
        CannotWrite: the file system refuses it for another reason.
    """
    half = path.with_name(
        f"{path.name}.{os.getpid()}{_HALF}"
    )  # what outlives a killed search may write it, too
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


def sweep(folder: Path) -> None:
    """Remove what kills have left half written, in a folder and below."""
    for half in folder.rglob(f"*{_HALF}"):
        half.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """See that the names in a folder are on the disk."""
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def unwritable(path: Path, error: OSError) -> HpsearchError:
    """What a file system says, as something that a person can mend."""
    said = f"cannot write to {path}: {error.strerror}"
    if error.errno in _FULL:
        return DiskFull(
            Problem("E174", said, help="make room, then go on with:  hpsearch resume STUDY")
        )
    return CannotWrite(Problem("E173", said))

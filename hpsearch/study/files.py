"""Files that are old or new and never half, and what is said where one cannot be written.

No name that a study gives is ever followed where it is a link: whoever has put the link there would
have another file read, written over or removed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from hpsearch.errors import CannotWrite, DiskFull, HpsearchError, Problem

_HALF = ".tmp"
_HALVES = re.compile(
    rf"(config\.yaml|artefact|[0-9a-f]{{64}}|[0-9.]+(pause\.)?safetensors)\.\d+\{_HALF}"
)
"""The names under which files of a study are written; all other names are somebody else's."""

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

    def writer(file: BinaryIO) -> None:
        file.write(data)
        file.flush()
        if settled:
            os.fsync(file.fileno())

    try:
        _fill(half, writer)
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
        _fill(path, writer)
    except OSError as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def _fill(path: Path, writer: Callable[[BinaryIO], None]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with path.open("xb") as file:  # a link that is put there now would not be new
        writer(file)


def check_free(path: Path, force: bool) -> None:
    """See that a file may be written where a person says.

    Raises:
        CannotWrite: something is there, and `force` does not say that it is replaced.
    """
    if os.path.lexists(path) and not force:
        raise CannotWrite(Problem("E173", f"{path} is there already", help="--force replaces it"))


def open_own(path: Path, flags: int) -> int:
    """Open a file by the name that it has in a study; return its descriptor.

    Raises:
        OSError: it cannot be opened; or it is a link; or it is to be written where it stands, and
            has a second name, by which it belongs to somebody else.
    """
    try:
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link") from error
        raise
    try:
        if flags & (os.O_WRONLY | os.O_RDWR):
            check_single(os.fstat(file))
    except OSError:
        os.close(file)
        raise
    return file


def check_single(found: os.stat_result) -> None:
    """See that a file that is written where it stands has no second name.

    Raises:
        OSError: it has.
    """
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise OSError(errno.EMLINK, "it is a hard link, so another file would be written too")


def unfinished(path: Path) -> Path:
    """Return the name under which a file is written before it is complete."""
    # a process that outlives a killed search may write the same file
    return path.with_name(f"{path.name}.{os.getpid()}{_HALF}")


def is_unfinished(name: str) -> bool:
    """Return whether a file of a study is written under such a name before it is complete."""
    return _HALVES.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Remove the files that killed processes have left half written in a folder."""
    if not is_folder(folder):
        return
    for half in folder.iterdir():
        if is_unfinished(half.name) and is_file(half):
            half.unlink(missing_ok=True)


def is_file(path: Path) -> bool:
    """Return whether a file is there, and no link to one."""
    return _is(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """Return whether a folder is there, and no link to one."""
    return _is(path, stat.S_ISDIR)


def is_link(path: Path) -> bool:
    """Return whether a symbolic link is there, wherever it leads."""
    return _is(path, stat.S_ISLNK)


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False


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
    return _refused(f"cannot write to {path}: {error.strerror or error}", error)


def unreadable(path: Path, error: OSError) -> HpsearchError:
    """Return what a file system says of a file that cannot be read, as such an error."""
    return _refused(f"cannot read {path}: {error.strerror or error}", error)


def _refused(said: str, error: OSError) -> HpsearchError:
    if error.errno in _FULL:
        help = "make room, then go on with:  hpsearch resume STUDY"
        return DiskFull(Problem("E174", said, help=help))
    return CannotWrite(Problem("E173", said))

"""The lock of a study, which its one writer holds. The system lets it go when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from hpsearch.errors import Problem, StudyInUse
from hpsearch.study.files import open_own, unwritable
from hpsearch.study.folder import LOCK

_NO_LOCKS = (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF)


class Lock:
    """Holds a study: its folder, and the file in it that says who does.

    The file is what another machine sees. A file can be removed, and then another one would be free
    to be locked: therefore the folder is locked as well, which is there as long as the study is.
    """

    def __init__(self, folder: Path) -> None:
        """Lock the study in a folder.

        Raises:
            StudyInUse: another process holds it.
            CannotWrite, DiskFull: its file cannot be written.
        """
        with ExitStack() as stack:
            try:
                entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, entry)
                _take(entry, needed=False)
                file = open_own(folder / LOCK, os.O_RDWR | os.O_CREAT)
                stack.callback(os.close, file)
                _take(file, needed=True)
                os.ftruncate(file, 0)
                os.pwrite(file, f"{os.getpid()} on {platform.node()}".encode(), 0)
            except BlockingIOError as error:
                message = f"the study {folder} is in use by {_holder(folder / LOCK)}"
                raise StudyInUse(Problem("E175", message)) from error
            except OSError as error:
                raise unwritable(folder / LOCK, error) from error
            self._held = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let it go."""
        self._held.close()


def _take(file: int, needed: bool) -> None:
    """Lock a file or a folder; where it is not `needed`, a system may have no such locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if needed or error.errno not in _NO_LOCKS:
            raise


def _holder(path: Path) -> str:
    """Return who says in the lock's file that it holds the study."""
    said = ""
    with suppress(OSError):
        file = open_own(path, os.O_RDONLY)
        try:
            said = os.pread(file, 300, 0).decode(errors="replace")
        finally:
            os.close(file)
    return f"process {said or 'that has not said its number'}"

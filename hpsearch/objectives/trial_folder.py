"""The folder of a trial, where a trainer of one's own keeps what it likes beside its log."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hpsearch.objectives.reports import EPOCH
from hpsearch.objectives.trainers import LOG, REPORTED, RESULT
from hpsearch.runners import Crashed, WorkCrashed
from hpsearch.study import files
from hpsearch.text import one_line, shell_word

_PATIENCE = 60.0  # seconds in which what an earlier call has started must be gone
_POLL = 0.02  # seconds between looks whether it is
_MOST = 64 << 20  # bytes of a log, as far as one call writes it
_LAST = 1 << 14  # bytes of its end that are kept beside
_LONGEST = 300  # characters of a line that is shown


@dataclass(slots=True)
class Log:
    """What a program prints, written to its file; the end of it is kept at hand.

    What is beyond 64 MiB is not written, except for its end. `lock` is an open file: while a copy
    of it is open, no other call of the trial begins. `file` is that of the log.
    """

    file: int
    lock: int
    _path: Path
    _size: int = 0
    _end: bytes = b""

    def begin(self, words: Sequence[str]) -> None:
        """Append the command whose output follows.

        Raises:
            DiskFull, CannotWrite: the file system does not take it.
        """
        self._append(f"$ {' '.join(map(shell_word, words))}\n".encode("utf-8", "surrogateescape"))

    def write(self, data: bytes) -> None:
        """Append what a program has printed.

        Raises:
            DiskFull, CannotWrite: the file system does not take it.
        """
        left = _MOST - self._size
        self._size += len(data)
        self._end = (self._end + data)[-_LAST:]
        if left > 0:
            self._append(data[:left])

    def close(self) -> None:
        """Append the end of what was left out, where something was.

        Raises:
            DiskFull, CannotWrite: the file system does not take it.
        """
        if (left_out := self._size - _MOST) > 0:
            kept = self._end[-left_out:]
            note = f"\n[{left_out - len(kept):,} bytes are left out]\n"
            self._append(note.encode() + kept)

    def last(self, lines: int) -> list[str]:
        """Return the last lines that hold something, with all signs visible."""
        return _last(self._end, lines)

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.file, data) :]
        except OSError as error:
            raise files.unwritable(self._path, error) from error


def printed(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log that hold something; none where it cannot be read."""
    try:
        with os.fdopen(files.open_own(path, os.O_RDONLY), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST))
            return _last(file.read(), lines)
    except OSError:
        return []


def keep(folder: Path, report: Mapping[str, object]) -> None:
    """Keep a report of a promoted trial, which counts where this call is cut short.

    The call that is made instead may find all saved, and have nothing to report.

    Raises:
        DiskFull, CannotWrite: the file system does not take it.
    """
    path = folder / REPORTED
    line = json.dumps(report, default=str) + "\n"
    try:
        with os.fdopen(files.open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a") as file:
            file.write(line)
    except FileNotFoundError:  # the trial has removed its folder, and will not find it again
        pass
    except OSError as error:
        raise files.unwritable(path, error) from error


def kept(folder: Path, after: int) -> Sequence[Mapping[str, object]]:
    """Return what an earlier call of the same segment has reported of epochs `after` one."""
    found = []
    try:
        with os.fdopen(files.open_own(folder / REPORTED, os.O_RDONLY), "rb") as file:
            for line in file:
                with suppress(ValueError):  # it was cut short, too
                    found.append(json.loads(line))
    except OSError:
        return ()
    return [report for report in found if report[EPOCH] > after]


def _last(data: bytes, lines: int) -> list[str]:
    found = data.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    return [one_line(line)[:_LONGEST] for line in found if line.strip()][-lines:]


@contextmanager
def opened(folder: Path, is_first: bool) -> Iterator[Log]:
    """Prepare the folder of a trial for a call, and give its log; there is one call at a time.

    Args:
        folder: the folder, which is made where it is not there.
        is_first: whether this is the first segment of a training, which finds its folder empty. A
            later one finds what the one before has left, but for its reports.

    Raises:
        DiskFull, CannotWrite: it cannot be written.
        Crashed: what an earlier call has started does not end.
    """
    try:
        for each in (folder.parent, folder):
            if files.is_link(each):
                raise OSError("it is a link")
            each.mkdir(exist_ok=True)
    except OSError as error:
        raise files.unwritable(folder, error) from error
    path = folder / LOG
    with _held(folder) as lock, ExitStack() as stack:
        try:
            _clear(folder, is_first)
            file = files.open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise files.unwritable(path, error) from error
        stack.callback(os.close, file)
        log = Log(file, lock, path)
        stack.callback(log.close)
        yield log


def _clear(folder: Path, is_first: bool) -> None:
    """Remove the reports of an earlier call; for a first segment all that is there."""
    for path in folder.iterdir() if is_first else [folder / RESULT]:
        if files.is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _held(folder: Path) -> Iterator[int]:
    """Hold a folder as soon as no other process does, and give the open file by which it is held.

    On a file system without locks nobody holds anything.
    """
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise files.unwritable(folder, error) from error
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _is_locked(file):
            if time.monotonic() > deadline:
                raise Crashed(WorkCrashed("error", "what an earlier call has started does not end"))
            time.sleep(_POLL)
        yield file
    finally:
        os.close(file)


def _is_locked(file: int) -> bool:
    """Try to lock a file; return whether another process does not."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # there are no locks here
        pass
    return True

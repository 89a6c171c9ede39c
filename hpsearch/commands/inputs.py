"""Files that a person names: no more is read of them than what is asked for could take."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from pathlib import Path

_PATIENCE = 5_000  # milliseconds until somebody writes into a pipe that has a name


def read_input(path: Path, most: int) -> bytes:
    """Return what a file, a pipe or a device holds: of more than `most` bytes, one byte more.

    Raises:
        OSError: it cannot be read, or is a pipe into which nobody writes.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe opens at once
    with os.fdopen(number, "rb", closefd=True) as file:
        beginning = _beginning(number) if stat.S_ISFIFO(os.fstat(number).st_mode) else b""
        os.set_blocking(number, True)
        return beginning + file.read(most + 1 - len(beginning))


def read_stdin(most: int) -> bytes:
    """Return what standard input holds: of more than `most` bytes, one byte more.

    Raises:
        OSError: it cannot be read.
    """
    return sys.stdin.buffer.read(most + 1)


def _beginning(pipe: int) -> bytes:
    """Return the first byte of a pipe that does not block, if somebody has written one yet.

    Raises:
        OSError: nobody has opened the pipe to write into it.
    """
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    is_open = bool(poll.poll(_PATIENCE))
    try:
        first = os.read(pipe, 1)
    except BlockingIOError:  # somebody who has not written anything yet
        return b""
    if not first and not is_open:
        raise OSError(errno.EPIPE, "nobody writes into this pipe")
    return first

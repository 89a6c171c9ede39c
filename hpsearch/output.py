"""The standard streams: what is printed arrives, or is known to be lost.

A result that cannot be printed ends a command with an error. Progress that cannot be printed is
given up, and costs nothing.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from hpsearch import text
from hpsearch.errors import OutputLost, Problem

# A closed stream gets a device that refuses what the stream is for, so that a result is known to be
# lost; standard error, which may be lost, gets one that takes it.
_CLOSED = (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))


def prepare() -> None:
    """Make the standard streams fit for use, also where the shell has closed some (`>&-`).

    Afterwards no file that is opened can take the number of a stream, and be printed into; and a
    sign that an encoding does not have is replaced.
    """
    for number, (name, access) in enumerate(_CLOSED):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, access), True)  # it gets the lowest number
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=text.ERRORS)


def finish() -> None:
    """Give up what a stream still holds and cannot write, which Python would complain of."""
    for stream in (sys.stdout, sys.stderr):
        with _given_up(stream):
            stream.flush()


def emit(result: str) -> None:
    """Write lines of a result to standard output; see `write`."""
    write(text.lines(result))


def write(result: str) -> None:
    """Write to standard output what a console has drawn, or `emit` has made harmless.

    Whoever reads it may have seen enough (`| head`).

    Raises:
        OutputLost: it cannot be written.
    """
    try:
        print(result, flush=True)
    except OSError as error:
        _discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            raise lost(error) from error


def lost(error: OSError) -> OutputLost:
    """Return what is said of a result that cannot be written."""
    message = f"cannot write to standard output: {error.strerror}"
    help = "what a study holds is printed by  hpsearch leaderboard"
    return OutputLost(Problem("E174", message, help=help))


@contextmanager
def diverted(file: int) -> Iterator[None]:
    """Let all that this process prints go to a file, and what it starts print there as well."""
    with ExitStack() as stack:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:  # else its number may be that of a file of ours
                kept = os.dup(stream.fileno())
                stack.callback(os.close, kept)
                stack.callback(os.dup2, kept, stream.fileno())
                os.dup2(file, stream.fileno())
        log = stack.enter_context(os.fdopen(os.dup(file), "w", 1, "utf-8", text.ERRORS))
        stack.enter_context(redirect_stdout(log))
        stack.enter_context(redirect_stderr(log))
        yield


def tell(words: str) -> None:
    """Write lines to standard error, where that is possible."""
    print(text.lines(words), file=Progress(sys.stderr), flush=True)


class Progress(io.TextIOBase):
    """A stream that gives up where what it writes to fails, as with a full disk or `| head`.

    None stands for a stream that a program does not have.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = io.StringIO() if stream is None else stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of what is written to."""
        return self._stream.encoding

    def write(self, words: str) -> int:
        """Write, or give up."""
        with _given_up(self._stream):
            self._stream.write(words)
        return len(words)

    def flush(self) -> None:
        """Flush, or give up."""
        with _given_up(self._stream):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether a person looks on."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of what is written to."""
        return self._stream.fileno()


@contextmanager
def _given_up(stream: TextIO) -> Iterator[None]:
    """Let what is written be lost where it cannot be written."""
    try:
        yield
    except OSError:
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Send to nowhere what is written from now on, and what the stream still holds."""
    with suppress(OSError, ValueError):  # in tests a stream may have no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

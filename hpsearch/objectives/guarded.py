"""A program below a guardian, as its worker sees it: what it prints, and how it ends."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

from hpsearch.errors import MAKE_DO, HpsearchError, NoResources, Problem, SpecError
from hpsearch.objectives import guardian
from hpsearch.objectives.trainers import folder_gone
from hpsearch.runners.processes import open_pipe
from hpsearch.text import one_line

OUTPUT, ERRORS, _STATUS = "output", "errors", "status"
"""The channels of a program: its two standard streams, and what its guardian says."""

_BLOCK = 1 << 16  # bytes that are read at once, as many as a pipe holds
_LEFT = 64  # blocks that are read after the end
_TO_END = 10.0  # seconds for a guardian to kill what is left
_LIMITS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


@dataclass(slots=True)
class Guarded:
    """A program that runs, or has run.

    `running` is whether its guardian lives, and so perhaps something below it.
    """

    _guardian: subprocess.Popen[bytes]
    _alive: ExitStack
    _selector: selectors.BaseSelector
    running: bool = True
    _said: bytes = b""
    _deadline: float = inf

    def read(self, seconds: float) -> Iterator[tuple[str, bytes]]:
        """Give what it prints within so many seconds, each piece after the name of its channel."""
        seconds = max(0.0, min(seconds, self._deadline - time.monotonic()))
        for key, _ in self._selector.select(seconds):
            data = os.read(key.fd, _BLOCK)
            if not data:
                self._selector.unregister(key.fileobj)
                self.running = self.running and key.data != _STATUS
            elif key.data == _STATUS:
                self._said += data
            else:
                yield key.data, data
        if time.monotonic() > self._deadline:
            self._alive.close()

    def rest(self) -> Iterator[tuple[str, bytes]]:
        """Give what it has printed before its end and nobody has read yet."""
        for _ in range(_LEFT):
            if not (found := [*self.read(0.0)]):
                return
            yield from found

    def ask_to_end(self, grace: float) -> None:
        """Send it and its children SIGTERM; what still runs so many seconds later is killed."""
        if self._deadline == inf:
            self._deadline = time.monotonic() + grace
            self.send(signal.SIGTERM)

    def send(self, number: int) -> None:
        """Send a signal to it and its children; a guardian takes no notice where it can."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._guardian.pid, number)

    @property
    def refused(self) -> int | None:
        """The number of the error with which the system does not execute it; None where it does."""
        return self._number(guardian.REFUSED)

    @property
    def code(self) -> int | None:
        """The exit code, or minus the number of a signal; None where its guardian was killed."""
        return self._number(guardian.CODE)

    def _number(self, name: str) -> int | None:
        said = dict(line.split() for line in self._said.decode().splitlines())
        return int(said[name]) if name in said else None


@contextmanager
def guarded(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], lock: int
) -> Iterator[Guarded]:
    """Run a program; what of it still runs afterwards is killed.

    Args:
        words: the command, which no shell reads.
        folder: where it runs.
        environment: all variables of its environment.
        lock: an open file, of which a copy stays open as long as anything may still run.

    Raises:
        SpecError: its folder is not there, or its arguments are too long.
        NoResources: the system has no more processes or files.
    """
    python = [sys.executable, "-I", "-S", guardian.__file__]
    with ExitStack() as mine, ExitStack() as alive, ExitStack() as its:
        try:
            stdin, _ = open_pipe(its, alive)
            ends = {name: open_pipe(mine, its) for name in (OUTPUT, ERRORS, _STATUS)}
            status = ends[_STATUS][1]
            process = subprocess.Popen(
                [*python, str(status), str(lock), *words],
                stdin=stdin,
                stdout=ends[OUTPUT][1],
                stderr=ends[ERRORS][1],
                cwd=folder,
                env=environment,
                pass_fds=(status, lock),
                process_group=0,
            )
        except OSError as error:
            raise cannot_run(words, folder, error.errno or 0) from error
        its.close()
        selector = mine.enter_context(selectors.DefaultSelector())
        for name, (end, _) in ends.items():
            selector.register(end, selectors.EVENT_READ, name)
        program = Guarded(process, alive, selector)
        try:
            yield program
        finally:
            alive.close()
            if not program.running:  # where the guardian was killed, its group may live on
                program.send(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_TO_END)


def cannot_run(words: Sequence[str], folder: Path, number: int) -> HpsearchError:
    """Return the error that the system does not run a command; no trial is to blame for it."""
    if number in _LIMITS:
        message = f"a program cannot be started: {os.strerror(number)}"
        return NoResources(Problem("E171", message, help=MAKE_DO))
    if not folder.is_dir():
        return folder_gone(folder)
    message = f"'{one_line(words[0])}' cannot be run: {os.strerror(number)}"
    return SpecError(Problem("E182", message, help=_to_run(words[0], folder, number)))


def _to_run(program: str, folder: Path, number: int) -> str:
    """Return what helps where the system does not run a program."""
    if number == errno.ENOEXEC:
        return "a script says in its first line what runs it:  #!/bin/sh"
    if number == errno.ENOENT and (folder / program).is_file():
        return "what its first line says is not there; lines that end as on Windows are a cause"
    return f"it is looked for in PATH, and from {folder} where it has a slash, as ./train.sh has"

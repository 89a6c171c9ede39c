"""Processes that come from a fork server, as their coordinator sees them.

The server of `multiprocessing` would not do: it imports from the working directory, its socket
needs a folder for temporary files (which a kill leaves behind), and its processes are given up for
dead when it dies.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import spawn
from multiprocessing.connection import wait

from hpsearch.runners.fork_server import FORKED, REFUSED, WORD
from hpsearch.runners.worker import ASKED_TO_END

_TO_END = 5.0  # seconds after SIGKILL; it takes longer where a disk or a debugger holds a process

# the path is the coordinator's before anything is looked for in the working directory
_SERVER = (
    "import sys; sys.path[:] = {path!a}; "
    "from hpsearch.runners.fork_server import main; main({control}, {alive}, {preload!a})"
)


@dataclass(slots=True)
class Process:
    """A process that a server has forked, or is about to.

    Attributes:
        status: the file that says what becomes of it; it is readable when there is something new.
        pid: its process id, as soon as it is there.
        code: its exit code, where it has ended and the server has lived to say so.
        refused: why the system does not let it be forked.
        ended: whether it is gone, as far as anybody can tell.
    """

    status: int
    _alive: int | None
    pid: int | None = None
    code: int | None = None
    refused: str = ""
    ended: bool = False

    def look(self) -> bool:
        """Take in what has become of it, and return whether it is that it was forked.

        This waits where `status` is not readable.
        """
        said = os.read(self.status, WORD.size)
        word, number = WORD.unpack(said) if said else (b"", None)
        if word == FORKED:
            self.pid = number
            return True
        if word == REFUSED:
            self.refused = os.strerror(number)
        else:
            self.code = number
        self.ended = True
        return False

    def kill(self) -> None:
        """End it, and whatever it has started."""
        if self.pid is not None:
            with suppress(ProcessLookupError, PermissionError):  # all of it is gone
                os.killpg(self.pid, signal.SIGKILL)
        if self._alive is not None:  # with which it ends as well, where its id is not known yet
            os.close(self._alive)
            self._alive = None

    def join(self, seconds: float = _TO_END) -> None:
        """Return when it has ended, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.ended and wait([self.status], max(0.0, deadline - time.monotonic())):
            self.look()

    def close(self) -> None:
        """Forget a process that was killed."""
        os.close(self.status)


class ForkServer:
    """A server that starts when it is first needed, and again where it has died."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = [*preload]
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._held = ExitStack()

    def start(self) -> socket.socket:
        """See that it runs, and return where it takes requests; it may be importing still.

        Raises:
            OSError: the system has no more processes or files.
        """
        self.wake()
        if self._control and self._process and self._process.poll() is None:
            return self._control
        self.close()
        with ExitStack() as mine, ExitStack() as its:
            ours, control = socket.socketpair()
            mine.enter_context(ours)
            its.enter_context(control)
            alive, _ = open_pipe(its, mine)
            code = _SERVER.format(
                path=sys.path, control=control.fileno(), alive=alive, preload=self._preload
            )
            *python, _, _, _ = spawn.get_command_line()  # with the options that it was given here
            with undisturbed():
                self._process = subprocess.Popen(
                    [*python, "-c", code],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(control.fileno(), alive),
                    process_group=0,  # what stops a group of processes does not stop it
                )
            self._held = mine.pop_all()
            self._control = ours
        return ours

    def fork(self, pipe: int) -> Process:
        """Ask for a process that serves at this end of a pipe.

        Raises:
            OSError: the system has no more processes or files.
        """
        with ExitStack() as mine, ExitStack() as its:
            (alive, held), (status, told) = open_pipe(its, mine), open_pipe(mine, its)
            files = [pipe, alive, told]
            try:
                socket.send_fds(self.start(), [b"f"], files)
            except ConnectionError:  # it has just died
                self.close()
                socket.send_fds(self.start(), [b"f"], files)
            mine.pop_all()
        return Process(status, held)

    def wake(self) -> None:
        """Have it go on, where somebody has stopped it."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def code(self) -> int | None:
        """Return with which code it has ended, where it has."""
        return self._process.poll() if self._process else None

    def close(self) -> None:
        """End it; what it has forked lives on."""
        if self._process:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_TO_END)
        self._held.close()
        self._process = self._control = None


def open_pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Return both ends of a pipe, each to be closed with one of the stacks."""
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


@contextmanager
def undisturbed() -> Iterator[None]:
    """Start processes that never see the signals which ask the coordinator to end.

    They do not see them while they import either, nor when a whole group of processes is asked
    (Ctrl-C, timeout, a batch system). In this process the signals arrive afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKED_TO_END)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def death(code: int | None) -> str:
    """Return in words with which code a process has ended."""
    if code is None:
        return "its process is gone"
    if code >= 0:
        return f"its process ended with code {code}"
    suspicion = " (out of memory?)" if code == -signal.SIGKILL else ""
    return _signal_name(-code) + suspicion


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of those that have no names
        return f"signal {number}"

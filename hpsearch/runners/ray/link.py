"""The driver of Ray as its coordinator sees it: a process, the pipe to it, and what it prints."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from multiprocessing import spawn
from multiprocessing.connection import Connection
from pathlib import Path

from hpsearch.errors import NoResources, Problem
from hpsearch.runners.processes import undisturbed

_TO_END = 20.0  # seconds in which a driver ends whose pipe was closed
_TALK = "talk"  # the file of what it prints, in its folder

_DRIVER = (
    "import sys; sys.path[:] = {path!a}; "
    "from hpsearch.runners.ray.driver import main; main({control}, {alive})"
)


class Link:
    """A driver that is started here, and ends with this process, however that ends."""

    def __init__(self, folder: Path) -> None:
        """Start it in a folder of its own: Ray lets workers import from where it is called.

        Raises:
            NoResources: the system has no more processes or files.
        """
        self._folder = folder
        self._kept = 0  # bytes of its talk
        with ExitStack() as mine, ExitStack() as its:
            try:
                here, control = socket.socketpair()
                its.callback(control.close)
                self._pipe = Connection(here.detach())
                mine.callback(self._pipe.close)
                alive, held = os.pipe()
                its.callback(os.close, alive)
                mine.callback(os.close, held)
                self._process = self._started(control.fileno(), alive)
            except OSError as error:
                raise gone(f"its driver cannot be started: {error.strerror}") from error
            mine.callback(self._end)
            self._open = mine.pop_all()

    def _started(self, control: int, alive: int) -> subprocess.Popen[bytes]:
        code = _DRIVER.format(path=import_path(), control=control, alive=alive)
        *python, _, _, _ = spawn.get_command_line()
        with (self._folder / _TALK).open("wb") as talk, undisturbed():
            return subprocess.Popen(
                [*python, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=talk,
                stderr=talk,
                cwd=self._folder,
                env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
                pass_fds=(control, alive),
                process_group=0,  # all that a Ray of its own starts is in it, and ends with it
            )

    def _end(self) -> None:
        """Close the pipe, by which it ends; after some time, kill it."""
        self._pipe.close()
        try:
            self._process.wait(_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            NoResources: the driver is gone.
        """
        try:
            self._pipe.send(message)
        except OSError as error:
            raise gone("its driver has ended") from error

    def receive(self, seconds: float) -> object | None:
        """Return the next message; None where there is none within so many seconds.

        Raises:
            NoResources: the driver is gone.
        """
        try:
            return self._pipe.recv() if self._pipe.poll(seconds) else None
        except (EOFError, OSError) as error:
            raise gone("its driver has ended") from error

    def new_talk(self) -> bytes:
        """Return what was printed since this was asked the last time."""
        with (self._folder / _TALK).open("rb") as talk:
            talk.seek(self._kept)
            said = talk.read()
        self._kept += len(said)
        return said

    def last_line(self) -> str:
        """Return the last line that was printed."""
        lines = (self._folder / _TALK).read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Have it take all work back and end; return when it has."""
        self._open.close()


def import_path() -> list[str]:
    """Return where this process imports from, for processes in other folders."""
    return [str(Path(one).absolute()) for one in sys.path]


def gone(why: str) -> NoResources:
    """Return what is said where Ray cannot begin, or cannot go on."""
    help = "`ray status` shows a cluster, and a study's ray.log what Ray said; resume goes on"
    return NoResources(Problem("E171", f"Ray is gone: {why}", help=help))

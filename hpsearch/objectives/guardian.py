"""Runs a program, and ends it with all that it has started when its worker is gone.

A worker forks for each call. The process that comes of it leads the process group of the program,
and does nothing that a fork may disturb: it calls the system, and never returns.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import select
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Never

CODE, REFUSED = "code", "errno"
"""What it says: the exit code (or minus a signal), or why the system does not execute it."""

# parameters of prctl(2), numbered as in linux/prctl.h
_DIE_WITH_PARENT = 1
_ADOPT_ORPHANS = 36

_ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_LIBRARY = ctypes.CDLL(None)  # loaded before the fork: another thread may hold the loader then


class Files(NamedTuple):
    """The open files of a guardian; each has the number of its place here.

    `alive` is the end of a pipe whose other end the worker alone holds: the system closes it when
    the worker dies, however that happens. On `status` the worker hears how the program has ended.
    `lock` is locked as long as anything may still run.
    """

    alive: int
    output: int
    errors: int
    status: int
    lock: int


_OWN = Files(*range(5))


def lead(words: Sequence[str], folder: Path, environment: Mapping[str, str], files: Files) -> Never:
    """Run a program to its end, or to that of the worker; this process ends with it.

    Whatever happens here, it does not return into what the worker was doing.
    """
    try:
        gc.disable()  # what the worker has left to clear away is the worker's
        os.setpgid(0, 0)
        _keep(files)
        _lead(words, folder, environment)
    finally:
        os.killpg(0, signal.SIGKILL)  # where orphans are not adopted, this ends what is left
        os._exit(1)


def _keep(files: Files) -> None:
    """Close all files of the worker but these, and give them their numbers."""
    moved = [fcntl.fcntl(file, fcntl.F_DUPFD, len(_OWN)) for file in files]
    for number, file in zip(_OWN, moved, strict=True):
        os.dup2(file, number, inheritable=number in (_OWN.output, _OWN.errors))
    for number in _entries("/dev/fd"):
        if number not in _OWN:
            with suppress(OSError):  # it is the one by which they were listed
                os.close(number)


def _lead(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    for number in (*_ASKED, signal.SIGCHLD):  # sent to the group, they concern the program alone
        signal.signal(number, lambda number, frame: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    _control(_ADOPT_ORPHANS, 1)  # even what leaves the group is then found
    program = os.fork()
    if not program:
        _become(words, folder, environment)
    code = _code(program, woken)
    _end_all()
    if code is not None:
        os.write(_OWN.status, f"{CODE} {code}\n".encode())


def _become(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Never:
    """Execute the program in this process, with the signals as a shell would leave them."""
    try:
        _control(_DIE_WITH_PARENT, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        os.execvpe(words[0], [*words], environment)
    except OSError as error:
        os.write(_OWN.status, f"{REFUSED} {error.errno}\n".encode())
    finally:
        os._exit(127)


def _code(program: int, woken: int) -> int | None:
    """Return with which code the program ends, or None as soon as the worker has ended."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    poll = select.poll()
    for file in (_OWN.alive, woken):
        poll.register(file, select.POLLIN)
    while True:
        ready = {file for file, _ in poll.poll()}
        if _OWN.alive in ready:
            return None
        os.read(woken, 1024)
        ended, status = os.waitpid(-1, os.WNOHANG)
        while ended:
            if ended == program:
                return os.waitstatus_to_exitcode(status)
            ended, status = os.waitpid(-1, os.WNOHANG)


def _end_all() -> None:
    """Kill all that the program has started, until nothing is left that may be killed."""
    spared: set[int] = set()
    try:
        while True:
            os.waitpid(-1, os.WNOHANG)  # raises where there is no child
            doomed = _children() - spared
            for child in doomed:
                try:
                    os.kill(child, signal.SIGKILL)
                except PermissionError:  # it has become another user's, as with sudo
                    spared.add(child)
                except ProcessLookupError:
                    pass
            if not doomed - spared:
                return
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def _children() -> set[int]:
    """Return the children of this process, adopted ones among them; none without /proc."""
    found = set()
    for number in _entries("/proc"):
        try:
            with open(f"/proc/{number}/stat", "rb") as file:  # noqa: PTH123 (pathlib takes long)
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # it has just ended
            continue
        if parent == os.getpid():
            found.add(number)
    return found


def _entries(folder: str) -> Sequence[int]:
    """Return the entries of a folder that are numbers; none where there is no folder."""
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208
    except FileNotFoundError:
        return []


def _control(option: int, value: int) -> None:
    if hasattr(_LIBRARY, "prctl"):
        _LIBRARY.prctl(option, value, 0, 0, 0)

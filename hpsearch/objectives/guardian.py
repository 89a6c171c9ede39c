"""Runs a program, and ends it with all that it has started when its worker is gone.

A worker starts this file as a program of its own, once for each call, so it imports little:

    python -I -S guardian.py STATUS LOCK WORD...

It leads the process group of the program. Standard input is the end of a pipe whose other end the
worker alone holds: the system closes it when the worker dies, however that happens. STATUS is a
pipe on which the worker hears how the program has ended. LOCK is a file that is locked as long as
anything may still run.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence

CODE, REFUSED = "code", "errno"
"""What STATUS says: the exit code (or minus a signal), or why the system does not execute it."""

# parameters of prctl(2), numbered as in linux/prctl.h
_DIE_WITH_PARENT = 1
_ADOPT_ORPHANS = 36

_ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def main(status: int, lock: int, words: list[str]) -> None:
    """Run the program to its end, or to that of the worker."""
    for file in (status, lock):
        os.set_inheritable(file, False)
    for number in (*_ASKED, signal.SIGCHLD):  # sent to the group, they concern the program alone
        signal.signal(number, lambda number, frame: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    _control(_ADOPT_ORPHANS, 1)  # even what leaves the group is then found
    program = os.fork()
    if not program:
        _become(words, status)
    code = _code(program, woken)
    _end_all()
    if code is not None:
        os.write(status, f"{CODE} {code}\n".encode())
    os.killpg(0, signal.SIGKILL)  # where orphans are not adopted, this ends what is left


def _become(words: list[str], status: int) -> None:
    """Execute the program in this process, with the signals as a shell would leave them."""
    _control(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(words[0], words)
    except OSError as error:
        os.write(status, f"{REFUSED} {error.errno}\n".encode())
    os._exit(127)


def _code(program: int, woken: int) -> int | None:
    """Return with which code the program ends, or None as soon as the worker has ended."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    poll = select.poll()
    for file in (0, woken):
        poll.register(file, select.POLLIN)
    while True:
        ready = {file for file, _ in poll.poll()}
        if 0 in ready:
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
    for name in _entries("/proc"):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 (pathlib takes long)
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # it has just ended
            continue
        if parent == os.getpid():
            found.add(int(name))
    return found


def _entries(folder: str) -> Sequence[str]:
    """Return the entries of a folder whose names are numbers; none where there is no folder."""
    try:
        return [name for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208 (as above)
    except FileNotFoundError:
        return []


def _control(option: int, value: int) -> None:
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        library.prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

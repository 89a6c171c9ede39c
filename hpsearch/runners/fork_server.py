"""The process that workers are forked from: it has imported what they begin with.

It imports little before it has seen to its own end, and nothing from the working directory: its
path is its coordinator's.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from struct import Struct

from hpsearch.registry import resolve
from hpsearch.runners.parent_watch import end_with_parent

WORD = Struct("=cq")
"""What is said of a worker: one of the words below, and a number."""

FORKED = b"f"  # with its process id
ENDED = b"e"  # with its exit code
REFUSED = b"r"  # with the number of the system's error, since it cannot be forked

# imported only after this process has seen to its own end
_SERVE = "hpsearch.runners.worker:serve"
_ATTEMPT = "hpsearch.runners.call:attempt"
_FILES = 3  # that come with each request, see `main`


def main(control: int, alive: int, preload: Sequence[str]) -> None:
    """Import what is preloaded, then fork for each request; in each worker, serve.

    Args:
        control: the socket where requests come in: a byte each, with the worker's end of the pipe
            to it, the end of a pipe that it ends with, and that of a pipe where it is told of.
        alive: the end of a pipe that this process ends with.
        preload: the names of modules.
    """
    end_with_parent(alive)
    serve, attempt = resolve(_SERVE), resolve(_ATTEMPT)
    for name in preload:
        attempt(partial(import_module, name))  # what is wrong with it the work says that needs it
    pipe, its_alive, _ = _forked(control, alive)
    os.setpgid(0, 0)
    serve(Connection(pipe), its_alive)


def _forked(control: int, alive: int) -> Sequence[int]:
    """Fork for each request; return in each worker, with the files that came for it.

    The last of these stays open in the worker: where all of its copies are closed, all has ended.
    """
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake)
    told: dict[int, int] = {}
    poll = select.poll()
    for file in (control, woken):
        poll.register(file, select.POLLIN)
    requests = socket.socket(fileno=control)
    while True:
        ready = {file for file, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 1024)
            _reap(told)
        if control not in ready:
            continue
        request, files, _, _ = socket.recv_fds(requests, 1, _FILES)
        if not request:  # the coordinator is gone
            os._exit(0)
        if len(files) < _FILES:  # the system let no more through
            for file in files:
                os.close(file)
            continue
        pid = _fork(files[-1])
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            for file in (alive, woken, wake, *told.values()):
                os.close(file)
            for file in files:
                os.set_inheritable(file, False)
            return files
        if pid > 0:
            told[pid] = files.pop()
        for file in files:
            os.close(file)


def _fork(status: int) -> int:
    """Fork, and say so; return the process id, -1 where it is refused, and 0 in the worker."""
    try:
        pid = os.fork()
    except OSError as error:
        _say(status, REFUSED, error.errno or 0)
        return -1
    if pid:
        try:
            os.setpgid(pid, pid)  # who hears of the process may end its group
        except OSError:  # it has ended already
            pass
        _say(status, FORKED, pid)
    return pid


def _reap(told: dict[int, int]) -> None:
    """Say of each worker that has ended with which code."""
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _say(told[pid], ENDED, os.waitstatus_to_exitcode(status))
        os.close(told.pop(pid))


def _say(file: int, word: bytes, number: int) -> None:
    try:
        os.write(file, WORD.pack(word, number))
    except BrokenPipeError:  # nobody wants to know any more
        pass

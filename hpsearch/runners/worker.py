"""What a worker process does. It imports little: each worker pays for it."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pickle import PicklingError

from hpsearch.runners import SetUp
from hpsearch.runners.call import crash, events, prepare
from hpsearch.study.artefacts import Artefacts

ASKED_TO_END = {signal.SIGINT, signal.SIGTERM}
"""The signals by which a process is asked to end."""


def serve(pipe: Connection, watched: Connection, artefacts: Artefacts, memory: int | None) -> None:
    """Do the work that comes in through a pipe, one piece after the other, until it is closed.

    Args:
        pipe: where work comes in and events go out.
        watched: an end of a pipe whose other end the coordinator holds: this process ends with it.
        artefacts: what is handed to the work.
        memory: how many bytes of data this process may hold; None sets no limit.
    """
    for number in ASKED_TO_END:  # they are blocked already, unless the process was spawned
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    _end_with(watched)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    done, unlimited = SetUp(), memory

    def set_up(wanted: SetUp) -> None:
        nonlocal done, unlimited
        done = prepare(wanted, done)
        if unlimited is not None:  # not before all is imported, which would fail mysteriously
            resource.setrlimit(resource.RLIMIT_DATA, (unlimited, unlimited))
            unlimited = None

    try:
        while True:
            _send(pipe, events(pipe.recv(), artefacts, set_up, memory), memory)
    except (EOFError, OSError):  # the coordinator is gone, and nobody is left to tell
        os._exit(1)


def _send(pipe: Connection, given: Iterator[object], memory: int | None) -> None:
    """Send the events of one piece of work; one that cannot be sent is a crash as well."""
    for event in given:
        try:
            pipe.send(event)
        except (TypeError, ValueError, AttributeError, PicklingError, MemoryError) as error:
            pipe.send(crash(error, memory, 0.0))
            return


def _end_with(watched: Connection) -> None:
    """Have this process and all that it starts end when the coordinator is gone.

    The coordinator holds the other end of the pipe, which the system closes when it dies.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        threading.Thread(target=_watch, args=(watched,), daemon=True).start()
        return
    # The system itself sends the signal, also while a call into C keeps every thread of Python
    # waiting. The end is opened once more, since the one that all workers share can name one of
    # them only.
    end = os.open(f"/proc/self/fd/{watched.fileno()}", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(end, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([end], [], [], 0)[0]:  # it was closed before
        os._exit(1)


def _watch(watched: Connection) -> None:
    try:
        watched.recv()
    except (EOFError, OSError):
        pass
    os.killpg(0, signal.SIGKILL)

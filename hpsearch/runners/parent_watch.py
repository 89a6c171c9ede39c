"""Has a process end when its coordinator does, whatever it is doing then."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import threading


def end_with_parent(end: int) -> None:
    """Have this process and all of its group end as soon as the other end of a pipe is closed.

    Args:
        end: the read end. Nobody writes to the other one, which the coordinator alone holds: the
            system closes it when the coordinator dies. No other process reads from this one.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        threading.Thread(target=_watch, args=(end,), daemon=True).start()
        return
    # The system itself sends the signal, also while a call into C keeps every thread of Python
    # waiting.
    fcntl.fcntl(end, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(end, select.POLLIN)
    if poll.poll(0):  # it was closed before
        os._exit(1)


def _watch(end: int) -> None:
    os.read(end, 1)
    os.killpg(0, signal.SIGKILL)

"""What workers are asked to do in tests: cheap, and importable where they run."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from hpsearch.study.trial import WorkStarted


def count(most: int) -> Iterator[int]:
    """0, 1, ... below `most`."""
    yield from range(most)


def process(seconds: float) -> Iterator[int]:
    """The worker's process id, and then a sleep."""
    yield os.getpid()
    time.sleep(seconds)


def fail(reason: str) -> Iterator[int]:
    """One event, and an exception."""
    yield 1
    raise ValueError(reason)


def leave(code: int) -> Iterator[int]:
    """Three events, and an end without a word."""
    yield from range(3)
    os._exit(code)


def quit_politely(code: int) -> Iterator[int]:
    """One event, and SystemExit."""
    yield 1
    sys.exit(code)


def die(number: int) -> Iterator[int]:
    """One event, and a signal."""
    yield 1
    os.kill(os.getpid(), number)
    time.sleep(60)


def unspeakable(nothing: None) -> Iterator[object]:
    """An event that cannot be sent."""
    yield lambda: None


def large(megabytes: int) -> Iterator[bytes]:
    """An event far larger than a pipe."""
    yield bytes(megabytes << 20)


def ignores_requests(nothing: None) -> Iterator[bool]:
    """Whether requests to end have no effect here."""
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05)
    yield True


def threads(nothing: None) -> Iterator[int]:
    """With how many threads torch computes."""
    import torch  # noqa: PLC0415 (only this one needs it)

    yield torch.get_num_threads()


def wait_for(path: str) -> Iterator[str]:
    """Says that it has begun, and ends when the file is there."""
    yield "begun"
    while not Path(path).exists():
        time.sleep(0.02)
    yield "ended"


def hang(how: str) -> Iterator[WorkStarted | int]:
    """The worker's process id, and then no end, in one of several ways."""
    yield WorkStarted()
    yield os.getpid()
    if how == "computing":
        while True:
            pass
    if (
        how == "in a call into C"
    ):  # which holds the lock of the interpreter, so that no thread has its turn
        ctypes.PyDLL(None).sleep(3600)
    if how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "in a process of its own":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        yield child.pid
        child.wait()
    if how == "deaf":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(3600)


_KEPT: list[bytearray] = []


def leak(megabytes: int) -> Iterator[int]:
    """The worker's process id, after it has taken memory that it never gives back."""
    _KEPT.append(bytearray(megabytes << 20))
    yield os.getpid()


def allocate(megabytes: int) -> Iterator[int]:
    """How many bytes torch was given."""
    import torch  # noqa: PLC0415 (only this one needs it)

    yield torch.ones(megabytes << 18).nbytes


def prepare(seconds: float) -> Iterator[WorkStarted | str]:
    """Takes its time before it begins."""
    time.sleep(seconds)
    yield WorkStarted()
    yield "begun"

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

from hpsearch.runners import WorkStarted
from hpsearch.study.artefacts import Artefacts, Held


def count(most: int, artefacts: Artefacts) -> Iterator[int]:
    """Give 0, 1, ... below `most`."""
    yield from range(most)


def process(seconds: float, artefacts: Artefacts) -> Iterator[int]:
    """Give the worker's process id, and then sleep."""
    yield os.getpid()
    time.sleep(seconds)


def fail(reason: str, artefacts: Artefacts) -> Iterator[int]:
    """Give one event, and raise."""
    yield 1
    raise ValueError(reason)


def exhaust(nothing: None, artefacts: Artefacts) -> Iterator[int]:
    """Give one event, and raise what Python raises where there is no memory."""
    yield 1
    raise MemoryError


def leave(code: int, artefacts: Artefacts) -> Iterator[int]:
    """Give three events, and end the process without a word."""
    yield from range(3)
    os._exit(code)


def quit_politely(code: int, artefacts: Artefacts) -> Iterator[int]:
    """Give one event, and raise SystemExit."""
    yield 1
    sys.exit(code)


def die(number: int, artefacts: Artefacts) -> Iterator[int]:
    """Give one event, and a signal to the own process."""
    yield 1
    os.kill(os.getpid(), number)
    time.sleep(60)


def unspeakable(nothing: None, artefacts: Artefacts) -> Iterator[object]:
    """Give an event that cannot be sent."""
    yield lambda: None


def large(megabytes: int, artefacts: Artefacts) -> Iterator[bytes]:
    """Give an event far larger than a pipe."""
    yield bytes(megabytes << 20)


def keep(data: bytes, artefacts: Artefacts) -> Iterator[str]:
    """Keep bytes as an artefact, and give their digest."""
    yield artefacts.write(data)


def fetch(digest: str, artefacts: Artefacts) -> Iterator[bytes]:
    """Give the bytes of an artefact."""
    yield artefacts.read(digest)


def keep_and_fail(contents: list[bytes], artefacts: Artefacts) -> Iterator[str]:
    """Keep each of these as an artefact, give its digest, and raise at last."""
    for data in contents:
        yield artefacts.write(data)
    raise ValueError("no more")


def map_held(held: Held, artefacts: Artefacts) -> Iterator[bytes]:
    """Give the bytes of what the coordinator holds open."""
    yield artefacts.locate(held).read_bytes()


def set_up(path: str) -> None:
    """Note in a file that this process was set up."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")


def refuse(reason: str) -> None:
    """Fail to set a process up."""
    raise ImportError(reason)


def times_set_up(path: str, artefacts: Artefacts) -> Iterator[tuple[int, int]]:
    """Give the worker's process id, and how often `set_up` was called in it so far."""
    noted = Path(path).read_text().split() if Path(path).exists() else []
    yield os.getpid(), noted.count(str(os.getpid()))


def tick(path: str, artefacts: Artefacts) -> Iterator[int]:
    """Let a file grow by a byte, give its size, and so on without an end."""
    while True:
        with Path(path).open("ab") as file:
            file.write(b".")
            size = file.tell()
        yield size
        time.sleep(0.01)


def ignores_requests(nothing: None, artefacts: Artefacts) -> Iterator[bool]:
    """Give whether requests to end have no effect here."""
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05)
    yield True


def wait_for(path: str, artefacts: Artefacts) -> Iterator[str]:
    """Say that it has begun, and end when the file is there."""
    yield "begun"
    while not Path(path).exists():
        time.sleep(0.02)
    yield "ended"


def hang(how: str, artefacts: Artefacts) -> Iterator[WorkStarted | int]:
    """Give the worker's process id, and then no end, in one of several ways."""
    yield WorkStarted()
    yield os.getpid()
    if how == "computing":
        while True:
            pass
    if how == "in a call into C":
        # it holds the lock of the interpreter, so that no thread has its turn
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


def leak(megabytes: int, artefacts: Artefacts) -> Iterator[int]:
    """Give the worker's process id, after it has taken memory that it never gives back."""
    _KEPT.append(bytearray(megabytes << 20))
    yield os.getpid()


def prepare(seconds: float, artefacts: Artefacts) -> Iterator[WorkStarted | str]:
    """Take some time before it begins."""
    time.sleep(seconds)
    yield WorkStarted()
    yield "begun"

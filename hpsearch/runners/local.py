"""Worker processes on this machine, one piece of work at a time each, watched over pipes and sentinels.

Each leads a process group of its own, which ends as a whole: when it is killed, and when the coordinator is gone.
"""

from __future__ import annotations

import fcntl
import math
import multiprocessing
import os
import resource
import select
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hpsearch.registry import resolve
from hpsearch.runners import Crashed, Finished, Work
from hpsearch.study.trial import Begun

_SET_UP = "hpsearch.engine.device:set_up"
_ASKED = {signal.SIGINT, signal.SIGTERM}
_TO_BEGIN = (
    60.0  # seconds for a process to start and read its data, where a trial's time is limited
)
_GROWTH = (
    2**29
)  # bytes by which a worker may grow from one piece of work to later ones: more is a leak
# how torch and the system's loader say so, in a RuntimeError and an ImportError
_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "failed to map segment",
)


@dataclass(slots=True)
class Worker:
    """A process, the pipe to it, and what it does now. `size` is what it had in memory after its first work."""

    process: BaseProcess
    pipe: Connection
    busy: Work | None = None
    deadline: float = math.inf
    size: int | None = None

    def is_late(self) -> bool:
        """Whether its work has taken longer than it may."""
        return self.busy is not None and time.monotonic() > self.deadline

    def has_grown(self) -> bool:
        """Whether it has kept much more memory than it had after its first work."""
        size = _resident(self.process.pid)
        self.size = size if self.size is None else self.size
        return size - self.size > _GROWTH

    def kill(self) -> None:
        """End it, and whatever it has started."""
        assert self.process.pid
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (
            ProcessLookupError,
            PermissionError,
        ):  # it leads no group yet, or is gone with all of it
            self.process.kill()


class Local:
    """Up to `workers` long-lived processes, each training with `threads` threads; they start with the first work.

    Each may hold `memory` bytes of data at most (None: as many as there are).
    """

    def __init__(self, workers: int, threads: int, memory: int | None = None) -> None:
        self._count = workers
        self._threads = threads
        self._memory = memory
        self._queue: deque[Work] = deque()
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        self._context = _context()
        # the write end lives in this process alone: when it closes, however that came about, the workers go
        self._watched, self._alive = multiprocessing.Pipe(duplex=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.clear()
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()
        self._alive.close()
        self._watched.close()

    def _start(self) -> Worker:
        here, there = multiprocessing.Pipe()
        given = (there, self._watched, self._threads, self._memory)
        process: Any = self._context.Process(target=_work, args=given, daemon=True)  # type: ignore[attr-defined]
        process.start()
        there.close()
        return Worker(process, here)

    def submit(self, work: Work) -> None:
        """Queue a piece of work; it begins as soon as a worker is free."""
        self._queue.append(work)
        self._dispatch()

    def _dispatch(self) -> None:
        while self._queue and len(self._workers) < self._count:
            with _undisturbed():  # a process that is in no list would not be ended
                self._workers.append(self._start())
        for position, worker in enumerate(self._workers):
            if self._queue and worker.busy is None:
                try:
                    worker.pipe.send(self._queue[0])
                except OSError:  # it died while it had nothing to do
                    worker = self._replace(position)
                    worker.pipe.send(self._queue[0])
                worker.busy = self._queue.popleft()
                worker.deadline = time.monotonic() + _TO_BEGIN + worker.busy.seconds

    def _replace(self, position: int) -> Worker:
        worker = self._workers[position]
        worker.kill()  # it may be dead already, and what it has started alive
        worker.process.join()
        worker.pipe.close()
        with _undisturbed():
            self._workers[position] = self._start()
        return self._workers[position]

    def withdraw(self) -> Sequence[int]:
        """Empty the queue; the keys of the work that is running."""
        self._queue.clear()
        return [worker.busy.key for worker in self._workers if worker.busy]

    def wait(self, seconds: float) -> Sequence[tuple[int, object]]:
        """Events of the work that is running, in the order in which each worker gave them."""
        first = min((worker.deadline for worker in self._workers if worker.busy), default=math.inf)
        seconds = max(0.0, min(seconds, first - time.monotonic()))
        ready = wait(
            [end for worker in self._workers for end in (worker.pipe, worker.process.sentinel)],
            seconds,
        )
        events: list[tuple[int, object]] = []
        for position, worker in enumerate(self._workers):
            alive, given = worker.process.sentinel not in ready, worker.busy
            events += self._read(worker)
            reason = ""
            if worker.busy and not alive:
                reason = _death(worker.process)
            elif worker.busy and worker.is_late():
                reason = f"timeout: it took longer than {worker.busy.seconds:g} s"
            if worker.busy and reason:
                events.append((worker.busy.key, Crashed(reason)))
            if reason or not alive or (given and not worker.busy and worker.has_grown()):
                self._replace(position)
        self._dispatch()
        return events

    def _read(self, worker: Worker) -> list[tuple[int, object]]:
        events: list[tuple[int, object]] = []
        try:
            while worker.busy and worker.pipe.poll():
                event = worker.pipe.recv()
                if isinstance(event, Begun):
                    worker.deadline = time.monotonic() + worker.busy.seconds
                    continue
                events.append((worker.busy.key, event))
                if isinstance(event, Finished | Crashed):
                    worker.busy = None
        except (EOFError, OSError):  # it died between two messages; the sentinel tells
            pass
        return events


def _resident(pid: int | None) -> int:
    """The bytes that a process has in memory; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _context() -> BaseContext:
    """Processes that begin with torch imported: 0.1 s each instead of 2 s. Threads would not survive a plain fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hpsearch.runners.parent_watch", "hpsearch.engine.jobs"])
    resource_tracker.ensure_running()  # its start would let the signals through again
    with _undisturbed():
        forkserver.ensure_running()  # the import goes on while the data is read here
    return context


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started here never sees the signals that ask for an end: they are the coordinator's affair.

    Not even while it imports, and not when a whole group of processes is asked (Ctrl-C, timeout, a batch
    system). Here they arrive afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(process: BaseProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code < 0:
        return f"killed: {signal.Signals(-code).name}" + (
            " (out of memory?)" if code == -signal.SIGKILL else ""
        )
    return f"killed: its process ended with code {code}"


def _work(pipe: Connection, watched: Connection, threads: int, memory: int | None) -> None:
    """A worker's life: work comes in, events go out."""
    for asked in _ASKED:  # they are blocked already, unless the process was spawned
        signal.signal(asked, signal.SIG_IGN)
    os.setpgid(0, 0)
    _end_with(watched)
    resolve(_SET_UP)(threads)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is not None:  # not before all is imported, which would die without saying why
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        while True:
            _call(pipe, pipe.recv(), memory)
    except (EOFError, OSError):  # the coordinator is gone, and nobody is left to tell
        os._exit(1)


def _call(pipe: Connection, work: Work, memory: int | None) -> None:
    """Send the events of one piece of work."""
    try:
        for event in resolve(work.call)(work.argument):
            pipe.send(event)
        pipe.send(Finished())
    except (
        Exception
    ) as error:  # the one place where a trial is called: whatever it raises is its result
        last = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
        if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
            most = (
                "there is" if memory is None else f"the {memory / 1e9:g} GB that a worker may hold"
            )
            reason = f"memory: it takes more than {most}"
        else:
            reason = f"error: {last}"
        pipe.send(Crashed(reason, traceback.format_exc()))


def _end_with(watched: Connection) -> None:
    """Have this process and all that it starts end when the coordinator is gone: when the pipe is closed."""
    if not hasattr(fcntl, "F_SETSIG"):
        threading.Thread(target=_watch, args=(watched,), daemon=True).start()
        return
    # The system itself does it, also while a call into C keeps every thread of Python waiting. Opened once more, since
    # the pipe's end that all workers share can name one of them only.
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

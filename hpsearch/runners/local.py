"""Worker processes on this machine, watched over pipes and sentinels.

Each worker leads a process group of its own, which ends as a whole: when the worker is killed, and
when the coordinator is gone.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import time
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

from hpsearch.runners import (
    Resources,
    Runner,
    Work,
    WorkCrashed,
    WorkFinished,
    WorkKey,
    WorkStarted,
)
from hpsearch.runners.options import RunnerOptions
from hpsearch.runners.worker import ASKED_TO_END, serve
from hpsearch.study.artefacts import Artefacts

_TO_BEGIN = 60.0  # seconds to start and to read the data, where a trial's time is limited
_GROWTH = 2**29  # bytes by which a worker may grow after its first work: more is a leak


class LocalOptions(RunnerOptions):
    """The local runner has no keys of its own."""

    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return a runner of so many processes on this machine."""
        return Local(resources, artefacts)


@dataclass(slots=True)
class Worker:
    """A process, the pipe to it, and what it does now.

    `size` is how many bytes it had in memory after its first work.
    """

    process: BaseProcess
    pipe: Connection
    busy: Work | None = None
    deadline: float = math.inf
    size: int | None = None

    def is_late(self) -> bool:
        """Return whether its work has taken longer than it may."""
        return self.busy is not None and time.monotonic() > self.deadline

    def has_grown(self) -> bool:
        """Return whether it has kept much more memory than it had after its first work."""
        size = _resident(self.process.pid)
        self.size = size if self.size is None else self.size
        return size - self.size > _GROWTH

    def kill(self) -> None:
        """End it, and whatever it has started."""
        assert self.process.pid
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # it leads no group yet, or all of it is gone
            self.process.kill()


class Local:
    """Long-lived processes that start with the first work.

    Each may hold `resources.memory` bytes of data at most; None lets it have as many as there are.
    """

    def __init__(self, resources: Resources, artefacts: Artefacts) -> None:
        self._resources = resources
        self._artefacts = artefacts
        self._context: BaseContext | None = None
        self._queue: deque[Work] = deque()
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        # the write end lives in this process alone: when it closes, for whatever reason, workers
        # end
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

    def submit(self, work: Work) -> None:
        """Queue a piece of work; it begins as soon as a worker is free."""
        if self._context is None:
            self._context = _context(work.set_up.preload)
        self._queue.append(work)
        self._dispatch()

    def _start(self) -> Worker:
        here, there = multiprocessing.Pipe()
        given = (there, self._watched, self._artefacts, self._resources.memory)
        process: Any = self._context.Process(  # type: ignore[union-attr]
            target=serve, args=given, daemon=True
        )
        process.start()
        there.close()
        return Worker(process, here)

    def _dispatch(self) -> None:
        while self._queue and len(self._workers) < self._resources.workers:
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

    def withdraw(self) -> Sequence[WorkKey]:
        """Empty the queue; return the keys of the work that is running."""
        self._queue.clear()
        return [worker.busy.key for worker in self._workers if worker.busy]

    def wait(self, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        """Return events of the running work, those of each worker in the order that it gave."""
        busy = [worker for worker in self._workers if worker.busy]
        first = min((worker.deadline for worker in busy), default=math.inf)
        seconds = max(0.0, min(seconds, first - time.monotonic()))
        ends = [end for one in self._workers for end in (one.pipe, one.process.sentinel)]
        ready = wait(ends, seconds)
        found: list[tuple[WorkKey, object]] = []
        for position, worker in enumerate(self._workers):
            alive, given = worker.process.sentinel not in ready, worker.busy
            found += _received(worker)
            ended = None
            if worker.busy and not alive:
                ended = _death(worker.process)
            elif worker.busy and worker.is_late():
                message = f"it took longer than {worker.busy.seconds:g} s"
                ended = WorkCrashed("timeout", message, seconds=worker.busy.seconds)
            if worker.busy and ended:
                found.append((worker.busy.key, ended))
            if ended or not alive or (given and not worker.busy and worker.has_grown()):
                self._replace(position)
        self._dispatch()
        return found


def _received(worker: Worker) -> list[tuple[WorkKey, object]]:
    found: list[tuple[WorkKey, object]] = []
    try:
        while worker.busy and worker.pipe.poll():
            event = worker.pipe.recv()
            if isinstance(event, WorkStarted):
                worker.deadline = time.monotonic() + worker.busy.seconds
                continue
            found.append((worker.busy.key, event))
            if isinstance(event, WorkFinished | WorkCrashed):
                worker.busy = None
    except (EOFError, OSError):  # it died between two messages; the sentinel tells
        pass
    return found


def _resident(pid: int | None) -> int:
    """Return the bytes that a process has in memory; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _context(preload: Sequence[str]) -> BaseContext:
    """Return how processes are started: each begins with what is preloaded, in 0.1 s.

    A plain fork would not do, since the threads of this process would not be in the new one.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hpsearch.runners.parent_watch", *preload])
    resource_tracker.ensure_running()  # its start would let the signals through again
    with _undisturbed():
        forkserver.ensure_running()  # the imports go on while this process does something else
    return context


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Start processes that never see the signals which ask the coordinator to end.

    They do not see them while they import either, nor when a whole group of processes is asked
    (Ctrl-C, timeout, a batch system). In this process the signals arrive afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKED_TO_END)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(process: BaseProcess) -> WorkCrashed:
    process.join()
    code = process.exitcode or 0
    if code < 0:
        suspicion = " (out of memory?)" if code == -signal.SIGKILL else ""
        return WorkCrashed("killed", signal.Signals(-code).name + suspicion)
    return WorkCrashed("killed", f"its process ended with code {code}")

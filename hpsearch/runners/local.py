"""Worker processes on this machine, watched over pipes and sentinels.

Each worker leads a process group of its own, which ends as a whole: when the worker is killed, and
when the coordinator is gone.
"""

from __future__ import annotations

import math
import resource
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from hpsearch.errors import MAKE_DO, NoResources, Problem
from hpsearch.runners import (
    Resources,
    Runner,
    Work,
    WorkCrashed,
    WorkFinished,
    WorkKey,
    WorkStarted,
)
from hpsearch.runners.call import main_module, refuse_in_worker
from hpsearch.runners.options import RunnerOptions
from hpsearch.runners.processes import ForkServer, Process, death, undisturbed
from hpsearch.runners.worker import Beginning
from hpsearch.study.artefacts import Artefacts

_TO_BEGIN = 60.0  # seconds to start and to read the data, where a trial's time is limited
_GROWTH = 2**29  # bytes by which a worker may grow after its first work: more is a leak
_STARTS = 3  # in a row that may fail
_LAST_WORD = 5.0  # seconds in which the server says with which code a worker has ended
_SILENCE = 60  # seconds in which a worker must take, or give, the next part of a message


class LocalOptions(RunnerOptions):
    """The local runner has no keys of its own."""

    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return a runner of so many processes on this machine."""
        return Local(resources, artefacts)


@dataclass(slots=True)
class Worker:
    """A process, the pipe to it, and what it does now.

    `slot` is its place among the workers; `size` is how many bytes it had in memory after its
    first work.
    """

    process: Process
    pipe: Connection
    slot: int
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

    def close(self) -> None:
        """Forget a worker whose process was killed."""
        self.pipe.close()
        self.process.close()


class Local:
    """Long-lived processes, each of which starts when there is work for it.

    Each may hold `resources.memory` bytes of data at most; None lets it have as many as there are.
    It imports the main module of this process, or another one, see `call.import_main`.
    """

    def __init__(
        self, resources: Resources, artefacts: Artefacts, main: Mapping[str, object] | None = None
    ) -> None:
        self._resources = resources
        self._artefacts = artefacts
        self._main = main
        self._server: ForkServer | None = None
        self._queue: deque[Work] = deque()
        self._workers: list[Worker] = []
        self._failed = 0  # starts in a row
        self._why = ""

    def __enter__(self) -> Self:
        refuse_in_worker()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.clear()
        for worker in self._workers:
            worker.process.kill()
        if self._server:
            self._server.wake()  # who is stopped tells of no end
            for worker in self._workers:
                if worker.process.pid is not None:
                    worker.process.join()
            self._server.close()
        for worker in self._workers:
            worker.close()
        self._workers.clear()

    def submit(self, work: Work) -> None:
        """Queue a piece of work; it begins as soon as a worker is free.

        Raises:
            NoResources: the system lets none be started.
        """
        if self._server is None:
            self._server = ForkServer(work.set_up.preload)
        self._queue.append(work)
        self._dispatch()

    def withdraw(self) -> Sequence[WorkKey]:
        """Empty the queue; return the keys of the work that is running."""
        self._queue.clear()
        return [worker.busy.key for worker in self._workers if worker.busy]

    def wait(self, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        """Return events of the running work, those of each worker in the order that it gave.

        Raises:
            NoResources: the system lets none be started.
        """
        if self._server and any(worker.process.pid is None for worker in self._workers):
            self._server.wake()  # somebody may have stopped it
        busy = [worker for worker in self._workers if worker.busy]
        first = min((worker.deadline for worker in busy), default=math.inf)
        seconds = max(0.0, min(seconds, first - time.monotonic()))
        ends = [end for one in self._workers for end in (one.pipe, one.process.status)]
        ready = wait(ends, seconds)
        found: list[tuple[WorkKey, object]] = []
        for worker in [*self._workers]:
            process, given = worker.process, worker.busy
            if process.status in ready and process.look():
                self._failed = 0
            if worker.pipe in ready or process.ended:
                found += self._received(worker)
            if process.ended or worker.is_late():
                found += self._ended(worker)
                self._remove(worker)
            elif given and not worker.busy and worker.has_grown():
                self._remove(worker)
        try:
            self._dispatch()
        except NoResources:
            if not found:  # else it is said the next time, after these were written down
                raise
        return found

    def _dispatch(self) -> None:
        while self._queue and (worker := self._free()):
            try:
                worker.pipe.send(self._queue[0])
            except OSError:  # it died while it had nothing to do
                self._remove(worker)
                continue
            worker.busy = self._queue.popleft()
            worker.deadline = time.monotonic() + _TO_BEGIN + worker.busy.seconds

    def _free(self) -> Worker | None:
        """Return a worker that has nothing to do, a new one where there may be more of them."""
        for worker in self._workers:
            if worker.busy is None:
                return worker
        if len(self._workers) == self._resources.workers:
            return None
        with undisturbed():  # a process that is in no list would not be ended
            worker = self._start()
            self._workers.append(worker)
        return worker

    def _start(self) -> Worker:
        """Begin to start a worker; whether that succeeds, its status will say.

        Raises:
            NoResources: too many starts have failed, or the system has no more files.
        """
        assert self._server
        if self._failed >= _STARTS:
            raise _no_worker(self._why)
        taken, many = {worker.slot for worker in self._workers}, self._resources.workers
        slot = min({*range(many)} - taken)
        try:
            here, there = socket.socketpair()
            with here, there:
                for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                    here.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _SILENCE, 0))
                process = self._server.fork(there.fileno())
                pipe = Connection(here.detach())
        except OSError as error:
            raise _no_worker(error.strerror) from error
        try:
            main = main_module() if self._main is None else self._main
            pipe.send(Beginning(main, self._artefacts, self._resources.memory, slot, many))
        except OSError:  # the server has died with the request, as the status will say
            pass
        return Worker(process, pipe, slot)

    def _received(self, worker: Worker) -> Iterator[tuple[WorkKey, object]]:
        """Give what a worker has said; where that breaks off, the worker is seen to its end."""
        try:
            while worker.pipe.poll():
                event = worker.pipe.recv()
                if isinstance(event, WorkStarted) and worker.busy:
                    worker.deadline = time.monotonic() + worker.busy.seconds
                elif worker.busy:
                    yield worker.busy.key, event
                if isinstance(event, WorkFinished | WorkCrashed):
                    worker.busy = None
        except (EOFError, OSError):  # it is dead, or hangs in the middle of a message
            assert self._server
            self._server.wake()  # who is stopped tells of no end
            worker.process.join(_LAST_WORD)
            worker.process.ended = True

    def _ended(self, worker: Worker) -> Iterator[tuple[WorkKey, object]]:
        """Give what becomes of the work of a worker that has ended, or is late."""
        if worker.busy is None:
            return
        if not worker.process.ended:
            message = f"it took longer than {worker.busy.seconds:g} s"
            yield (
                worker.busy.key,
                WorkCrashed("timeout", message, seconds=worker.busy.seconds),
            )
        elif worker.process.pid is None:
            self._queue.appendleft(worker.busy)  # it has not begun
        else:
            yield worker.busy.key, WorkCrashed("killed", death(worker.process.code))

    def _remove(self, worker: Worker) -> None:
        """End a worker, of which nothing is expected any more."""
        worker.process.kill()  # it may be dead already, and what it has started alive
        if not worker.process.ended and self._server:
            self._server.wake()
            worker.process.join()
        worker.close()
        self._workers.remove(worker)
        if worker.process.pid is None and self._server:
            self._failed += 1
            code = self._server.code()
            self._why = worker.process.refused or "what forks them takes no requests"
            if code is not None:
                self._why = f"what forks them has died: {death(code)}"


def _resident(pid: int | None) -> int:
    """Return the bytes that a process has in memory; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _no_worker(why: str | None) -> NoResources:
    return NoResources(Problem("E171", f"no worker can be started: {why}", help=MAKE_DO))

"""Worker processes on this machine, one piece of work at a time each, watched over pipes and sentinels."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from hpsearch.registry import resolve
from hpsearch.runners import Crashed, Finished, Work

_SET_UP = "hpsearch.engine.device:set_up"
_ASKED = {signal.SIGINT, signal.SIGTERM}


@dataclass(slots=True)
class Worker:
    """A process, the pipe to it, and what it does now."""

    process: BaseProcess
    pipe: Connection
    busy: Work | None = None


class Local:
    """Up to `workers` long-lived processes, each training with `threads` threads; they start with the first work."""

    def __init__(self, workers: int, threads: int) -> None:
        self._count = workers
        self._threads = threads
        self._queue: deque[Work] = deque()
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        self._context = _context()
        # the write end lives in this process alone: when it closes, however that came about, the workers go
        self._watched, self._alive = multiprocessing.Pipe(duplex=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.clear()
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()
        self._alive.close()
        self._watched.close()

    def _start(self) -> Worker:
        here, there = multiprocessing.Pipe()
        process: Any = self._context.Process(target=_work, args=(there, self._watched, self._threads), daemon=True)  # type: ignore[attr-defined]
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

    def _replace(self, position: int) -> Worker:
        self._workers[position].pipe.close()
        with _undisturbed():
            self._workers[position] = self._start()
        return self._workers[position]

    def withdraw(self) -> Sequence[int]:
        """Empty the queue; the keys of the work that is running."""
        self._queue.clear()
        return [worker.busy.key for worker in self._workers if worker.busy]

    def wait(self, seconds: float) -> Sequence[tuple[int, object]]:
        """Events of the work that is running, in the order in which each worker gave them."""
        ready = wait([end for worker in self._workers for end in (worker.pipe, worker.process.sentinel)], seconds)
        events: list[tuple[int, object]] = []
        for position, worker in enumerate(self._workers):
            alive = worker.process.sentinel not in ready
            events += self._read(worker)
            if not alive:
                if worker.busy:
                    events.append((worker.busy.key, Crashed(_death(worker.process))))
                self._replace(position)
        self._dispatch()
        return events

    def _read(self, worker: Worker) -> list[tuple[int, object]]:
        events: list[tuple[int, object]] = []
        try:
            while worker.busy and worker.pipe.poll():
                event = worker.pipe.recv()
                events.append((worker.busy.key, event))
                if isinstance(event, Finished | Crashed):
                    worker.busy = None
        except (EOFError, OSError):  # it died between two messages; the sentinel tells
            pass
        return events


def _context() -> BaseContext:
    """Processes that begin with torch imported: 0.1 s each instead of 2 s. Threads would not survive a plain fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hpsearch.engine.jobs"])
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
        return f"killed: {signal.Signals(-code).name}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
    return f"killed: its process ended with code {code}"


def _work(pipe: Connection, watched: Connection, threads: int) -> None:
    """A worker's life: work comes in, events go out."""
    for asked in _ASKED:  # they are blocked already, unless the process was spawned
        signal.signal(asked, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(watched,), daemon=True).start()
    resolve(_SET_UP)(threads)
    try:
        while True:
            _call(pipe, pipe.recv())
    except (EOFError, OSError):  # the coordinator is gone, and nobody is left to tell
        os._exit(1)


def _call(pipe: Connection, work: Work) -> None:
    """Send the events of one piece of work."""
    try:
        for event in resolve(work.call)(work.argument):
            pipe.send(event)
        pipe.send(Finished())
    except Exception as error:  # the one place where a trial is called: whatever it raises is its result
        last = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
        pipe.send(Crashed(f"error: {last}", traceback.format_exc()))


def _watch(watched: Connection) -> None:
    """End this process when the coordinator is gone."""
    try:
        watched.recv()
    except (EOFError, OSError):
        pass
    os._exit(1)

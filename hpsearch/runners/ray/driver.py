"""The process that speaks to Ray for a coordinator. All that Ray prints here goes into a file.

It is told of work over a pipe, has a task of Ray do each piece, and tells what that gives. What
Ray loses (a node, a process, an object) is no fault of the work, which is then done elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
import secrets
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import numpy as np
import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    TaskUnschedulableError,
    WorkerCrashedError,
)

from hpsearch.errors import HpsearchError, NoResources, Problem, SpecError
from hpsearch.runners import RUNNER, WorkCrashed, WorkKey
from hpsearch.runners.parent_watch import end_with_parent
from hpsearch.runners.ray.cluster import (
    NodeFacts,
    refuse_demand,
    refuse_versions,
    versions_here,
)
from hpsearch.runners.ray.connection import connected, everywhere, living, nodes
from hpsearch.runners.ray.messages import (
    Assignment,
    Begun,
    Errand,
    Given,
    Need,
    Ready,
    Said,
    Site,
    Submission,
    Withdraw,
    Withdrawn,
)
from hpsearch.runners.ray.node import do, sweep
from hpsearch.runners.worker import ASKED_TO_END
from hpsearch.study.trial import Notice

_LOSSES = 10  # of one piece of work, after which it counts as crashed
_TO_STOP = 5.0  # seconds in which a task ends that is taken back
_LOOK = 5.0  # seconds between looks at whether there is a node for what waits
_NO_NODE = 30.0  # seconds without one, after which the search ends
_RESUME = "resume goes on when there is one"


def main(control: int, alive: int) -> None:
    """Connect to a cluster, or start one, and serve until the pipe is closed.

    Args:
        control: this end of a pipe to the coordinator.
        alive: the end of a pipe that this process and its group end with.
    """
    end_with_parent(alive)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED_TO_END)  # what is started here ends by them
    pipe = Connection(control)
    assigned: Assignment = pipe.recv()
    try:
        with connected(assigned):
            found = nodes()
            refuse_demand(assigned.demand, found)
            refuse_versions(versions_here(), found)
            driver = Driver(pipe, assigned)
            pipe.send(Ready())
            asyncio.run(driver.serve())
            everywhere(sweep, driver.token)
    except HpsearchError as error:
        pipe.send(error)


class Driver:
    """Has tasks of Ray do work."""

    def __init__(self, pipe: Connection, assigned: Assignment) -> None:
        self.token = secrets.token_hex(4)
        self._pipe, self._assigned = pipe, assigned
        self._sent: SimpleQueue[object] = SimpleQueue()
        demand, resources = assigned.demand, assigned.resources
        # a process of Ray that has had a GPU does no more, so that its memory is given back
        task = ray.remote(max_calls=1)(do) if demand.gpus else ray.remote(do)
        self._task = task.options(
            num_returns="streaming",
            num_cpus=demand.cpus,
            num_gpus=demand.gpus,
            memory=demand.memory or None,
            max_retries=0,  # here it is known what has been given already
        )
        self._site = pickle.dumps(
            Site(
                self.token,
                resources.threads,
                resources.memory,
                bool(demand.gpus),
                assigned.origin,
            )
        )
        self._slots = asyncio.Semaphore(resources.workers)
        self._pieces: dict[asyncio.Task[None], WorkKey] = {}
        self._begun: set[WorkKey] = set()
        self._waiting: set[WorkKey] = set()  # with Ray, and not begun
        self._lost_nodes: set[str] = set()  # by their ids
        self._staying: dict[str, Any] = {}  # objects of Ray, by digest
        self._over = asyncio.Event()
        self._broken: BaseException | None = None

    async def serve(self) -> None:
        """Do what is asked for until the coordinator closes the pipe; then take all back."""
        threading.Thread(target=self._send_all, daemon=True).start()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe.fileno(), self._read)
        watch = asyncio.create_task(self._watch())
        await self._over.wait()
        loop.remove_reader(self._pipe.fileno())
        watch.cancel()
        await self._take_back([*self._pieces])
        if self._broken:
            raise self._broken

    def _send_all(self) -> None:
        """Send what is said, in a thread: the coordinator may be sending as well, and not read."""
        with suppress(OSError):  # it is gone
            while True:
                self._pipe.send(self._sent.get())

    def _read(self) -> None:
        try:
            while self._pipe.poll():
                message = self._pipe.recv()
                if isinstance(message, Submission):
                    piece = asyncio.create_task(self._do(message))
                    self._pieces[piece] = message.key
                    piece.add_done_callback(self._forget)
                elif isinstance(message, Withdraw):
                    self._withdrawal = asyncio.create_task(self._withdraw())
        except (EOFError, OSError):
            self._over.set()

    def _forget(self, piece: asyncio.Task[None]) -> None:
        del self._pieces[piece]
        if not piece.cancelled() and piece.exception():  # a mistake of this module
            self._broken = piece.exception()
            self._over.set()

    async def _withdraw(self) -> None:
        idle = [piece for piece, key in self._pieces.items() if key not in self._begun]
        await self._take_back(idle)
        self._sent.put(Withdrawn([*self._begun]))

    async def _take_back(self, pieces: Sequence[asyncio.Task[None]]) -> None:
        for piece in pieces:
            piece.cancel()
        await asyncio.gather(*pieces, return_exceptions=True)

    def _say(self, key: WorkKey, *events: object) -> None:
        self._sent.put(Said(key, Given(events)))

    async def _do(self, work: Submission) -> None:
        """Have a piece of work done, again where Ray has lost it."""
        async with self._slots:
            for _ in range(_LOSSES):
                try:
                    lost = await self._attempt(work)
                finally:
                    self._begun.discard(work.key)
                    self._waiting.discard(work.key)
                if lost is None:
                    return
            message = f"Ray has lost it {_LOSSES} times, the last time since {lost}"
            self._say(work.key, WorkCrashed("killed", message))

    async def _attempt(self, work: Submission) -> str | None:
        """Have a piece of work done; return why it was lost, where it was."""
        self._waiting.add(work.key)
        ended, place = False, Begun("", "", {})
        stream: Any = None
        try:
            stream = self._task.remote(self._errand(work))
            async for reference in stream:
                said = await reference
                if isinstance(said, Begun):
                    place = said
                    self._waiting.discard(work.key)
                    self._begun.add(work.key)
                    if not self._suits(work.key, said):
                        return None
                else:
                    ended = said.is_over
                    self._sent.put(Said(work.key, said))
        except RayError as error:
            ended = True
            return self._lost(work.key, error, place)
        finally:
            if stream is not None and not ended:
                await _stop(stream)
        return None if ended else "its events broke off"

    def _errand(self, work: Submission) -> Errand:
        objects = {need.digest: self._object(need) for need in work.needs}
        return Errand(self._site, work, objects)

    def _object(self, need: Need) -> Any:
        """Return the object of Ray that has the bytes of an artefact; this process owns it."""
        if need.digest in self._staying:
            return self._staying[need.digest]
        found = ray.put(np.asarray(np.memmap(need.path, np.uint8, mode="r")))
        if need.stays:
            self._staying[need.digest] = found
        return found

    def _suits(self, key: WorkKey, begun: Begun) -> bool:
        """Return whether a node has the right versions, which may have come after the others."""
        try:
            refuse_versions(versions_here(), [NodeFacts(begun.node, {}, begun.versions)])
        except SpecError as error:
            self._say(key, error)
            return False
        return True

    def _lost(self, key: WorkKey, error: RayError, place: Begun) -> str | None:
        """Return why work was lost; where it is not to be done elsewhere, say what it came to."""
        logging.getLogger(__name__).warning("%s: %s", key, error)
        node = f"the node {place.node}" if place.node else "a node"
        if isinstance(error, OutOfMemoryError):
            message = f"{node} had no memory left, and Ray has ended what it took for the cause"
            self._say(key, WorkCrashed("memory", message))
            return None
        if isinstance(error, TaskUnschedulableError):
            message = f"Ray finds no node with {self._assigned.demand}"
            self._say(key, NoResources(Problem("E171", message, help=_RESUME)))
            return None
        if isinstance(error, LocalRayletDiedError):
            message = "Ray has ended on this machine"
            self._say(key, NoResources(Problem("E171", message, help="resume goes on")))
            return None
        if isinstance(error, NodeDiedError):
            why = f"{node} was lost"
        elif isinstance(error, WorkerCrashedError):
            why = f"a process of Ray has died on {node}"
        else:
            self._staying.clear()  # an object may be what was lost: they are put there again
            what = "an object of Ray was lost" if isinstance(error, ObjectLostError) else ""
            why = f"{what or type(error).__name__} on {node}"
        if not (isinstance(error, NodeDiedError) and place.id in self._lost_nodes):
            self._say(RUNNER, Notice(f"{why}; what it did is done again"))
        self._lost_nodes.add(place.id)
        return why

    async def _watch(self) -> None:
        """End the search where for some time there is no node for what waits."""
        since = math.inf
        while True:
            await asyncio.sleep(_LOOK)
            demand = self._assigned.demand
            has_room = any(demand.times(node["Resources"]) for node in living().values())
            since = math.inf if has_room or not self._waiting else min(since, time.monotonic())
            if time.monotonic() - since > _NO_NODE:
                message = f"no node is left that has {demand}"
                for key in self._waiting:
                    self._say(key, NoResources(Problem("E171", message, help=_RESUME)))


async def _stop(stream: Any) -> None:
    """Have a task end that is not wanted any more, by force where it does not end by itself."""
    for force in (False, True):
        ray.cancel(stream, force=force)
        try:
            await asyncio.wait_for(asyncio.shield(stream.completed()), _TO_STOP)
        except TimeoutError:
            continue
        except RayError:  # that it was cancelled
            pass
        return

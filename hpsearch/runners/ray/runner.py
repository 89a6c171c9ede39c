"""The coordinator's side of Ray: it sends work to its driver, and writes what comes of it."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hpsearch.errors import HpsearchError
from hpsearch.runners import RUNNER, Resources, Work, WorkKey
from hpsearch.runners.call import main_module, refuse_in_worker
from hpsearch.runners.ray.cluster import Demand
from hpsearch.runners.ray.link import Link, gone, import_path
from hpsearch.runners.ray.messages import (
    Assignment,
    Need,
    Origin,
    Ready,
    Said,
    Submission,
    Withdraw,
    Withdrawn,
)
from hpsearch.runners.ray.packed import unpacked
from hpsearch.study.artefacts import Artefacts, Held, Lost
from hpsearch.study.files import open_own, temporary_folder
from hpsearch.study.folder import FILE, RAY_LOG

_TO_START = 180.0  # seconds in which Ray starts, or answers
_SHORT = 40  # characters of a folder's name in which Ray can have its sockets

Heard = tuple[WorkKey, object]


class Ray:
    """Has Ray do work, so many pieces at once, each on a node that has what it demands.

    Artefacts are read and written here alone: what work reads goes with it, and what it writes
    comes back with its events. No file system need be shared.
    """

    def __init__(
        self, address: str | None, demand: Demand, resources: Resources, artefacts: Artefacts
    ) -> None:
        self._address, self._demand, self._resources = address, demand, resources
        self._artefacts = artefacts
        self._verified: set[str] = set()
        self._unheard: list[Heard] = []

    def __enter__(self) -> Self:
        refuse_in_worker()
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder())
            self._link = Link(folder)
            stack.callback(self._keep_talk)
            stack.callback(self._link.close)
            self._begin(folder)
            self._open = stack.pop_all()
        return self

    def _begin(self, folder: Path) -> None:
        """Return when the driver has found the cluster fit.

        Raises:
            HpsearchError: there is no cluster, or it is not fit.
        """
        origin = Origin(main_module(), import_path(), str(Path.cwd()))
        place = folder if len(str(folder)) <= _SHORT else None
        self._link.send(Assignment(self._address, self._demand, self._resources, origin, place))
        try:
            answer = self._link.receive(_TO_START)
        except HpsearchError as error:
            raise gone(self._link.last_line()) from error
        if isinstance(answer, HpsearchError):
            raise answer
        if not isinstance(answer, Ready):
            raise gone(f"it does not answer within {_TO_START:g} s")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
        self._unheard.clear()
        self._verified.clear()

    def submit(self, work: Work) -> None:
        """Queue a piece of work.

        Raises:
            NoResources: Ray is gone.
        """
        needs = [*self._needs(work)]
        packed = pickle.dumps(work)
        self._link.send(Submission(work.key, packed, work.seconds, work.set_up, needs))

    def _needs(self, work: Work) -> Iterator[Need]:
        """Give what work reads; where that is lost, the work finds out by itself."""
        for held in work.needs:
            with suppress(Lost):
                yield Need(held.digest, self._located(held), stays=held.process is not None)

    def _located(self, held: Held) -> Path:
        """Return where an artefact can be read. What is held open is looked at once."""
        if held.process is not None and held.digest in self._verified:
            return held.path
        path = self._artefacts.locate(held)
        self._verified.add(held.digest)
        return path.absolute()

    def withdraw(self) -> Sequence[WorkKey]:
        """Take back what has not begun; return the keys of what is running.

        Raises:
            NoResources: Ray is gone.
        """
        self._link.send(Withdraw())
        while True:
            message = self._link.receive(_TO_START)
            if isinstance(message, Withdrawn):
                return message.running
            if message is None:
                raise gone(f"it does not answer within {_TO_START:g} s")
            self._unheard += self._taken(message)

    def wait(self, seconds: float) -> Sequence[Heard]:
        """Return what has happened, after all artefacts that it speaks of are written.

        Raises:
            NoResources: Ray is gone.
            DiskFull, CannotWrite: an artefact cannot be written.
        """
        until = time.monotonic() + seconds
        found, self._unheard = self._unheard, []
        while message := self._link.receive(0.0 if found else max(0.0, until - time.monotonic())):
            found += self._taken(message)
        return found

    def _taken(self, message: object) -> Iterator[Heard]:
        """Write the artefacts of a message, and give its events."""
        assert isinstance(message, Said), message
        for data in message.given.artefacts:
            self._artefacts.write(data)
        for event in message.given.events:
            if message.key == RUNNER:
                self._keep_talk()
            yield message.key, unpacked(event)

    def _keep_talk(self) -> None:
        """Add what Ray has printed to a file of the study, where there is one by now."""
        folder = self._artefacts.folder.parent
        if not (folder / FILE).exists():
            return
        with suppress(OSError):  # it is no result
            file = open_own(folder / RAY_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with os.fdopen(file, "wb") as log:
                log.write(self._link.new_talk())

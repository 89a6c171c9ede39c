"""What a worker process does. It imports little: each worker pays for it."""

from __future__ import annotations

import os
import pickle
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from hpsearch.errors import HpsearchError
from hpsearch.runners import SetUp, Work
from hpsearch.runners.call import attempt, crash, events, import_main, prepare
from hpsearch.runners.parent_watch import end_with_parent
from hpsearch.slots import SLOT, SLOTS
from hpsearch.study.artefacts import Artefacts

ASKED_TO_END = {signal.SIGINT, signal.SIGTERM}
"""The signals by which a process is asked to end."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a worker is told before its first work.

    Attributes:
        main: what names the main module of its coordinator, see `call.import_main`.
        artefacts: what is handed to the work.
        memory: how many bytes of data the process may hold; None sets no limit.
        slot: the worker's place among those that live, counted from 0.
        slots: how many places there are.
    """

    main: Mapping[str, object]
    artefacts: Artefacts
    memory: int | None
    slot: int
    slots: int


def serve(pipe: Connection, alive: int) -> None:
    """Do the work that comes in through a pipe, one piece after the other, until it is closed.

    Args:
        pipe: where a `Beginning` and then work come in, and events go out.
        alive: the end of a pipe whose other end the coordinator holds: this process ends with it.
    """
    for number in ASKED_TO_END:  # they are blocked already
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(alive)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        beginning: Beginning = pipe.recv()
        artefacts, unlimited = beginning.artefacts, beginning.memory
        os.environ |= {SLOT: str(beginning.slot), SLOTS: str(beginning.slots)}
        done, broken = SetUp(), attempt(partial(import_main, beginning.main))

        def set_up(wanted: SetUp) -> None:
            nonlocal done, unlimited
            done = prepare(wanted, done)
            if unlimited is not None:  # not before all is imported, which would fail mysteriously
                resource.setrlimit(resource.RLIMIT_DATA, (unlimited, unlimited))
                unlimited = None

        while True:
            sent = pipe.recv_bytes()
            read: Callable[[], Work] = partial(pickle.loads, sent)
            work = attempt(read) if broken is None else broken
            if isinstance(work, HpsearchError):
                pipe.send(work)
                continue
            _send(pipe, events(work, artefacts, set_up, beginning.memory), beginning.memory)
    except (EOFError, OSError):  # the coordinator is gone, and nobody is left to tell
        os._exit(1)


def _send(pipe: Connection, given: Iterator[object], memory: int | None) -> None:
    """Send the events of one piece of work; one that cannot be sent is a crash as well."""
    for event in given:
        try:
            pipe.send(event)
        except (TypeError, ValueError, AttributeError, pickle.PicklingError, MemoryError) as error:
            pipe.send(crash(error, memory, 0.0))
            return

"""Work that is done in the coordinator's own process: for functions, and for debugging."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

from hpsearch.runners import (
    Resources,
    Runner,
    SetUp,
    Work,
    WorkCrashed,
    WorkFinished,
    WorkKey,
    WorkStarted,
)
from hpsearch.runners.call import events, prepare
from hpsearch.runners.options import RunnerOptions
from hpsearch.study.artefacts import Artefacts


class InlineOptions(RunnerOptions):
    """The inline runner has no keys of its own, and no limits."""

    works_alone: ClassVar[bool] = True
    ignored: ClassVar[frozenset[str]] = frozenset({"trial_timeout", "memory"})

    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return the runner; it has one worker, whatever the resources say."""
        return Inline(artefacts)


class Inline:
    """Does a piece of work while it is waited for; it has no limits of time and memory."""

    def __init__(self, artefacts: Artefacts) -> None:
        self._artefacts = artefacts
        self._queue: deque[Work] = deque()
        self._running: tuple[WorkKey, Iterator[object]] | None = None
        self._set_up = SetUp()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.clear()
        self._running = None

    def submit(self, work: Work) -> None:
        """Queue a piece of work."""
        self._queue.append(work)

    def withdraw(self) -> Sequence[WorkKey]:
        """Empty the queue; return the key of the work that has begun."""
        self._queue.clear()
        return [self._running[0]] if self._running else []

    def wait(self, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        """Return the next event, however long it takes.

        What is no ordinary exception (Ctrl-C, SystemExit) leaves this call as itself.
        """
        if self._running is None:
            if not self._queue:
                return []
            work = self._queue.popleft()
            self._running = work.key, events(work, self._artefacts, self._prepare)
        key, found = self._running
        event = next(found)
        if isinstance(event, WorkFinished | WorkCrashed):
            self._running = None
        return [] if isinstance(event, WorkStarted) else [(key, event)]

    def _prepare(self, wanted: SetUp) -> None:
        self._set_up = prepare(wanted, self._set_up)

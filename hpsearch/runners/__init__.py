"""Where work is done: what work is, what every runner is, and the table of runners.

A runner knows neither the engine nor the data: what a worker sets up, imports and reads comes with
the work, and files travel as artefacts by their digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from hpsearch.registry import Registry

if TYPE_CHECKING:  # workers import this module, and do without
    from hpsearch.runners.options import RunnerOptions
    from hpsearch.study.artefacts import Held
    from hpsearch.study.trial import FailureKind


class WorkKey(NamedTuple):
    """The name of a piece of work, which tells a late word of an earlier attempt from others."""

    cohort: int
    attempt: int = 1


RUNNER = WorkKey(-1, 0)
"""The key of what a runner says itself: a `Notice` that concerns no piece of work by its own."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What a worker does once before its first work: it imports `preload` and calls a function.

    `call` names a function of one argument as "module:function"; "" calls nothing.
    """

    call: str = ""
    argument: object = None
    preload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """A call of a generator function that gives events.

    Attributes:
        key: names the work in `Runner.wait`.
        call: a function of (argument, artefacts), as "module:function".
        argument: what is sent to it.
        seconds: what it may take from the moment when it gives `WorkStarted`, of which nobody but
            the runner hears; or from its beginning, where it gives none.
        set_up: what the worker does before.
        needs: the artefacts that it reads. A worker on another machine has no others.
    """

    key: WorkKey
    call: str
    argument: object
    seconds: float = float("inf")
    set_up: SetUp = SetUp()
    needs: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkStarted:
    """The work has read what it needs: from here on its time counts."""


@dataclass(frozen=True, slots=True)
class WorkFinished:
    """The work has given all of its events."""


@dataclass(frozen=True, slots=True)
class WorkCrashed:
    """The work raised, took too long or too much memory, or its process died.

    `seconds` is how long it took, where that is known; `traceback` is what there is to see.
    """

    kind: FailureKind
    message: str
    traceback: str = ""
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """Kind and message in one line."""
        return f"{self.kind}: {self.message}"


class Crashed(Exception):
    """Raised by work that knows itself what it has come to, and says it as a `WorkCrashed`."""

    def __init__(self, crash: WorkCrashed) -> None:
        super().__init__(crash.reason)
        self.crash = crash


@dataclass(frozen=True, slots=True)
class Resources:
    """What a search may use: so many workers of so many threads, each of so many bytes at most."""

    workers: int = 1
    threads: int = 1
    memory: int | None = None


class Runner(Protocol):
    """Does work somewhere, several pieces at a time; it raises only when it can do no more at all.

    >>> from pathlib import Path
    >>> from hpsearch.runners.inline import Inline
    >>> from hpsearch.study.artefacts import Artefacts
    >>> with Inline(Artefacts(Path("artefacts"))) as runner:
    ...     runner.submit(Work(WorkKey(cohort=0), "builtins:zip", "ab"))
    ...     [(key, event)] = runner.wait(1.0)
    >>> key, event.kind
    (WorkKey(cohort=0, attempt=1), 'error')
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything at once."""

    def submit(self, work: Work) -> None:
        """Queue a piece of work."""

    def wait(self, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        """Return what has happened within `seconds`, as (key, event).

        The last event of each work is `WorkFinished` or `WorkCrashed`. What the key `RUNNER` says
        is a `Notice`.
        """

    def withdraw(self) -> Sequence[WorkKey]:
        """Take back what is queued and not begun; return the keys of the work that is running."""


RUNNERS: Registry[type[RunnerOptions]] = Registry(
    "runner",
    {
        "local": "hpsearch.runners.local:LocalOptions",
        "inline": "hpsearch.runners.inline:InlineOptions",
        "ray": "hpsearch.runners.ray:RayOptions",
    },
)
"""Each entry names the options of a runner, which build it."""

"""Where cohorts are trained: a table, and what every runner is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from hpsearch.registry import Registry


@dataclass(frozen=True, slots=True)
class Work:
    """A call that gives events: `call` names a generator function as "module:function".

    It may take so many `seconds` from where it gives `Begun`, which nobody but the runner hears of.
    """

    key: int
    call: str
    argument: object
    seconds: float = float("inf")


@dataclass(frozen=True, slots=True)
class Finished:
    """The work has given all of its events."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The work raised, took too long or too much memory, or its process died.

    `reason` is one line that begins with its kind (error, timeout, memory, killed), `traceback` what there is to see.
    """

    reason: str
    traceback: str = ""


class Runner(Protocol):
    """Does work somewhere, several pieces at a time. It raises only when it can do no more at all."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything at once."""

    def submit(self, work: Work) -> None:
        """Queue a piece of work. Its key names it in `wait`."""

    def wait(self, seconds: float) -> Sequence[tuple[int, object]]:
        """What has happened within `seconds`, as (key, event). Each work's last event is Finished or Crashed."""

    def withdraw(self) -> Sequence[int]:
        """Take back what is queued and not begun; the keys of the work that is running."""


RUNNERS = Registry("runner", {"local": "hpsearch.runners.local:Local"})

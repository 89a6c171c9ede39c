"""Every combination, the first parameter slowest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hpsearch.space.space import Space
from hpsearch.study.history import History
from hpsearch.study.trial import New, Trial


@dataclass(frozen=True, slots=True)
class Grid:
    """Walks the grid with `points` ticks per number (or a number's own), from where the last trial stands.

    Nothing is listed: a grid of 10^18 points begins at once.
    """

    points: int = 5

    def ask(self, space: Space, history: History, rng: Random) -> New | None:
        """The point that follows the last one."""
        last = history.trials[-1].params if history.trials else None
        point = next(space.walk(space.ticks(self.points), after=last), None)
        return New(point, "grid") if point is not None else None

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The lowest loss first."""
        return [trial for trial, _ in history.done]

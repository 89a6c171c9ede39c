"""Every combination of values, the first parameter slowest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from pydantic import Field

from hpsearch.space.space import Params, Space
from hpsearch.strategies import Context, Strategy, StrategyOptions
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial

_POINTS = "a whole number of ticks, 1 or more"


class GridOptions(StrategyOptions):
    """The keys of a grid: how many ticks a number has that does not say so itself."""

    has_all_points: ClassVar[bool] = True

    points: int = Field(5, ge=1, le=1_000_000, description=_POINTS)

    def build(self, context: Context) -> Strategy:
        """Return the strategy that walks the grid."""
        return Grid(self.points)

    def count(self, space: Space, trials: Sequence[Params]) -> int:
        """Return how many points the grid has, before constraints."""
        return space.count(space.ticks(self.points))


@dataclass(frozen=True, slots=True)
class Grid:
    """Walks the grid from where the last trial stands, with `points` ticks for each number.

    Nothing is listed: a grid of 10^18 points begins at once.
    """

    points: int = 5

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial | None:
        """Return the point that follows the last one."""
        last = history.trials[-1].params if history.trials else None
        point = next(space.walk(space.ticks(self.points), after=last), None)
        return NewTrial(point, "grid", origin="grid") if point is not None else None

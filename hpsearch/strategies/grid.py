"""Every combination of values, in an order in which any part of the grid is spread over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from pydantic import Field

from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import Context, Count, Strategy, StrategyOptions
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial

_POINTS = "a whole number of ticks, 1 or more"


class GridOptions(StrategyOptions):
    """The keys of a grid: how many ticks a number has that does not say so itself."""

    has_default: ClassVar[bool] = False

    points: int = Field(5, ge=1, le=1_000_000, description=_POINTS)

    def build(self, context: Context) -> Strategy:
        """Return the strategy that walks the grid."""
        return Grid(self.points)

    def count(self, space: Space, trials: Sequence[Params]) -> Count:
        """Return how many points the grid has, and what was picked beside them."""
        grid = space.grid(self.points)
        beside = {point_key(params) for params in trials if params not in grid}
        if grid.is_counted or next(grid.spread(), None) is not None:
            return Count(grid.count + len(beside), grid.is_counted)
        return Count(len(beside))


@dataclass(frozen=True, slots=True)
class Grid:
    """Walks the grid, with `points` ticks for each number, from where the last trial stands.

    The order does not depend on how many points will be tried, so that a larger budget goes on with
    it. Nothing is listed: a grid of 10^18 points begins at once.
    """

    points: int = 5

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial | None:
        """Return the first point that follows the last one and was not asked for."""
        grid, seen = space.grid(self.points), history.keys
        last = next((t.params for t in reversed(history.trials) if t.origin == "grid"), None)
        # what was asked for and not begun, as time was short, is left for the end
        for points in (grid.spread(last), grid.spread()):
            for params in points:
                if point_key(params) not in seen:
                    return NewTrial(params, "grid", origin="grid")
        return None

"""Hand-picked trials, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hpsearch.space.space import Params, Space
from hpsearch.strategies import Context, Count, Strategy, StrategyOptions
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial


class ManualOptions(StrategyOptions):
    """A manual search has no keys of its own."""

    has_all_points: ClassVar[bool] = True
    has_default: ClassVar[bool] = False

    def build(self, context: Context) -> Strategy:
        """Return the strategy that asks for the picked trials."""
        return Manual(context.trials)

    def count(self, space: Space, trials: Sequence[Params]) -> Count:
        """Return how many trials were picked."""
        return Count(len(trials))


@dataclass(frozen=True, slots=True)
class Manual:
    """Asks for each of `trials` once."""

    trials: tuple[Params, ...] = ()

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial | None:
        """Return the next trial of the list."""
        number = len(history)
        if number >= len(self.trials):
            return None
        return NewTrial(self.trials[number], "hand-picked", origin="picked")

"""Hand-picked trials, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hpsearch.space.space import Params, Space
from hpsearch.study.history import History
from hpsearch.study.trial import New, Trial


@dataclass(frozen=True, slots=True)
class Manual:
    """Asks for each of `trials` once."""

    trials: tuple[Params, ...] = ()

    def ask(self, space: Space, history: History, rng: Random) -> New | None:
        """The next of the list."""
        number = len(history)
        return New(self.trials[number], "hand-picked") if number < len(self.trials) else None

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The lowest loss first."""
        return [trial for trial, _ in history.done]

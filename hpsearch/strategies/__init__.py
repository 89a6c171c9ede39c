"""The ways to search: a table, and what every strategy is."""

from __future__ import annotations

from random import Random
from typing import Protocol

from hpsearch.registry import Registry
from hpsearch.space import Space
from hpsearch.trial import History, Suggestion


class Strategy(Protocol):
    """A pure question: what to train next, given the space and all that is known.

    It keeps no state between calls: the same space, history and generator give the same answer. That is
    what makes an interrupted search go on exactly. Trials without a result count as pending.
    """

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """The next trial; None where there is nothing left to ask for."""


STRATEGIES = Registry(
    "strategy",
    {
        "manual": "hpsearch.strategies.manual:Manual",
        "grid": "hpsearch.strategies.grid:Grid",
        "random": "hpsearch.strategies.random:RandomSearch",
        "bayes": "hpsearch.strategies.bayes:Bayes",
    },
)

SURROGATES = ("gp",)

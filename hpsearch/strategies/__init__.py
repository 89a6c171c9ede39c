"""The ways to search: a table, and what every strategy is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hpsearch.registry import Registry
from hpsearch.space.space import Params, Space
from hpsearch.study.history import History
from hpsearch.study.trial import Suggestion, Trial

Array = NDArray[np.float64]


def trained(history: History) -> float:
    """Seconds of all trainings."""
    return sum(result.seconds for result in history.results.values())


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds that may be spent in all, and how many are: by the trainings alone, or by somebody's clock."""

    seconds: float
    spent: Callable[[History], float] = trained

    def left(self, history: History) -> float:
        """What may still be spent."""
        return self.seconds - self.spent(history)


class Strategy(Protocol):
    """A pure question: what to train next, given the space and all that is known.

    It keeps no state between calls: the same space, history and generator give the same answer. That is
    what makes an interrupted search go on exactly. Trials without a result count as pending.
    """

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """The next trial; None where there is nothing left to ask for."""

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The trials that succeeded, the best first, as far as this strategy can tell merit from luck."""


class Price(Protocol):
    """What trainings cost, known before they run."""

    def __call__(self, params: Sequence[Params], company: Sequence[Params]) -> Array:
        """[n] nominal seconds that each of the params alone would add to a wave in which `company` is trained."""


class Sharing(Protocol):
    """Which trainings share an array."""

    def __call__(self, params: Params) -> tuple[Params, int]:
        """The values that another one must have to share an array with this one, and how many an array takes."""


STRATEGIES = Registry(
    "strategy",
    {
        "manual": "hpsearch.strategies.manual:Manual",
        "grid": "hpsearch.strategies.grid:Grid",
        "random": "hpsearch.strategies.random:RandomSearch",
        "bayes": "hpsearch.strategies.bayes:Bayes",
    },
)


class Model(Protocol):
    """What a surrogate makes of the trials: a mixture of parts, each with an opinion of its own on every place."""

    @property
    def noise(self) -> float:
        """The variance of one run's score."""

    def predict(self, U: Array) -> tuple[Array, Array]:
        """Mean and deviation, [parts, n] each, of the score without noise at places [n, width] of the unit cube."""

    def fitted(self) -> Array:
        """The mean, [parts, n], at the places that it was given, in their order."""

    def believing(self, U: Array) -> Model:
        """The model as if it had been right about these places."""


@runtime_checkable
class Checkable(Model, Protocol):
    """A model that knows, without another fit, what it would have expected of each trial without having seen it."""

    def left_out(self) -> tuple[Array, Array]:
        """Mean and deviation, [parts, n] each, of each trial's score, with its noise, given all the others."""


Surrogate = Callable[[Sequence[slice], Array, Array, Array], Model]
SURROGATES = Registry(
    "surrogate", {"gp": "hpsearch.strategies.gp:fit", "ann": "hpsearch.strategies.ann:fit"}
)
"""Each is `fit(groups, U, y, m) -> Model`: from places [n, width], scores y of mean 0 and deviation 1, and how many
runs each is the mean of; `groups` are the columns of each parameter. The same arguments give the same model."""

"""The ways to search: what every strategy and every surrogate is, and the tables of both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hpsearch.options import Options
from hpsearch.registry import Registry
from hpsearch.space.space import Params, Space, point_key
from hpsearch.study.history import History
from hpsearch.study.trial import Suggestion, Trial

Array = NDArray[np.float64]


def training_seconds(history: History) -> float:
    """Return the seconds of all trainings."""
    return sum(result.seconds for result in history.results.values())


@dataclass(frozen=True, slots=True)
class Limit:
    """The seconds that may be spent in all, and how many are: by trainings alone, or by a clock.

    Seconds by the clock count once for each of the `workers`.
    """

    seconds: float
    spent: Callable[[History], float] = training_seconds
    workers: int = 1

    @property
    def is_by_clock(self) -> bool:
        """Whether seconds pass whatever is done, so that nothing begins once they have."""
        return self.spent is not training_seconds

    def left(self, history: History) -> float:
        """Return the seconds that may still be spent."""
        return self.seconds - self.spent(history)


class CostModel(Protocol):
    """What trainings cost, known before they run."""

    def __call__(self, params: Sequence[Params], company: Sequence[Params]) -> Array:
        """Return the nominal seconds, [n], that each of `params` adds to a wave of `company`."""


class CohortRule(Protocol):
    """The rule of which trainings can be trained as one batched computation."""

    def __call__(self, params: Params) -> tuple[Params, int]:
        """Return the values that others must share with these params, and how many fit together."""


class Strategy(Protocol):
    """A pure question: what to train next, given the space and all that is known.

    It keeps no state between two calls: the same space, history and generator give the same answer.
    That is what makes an interrupted search go on exactly. Trials without a result count as
    pending.

    >>> from hpsearch.space.parameters import Real
    >>> from hpsearch.strategies.grid import Grid
    >>> space = Space({"lr": Real(0.001, 0.1, log=True)})
    >>> Grid(points=3).ask(space, History(), Random(0))
    NewTrial(params={'lr': 0.001}, reason='grid', ..., origin='grid')
    """

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """Return what to train next; None where there is nothing left to ask for."""


@runtime_checkable
class Ranking(Protocol):
    """A strategy with a judgement of its own on which trials are the best."""

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """Return the trials that succeeded, the best first."""


def ranked(strategy: Strategy, space: Space, history: History) -> Sequence[Trial]:
    """Return the trials that succeeded, best first: in the strategy's order, or by their losses."""
    if isinstance(strategy, Ranking):
        return strategy.ranked(space, history)
    return [trial for trial, _ in history.done]


@dataclass(frozen=True, slots=True)
class Context:
    """What a plan knows when it builds a strategy.

    Attributes:
        budget: how many trials are the strategy's own; None where only time or the space end them.
        limit: the seconds that may be spent; None where there is no limit.
        costs: what trainings cost before they run; None where nobody knows.
        trials: the settings that a person has picked.
        batched: whether trials of one wave can be trained as one computation. Where each is run by
            itself, there is no reason to wait for the slowest of a wave.
    """

    budget: int | None = None
    limit: Limit | None = None
    costs: CostModel | None = None
    trials: tuple[Params, ...] = ()
    batched: bool = True


@dataclass(frozen=True, slots=True)
class Count:
    """How many different trials there are: exactly, or at most."""

    trials: int
    is_exact: bool = True

    def __str__(self) -> str:
        points = "1 point" if self.trials == 1 else f"{self.trials:,} points"
        return points if self.is_exact else f"at most {points}"


class StrategyOptions(Options):
    """The keys of `search:` that a strategy has of its own, and what a plan must know of it.

    Its module imports nothing heavy, so that a wrong YAML is refused at once.
    """

    default_wave: ClassVar[int] = 64
    """How many trials are asked for together where nobody says how many."""

    has_all_points: ClassVar[bool] = False
    """Whether what is trained was picked, all of it."""

    has_default: ClassVar[bool] = True
    """Whether the default settings are a trial beside which others are seen."""

    @abstractmethod
    def build(self, context: Context) -> Strategy:
        """Return the strategy."""

    def wave_size(self, context: Context) -> int:
        """Return how many trials are asked for together where nobody says how many."""
        return self.default_wave

    def wave_lag(self, context: Context) -> int:
        """Return the lag of a search, in waves of that size, where nobody says it.

        Without any, workers wait at the end of a wave for its slowest trials; and a strategy that
        learns nothing from results loses nothing by going on.
        """
        return 0 if context.batched else 1

    def conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Give each key that does not go with another one, why not, and what helps."""
        yield from ()

    def count(self, space: Space, trials: Sequence[Params]) -> Count | None:
        """Return how many different trials there are, picked ones included; None for no end."""
        if space.size is None:
            return None
        beside = {point_key(params) for params in trials if params not in space}
        if not space.constraints or space.points is None:
            return Count(space.size + len(beside), is_exact=not space.constraints)
        return Count(len(space.points) + len(beside))

    @property
    def explained_by(self) -> str:
        """The name of the surrogate by which a study of this strategy is explained."""
        return "gp"


class StagedOptions(StrategyOptions):
    """The keys of a strategy whose trials can be halved on their way and confirmed in the end."""

    rungs: ClassVar[int] = 4
    """At how many epochs the trials of a bracket are compared, the last one included."""

    has_default_priors: ClassVar[bool] = False
    """Whether its brackets begin near values that are good for most trainings."""

    halving: bool = Field(False, description="true or false")
    confirm: bool | None = Field(None, description="true or false")
    until_converged: bool = Field(False, description="true or false")


STRATEGIES: Registry[type[StrategyOptions]] = Registry(
    "strategy",
    {
        "manual": "hpsearch.strategies.manual:ManualOptions",
        "grid": "hpsearch.strategies.grid:GridOptions",
        "random": "hpsearch.strategies.random:RandomOptions",
        "bayes": "hpsearch.strategies.bayes_options:BayesOptions",
    },
)
"""Each entry names the options of a strategy, which build it."""


class SurrogateModel(Protocol):
    """What a surrogate makes of the trials: a mixture of equally probable parts.

    Each part has an opinion of its own on every place of the unit cube.
    """

    @property
    def noise(self) -> float:
        """The variance of one run's score."""

    def predict(self, U: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation, [parts, n] each, of the score at `U` [n, width].

        They are those of the score without its noise.
        """

    def fitted(self) -> Array:
        """Return the mean, [parts, n], at the places to which the model was fitted, in order."""

    def fantasize(self, U: Array) -> SurrogateModel:
        """Return the model as if it had been right about these places [n, width]."""


@runtime_checkable
class LeaveOneOut(SurrogateModel, Protocol):
    """A model that can say, without another fit, what it would have expected of its trials."""

    def leave_one_out(self) -> tuple[Array, Array]:
        """Return mean and standard deviation, [parts, n] each, of each score given all the others.

        The standard deviation contains the noise of the score.
        """


Surrogate = Callable[[Sequence[slice], Array, Array, Array], SurrogateModel]
SURROGATES: Registry[Surrogate] = Registry(
    "surrogate",
    {
        "gp": "hpsearch.strategies.gp:fit",
        "ann": "hpsearch.strategies.ann:fit",
        "forest": "hpsearch.strategies.forest:fit",
    },
)
"""Each entry is a function `fit(groups, U, y, m)`.

It takes the columns of each parameter, places [n, width], scores [n] of mean 0 and standard
deviation 1, and how many runs each score is the mean of. The same arguments give the same model.
"""

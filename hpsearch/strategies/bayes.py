"""Bayesian optimisation: train next where a model of the loss expects the largest improvement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

import numpy as np

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Array, Limit, Price, trained
from hpsearch.strategies.candidates import inwards, mates, search, unknown
from hpsearch.strategies.random import unseen
from hpsearch.strategies.surrogates import LEAST, Beliefs, chosen, model_of, places, repeatable
from hpsearch.strategies.trial_costs import Costs, dearness, front, log_volume, modest
from hpsearch.study.history import History
from hpsearch.study.trial import New, Trial, Wait

_FIRST = 10  # random trials before the model is asked, at most
_OPENING = (
    0.12  # of time and trials for them, where time is short: they share arrays, and take no thought
)
_PARENTS = 5
_PRICED = 100  # candidates whose price is asked for
_HASTE = 0.25  # of the effort to find a place, where others of its wave have been found and time is short
_INSTANT = 1e-9  # seconds: nothing has a logarithm of 0


@dataclass(frozen=True, slots=True)
class Bayes:
    """Asks for the point from which a model expects the largest improvement.

    With a `limit` of seconds, what is dear must promise more, and what does not fit any more is not asked for.
    Where trainings have a `price`, a wave then goes on as long as one more of its members is worth its seconds. With
    `pareto`, it is the growth of what the front of loss and seconds dominates that counts. `trials` is how many there
    will be at most, where that is known.
    """

    surrogate: str = "gp"
    price: Price | None = None
    limit: Limit | None = None
    trials: int | None = None
    pareto: bool = False

    def ask(self, space: Space, history: History, rng: Random) -> New | Wait | None:
        """A random point while little is known, then the candidate of the largest value."""
        opened = self._opened(space, history)
        if (
            opened
            and self.fills
            and history.pending
            and all(trial.promise is None for trial in history.trials)
        ):
            return Wait()  # for what the random trials come to
        if opened and len(history.done) >= LEAST:
            with repeatable():
                answer = self._expected(space, history, np.random.default_rng(rng.getrandbits(64)))
            if isinstance(answer, Wait) and not history.pending:
                return None  # there is nothing to wait for
            if answer is not None:
                return answer
        with repeatable():
            params = self._random(space, history, rng)
        return New(params, "random") if params is not None else None

    def _opened(self, space: Space, history: History) -> bool:
        """Whether there are random trials enough for a model to be asked."""
        if len(history) < first(space):
            return False
        if self.limit is None or self.price is None or not history.done:
            return True
        if self.trials is not None and len(history) >= _OPENING * self.trials:
            return True
        more = _OPENING * self.limit.seconds - trained(history)
        return more <= 0.0 or Costs.of(space, history, self.price).pending(history.pending) >= more

    def _random(self, space: Space, history: History, rng: Random) -> Params | None:
        """An unseen point; where seconds count, one moved to the middle of the space until it is not likely to be dear.

        Before anything is known of seconds it goes all the way, as long as trials do not fail there.
        """
        drawn = unseen(space, history.keys, rng)
        if self.limit is None or drawn is None:
            return drawn
        points = [drawn, *unknown(space, history, inwards(space, drawn))]
        if self.price is None and not history.done:
            return points[max(0, len(points) - 1 - len(history.results))]
        costs = Costs.of(space, history, self.price)
        return modest(
            points,
            costs,
            [trial.params for trial in history.pending],
            costs.left(self.limit, history),
        )

    @property
    def fills(self) -> bool:
        """Whether a wave is as large as is worth its seconds."""
        return self.limit is not None and self.price is not None

    def _expected(
        self, space: Space, history: History, rng: np.random.Generator
    ) -> New | Wait | None:
        """The best of many candidates; None where all have been asked for."""
        beliefs = Beliefs.of(space, history, self.surrogate)
        parents = places(space, [trial for trial, _ in history.done[:_PARENTS]])
        if self.limit is None and not self.pareto:
            U = search(space, parents, lambda U: beliefs.improvement(U) + beliefs.prior(U), rng)
            return next((beliefs.new(params) for params in unknown(space, history, U)), None)
        worth = Worth.of(self, space, history, beliefs)
        U = search(space, parents, worth, rng, _HASTE if self.fills and history.pending else 1.0)
        few = list(islice(unknown(space, history, U), _PRICED))
        if self.fills:
            few += unknown(space, history, mates(space, places(space, history.pending), rng))
        if not few:
            return None
        values = worth.exactly(few)
        if values.max() == -math.inf:
            return (
                Wait()
            )  # nothing fits into what is left, or its seconds are worth more in another wave
        return beliefs.new(few[int(values.argmax())])

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The lowest mean of the model first, which knows of luck; of a great many trials, those that it sees."""
        if len(history.done) < LEAST:
            return [trial for trial, _ in history.done]
        with repeatable():
            mu = model_of(space, history, self.surrogate).fitted().mean(axis=0)
        seen = chosen(history.done)
        return [seen[at][0] for at in np.argsort(mu, kind="stable").tolist()]


def first(space: Space) -> int:
    """How many trials are random before a model is asked, at least."""
    return min(_FIRST, len(space.parameters) + 2)


@dataclass(frozen=True, slots=True)
class Worth:
    """What a place is worth, where seconds count: its improvement, less where it takes a large part of what is `left`,
    or how much the front grows (`steps`: its log seconds and scores). What does not fit any more is worth nothing.
    """

    beliefs: Beliefs
    costs: Costs
    pending: tuple[Trial, ...]
    left: float
    steps: tuple[Array, Array] | None
    fills: bool

    @classmethod
    def of(cls, search: Bayes, space: Space, history: History, beliefs: Beliefs) -> Worth:
        """As the search stands."""
        costs = Costs.of(space, history, search.price)
        left = math.inf if search.limit is None else costs.left(search.limit, history)
        steps = front(space, history, beliefs.model, costs) if search.pareto else None
        return cls(beliefs, costs, history.pending, left, steps, search.fills)

    def __call__(self, U: Units) -> Array:
        """[n] at snapped places, by seconds that are learned from the trials."""
        return self._value(U, self.costs.expected(U)[0]) + self.beliefs.prior(U)

    def exactly(self, points: Sequence[Params]) -> Array:
        """[n] at points, by what they add to their wave. Where that is filled, a member brings as much improvement per
        second as the wave has so far, or it is worth nothing.
        """
        log_c, most = self.costs.added(points, [trial.params for trial in self.pending])
        U = np.array([self.costs.space.encode(params) for params in points])
        fits = most < math.log(max(self.left, _INSTANT))
        if self.fills and self.pending:
            fits &= self.beliefs.improvement(U) - log_c >= self._rate()
        return np.where(fits, self._value(U, log_c) + self.beliefs.prior(U), -np.inf)

    def _value(self, U: Units, log_c: Array) -> Array:
        if self.steps is not None:
            return log_volume(*self.beliefs.model.predict(U), log_c, *self.steps)
        return self.beliefs.improvement(U) - dearness(log_c, self.left)

    def _rate(self) -> float:
        """Log of the improvement per second of the wave as it is."""
        promised = sum(trial.promise or 0.0 for trial in self.pending) * math.sqrt(
            self.beliefs.model.noise
        )
        return math.log(max(promised, 1e-300) / self.costs.pending(self.pending))

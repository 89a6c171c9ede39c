"""Bayesian optimisation: train next where a model of the loss expects the largest improvement."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import numpy as np
from threadpoolctl import threadpool_limits

from hpsearch.space import Space, Units, point_key
from hpsearch.strategies import Array, Climber
from hpsearch.strategies.beliefs import LEAST, Beliefs, chosen, model_of, places
from hpsearch.strategies.candidates import mates, search
from hpsearch.strategies.cost import Costs, Price, exponent, front, log_volume
from hpsearch.strategies.random import unseen
from hpsearch.trial import History, New, Trial, Wait

_FIRST = 10  # random trials before the model is asked, at most
_FIRST_OF_TIME = 4  # and where each costs a part of what there is
_PARENTS = 5
_PRICED = 100  # candidates whose price is asked for


@dataclass(frozen=True, slots=True)
class Bayes:
    """Asks for the point from which a model expects the largest improvement.

    With `seconds` to spend in all, it is the improvement per second that counts, at first, and what does not fit any
    more is not asked for. Where trainings have a `price`, a wave then goes on as long as one more of its members is
    worth its seconds. With `pareto`, it is the growth of what the front of loss and seconds dominates that counts.
    """

    surrogate: str = "gp"
    price: Price | None = None
    seconds: float | None = None
    pareto: bool = False

    def ask(self, space: Space, history: History, rng: Random) -> New | Wait | None:
        """A random point while little is known, then the candidate of the largest value."""
        first = min(_FIRST if self.seconds is None else _FIRST_OF_TIME, len(space.parameters) + 2)
        if len(history) >= first and len(history.done) >= LEAST:
            with _repeatable():
                answer = self._expected(space, history, np.random.default_rng(rng.getrandbits(64)))
            if answer is not None:
                return answer
        elif self._fills and history.pending and len(history) >= first:
            return Wait()
        params = unseen(space, history.keys, rng)
        return New(params, "random") if params is not None else None

    @property
    def _fills(self) -> bool:
        """Whether a wave is as large as is worth its seconds."""
        return self.seconds is not None and self.price is not None

    def _expected(self, space: Space, history: History, rng: np.random.Generator) -> New | Wait | None:
        """The best of many candidates; None where all have been asked for."""
        beliefs = Beliefs.of(space, history, self.surrogate)
        climb = None
        if isinstance(model := beliefs.model, Climber):
            climb = lambda U: model.climb(U, beliefs.best)  # noqa: E731
        parents = places(space, [trial for trial, _ in history.done[:_PARENTS]])
        if self.seconds is None and not self.pareto:
            U = search(space, parents, beliefs.improvement, climb, rng)
            return self._first_new(space, history, beliefs, U)
        worth = Worth.of(self, space, history, beliefs)
        U = search(space, parents, worth, climb, rng)
        U = np.concatenate([U[:_PRICED], mates(space, places(space, history.pending), rng)])
        values = worth.exactly(U)
        order = np.argsort(-values, kind="stable")
        new = self._first_new(space, history, beliefs, U[order[np.isfinite(values[order])]])
        if new is None:
            return Wait()  # nothing fits into what is left
        return Wait() if self._fills and worth.is_enough(new) else new

    def _first_new(self, space: Space, history: History, beliefs: Beliefs, U: Units) -> New | None:
        for unit in U.tolist():
            params = space.decode(unit)
            if point_key(params) not in history.keys and space.allows(params):
                place = np.array([space.encode(params)])
                ei = math.exp(float(beliefs.improvement(place)[0]))
                why = f"expected improvement {ei:.2g} ({len(history.done)} trials)"
                return New(params, why, ei / math.sqrt(beliefs.model.noise))
        return None

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The lowest mean of the model first, which knows of luck; of a great many trials, those that it sees."""
        if len(history.done) < LEAST:
            return [trial for trial, _ in history.done]
        seen = [trial for trial, _ in chosen(history.done)]
        with _repeatable():
            mu = model_of(space, history, self.surrogate).predict(places(space, seen))[0].mean(axis=0)
        return [seen[at] for at in np.argsort(mu, kind="stable").tolist()]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a place is worth, where seconds count: its improvement less `a` times the logarithm of its seconds, or how
    much the front grows (`steps`, its log seconds and scores). What takes longer than is `left` is worth nothing.
    """

    beliefs: Beliefs
    costs: Costs
    pending: tuple[Trial, ...]
    a: float
    left: float
    steps: tuple[Array, Array] | None

    @classmethod
    def of(cls, search: Bayes, space: Space, history: History, beliefs: Beliefs) -> Worth:
        """As the search stands."""
        costs = Costs.of(space, history, search.price)
        spent, a, left = sum(result.seconds for result in history.results.values()), 0.0, math.inf
        if search.seconds is not None:
            a = exponent(spent, search.seconds, len(history))
            left = search.seconds - spent - costs.pending(history.pending)
        steps = front(space, history, beliefs.model, costs) if search.pareto else None
        return cls(beliefs, costs, history.pending, a, left, steps)

    def __call__(self, U: Units) -> Array:
        """[n] at snapped places, by seconds that are learned from the trials."""
        return self._value(U, self.costs.expected(U))

    def exactly(self, U: Units) -> Array:
        """[n] at snapped places, by what they add to their wave."""
        log_c = self.costs.added(U, [trial.params for trial in self.pending])
        fits = log_c + self.costs.error < math.log(max(self.left, 1e-9))
        return np.where(fits, self._value(U, log_c), -np.inf)

    def _value(self, U: Units, log_c: Array) -> Array:
        if self.steps is not None:
            return log_volume(*self.beliefs.model.predict(U), log_c, *self.steps)
        return self.beliefs.improvement(U) - self.a * log_c

    def is_enough(self, new: New) -> bool:
        """Whether the wave has more improvement per second as it is than the new member would bring it."""
        promised = sum(trial.promise or 0.0 for trial in self.pending)
        seconds = self.costs.pending(self.pending)
        added = math.exp(float(self.costs.added_by(new.params, [trial.params for trial in self.pending])))
        return bool(self.pending) and (new.promise or 0.0) * seconds < promised * added


@contextmanager
def _repeatable() -> Iterator[None]:
    """One thread, since the model's numbers change with their count; and none of its warnings."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

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
from hpsearch.strategies import Array, CostModel, Limit, training_seconds
from hpsearch.strategies.candidates import (
    best_candidates,
    crossover,
    farthest_first,
    toward_center,
    unseen,
)
from hpsearch.strategies.random import draw_unseen
from hpsearch.strategies.surrogates import (
    MIN_DONE,
    Surrogates,
    encode_trials,
    model_of,
    repeatable,
    training_subset,
)
from hpsearch.strategies.trial_costs import (
    CostPrediction,
    cheapest,
    cost_penalty,
    log_hypervolume_improvement,
    pareto_front,
)
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial, Trial, Wait

_FIRST = 10  # random trials before the model is asked, at most
_OPENING = 0.12  # the share of time and trials for them where time is short: they train together
_PARENTS = 5  # trials near which candidates are drawn
_PRICED = 100  # candidates whose cost is asked for
_HASTE = 0.25  # of the effort to find a candidate, for all of a filled wave but the first
_LITTLE = 0.2  # of the standard deviation of a run's noise
_ALIKE = math.log(2)  # values whose logarithms differ by less count as equal where all are little
_LOOKED_AT = 20  # of these, drawn at random: the farthest of them all would lie in the corners
_INSTANT = 1e-9  # seconds: nothing has a logarithm of 0


@dataclass(frozen=True, slots=True)
class Bayes:
    """Asks for the point from which a model expects the largest improvement.

    Attributes:
        surrogate: the name of the model of the loss.
        costs: what trainings cost before they run. With it and a limit, a wave goes on as long as
            one more of its members is worth its seconds.
        limit: with a limit of seconds, an expensive point must promise more, and one that does not
            fit into what is left is not asked for.
        trials: how many there will be at most, where that is known.
        pareto: whether it is the growth of what the front of loss and price dominates that
            counts, instead of the improvement of the loss.
    """

    surrogate: str = "gp"
    costs: CostModel | None = None
    limit: Limit | None = None
    trials: int | None = None
    pareto: bool = False

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial | Wait | None:
        """Return a random point while little is known, then the candidate of the largest value."""
        if not space.parameters:  # there is nothing that a model could tell apart
            only = draw_unseen(space, history.keys, rng)
            return None if only is None else NewTrial(only, "random", origin="random")
        opened = self._opened(space, history)
        asked_model = any(trial.expected_improvement is not None for trial in history.trials)
        if opened and self.fills and history.pending and not asked_model:
            return Wait()  # for what the random trials come to
        if opened and len(history.done) >= MIN_DONE:
            with repeatable():
                answer = self._expected(space, history, np.random.default_rng(rng.getrandbits(64)))
            if isinstance(answer, Wait) and not history.pending:
                return None  # there is nothing to wait for
            if answer is not None:
                return answer
        with repeatable():
            params = self._random(space, history, rng)
        return NewTrial(params, "random", origin="random") if params is not None else None

    def _opened(self, space: Space, history: History) -> bool:
        """Return whether there are random trials enough for a model to be asked."""
        if len(history) < first(space):
            return False
        if self.limit is None or self.costs is None or not history.done:
            return True
        if self.trials is not None and len(history) >= _OPENING * self.trials:
            return True
        more = _OPENING * self.limit.seconds - training_seconds(history)
        if more <= 0.0:
            return True
        return CostPrediction.fit(space, history, self.costs).pending(history.pending) >= more

    def _random(self, space: Space, history: History, rng: Random) -> Params | None:
        """Return a point that nobody has asked for.

        Where seconds count it is moved towards the middle of the space until it is not likely to be
        expensive. Before anything is known of seconds it goes all the way, as long as trials do not
        fail there.
        """
        drawn = draw_unseen(space, history.keys, rng)
        if self.limit is None or drawn is None:
            return drawn
        points = [drawn, *unseen(space, history, toward_center(space, drawn))]
        if self.costs is None and not history.done:
            return points[max(0, len(points) - 1 - len(history.results))]
        costs = CostPrediction.fit(space, history, self.costs)
        company = [trial.params for trial in history.pending]
        return cheapest(points, costs, company, costs.left(self.limit, history))

    @property
    def fills(self) -> bool:
        """Whether a wave is as large as is worth its seconds."""
        return self.limit is not None and self.costs is not None

    def _expected(
        self, space: Space, history: History, rng: np.random.Generator
    ) -> NewTrial | Wait | None:
        """Return the best of many candidates; None where all have been asked for."""
        surrogates = Surrogates.fit(space, history, self.surrogate)
        parents = encode_trials(space, [trial for trial, _ in history.done[:_PARENTS]])
        if self.limit is None and not self.pareto:

            def plain(U: Units) -> Array:
                return surrogates.log_improvement(U) + surrogates.log_prior(U)

            U, values = best_candidates(space, parents, plain, rng)
            best = next((surrogates.suggest(params) for params in unseen(space, history, U)), None)
            if best is None or not _is_little(best):
                return best
            alike = U[values >= values[0] - _ALIKE]
            few = alike[rng.permutation(len(alike))[:_LOOKED_AT]]
            far = farthest_first(few, encode_trials(space, history.trials))
            return surrogates.suggest(next(unseen(space, history, far), best.params))
        worth = Worth.of(self, space, history, surrogates)
        effort = _HASTE if self.fills and history.pending else 1.0
        U, _ = best_candidates(space, parents, worth, rng, effort)
        few = list(islice(unseen(space, history, U), _PRICED))
        if self.fills:
            children = crossover(space, encode_trials(space, history.pending), rng)
            few += unseen(space, history, children)
        if not few:
            return None
        values = worth.exactly(few)
        if values.max() == -math.inf:
            # nothing fits into what is left, or its seconds are worth more in another wave
            return Wait()
        return surrogates.suggest(few[int(values.argmax())])

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """Return the trials in the order of the model's mean, which luck misleads less than a loss.

        Of a great many trials these are the ones that the model was fitted to.
        """
        if len(history.done) < MIN_DONE or not space.parameters:
            return [trial for trial, _ in history.done]
        with repeatable():
            mu = model_of(space, history, self.surrogate).fitted().mean(axis=0)
        seen = training_subset(history.done)
        return [seen[at][0] for at in np.argsort(mu, kind="stable").tolist()]


def _is_little(new: NewTrial) -> bool:
    """Return whether next to nothing is expected even of the best place.

    The model may be wrong then: a narrow dip in a plain shows in no trial near the plain's lowest
    place, so that it is better to look where nobody was.
    """
    return (new.expected_improvement or 0.0) < _LITTLE


def first(space: Space) -> int:
    """Return how many trials are random before a model is asked, at least."""
    return min(_FIRST, len(space.parameters) + 2)


@dataclass(frozen=True, slots=True)
class Worth:
    """What a place is worth where seconds count.

    It is worth its improvement, less where it takes a large part of the seconds that are left; or
    the growth of the front. A place that does not fit any more is worth nothing.

    Attributes:
        surrogates: the models of loss and failure.
        costs: the model of seconds.
        pending: the trials of the wave so far.
        left: the seconds that may still be spent.
        prices: the model of what trials cost, where they report it: the front goes by that.
        steps: the front's log prices and scores; None where the improvement counts.
        fills: whether a member must bring as much improvement per second as its wave has so far.
    """

    surrogates: Surrogates
    costs: CostPrediction
    pending: tuple[Trial, ...]
    left: float
    prices: CostPrediction | None
    steps: tuple[Array, Array] | None
    fills: bool

    @classmethod
    def of(cls, search: Bayes, space: Space, history: History, surrogates: Surrogates) -> Worth:
        """Return what places are worth as the search stands."""
        costs = CostPrediction.fit(space, history, search.costs)
        left = math.inf if search.limit is None else costs.left(search.limit, history)
        prices = steps = None
        if search.pareto:
            if search.costs is None and (price := history.price(is_counted=False)) != "seconds":
                prices = CostPrediction.fit(space, history, None, price)
            steps = pareto_front(space, history, surrogates.model, prices or costs)
        return cls(surrogates, costs, history.pending, left, prices, steps, search.fills)

    def __call__(self, U: Units) -> Array:
        """Return the worth, [n], of snapped places, by seconds that are learned from the trials."""
        return self._value(U, self.costs.expected(U)[0]) + self.surrogates.log_prior(U)

    def exactly(self, points: Sequence[Params]) -> Array:
        """Return the worth, [n], of points, by the seconds that they add to their wave."""
        log_c, most = self.costs.added(points, [trial.params for trial in self.pending])
        U = np.array([self.costs.space.encode(params) for params in points])
        fits = most < math.log(max(self.left, _INSTANT))
        if self.fills and self.pending:
            fits &= self.surrogates.log_improvement(U) - log_c >= self._rate()
        return np.where(fits, self._value(U, log_c) + self.surrogates.log_prior(U), -np.inf)

    def _value(self, U: Units, log_c: Array) -> Array:
        if self.steps is not None:
            mu, s = self.surrogates.model.predict(U)
            log_c = log_c if self.prices is None else self.prices.expected(U)[0]
            return log_hypervolume_improvement(mu, s, log_c, *self.steps)
        return self.surrogates.log_improvement(U) - cost_penalty(log_c, self.left)

    def _rate(self) -> float:
        """Return the log of the improvement per second that is expected of the wave as it is."""
        expected = sum(trial.expected_improvement or 0.0 for trial in self.pending)
        expected *= math.sqrt(self.surrogates.model.noise)
        return math.log(max(expected, 1e-300) / self.costs.pending(self.pending))

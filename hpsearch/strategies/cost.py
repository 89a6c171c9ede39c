"""What a training costs, and what it is worth to pay.

Notation
    c         [n] seconds that a trial would take, or add to the trainings of its wave
    g, f      front: log seconds, rising, and the lowest score that was reached for so many, falling

Sources: Snoek, Larochelle & Adams 2012 (EI per second, which keeps on buying what is cheap; here it is so only for what
is dear); Guinet et al. 2020 (a linear model of log c is enough); Emmerich et al. 2011 (the expected improvement of a
hypervolume).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.parameters import Units
from hpsearch.space import Params, Space
from hpsearch.strategies import Array, Model, Price
from hpsearch.strategies.acquisition import log_improvement
from hpsearch.trial import Done, History, Trial

_TRAININGS = 30  # that there should be room for: what takes no larger part of what is left costs nothing
_RIDGE = 1e-2
_LEAST = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Costs:
    """Predicts seconds. `scale` is how many a nominal second takes here; `error` a deviation of log seconds."""

    space: Space
    price: Price | None
    scale: float
    weights: Array
    error: float

    @classmethod
    def of(cls, space: Space, history: History, price: Price | None) -> Costs:
        """From what trials have taken: all that is known where nothing has a price, else how fast this machine is."""
        done = [(t, r) for t in history.trials if t.of is None and isinstance(r := history.results.get(t.number), Done)]
        trials, seconds = [trial for trial, _ in done], np.array([max(result.seconds, _LEAST) for _, result in done])
        scale, error = 1.0, 0.0
        if price is not None:
            nominal = np.maximum(_nominal(price, trials), _LEAST)
            scale = float(seconds.sum() / nominal.sum())
            seconds = scale * nominal
        F = _linear(np.array([space.encode(trial.params) for trial in trials]))
        penalty = _RIDGE * np.eye(F.shape[1])
        penalty[-1, -1] = 0.0
        weights = np.linalg.solve(F.T @ F + penalty, F.T @ np.log(seconds))
        if price is None:
            error = float(np.sqrt(np.mean((np.log(seconds) - F @ weights) ** 2)))
        return cls(space, price, scale, weights, error)

    def expected(self, U: Units) -> Array:
        """[n] log seconds of trainings at places, as they went on from place to place so far."""
        found: Array = _linear(U) @ self.weights
        return found

    def added(self, points: Sequence[Params], company: Sequence[Params]) -> Array:
        """[n] log seconds that a training at each point adds to a wave of `company`."""
        if self.price is None:
            return self.expected(np.array([self.space.encode(params) for params in points]))
        return np.log(np.maximum(self.scale * self.price(points, company), _LEAST))

    def pending(self, trials: Sequence[Trial]) -> float:
        """Seconds of a wave."""
        params = [trial.params for trial in trials]
        return sum(math.exp(self.added([one], params[:at])[0]) for at, one in enumerate(params))


def _linear(U: Units) -> Array:
    return np.concatenate([U, np.ones((len(U), 1))], axis=1)


def _nominal(price: Price, trials: Sequence[Trial]) -> list[float]:
    """The seconds of each trial in the company of those before it in its wave."""
    waves: dict[int, list[Params]] = {}
    found = []
    for trial in trials:
        company = waves.setdefault(trial.wave, [])
        found.append(float(price([trial.params], company)[0]))
        company.append(trial.params)
    return found


def front(space: Space, history: History, model: Model, costs: Costs) -> tuple[Array, Array]:
    """g and f: of the trials that succeeded, as the model has them."""
    U = np.array([space.encode(trial.params) for trial, _ in history.done])
    score, log_c = model.predict(U)[0].mean(axis=0), costs.expected(U)
    order = np.lexsort((score, log_c))
    lowest = np.minimum.accumulate(score[order])
    first = np.concatenate([[True], lowest[1:] < lowest[:-1]])
    return log_c[order][first], lowest[first]


def dearness(log_c: Array, left: float) -> Array:
    """[n] log of what is to be paid for improvement: nothing below a thirtieth of the seconds that are left."""
    return np.maximum(log_c - math.log(max(left, _LEAST) / _TRAININGS), 0.0)


def log_volume(mu: Array, s: Array, log_c: Array, g: Array, f: Array) -> Array:
    """[n] log of the expected growth of what the front dominates, up to its dearest trial and its worst score.

    A trial of log cost k that comes to a score y takes, of each step of the staircase to the right of k, max(f - y, 0)
    of its height; the expectation of that is the expected improvement over f.
    """
    edges = np.concatenate([[min(g[0], log_c.min())], g, [g[-1] + 1.0]])
    heights = np.concatenate([[f[0]], f])
    total = np.full(len(log_c), -np.inf)
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        width = np.maximum(right - np.maximum(left, log_c), 0.0)
        step = log_improvement(mu, s, np.full(len(mu), height))
        total = np.logaddexp(total, np.where(width > 0, np.log(np.maximum(width, 1e-300)), -math.inf) + step)
    return total

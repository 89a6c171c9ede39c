"""What a training costs, and what it is worth to pay.

Notation
    c         [n] seconds that a trial would take, or add to the trainings of its wave
    mu, s     [parts, n] mean and deviation of log c by each part of a model: the mean of c is that of exp(mu + s^2 / 2)
              over the parts, far above the median where little is known of it                                      (1)
    g, f      front: log seconds, rising, and the lowest score that was reached for so many, falling

Sources: Snoek, Larochelle & Adams 2012 (EI per second, which keeps on buying what is cheap; here it is so only for what
is dear, and log c has a process of its own); Emmerich et al. 2011 (the expected improvement of a hypervolume).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Array, Limit, Model, Price, gp
from hpsearch.strategies.acquisition import log_improvement, moments
from hpsearch.strategies.surrogates import fit, places
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

_TRAININGS = (
    30  # that there should be room for: what takes no larger part of what is left costs nothing
)
_SPREAD = (
    3.0  # deviation of log seconds over a space, before they are known: a factor of 20 up or down
)
_SEEN = 100  # trials whose seconds count, at most: the latest
_CAUTION = 2.0  # deviations
_LEAST = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Costs:
    """Predicts seconds. `scale` is how many a nominal second takes here; `model` is one of (log c - mean) / spread,
    None while no trial has succeeded.
    """

    space: Space
    price: Price | None
    scale: float
    mean: float
    model: Model | None

    @classmethod
    def of(cls, space: Space, history: History, price: Price | None) -> Costs:
        """From what trials have taken: all that is known where nothing has a price, else how fast this machine is."""
        done = [
            (t, r)
            for t in history.trials
            if t.of is None and isinstance(r := history.results.get(t.number), Done)
        ]
        done = done[-_SEEN:]
        trials, seconds = (
            [trial for trial, _ in done],
            np.array([max(result.seconds, _LEAST) for _, result in done]),
        )
        if not done:
            return cls(space, price, 1.0, 0.0, None)
        scale = 1.0
        if price is not None:
            nominal = np.maximum(_nominal(price, trials), _LEAST)
            scale = float(seconds.sum() / nominal.sum())
            seconds = scale * nominal
        log_c = np.log(seconds)
        mean = float(log_c.mean())
        y = ((log_c - mean) / _SPREAD).tolist()
        return cls(
            space, price, scale, mean, fit(gp.fit, space, places(space, trials), y, [1] * len(y))
        )

    def expected(self, U: Units) -> tuple[Array, Array]:
        """[n] log of the seconds expected of trainings at places, and of those they will hardly exceed; equation (1).

        As they went on from place to place so far; some trial must have succeeded.
        """
        assert self.model is not None
        mu, s = self.model.predict(U)
        mu, s = self.mean + _SPREAD * mu, _SPREAD * np.sqrt(s * s + self.model.noise)
        mean = np.logaddexp.reduce(mu + s * s / 2, axis=0) - math.log(len(mu))
        mu, s = moments(mu, s)
        return mean, mu + _CAUTION * s

    def added(self, points: Sequence[Params], company: Sequence[Params]) -> tuple[Array, Array]:
        """[n] the same of what a training at each point adds to a wave of `company`; a price is exact."""
        if self.price is None:
            return self.expected(np.array([self.space.encode(params) for params in points]))
        log_c = np.log(np.maximum(self.scale * self.price(points, company), _LEAST))
        return log_c, log_c

    def pending(self, trials: Sequence[Trial]) -> float:
        """Seconds of a wave."""
        params = [trial.params for trial in trials]
        return sum(math.exp(self.added([one], params[:at])[0][0]) for at, one in enumerate(params))

    def left(self, limit: Limit, history: History) -> float:
        """Seconds that may be spent beside what is pending."""
        return limit.left(history) - self.pending(history.pending)


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
    score, log_c = model.predict(U)[0].mean(axis=0), costs.expected(U)[0]
    order = np.lexsort((score, log_c))
    lowest = np.minimum.accumulate(score[order])
    first = np.concatenate([[True], lowest[1:] < lowest[:-1]])
    return log_c[order][first], lowest[first]


def dearness(log_c: Array, left: float) -> Array:
    """[n] log of what is to be paid for improvement: nothing below a thirtieth of the seconds that are left."""
    return np.maximum(log_c - math.log(max(left, _LEAST) / _TRAININGS), 0.0)


def modest(
    points: Sequence[Params], costs: Costs, company: Sequence[Params], left: float
) -> Params:
    """The first of the points that is not likely to be dear, else the least likely."""
    return points[int(dearness(costs.added(points, company)[1], left).argmin())]


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
        total = np.logaddexp(
            total, np.where(width > 0, np.log(np.maximum(width, 1e-300)), -math.inf) + step
        )
    return total

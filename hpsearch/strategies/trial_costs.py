"""What a training costs in seconds, and how much improvement is worth its seconds.

Where trials report costs of their own, a Pareto front goes by these, as on the leaderboard.

Notation
    c         [n] seconds that a trial takes, or adds to the trainings of its wave
    mu, s     [parts, n] mean and standard deviation of log c by each part of a mixture model; c is
              log-normal, and its mean, which is far above the median where little is known, is
              the average over the parts of exp(mu + s^2 / 2)                                   (1)
    g, f      the Pareto front: log seconds, rising, and the lowest score that has been reached
              within so many seconds, falling

Sources: Snoek, Larochelle & Adams 2012 (EI per second, which keeps buying what is cheap: here only
expensive trials are penalised; log c has a process of its own); Emmerich et al. 2011 (the expected
improvement of a hypervolume).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Array, CostModel, Limit, SurrogateModel, gp
from hpsearch.strategies.acquisition import log_improvement, moments
from hpsearch.strategies.surrogates import encode_trials, fit_surrogate
from hpsearch.study.history import History, Price
from hpsearch.study.trial import Done, Trial

_TRAININGS = 30  # a trial is free if the seconds that are left suffice for this many like it
_LOG_STD = 3.0  # of log c over a space before anything is known: a factor of 20 up or down
_MAX_TRIALS = 100  # whose seconds count: the latest
_CAUTION = 2.0  # standard deviations between what is expected and what is hardly exceeded
_MIN_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class CostPrediction:
    """Predicts the seconds of trials.

    There are two ways. A cost model knows the nominal seconds that a trial adds to a wave; only how
    fast this machine is has to be learned. Without one, a Gaussian process learns log c from the
    trials. It is also asked about whole arrays of candidates, since a cost model takes its time for
    each of them.

    Attributes:
        space: the search space.
        cost_model: the trials' nominal seconds; None where nothing is known before they run.
        scale: seconds on this machine per nominal second.
        mean: the mean of log c.
        model: predicts (log c - mean) / 3; None while no trial has succeeded.
    """

    space: Space
    cost_model: CostModel | None
    scale: float
    mean: float
    model: SurrogateModel | None

    @classmethod
    def fit(
        cls,
        space: Space,
        history: History,
        cost_model: CostModel | None,
        price: Price = "seconds",
    ) -> CostPrediction:
        """Fit the prediction to the trials that have succeeded.

        With a cost model, the process learns the scaled nominal seconds, which have no noise.
        Without one, `price` says whether it learns the seconds or what trials have reported.
        """
        latest = (
            (t, r)
            for t in reversed(history.trials)
            if t.parent is None and isinstance(r := history.results.get(t.number), Done)
        )
        done = [*islice(latest, _MAX_TRIALS)][::-1]
        if not done:
            return cls(space, cost_model, 1.0, 0.0, None)
        trials = [trial for trial, _ in done]
        seconds = np.array([max(getattr(result, price), _MIN_SECONDS) for _, result in done])
        scale = 1.0
        if cost_model is not None:
            nominal = np.maximum(_nominal(cost_model, trials), _MIN_SECONDS)
            scale = float(seconds.sum() / nominal.sum())
            seconds = scale * nominal
        log_c = np.log(seconds)
        mean = float(log_c.mean())
        y = ((log_c - mean) / _LOG_STD).tolist()
        model = fit_surrogate(gp.fit, space, encode_trials(space, trials), y, [1] * len(y))
        return cls(space, cost_model, scale, mean, model)

    def expected(self, U: Units) -> tuple[Array, Array]:
        """Predict from the trials so far the logs of the mean of c and of an upper bound: [n] each.

        The mean is that of equation (1). The bound is two standard deviations of log c above the
        mean of log c; trials hardly exceed it. Some trial must have succeeded.

        Args:
            U: [n, width] places.
        """
        assert self.model is not None
        mu, s = self.model.predict(U)
        mu, s = self.mean + _LOG_STD * mu, _LOG_STD * np.sqrt(s * s + self.model.noise)
        mean = np.logaddexp.reduce(mu + s * s / 2, axis=0) - math.log(len(mu))
        mu, s = moments(mu, s)
        return mean, mu + _CAUTION * s

    def added(self, points: Sequence[Params], company: Sequence[Params]) -> tuple[Array, Array]:
        """Predict the seconds that each point alone would add to a wave: log mean, log upper bound.

        Both are [n]. With a cost model, which is exact, they are equal; without one, the company
        makes no difference.

        Args:
            points: the points in question.
            company: the points that are in the wave already.
        """
        if self.cost_model is None:
            return self.expected(np.array([self.space.encode(params) for params in points]))
        log_c = np.log(np.maximum(self.scale * self.cost_model(points, company), _MIN_SECONDS))
        return log_c, log_c

    def pending(self, trials: Sequence[Trial]) -> float:
        """Return the seconds that the trials of a wave take together."""
        params = [trial.params for trial in trials]
        return sum(math.exp(self.added([one], params[:at])[0][0]) for at, one in enumerate(params))

    def left(self, limit: Limit, history: History) -> float:
        """Return the seconds that may still be spent when the pending trials will have ended."""
        return limit.left(history) - self.pending(history.pending)


def _nominal(cost_model: CostModel, trials: Sequence[Trial]) -> list[float]:
    """Return each trial's nominal seconds beside those before it in its wave."""
    waves: dict[int, list[Params]] = {}
    found = []
    for trial in trials:
        company = waves.setdefault(trial.wave, [])
        found.append(float(cost_model([trial.params], company)[0]))
        company.append(trial.params)
    return found


def pareto_front(
    space: Space, history: History, model: SurrogateModel, costs: CostPrediction
) -> tuple[Array, Array]:
    """Return g and f [k], the Pareto front of predicted seconds and scores of the history's trials.

    Both are the models' means, not what was measured.
    """
    U = np.array([space.encode(trial.params) for trial, _ in history.done])
    score, log_c = model.predict(U)[0].mean(axis=0), costs.expected(U)[0]
    order = np.lexsort((score, log_c))
    lowest = np.minimum.accumulate(score[order])
    first = np.concatenate([[True], lowest[1:] < lowest[:-1]])
    return log_c[order][first], lowest[first]


def cost_penalty(log_c: Array, left: float) -> Array:
    """Return what is subtracted from a log improvement, [n], for seconds c when `left` are left.

    It is 0 up to a thirtieth of what is left, and from there on the log of how many times as much c
    is: then improvements count per second.
    """
    return np.maximum(log_c - math.log(max(left, _MIN_SECONDS) / _TRAININGS), 0.0)


def cheapest(
    points: Sequence[Params], costs: CostPrediction, company: Sequence[Params], left: float
) -> Params:
    """Return the first point without a cost penalty, or else the one with the smallest.

    Args:
        points: the points to choose from, in the order of preference.
        costs: predicts their seconds, of which the upper bound counts.
        company: the points that are in the wave already.
        left: the seconds that are left.
    """
    return points[int(cost_penalty(costs.added(points, company)[1], left).argmin())]


def log_hypervolume_improvement(mu: Array, s: Array, log_c: Array, g: Array, f: Array) -> Array:
    """Return the log of the expected growth of what the Pareto front dominates: [n].

    The front is a staircase: from g_j to g_{j+1} its height is f_j, and left of the cheapest trial
    it is the worst score f_1. A trial with log cost k and score y lowers what is right of k of each
    step by max(f_j - y, 0), whose expectation is the expected improvement over f_j, so that

        growth = sum over j of (width of step j to the right of k) * EI(f_j).

    The volume ends one unit of log cost to the right of the most expensive trial of the front.

    Args:
        mu, s: [parts, n] mean and standard deviation of the score, without noise.
        log_c: [n] the trials' log costs.
        g, f: [k] the front.
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

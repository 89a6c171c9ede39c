"""Bayesian optimisation: a Gaussian process on scikit-optimize's parts, and expected improvement.

Notation
    D         coordinates of the unit cube; numbers fill one, a choice one per value
    X, y      the places of the trials that ended, and their scores: losses, shifted, scaled, the worst cut down
    Z         the places of trials that are still running; they are believed to give what the model expects
    mu, s     mean and standard deviation that the model gives a place
    l         length scales of the kernel, one per coordinate
    f*        the lowest mu among the places in X

Sources: Snoek, Larochelle & Adams 2012; Ginsbourger, Le Riche & Carraro 2010 (the believer, for Z);
Hvarfner, Hellsten & Nardi 2024 (a prior on l that grows with sqrt(D)).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from skopt.acquisition import gaussian_ei
from skopt.learning import GaussianProcessRegressor
from skopt.learning.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from hpsearch.space import Params, Space, point_key
from hpsearch.strategies.random import around, unseen
from hpsearch.trial import Done, History, New, Trial

Array = NDArray[np.float64]
Places = tuple[tuple[float, ...], ...]
Objective = Callable[..., tuple[float, Array]]

_FIRST = 10  # random trials before the model is asked, at most
_SEEN = 300  # trials that the model is fitted to, at most: its cost grows with their cube
_DRAWN = 1_000  # candidates from the whole space, at most
_DRAWS = 10_000  # draws for them: a constraint may leave few
_MOVED = 250  # candidates near the best
_PARENTS = 5
_CUT = 2.0  # times the median's distance from the best loss, above the median: what is worse counts as that bad
# Of the scores' variance: first guess and bounds of what is noise. Without the upper one, the fit explains a
# dozen scattered losses by noise alone, and the search goes on at random.
_NOISE = (0.01, (1e-6, 0.1))
# Of a length scale over sqrt(D): median and deviation of its logarithm in the (log-normal) prior. Without one, a dozen
# trials may say that a parameter does not matter at all, and the search stays where it happens to be.
_LENGTH = (0.5, 0.6)
_SPREADS = (0.15, 0.05, 0.01)  # of candidates around their parents, in the unit cube


@dataclass(frozen=True, slots=True)
class Bayes:
    """Asks for the point from which a Gaussian process expects the largest improvement."""

    surrogate: str = "gp"

    def ask(self, space: Space, history: History, rng: Random) -> New | None:
        """A random point while little is known, then the candidate of the largest expected improvement."""
        first = min(_FIRST, space.width + 2)
        if len(history) < first or len(history.done) < 3:
            params = unseen(space, history.keys, rng)
            return New(params, "random") if params is not None else None
        candidates = propose(space, history, rng)
        if not candidates:
            return None
        ei, count = improvement(space, history, candidates)
        best = int(np.argmax(ei))
        return New(candidates[best], f"expected improvement {ei[best]:.2g} ({count} trials)")


@contextmanager
def _repeatable() -> Iterator[None]:
    """One thread, since the model's numbers change with their count; and none of its warnings.

    A length scale at its bound only says that the parameter hardly matters, and a variance below 0 by a
    rounding error is 0.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def propose(space: Space, history: History, rng: Random) -> list[Params]:
    """Points not asked for before: from the whole space, and around the best trials."""
    parents = [trial.params for trial, _ in history.done[:_PARENTS]]
    draws = (space.decode([rng.random() for _ in range(space.width)]) for _ in range(_DRAWS))
    drawn = list(islice(filter(space.allows, draws), _DRAWN))
    moved = [around(parents, space, rng.choice(_SPREADS), rng) for _ in range(_MOVED)]
    new = {point_key(params): params for params in (*drawn, *moved) if params is not None}
    candidates = [params for key, params in new.items() if key not in history.keys]
    if not candidates and (last := unseen(space, history.keys, rng)) is not None:
        return [last]
    return candidates


@_repeatable()
def improvement(space: Space, history: History, candidates: Sequence[Params]) -> tuple[Array, int]:
    """The expected improvement at each candidate, and how many trials the model has seen."""
    y = scores([result.loss for _, result in history.done]).tolist()
    score_of = {trial.number: score for (trial, _), score in zip(history.done, y, strict=True)}
    seen = chosen(history.done)
    X = _places(space, [trial.params for trial, _ in seen])
    Z = _places(space, [trial.params for trial in history.pending])
    known = tuple(score_of[trial.number] for trial, _ in seen)
    model = fit(X, known)
    if Z:
        believed = model.predict(np.array(Z))
        X, known = (*X, *Z), (*known, *believed)
        model = given(model.kernel_, model.alpha, X, known)
    best = float(model.predict(np.array(X)).min())
    ei: Array = gaussian_ei(np.array(_places(space, candidates)), model, y_opt=best)
    return ei, len(seen)


def chosen(done: Sequence[tuple[Trial, Done]]) -> Sequence[tuple[Trial, Done]]:
    """The trials that the model sees: all; where they are too many, half of them the best, half the latest others."""
    if len(done) <= _SEEN:
        return done
    best, others = done[: _SEEN // 2], done[_SEEN // 2 :]
    latest = sorted(others, key=lambda pair: pair[0].number)[len(best) - _SEEN :]
    return (*best, *latest)


def _places(space: Space, points: Sequence[Params]) -> Places:
    return tuple(space.encode(params) for params in points)


def scores(losses: Sequence[float]) -> Array:
    """The losses in units of their deviation from their mean, those far above the median cut down.

    How bad a bad loss is says nothing about the best ones, and a heavy tail would flatten them. (Ranks cut it as
    well, but they spread losses that are almost equal: the search would go on among those for ever.)
    """
    y = np.array(losses) / 8  # the sums below cannot overflow
    middle = np.median(y)
    y = np.minimum(y, middle + _CUT * (middle - y.min()))
    y = y / (np.abs(y).max() or 1.0)
    spread = y.std()
    return np.asarray((y - y.mean()) / (spread or 1.0), dtype=np.float64)


@lru_cache(maxsize=1)  # the questions of a wave have the same results
def fit(X: Places, y: tuple[float, ...]) -> GaussianProcessRegressor:
    """A Gaussian process with a Matern-5/2 kernel of one length scale per coordinate, and noise, all fitted."""
    D = len(X[0])
    root = math.sqrt(D)
    usual, spread = _LENGTH[0] * root, _LENGTH[1]
    matern = Matern(length_scale=np.full(D, usual), length_scale_bounds=(0.05 * root, 20.0 * root), nu=2.5)
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * matern + WhiteKernel(*_NOISE)

    def descend(objective: Objective, theta: Array, bounds: Array) -> tuple[Array, float]:
        """Minimise - log p(y | theta) - log p(l); theta holds logarithms: of the variance, of each l, of the noise."""

        def posterior(theta: Array) -> tuple[float, Array]:
            value, gradient = objective(theta, eval_gradient=True)
            z = (theta[1 : 1 + D] - math.log(usual)) / spread
            return value + 0.5 * float(z @ z), gradient + np.concatenate([[0.0], z / spread, [0.0]])

        found = minimize(posterior, theta, method="L-BFGS-B", jac=True, bounds=bounds)
        return found.x, found.fun

    model = GaussianProcessRegressor(kernel=kernel, optimizer=descend, normalize_y=True, n_restarts_optimizer=0)
    fitted = model.fit(np.array(X), np.array(y)).kernel_
    return given(fitted.k1, fitted.k2.noise_level, X, y)


def given(kernel: Kernel, noise: float, X: Places, y: tuple[float, ...]) -> GaussianProcessRegressor:
    """The process with this kernel, given y at X; `s` is that of the losses themselves, without the noise."""
    model = GaussianProcessRegressor(kernel=kernel, alpha=noise, optimizer=None, normalize_y=True)
    return model.fit(np.array(X), np.array(y))

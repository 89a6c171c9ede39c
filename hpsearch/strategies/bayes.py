"""Bayesian optimisation: a Gaussian process on scikit-optimize's parts, and expected improvement.

Notation
    D         coordinates of the unit cube; numbers fill one, a choice one per value
    X, y      the places of the trials that ended, and their losses as normal scores
    Z         the places of trials that are still running; they are believed to give what the model expects
    mu, s     mean and standard deviation that the model gives a place
    f*        the lowest mu among the places in X

Sources: Snoek, Larochelle & Adams 2012; Ginsbourger, Le Riche & Carraro 2010 (the believer, for Z);
Wilson & Ghahramani 2010 (y through ranks).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from skopt.acquisition import gaussian_ei
from skopt.learning import GaussianProcessRegressor
from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern
from threadpoolctl import threadpool_limits

from hpsearch.space import Params, Space, point_key
from hpsearch.strategies.random import around, unseen
from hpsearch.trial import History, New

Array = NDArray[np.float64]

_FIRST = 10  # random trials before the model is asked, at most
_DRAWN = 1_000  # candidates from the whole space
_MOVED = 250  # candidates near the best
_PARENTS = 5
_SPREADS = (0.15, 0.05, 0.01)  # of candidates around their parents, in the unit cube


@dataclass(frozen=True, slots=True)
class Bayes:
    """Asks for the point from which a Gaussian process expects the largest improvement."""

    surrogate: str = "gp"

    def ask(self, space: Space, history: History, rng: Random) -> New | None:
        """A random point while little is known, then the candidate of the largest expected improvement."""
        seen = {point_key(trial.params) for trial in history.trials}
        first = min(_FIRST, space.width + 2)
        if len(history) < first or len(history.done) < 3:
            params = unseen(space, seen, rng)
            return New(params, "random") if params is not None else None
        candidates = propose(space, history, seen, rng)
        if not candidates:
            return None
        with threadpool_limits(1):  # the model's numbers change with the number of threads
            ei, model = improvement(space, history, candidates)
        best = int(np.argmax(ei))
        return New(candidates[best], f"expected improvement {ei[best]:.2g} ({model})")


def propose(space: Space, history: History, seen: Collection[object], rng: Random) -> list[Params]:
    """Points not asked for before: from the whole space, and around the best trials."""
    parents = [trial.params for trial, _ in history.done[:_PARENTS]]
    drawn = [space.sample(rng) for _ in range(_DRAWN)]
    moved = [around(parents, space, rng.choice(_SPREADS), rng) for _ in range(_MOVED)]
    new = {point_key(params): params for params in (*drawn, *moved) if params is not None}
    candidates = [params for key, params in new.items() if key not in seen]
    if not candidates and (last := unseen(space, seen, rng)) is not None:
        return [last]
    return candidates


def improvement(space: Space, history: History, candidates: Sequence[Params]) -> tuple[Array, str]:
    """The expected improvement at each candidate, and a word on the model that gave it."""
    X = _places(space, [trial.params for trial, _ in history.done])
    y = scores(np.array([result.loss for _, result in history.done]))
    Z = _places(space, [trial.params for trial in history.pending])
    model = fit(X, y)
    if len(Z):
        believed = model.predict(Z)
        X, y = np.vstack([X, Z]), np.concatenate([y, believed])
        model = fit(X, y, like=model)
    best = float(model.predict(X).min())
    ei: Array = gaussian_ei(_places(space, candidates), model, y_opt=best)
    return ei, f"{len(history.done)} trials"


def _places(space: Space, points: Sequence[Params]) -> Array:
    return np.array([space.encode(params) for params in points]).reshape(len(points), space.width)


def scores(losses: Array) -> Array:
    """The losses as normal scores of their ranks: a heavy tail of bad losses weighs no more than their order."""
    ranks = rankdata(losses)
    return np.asarray(norm.ppf((ranks - 0.5) / len(losses)), dtype=np.float64)


def fit(X: Array, y: Array, like: GaussianProcessRegressor | None = None) -> GaussianProcessRegressor:
    """A Gaussian process with a Matern-5/2 kernel of one length scale per coordinate, and fitted noise.

    With `like`, its kernel and noise are taken over, and only the data is new.
    """
    D = X.shape[1]
    root = math.sqrt(D)
    if like is None:
        matern = Matern(length_scale=np.full(D, root), length_scale_bounds=(0.2 * root, 20.0 * root), nu=2.5)
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * matern
        model = GaussianProcessRegressor(kernel=kernel, noise="gaussian", normalize_y=True, n_restarts_optimizer=0)
    else:
        model = GaussianProcessRegressor(kernel=like.kernel_, noise=None, optimizer=None, normalize_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length scale at its bound only says that the parameter hardly matters
        return model.fit(X, y)

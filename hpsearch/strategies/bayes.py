"""Bayesian optimisation: train next where a model of the loss expects the largest improvement.

Notation
    U         [n, width] places in the unit cube
    y, m      scores of the trials that ended (their losses, shifted, scaled, the worst cut down), and how many
              runs each is the mean of
    mu, s     [parts, n] mean and deviation that each part of the model gives a place
    best      [parts] the lowest mu among the trials
    p         the chance that a training succeeds

Sources: Snoek, Larochelle & Adams 2012; Ginsbourger, Le Riche & Carraro 2010 (the believer, for pending trials);
Gelbart, Snoek & Adams 2014 (EI times p).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
from scipy.special import log_ndtr
from threadpoolctl import threadpool_limits

from hpsearch.space import Space, Units, point_key
from hpsearch.strategies import SURROGATES, Climber, Model
from hpsearch.strategies.acquisition import Array, log_improvement
from hpsearch.strategies.random import unseen
from hpsearch.trial import Done, Failed, History, New, Trial

_FIRST = 10  # random trials before the model is asked, at most
_LEAST = 3  # of them must have succeeded
_SEEN = 300  # trials that the model is fitted to, at most: its cost grows with their cube
_CUT = 2.0  # times the median's distance from the best loss, above the median: what is worse counts as that bad
_DRAWN = 700  # candidates from the whole space
_DRAWS = 10_000  # draws for them: a constraint may leave few
_NEAR = 300  # candidates near the best trials
_PARENTS = 5
_ROUNDS = (0.2, 0.07, 0.02)  # then, in each, more near the best candidates: how near, in the unit cube
_BEST, _CHILDREN = 10, 12
_CLIMBERS = 16  # candidates that go up the model's gradient, where it has one

Acquisition = Callable[[Units], Array]


@dataclass(frozen=True, slots=True)
class Bayes:
    """Asks for the point from which a model expects the largest improvement."""

    surrogate: str = "gp"

    def ask(self, space: Space, history: History, rng: Random) -> New | None:
        """A random point while little is known, then the candidate of the largest expected improvement."""
        if len(history) < min(_FIRST, len(space.parameters) + 2) or len(history.done) < _LEAST:
            return _drawn(space, history, rng)
        with repeatable():
            beliefs = Beliefs.of(space, history, self.surrogate)
            U, values = search(space, history, beliefs.improvement, np.random.default_rng(rng.getrandbits(64)))
            if isinstance(beliefs.model, Climber):
                best = U[np.argsort(-values, kind="stable")[:_CLIMBERS]]
                higher = space.snap(beliefs.model.climb(best, beliefs.best))
                U, values = np.concatenate([U, higher]), np.concatenate([values, beliefs.improvement(higher)])
        for at in np.argsort(-values, kind="stable"):
            params = space.decode(U[at].tolist())
            if point_key(params) not in history.keys and space.allows(params):
                ei = math.exp(values[at])
                why = f"expected improvement {ei:.2g} ({len(history.done)} trials)"
                return New(params, why, ei / math.sqrt(beliefs.model.noise))
        return _drawn(space, history, rng)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The lowest mean of the model first, which knows of luck; the rest as they are, where it has not seen all."""
        if len(history.done) < _LEAST:
            return [trial for trial, _ in history.done]
        seen = [trial for trial, _ in chosen(history.done)]
        with repeatable():
            mu = _model(space, history, self.surrogate).predict(_places(space, seen))[0].mean(axis=0)
        order = np.argsort(mu, kind="stable").tolist()
        return [seen[at] for at in order]


def _drawn(space: Space, history: History, rng: Random) -> New | None:
    params = unseen(space, history.keys, rng)
    return New(params, "random") if params is not None else None


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread, since the model's numbers change with their count; and none of its warnings."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def search(space: Space, history: History, value: Acquisition, rng: np.random.Generator) -> tuple[Units, Array]:
    """Candidates [n, width] and their values: from the whole space, near the best trials, and ever nearer to the best
    of these."""
    parents = np.array([space.encode(trial.params) for trial, _ in history.done[:_PARENTS]])
    U = np.concatenate([_allowed(space, rng), space.near(parents[rng.integers(len(parents), size=_NEAR)], 0.1, rng)])
    values = value(U)
    for spread in _ROUNDS:
        best = U[np.argsort(-values, kind="stable")[:_BEST]]
        more = space.near(np.repeat(best, _CHILDREN, axis=0), spread, rng)
        U, values = np.concatenate([U, more]), np.concatenate([values, value(more)])
    return U, values


def _allowed(space: Space, rng: np.random.Generator) -> Units:
    """Places from the whole space; where a constraint leaves few, as many as are found."""
    if not space.constraints:
        return space.snap(rng.random((_DRAWN, space.width)))
    U = space.snap(rng.random((_DRAWS, space.width)))
    found: list[int] = []
    for at in range(_DRAWS):
        if space.allows(space.decode(U[at].tolist())):
            found.append(at)
            if len(found) == _DRAWN:
                break
    return U[found]


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What is believed of a space: a model of the score, one of failure (None while nothing has failed)."""

    space: Space
    model: Model
    best: Array
    failure: Model | None

    @classmethod
    def of(cls, space: Space, history: History, surrogate: str) -> Beliefs:
        """From the trials that ended; of those that are pending, the model believes its own mean."""
        model = _model(space, history, surrogate)
        places = _places(space, [trial for trial, _ in chosen(history.done)])
        if history.pending:
            pending = _places(space, history.pending)
            model, places = model.believing(pending), np.concatenate([places, pending])
        best = model.predict(places)[0].min(axis=1)
        return cls(space, model, best, _failure(space, history))

    def improvement(self, U: Units) -> Array:
        """[n] log of the expected improvement times the chance of success, at snapped places."""
        value = log_improvement(*self.model.predict(U), self.best)
        return value if self.failure is None else value + log_success(self.failure, U)


def _model(space: Space, history: History, surrogate: str) -> Model:
    """A model of the trials' scores."""
    y = scores([result.loss for _, result in history.done])
    score_of = {trial.number: score for (trial, _), score in zip(history.done, y.tolist(), strict=True)}
    seen = sorted((trial for trial, _ in chosen(history.done)), key=lambda trial: trial.number)
    runs = [len(history.runs[trial.number]) for trial in seen]
    return _fit(surrogate, space, _places(space, seen), [score_of[trial.number] for trial in seen], runs)


def _places(space: Space, trials: Sequence[Trial]) -> Array:
    return np.array([space.encode(trial.params) for trial in trials])


def _fit(surrogate: str, space: Space, U: Array, y: Sequence[float], m: Sequence[int]) -> Model:
    edges = tuple((block.start, block.stop) for block in space.columns.values())
    return _fitted(surrogate, edges, U.tobytes(), tuple(y), tuple(m))


@lru_cache(maxsize=2)  # the questions of a wave have the same results: one model of scores, one of failures
def _fitted(
    surrogate: str, edges: tuple[tuple[int, int], ...], U: bytes, y: tuple[float, ...], m: tuple[int, ...]
) -> Model:
    blocks = [slice(*edge) for edge in edges]
    model: Model = SURROGATES.load(surrogate)(
        blocks, np.frombuffer(U).reshape(len(y), -1), np.array(y), np.array(m, dtype=float)
    )
    return model


_FAILED, _DONE = 1.0, -1.0


def _failure(space: Space, history: History) -> Model | None:
    """A model that is above 0 where trials failed, and below where they did not."""
    ended = [trial for trial in history.trials if trial.of is None and trial.number in history.results]
    labels = [_FAILED if isinstance(history.results[t.number], Failed) else _DONE for t in ended][-_SEEN:]
    if len(set(labels)) < 2:
        return None
    return _fit("gp", space, _places(space, ended[-_SEEN:]), labels, [1] * len(labels))


def log_success(failure: Model, U: Array) -> Array:
    """[n] log of the chance that trainings succeed, from a model of failure."""
    mu, s = failure.predict(U)
    p = log_ndtr(-mu / np.sqrt(s * s + failure.noise))
    mean: Array = np.logaddexp.reduce(p, axis=0) - math.log(len(mu))
    return mean


def chosen(done: Sequence[tuple[Trial, Done]]) -> Sequence[tuple[Trial, Done]]:
    """The trials that the model sees: all; where they are too many, half of them the best, half the latest others."""
    if len(done) <= _SEEN:
        return done
    best, others = done[: _SEEN // 2], done[_SEEN // 2 :]
    latest = sorted(others, key=lambda pair: pair[0].number)[len(best) - _SEEN :]
    return (*best, *latest)


def scores(losses: Sequence[float]) -> Array:
    """The losses in units of their deviation from their mean, those far above the median cut down.

    How bad a bad loss is says nothing about the best ones, and a heavy tail would flatten them. (Ranks cut it as
    well, but they spread losses that are almost equal: the search would go on among those for ever.)
    """
    return scaled(losses)[0]


def scaled(losses: Sequence[float]) -> tuple[Array, float, float]:
    """The scores, and what takes one back to a loss (a loss that was cut, to what it counts as): shift and scale."""
    y = np.array(losses) / 8  # the sums below cannot overflow
    middle = np.median(y)
    y = np.minimum(y, middle + _CUT * (middle - y.min()))
    largest = float(np.abs(y).max()) or 1.0
    y = y / largest
    mean, spread = float(y.mean()), float(y.std()) or 1.0
    return np.asarray((y - mean) / spread, dtype=np.float64), 8 * largest * mean, 8 * largest * spread

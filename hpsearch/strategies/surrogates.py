"""What the trials so far make one believe of a space: how good a place is, and whether a training succeeds there.

Notation
    U         [n, width] places in the unit cube
    y, m      scores of the trials that ended (their losses, shifted, scaled, the worst cut down), and how many
              runs each is the mean of
    mu, s     [parts, n] mean and deviation that each part of the model gives a place
    best      [parts] the lowest mu among the trials
    p         the chance that a training succeeds

Sources: Snoek, Larochelle & Adams 2012; Ginsbourger, Le Riche & Carraro 2010 (the believer, for pending trials);
Gelbart, Snoek & Adams 2014 (EI times p); Hvarfner et al. 2022 (times the user's prior to the power beta / n).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import log_ndtr
from threadpoolctl import threadpool_limits

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space
from hpsearch.strategies import SURROGATES, Array, Model, Surrogate, gp
from hpsearch.strategies.acquisition import log_improvement
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, New, Trial

LEAST = 3  # trials that must have succeeded
_SEEN = 300  # trials that the model is fitted to, at most: its cost grows with their cube
_CUT = 2.0  # times the median's distance from the best loss, above the median: what is worse counts as that bad
_BETA = 5.0  # after so many trials the prior counts as it is, after more the less
_SHRUNK = 8.0  # losses are divided by this: their sums cannot overflow


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread, since the model's numbers change with their count; and none of its warnings."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What is believed of a space: a model of the score, one of failure (None while nothing has failed)."""

    space: Space
    model: Model
    best: Array
    failure: Model | None
    trials: int
    lot: int

    @classmethod
    def of(cls, space: Space, history: History, surrogate: str) -> Beliefs:
        """From the trials that ended; of those that are pending, the model believes its own mean."""
        model = model_of(space, history, surrogate)
        if history.pending:
            model = model.believing(places(space, history.pending))
        best = model.fitted().min(axis=1)
        return cls(space, model, best, _failure(space, history), len(history.done), history.lot)

    def improvement(self, U: Units) -> Array:
        """[n] log of the expected improvement times the chance of success, at snapped places."""
        value = log_improvement(*self.model.predict(U), self.best)
        return value if self.failure is None else value + log_success(self.failure, U)

    def prior(self, U: Units) -> Array:
        """[n] log of what the user believes of snapped places, to the power beta / n: a wrong belief is forgotten."""
        return self.space.log_prior(U) * (_BETA / self.trials)

    def new(self, params: Params) -> New:
        """A suggestion, with what is expected of it."""
        ei = math.exp(float(self.improvement(np.array([self.space.encode(params)]))[0]))
        why, promise = (
            f"expected improvement {ei:.2g} ({self.trials} trials)",
            ei / math.sqrt(self.model.noise),
        )
        return New(params, why, promise, lot=self.lot)


def model_of(space: Space, history: History, surrogate: str) -> Model:
    """A model of the scores of the trials that it sees."""
    y = scores([result.loss for _, result in history.done])
    score_of = {
        trial.number: score for (trial, _), score in zip(history.done, y.tolist(), strict=True)
    }
    seen = [trial for trial, _ in chosen(history.done)]
    runs = [len(history.runs[trial.number]) for trial in seen]
    return fit(
        SURROGATES.load(surrogate),
        space,
        places(space, seen),
        [score_of[trial.number] for trial in seen],
        runs,
    )


def places(space: Space, trials: Sequence[Trial]) -> Units:
    """[n, width] where the trials are."""
    return np.array([space.encode(trial.params) for trial in trials]).reshape(
        len(trials), space.width
    )


def fit(
    surrogate: Surrogate, space: Space, U: Array, y: Sequence[float], m: Sequence[int]
) -> Model:
    """A model, given scores y at places and how many runs each is the mean of."""
    edges = tuple((block.start, block.stop) for block in space.columns.values())
    return _fitted(surrogate, edges, U.tobytes(), tuple(y), tuple(m))


@lru_cache(
    maxsize=3
)  # the questions of a wave have the same results: models of scores, of failures, of seconds
def _fitted(
    surrogate: Surrogate,
    edges: tuple[tuple[int, int], ...],
    U: bytes,
    y: tuple[float, ...],
    m: tuple[int, ...],
) -> Model:
    groups, X = [slice(*edge) for edge in edges], np.frombuffer(U).reshape(len(y), -1)
    with repeatable():  # whoever asks first
        return surrogate(groups, X, np.array(y), np.array(m, dtype=float))


_FAILED, _DONE = 1.0, -1.0
_DOUBT = 0.25  # variance, beside the noise: what failed once need not fail again


def _failure(space: Space, history: History) -> Model | None:
    """A model that is above 0 where trials failed, and below where they did not."""
    ended = [
        trial for trial in history.trials if trial.of is None and trial.number in history.results
    ]
    labels = [_FAILED if isinstance(history.results[t.number], Failed) else _DONE for t in ended][
        -_SEEN:
    ]
    if len(set(labels)) < 2:
        return None
    return fit(gp.likeliest, space, places(space, ended[-_SEEN:]), labels, [1] * len(labels))


def log_success(failure: Model, U: Array) -> Array:
    """[n] log of the chance that trainings succeed, from a model of failure."""
    mu, s = failure.predict(U)
    p = log_ndtr(-mu / np.sqrt(s * s + failure.noise + _DOUBT))
    mean: Array = np.logaddexp.reduce(p, axis=0) - math.log(len(mu))
    return mean


def chosen(done: Sequence[tuple[Trial, Done]]) -> Sequence[tuple[Trial, Done]]:
    """The trials that the model sees, in the order in which it has them, that of their numbers.

    All of them; where they are too many, half of them the best, half the latest others.
    """
    best, others = done[: _SEEN // 2], _in_order(done[_SEEN // 2 :])
    return _in_order([*best, *others[len(best) - _SEEN :]])


def _in_order(done: Sequence[tuple[Trial, Done]]) -> Sequence[tuple[Trial, Done]]:
    return sorted(done, key=lambda pair: pair[0].number)


@dataclass(frozen=True, slots=True)
class Scale:
    """What makes scores of losses: in units of their deviation from their mean, those far above the median cut down.

    How bad a bad loss is says nothing about the best ones, and a heavy tail would flatten them. (Ranks cut it as
    well, but they spread losses that are almost equal: the search would go on among those for ever.)
    """

    top: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, losses: Sequence[float]) -> Scale:
        """That of these losses, whose scores have mean 0 and deviation 1."""
        y = np.array(losses) / _SHRUNK
        middle = np.median(y)
        top = float(middle + _CUT * (middle - y.min()))
        y = np.minimum(y, top)
        unit = np.abs(y).max() or 1.0
        y = y / unit
        return cls(top, float(y.mean() * unit), float((y.std() or 1.0) * unit))

    @property
    def loss(self) -> tuple[float, float]:
        """What takes a score back to a loss (a loss that was cut, to what it counts as): loss = a + b score."""
        return _SHRUNK * self.mean, _SHRUNK * self.deviation

    def scores(self, losses: Sequence[float]) -> Array:
        """Of any losses."""
        y = np.minimum(np.array(losses) / _SHRUNK, self.top)
        return np.asarray((y - self.mean) / self.deviation, dtype=np.float64)


def scores(losses: Sequence[float]) -> Array:
    """Of the losses from which the scale is."""
    return Scale.of(losses).scores(losses)

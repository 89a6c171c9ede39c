"""Surrogate models fitted to a history: one of the loss, one of whether a training fails.

Notation
    U         [n, width] places in the unit cube
    y, m      [n] scores of the trials that ended (their losses, shifted, scaled, the worst cut
              down), and how many runs each is the mean of
    mu, s     [parts, n] mean and standard deviation by each part of a mixture model
    best      [parts] the lowest mu among the trials
    p         the probability that a training succeeds

Sources: Snoek, Larochelle & Adams 2012; Ginsbourger, Le Riche & Carraro 2010 (fantasies: pending
trials count as if their expected scores had been observed); Gelbart, Snoek & Adams 2014 (EI times
p); Hvarfner et al. 2022 (EI times the user's prior to the power beta / n).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from scipy.special import log_ndtr
from threadpoolctl import threadpool_limits

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space
from hpsearch.strategies import SURROGATES, Array, Surrogate, SurrogateModel, gp
from hpsearch.strategies.acquisition import log_improvement
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, NewTrial, Trial

MIN_DONE = 3
"""How many trials must have succeeded before a model is fitted."""

_MAX_TRIALS = 300  # that a model is fitted to: its cost grows with their cube
_CUT = 2.0  # a loss counts at most this many times as far above the median as the best is below it
_BETA = 5.0  # after so many trials the user's prior has its full weight, after more less of it
_SHRUNK = 8.0  # losses are divided by this, so that their sums cannot overflow


@contextmanager
def repeatable() -> Iterator[None]:
    """Compute on one thread, since a model's numbers change with their number; silence warnings."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, slots=True)
class Surrogates:
    """The models fitted to a history, and what they say of places.

    Attributes:
        space: the search space.
        model: predicts the score.
        best: [parts] the lowest mean score among the trials, by each part of the model.
        failure: predicts failure, see `log_success`; None unless some trials have failed and some
            have not.
        trials: how many trials have succeeded.
        seed_group: the seed group of what is suggested.
    """

    space: Space
    model: SurrogateModel
    best: Array
    failure: SurrogateModel | None
    trials: int
    seed_group: int

    @classmethod
    def fit(cls, space: Space, history: History, surrogate: str) -> Surrogates:
        """Fit the models to the trials that ended; pending ones count as their expected scores.

        Args:
            space: the search space.
            history: at least `MIN_DONE` of its trials have succeeded.
            surrogate: a name in `SURROGATES`.
        """
        model = model_of(space, history, surrogate)
        if history.pending:
            model = model.fantasize(encode_trials(space, history.pending))
        best = model.fitted().min(axis=1)
        return cls(
            space, model, best, _failure(space, history), len(history.done), history.next_seed_group
        )

    def log_improvement(self, U: Units) -> Array:
        """Return log(EI times the probability of success), [n], at snapped places [n, width]."""
        value = log_improvement(*self.model.predict(U), self.best)
        return value if self.failure is None else value + log_success(self.failure, U)

    def log_prior(self, U: Units) -> Array:
        """Return the log of the user's prior to the power beta / n, [n], at snapped places.

        Its weight falls with the number of trials, so that a wrong prior is forgotten.
        """
        return self.space.log_prior(U) * (_BETA / self.trials)

    def suggest(self, params: Params) -> NewTrial:
        """Return the suggestion to train these params, with the improvement to expect of them."""
        ei = math.exp(float(self.log_improvement(np.array([self.space.encode(params)]))[0]))
        return NewTrial(
            params,
            f"expected improvement {ei:.2g} ({self.trials} trials)",
            expected_improvement=ei / math.sqrt(self.model.noise),
            seed_group=self.seed_group,
            origin="model",
        )


def model_of(space: Space, history: History, surrogate: str) -> SurrogateModel:
    """Return a surrogate model, by its name, of the scores of the history's `training_subset`."""
    y = scores([result.loss for _, result in history.done])
    score_of = {
        trial.number: score for (trial, _), score in zip(history.done, y.tolist(), strict=True)
    }
    seen = [trial for trial, _ in training_subset(history.done)]
    runs = [len(history.runs[trial.number]) for trial in seen]
    return fit_surrogate(
        SURROGATES.load(surrogate),
        space,
        encode_trials(space, seen),
        [score_of[trial.number] for trial in seen],
        runs,
    )


def encode_trials(space: Space, trials: Sequence[Trial]) -> Units:
    """Return the trials' places in the unit cube: [n, width]."""
    return np.array([space.encode(trial.params) for trial in trials]).reshape(
        len(trials), space.width
    )


def fit_surrogate(
    surrogate: Surrogate, space: Space, U: Array, y: Sequence[float], m: Sequence[int]
) -> SurrogateModel:
    """Fit a surrogate, or return the model fitted to the same numbers just before.

    Args:
        surrogate: the function that fits it.
        space: the search space.
        U: [n, width] places.
        y: [n] their scores.
        m: [n] how many runs each score is the mean of.
    """
    edges = tuple((block.start, block.stop) for block in space.columns.values())
    return _fitted(surrogate, edges, U.tobytes(), tuple(y), tuple(m))


# All questions of a wave know the same results, so they need the same models: of scores, of
# failures and of seconds.
@lru_cache(maxsize=3)
def _fitted(
    surrogate: Surrogate,
    edges: tuple[tuple[int, int], ...],
    U: bytes,
    y: tuple[float, ...],
    m: tuple[int, ...],
) -> SurrogateModel:
    """Fit a surrogate to arguments that can be hashed."""
    groups, X = [slice(*edge) for edge in edges], np.frombuffer(U).reshape(len(y), -1)
    with repeatable():  # the numbers must not depend on who asks first
        return surrogate(groups, X, np.array(y), np.array(m, dtype=float))


_FAILED, _DONE = 1.0, -1.0
_DOUBT = 0.25  # a variance beside the noise: what failed once need not fail again


def _failure(space: Space, history: History) -> SurrogateModel | None:
    """Return a model that is above 0 where trials failed and below 0 where they did not.

    Its scores are 1 and -1; None where all trials that ended have the same.
    """
    latest = (
        trial
        for trial in reversed(history.trials)
        if trial.parent is None and trial.number in history.results
    )
    ended = [*islice(latest, _MAX_TRIALS)][::-1]
    labels = [_FAILED if isinstance(history.results[t.number], Failed) else _DONE for t in ended]
    if len(set(labels)) < 2:
        return None
    U = encode_trials(space, ended)
    return fit_surrogate(gp.fit_most_probable, space, U, labels, [1] * len(labels))


def log_success(failure: SurrogateModel, U: Array) -> Array:
    """Return the log of the probability of success, [n], at places [n, width].

    It is the probability that the score of `failure`, with its noise, is below 0: a probit model.
    """
    mu, s = failure.predict(U)
    p = log_ndtr(-mu / np.sqrt(s * s + failure.noise + _DOUBT))
    mean: Array = np.logaddexp.reduce(p, axis=0) - math.log(len(mu))
    return mean


def training_subset(done: Sequence[tuple[Trial, Done]]) -> Sequence[tuple[Trial, Done]]:
    """Return the trials that a model is fitted to, in the order of their numbers.

    These are all; where there are more than 300, they are the best 150 and the latest 150 of the
    others.

    Args:
        done: the trials that succeeded, best first.
    """
    best, others = done[: _MAX_TRIALS // 2], _in_order(done[_MAX_TRIALS // 2 :])
    return _in_order([*best, *others[len(best) - _MAX_TRIALS :]])


def _in_order(done: Sequence[tuple[Trial, Done]]) -> Sequence[tuple[Trial, Done]]:
    """Return the trials in the order of their numbers."""
    return sorted(done, key=lambda pair: pair[0].number)


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """The map from losses to scores: shifted, scaled, those far above the median cut down.

    How bad a bad loss is says nothing about the best ones, and a heavy tail would flatten them.
    (Ranks would cut it as well, but they pull losses apart that are almost equal: the search would
    go on among those for ever.)

    Attributes:
        top: a larger loss counts as this one.
        mean, std: of the losses that it was fitted to, after the cut. All three are in units of 8.
    """

    top: float
    mean: float
    std: float

    @classmethod
    def fit(cls, losses: Sequence[float]) -> ScoreScale:
        """Return the scale on which these losses have scores of mean 0 and standard deviation 1."""
        y = np.array(losses) / _SHRUNK
        middle = np.median(y)
        top = float(middle + _CUT * (middle - y.min()))
        y = np.minimum(y, top)
        unit = np.abs(y).max() or 1.0  # the squares of scaled numbers neither overflow nor vanish
        y = y / unit
        return cls(top, float(y.mean() * unit), float((y.std() or 1.0) * unit))

    @property
    def shift_and_unit(self) -> tuple[float, float]:
        """The numbers a and b that take a score back: loss = a + b score, cut losses as counted."""
        return _SHRUNK * self.mean, _SHRUNK * self.std

    def scores(self, losses: Sequence[float]) -> Array:
        """Return the scores of any losses: [n]."""
        y = np.minimum(np.array(losses) / _SHRUNK, self.top)
        return np.asarray((y - self.mean) / self.std, dtype=np.float64)


def scores(losses: Sequence[float]) -> Array:
    """Return the scores of losses on the scale that is fitted to themselves: [n]."""
    return ScoreScale.fit(losses).scores(losses)

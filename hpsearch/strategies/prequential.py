"""How well a surrogate predicts a search, one trial after the other, each from those before it.

It is the proper way to compare two surrogates (Dawid 1984, who calls it prequential).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hpsearch.space.space import Space
from hpsearch.strategies import Array, SurrogateModel
from hpsearch.strategies.bayes import first
from hpsearch.strategies.surrogates import MIN_DONE, ScoreScale, encode_trials, model_of, repeatable
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

_MOST = 100  # trials: by then a better model shows, and to fit one to more takes ever longer
_GROWTH = 1.2  # a model is fitted anew when there are so many times as many trials as it has seen


@dataclass(frozen=True, slots=True)
class PrequentialScores:
    """How well each trial's loss was predicted from the trials before it, averaged over `trials`.

    Attributes:
        density: the mean log density that the predictions had at the losses; larger is better. Who
            knows nothing but mean and standard deviation has about -1.4.
        rmse: the root mean square error of the predicted means.
        trials: how many trials were predicted. Where there are none, the others are NaN.

    Losses are counted in standard deviations of all losses, the worst cut down.
    """

    density: float
    rmse: float
    trials: int


def one_step_ahead(space: Space, history: History, surrogate: str) -> PrequentialScores:
    """Score a surrogate on each trial of a history from where a search begins to ask it.

    Trials count in the order of their numbers, the first 100 of them; those that failed, and
    repetitions, do not count. To keep it cheap, up to a sixth of the latest trials are not yet
    known to a model.

    Args:
        space: the search space, of which all trials are points.
        history: the trials, of any strategy.
        surrogate: a name in `SURROGATES`.
    """
    told = [*islice(_first_done(history), _MOST)]
    if not told:
        return PrequentialScores(math.nan, math.nan, 0)
    whole = ScoreScale.fit([result.loss for _, result in told])
    start = max(MIN_DONE, first(space))
    density, error = [np.empty(0)], [np.empty(0)]
    with repeatable():
        while start < len(told):
            end = min(len(told), max(start + 1, math.floor(start * _GROWTH)))
            known, ahead = told[:start], told[start:end]
            before = History(
                tuple(trial for trial, _ in known),
                {trial.number: result for trial, result in known},
            )
            scale = ScoreScale.fit([result.loss for _, result in known])
            y = scale.scores([result.loss for _, result in ahead])
            model = model_of(space, before, surrogate)
            U = encode_trials(space, [trial for trial, _ in ahead])
            its_density, its_error = predictive_scores(model, U, y)
            # from the scale of the known losses to that of all: a density is per unit
            unit = scale.std / whole.std
            density.append(its_density - math.log(unit))
            error.append(its_error * unit)
            start = end
    densities, errors = np.concatenate(density), np.concatenate(error)
    if not len(densities):
        return PrequentialScores(math.nan, math.nan, 0)
    rmse = math.sqrt(float(np.square(errors).mean()))
    return PrequentialScores(float(densities.mean()), rmse, len(densities))


def _first_done(history: History) -> Iterator[tuple[Trial, Done]]:
    """Give the trials whose first training succeeded, in their order, with what it came to."""
    for trial in history.trials:
        if trial.parent is None and isinstance(result := history.results.get(trial.number), Done):
            yield trial, result


def predictive_scores(model: SurrogateModel, U: Array, y: Array) -> tuple[Array, Array]:
    """Return the log density that a model has at scores, and by how much its mean misses them.

    Both are [n]. The density is that of the mixture of the model's parts, with the noise of a run.

    Args:
        model: a fitted surrogate.
        U: [n, width] places.
        y: [n] the scores of one run each.
    """
    mu, s = model.predict(U)
    v = s * s + model.noise
    each = -0.5 * (np.square(y - mu) / v + np.log(2.0 * math.pi * v))
    density: Array = np.logaddexp.reduce(each, axis=0) - math.log(len(mu))
    return density, y - mu.mean(axis=0)

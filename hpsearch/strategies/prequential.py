"""How well a surrogate foretold a search, trial by trial: the proper way to compare two (Dawid 1984)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hpsearch.space.space import Space
from hpsearch.strategies import Model
from hpsearch.strategies.acquisition import Array
from hpsearch.strategies.bayes import first
from hpsearch.strategies.surrogates import LEAST, Scale, model_of, places, repeatable
from hpsearch.study.history import History

_GROWN = (
    1.2  # a model is fitted anew where there are so many times the trials that it was fitted to
)


@dataclass(frozen=True, slots=True)
class Scores:
    """What each trial's loss was to a model of the trials before it, in the mean over `trials`; NaN where none is.

    Both are in units of the deviation of all losses, the worst cut down. `density` is the log of the predictive density
    (who knows nothing but mean and deviation has about -1.4), the larger the better; `rmse` is the error of the mean.
    """

    density: float
    rmse: float
    trials: int


def one_step_ahead(space: Space, history: History, surrogate: str) -> Scores:
    """How well `surrogate` would have foretold each loss from those before it, from where a search begins to ask it.

    Trials count in order of their numbers; those that failed, and repetitions, do not. To keep it cheap, up to a
    sixth of the latest trials are not yet known to a model.
    """
    firsts = tuple(trial for trial in history.trials if trial.of is None)
    results = {
        trial.number: history.results[trial.number]
        for trial in firsts
        if trial.number in history.results
    }
    told = sorted(History(firsts, results).done, key=lambda pair: pair[0].number)
    if not told:
        return Scores(math.nan, math.nan, 0)
    whole = Scale.of([result.loss for _, result in told])
    start = max(LEAST, first(space))
    density, error = [np.empty(0)], [np.empty(0)]
    with repeatable():
        while start < len(told):
            end = min(len(told), max(start + 1, math.floor(start * _GROWN)))
            known, ahead = told[:start], told[start:end]
            before = History(
                tuple(trial for trial, _ in known),
                {trial.number: result for trial, result in known},
            )
            scale = Scale.of([result.loss for _, result in known])
            y = scale.scores([result.loss for _, result in ahead])
            model = model_of(space, before, surrogate)
            one, other = foretold(model, places(space, [trial for trial, _ in ahead]), y)
            unit = scale.deviation / whole.deviation
            density.append(one - math.log(unit))
            error.append(other * unit)
            start = end
    found, missed = np.concatenate(density), np.concatenate(error)
    if not len(found):
        return Scores(math.nan, math.nan, 0)
    return Scores(float(found.mean()), math.sqrt(float(np.square(missed).mean())), len(found))


def foretold(model: Model, U: Array, y: Array) -> tuple[Array, Array]:
    """[n] the log density of one run's scores at places, and how far the mean misses them."""
    mu, s = model.predict(U)
    v = s * s + model.noise
    each = -0.5 * (np.square(y - mu) / v + np.log(2.0 * math.pi * v))
    density: Array = np.logaddexp.reduce(each, axis=0) - math.log(len(mu))
    return density, y - mu.mean(axis=0)

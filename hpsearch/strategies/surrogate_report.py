"""What a surrogate model has learned from a search: along each parameter, and of each trial.

Every strategy's trials will do, since the model is fitted to what is there. Losses, standard
deviations and improvements are in units of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space
from hpsearch.strategies import LeaveOneOut
from hpsearch.strategies.acquisition import moments
from hpsearch.strategies.prequential import PrequentialScores, one_step_ahead
from hpsearch.strategies.surrogates import (
    MIN_DONE,
    ScoreScale,
    Surrogates,
    log_success,
    repeatable,
    scores,
    training_subset,
)
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

NEEDED = MIN_DONE
"""How many trials must have succeeded before there is anything to model."""

_POINTS = 61  # values of a number in its slice


@dataclass(frozen=True, slots=True)
class SlicePoint:
    """A trial that has a value of a slice's parameter.

    Attributes:
        number: the trial's.
        value: of the parameter.
        position: where the value lies along the parameter, as in `Slice.positions`.
        loss: the trial's.
    """

    number: int
    value: Value
    position: float
    loss: float


@dataclass(frozen=True, slots=True)
class Slice:
    """What the model predicts along one parameter, the others as in one trial.

    Attributes:
        name: the parameter's.
        trial: the number of the best trial that has a value of it; the others are as in this one.
        value: the parameter's value in that trial.
        ordered: whether the parameter is a number, not a choice.
        values: of the parameter, in order; each of the next five has an entry for every one.
        positions: where the values lie: from 0 to 1 on the parameter's own scale; of choices 0, 1,
            2, ...
        mean: of the loss without noise.
        std: its standard deviation.
        success: the probability that a training does not fail.
        improvement: the expected improvement of a next trial, times that probability.
        points: the trials that have a value of the parameter, best first.
    """

    name: str
    trial: int
    value: Value
    ordered: bool
    values: tuple[Value, ...]
    positions: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    success: tuple[float, ...]
    improvement: tuple[float, ...]
    points: tuple[SlicePoint, ...]

    @property
    def swing(self) -> float:
        """The largest mean minus the smallest one: how much the parameter matters."""
        return max(self.mean) - min(self.mean)


@dataclass(frozen=True, slots=True)
class HeldOutPrediction:
    """A trial's loss, and what a model predicted that had not seen it.

    Attributes:
        number: the trial's.
        loss: as the model counts it: one above the cut counts as the cut.
        expected: the predicted mean.
        std: the predicted standard deviation of the loss, with its noise.
    """

    number: int
    loss: float
    expected: float
    std: float

    @property
    def standardized_error(self) -> float:
        """How many standard deviations the loss is above what was expected."""
        return (self.loss - self.expected) / self.std


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What a model predicted of trials that were held out from it.

    Attributes:
        kind: how they were held out: `leave-one-out`.
        predictions: one for each trial.
    """

    kind: str
    predictions: tuple[HeldOutPrediction, ...]

    @property
    def rmse(self) -> float:
        """The root mean square error of the predicted means."""
        return math.sqrt(
            sum((one.loss - one.expected) ** 2 for one in self.predictions) / len(self.predictions)
        )

    @property
    def loss_std(self) -> float:
        """The standard deviation of the losses: the error of who predicts their mean for all."""
        return float(np.std([one.loss for one in self.predictions]))

    def within(self, stds: float) -> float:
        """Return the share of losses at most so many predicted standard deviations off."""
        return sum(abs(one.standardized_error) <= stds for one in self.predictions) / len(
            self.predictions
        )


@dataclass(frozen=True, slots=True)
class SurrogateReport:
    """All that a model has learned from a search.

    Attributes:
        surrogate: its name in `SURROGATES`.
        trials: how many it was fitted to.
        outside: how many more succeeded that are no points of the space.
        trial: the number of the trial through which the slices go.
        cut: a loss above this one counted as this one.
        noise: the standard deviation of one run's loss.
        slices: one for each parameter that some trial used; what matters most comes first.
        cross_validations: how well held-out trials were predicted; empty for a model that would
            have to be fitted again for each of them.
        predictive_scores: how well it would have predicted the search.
    """

    surrogate: str
    trials: int
    outside: int
    trial: int
    cut: float
    noise: float
    slices: tuple[Slice, ...]
    cross_validations: tuple[CrossValidation, ...]
    predictive_scores: PrequentialScores


def usable(space: Space, history: History) -> History:
    """Return what a model can be fitted to: trials that have ended and are points of the space."""
    return history.only(lambda one: one.number in history.results and one.params in space)


def surrogate_report(
    space: Space, history: History, surrogate: str, winner: int | None = None
) -> SurrogateReport:
    """Fit a surrogate to a search, and report what it has learned.

    Args:
        space: the search space.
        history: at least `NEEDED` of its trials are `usable` and have succeeded.
        surrogate: a name in `SURROGATES`.
        winner: the number of the trial through which the slices go; the best one where it is None.
    """
    ended = usable(space, history)
    losses = [result.loss for _, result in ended.done]
    scale = ScoreScale.fit(losses)
    y, (shift, unit) = scale.scores(losses), scale.shift_and_unit
    with repeatable():
        surrogates = Surrogates.fit(space, ended, surrogate)
        anchor = next(
            (trial for trial, _ in ended.done if trial.number == winner), ended.done[0][0]
        )
        ranked = [anchor, *(trial for trial, _ in ended.done if trial is not anchor)]
        slices = [
            _slice(space, surrogates, name, ranked, ended, (shift, unit))
            for name in space.parameters
            if any(name in trial.params for trial in ranked)
        ]
        cross_validations = _cross_validations(surrogates, ended, (shift, unit))
    counted = shift + unit * y
    return SurrogateReport(
        surrogate,
        len(losses),
        len(history.done) - len(losses),
        anchor.number,
        float(counted.max()),
        unit * math.sqrt(surrogates.model.noise),
        tuple(sorted(slices, key=lambda one: -one.swing)),
        cross_validations,
        one_step_ahead(space, ended, surrogate),
    )


def _slice(
    space: Space,
    surrogates: Surrogates,
    name: str,
    ranked: Sequence[Trial],
    history: History,
    back: tuple[float, float],
) -> Slice:
    """Return the slice along one parameter.

    Args:
        space: the search space.
        surrogates: the fitted models.
        name: the parameter's.
        ranked: the trials that succeeded, first the one through which the slice goes, or the first
            of the others that uses the parameter.
        history: what the models were fitted to.
        back: shift and unit, which take a score back to a loss.
    """
    shift, unit = back
    parameter = space.parameters[name]
    anchor = next(trial for trial in ranked if name in trial.params)
    position = _position_along(space, name)
    values = sorted({*parameter.grid(_POINTS), anchor.params[name]}, key=position)
    others = {**_usual(space, ranked), **anchor.params}
    points = [(value, _with(space, {**others, name: value})) for value in values]
    points = [(value, params) for value, params in points if space.allows(params)]
    U = space.snap(np.array([space.encode(params) for _, params in points]))
    mu, s = moments(*surrogates.model.predict(U))
    using = [(trial, result) for trial, result in history.done if name in trial.params]
    return Slice(
        name=name,
        trial=anchor.number,
        value=anchor.params[name],
        ordered=parameter.ordered,
        values=tuple(value for value, _ in points),
        positions=tuple(position(value) for value, _ in points),
        mean=tuple((shift + unit * mu).tolist()),
        std=tuple((unit * s).tolist()),
        success=tuple(np.exp(log_success(surrogates.failure, U)).tolist())
        if surrogates.failure
        else (1.0,) * len(U),
        improvement=tuple((unit * np.exp(surrogates.log_improvement(U))).tolist()),
        points=tuple(_point(trial, result, name, position) for trial, result in using),
    )


def _position_along(space: Space, name: str) -> Callable[[Value], float]:
    """Return the function from a parameter's values to their `Slice.positions`."""
    parameter = space.parameters[name]
    if parameter.ordered:
        return lambda value: parameter.encode(value)[0]
    options = list(parameter.values() or ())
    return lambda value: float(options.index(value))


def _point(trial: Trial, result: Done, name: str, position: Callable[[Value], float]) -> SlicePoint:
    return SlicePoint(trial.number, trial.params[name], position(trial.params[name]), result.loss)


def _usual(space: Space, ranked: Sequence[Trial]) -> Mapping[str, Value]:
    """Return the value of each parameter in the best trial in which it is active.

    It is the middle of those that no trial has.
    """
    return {
        name: next(
            (trial.params[name] for trial in ranked if name in trial.params),
            parameter.decode(parameter.middle),
        )
        for name, parameter in space.parameters.items()
    }


def _with(space: Space, values: Params) -> Params:
    """Return those of the values that are active together."""
    active: dict[str, Value] = {}
    for name in space.parameters:
        if space.active(name, active):
            active[name] = values[name]
    return active


def _cross_validations(
    surrogates: Surrogates, history: History, back: tuple[float, float]
) -> tuple[CrossValidation, ...]:
    """Return each trial as the model predicts it from the others.

    There is none for a model that would have to be fitted again for each trial.
    """
    if not isinstance(surrogates.model, LeaveOneOut):
        return ()
    shift, unit = back
    y = scores([result.loss for _, result in history.done])
    score = {
        trial.number: value for (trial, _), value in zip(history.done, y.tolist(), strict=True)
    }
    numbers = [trial.number for trial, _ in training_subset(history.done)]
    mu, s = moments(*surrogates.model.leave_one_out())
    predictions = (
        HeldOutPrediction(n, shift + unit * score[n], shift + unit * mean, unit * std)
        for n, mean, std in zip(numbers, mu.tolist(), s.tolist(), strict=True)
    )
    return (CrossValidation("leave-one-out", tuple(predictions)),)

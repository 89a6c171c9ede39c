"""What a model makes of a search, to be looked at: along each parameter, and of each trial. All in units of the loss.

Any strategy's trials will do: the model is fitted to what is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space
from hpsearch.strategies import SURROGATES, Checkable
from hpsearch.strategies.acquisition import moments
from hpsearch.strategies.prequential import Scores, one_step_ahead
from hpsearch.strategies.surrogates import (
    LEAST,
    Beliefs,
    Scale,
    chosen,
    log_success,
    repeatable,
    scores,
)
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

NEEDED = LEAST
"""Trials that must have succeeded before there is anything to model."""

_POINTS = 61  # of a number's slice


@dataclass(frozen=True, slots=True)
class Point:
    """A trial that has a value of the parameter: where it lies along it, and its loss."""

    number: int
    value: Value
    place: float
    loss: float


@dataclass(frozen=True, slots=True)
class Slice:
    """What the model expects along one parameter, the others as in trial `trial`, the best one that uses it.

    `places` are from 0 to 1 on the parameter's own scale, in order; of choices (not `ordered`) 0, 1, 2, ... `mean`
    and `deviation` are those of the loss without noise, `success` is the chance that a training does not fail, and
    `improvement` what a next trial is expected to gain, with that chance.
    """

    name: str
    trial: int
    value: Value
    ordered: bool
    values: tuple[Value, ...]
    places: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    success: tuple[float, ...]
    improvement: tuple[float, ...]
    seen: tuple[Point, ...]

    @property
    def swing(self) -> float:
        """How far apart the largest and the smallest expected loss are."""
        return max(self.mean) - min(self.mean)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a trial's loss was (as the model counts it), and what was expected of it, with its noise."""

    number: int
    loss: float
    expected: float
    deviation: float

    @property
    def surprise(self) -> float:
        """How far off it was, in deviations."""
        return (self.loss - self.expected) / self.deviation


@dataclass(frozen=True, slots=True)
class Check:
    """What a model expected of trials that it had not seen. `kind` says how they were kept from it."""

    kind: str
    seen: tuple[Seen, ...]

    @property
    def rmse(self) -> float:
        """How far off it was, typically."""
        return math.sqrt(sum((one.loss - one.expected) ** 2 for one in self.seen) / len(self.seen))

    @property
    def spread(self) -> float:
        """How far off the mean loss is: what knowing nothing of the parameters comes to."""
        return float(np.std([one.loss for one in self.seen]))

    def within(self, deviations: float) -> float:
        """The share of trials that were no further off than so many deviations."""
        return sum(abs(one.surprise) <= deviations for one in self.seen) / len(self.seen)


@dataclass(frozen=True, slots=True)
class Outlook:
    """All that a model has to say. `slices` has what matters most first; a parameter that no trial used has none.

    A loss above `cut` counted as that. `noise` is the deviation of one run's loss; `outside` are trials that are no
    points of the space. `checks` has one entry for each way in which trials were kept from the model; `foretold` says
    how well each surrogate would have foretold the trials, one after the other.
    """

    surrogate: str
    trials: int
    outside: int
    trial: int
    cut: float
    noise: float
    slices: tuple[Slice, ...]
    checks: tuple[Check, ...]
    foretold: Mapping[str, Scores]


def usable(space: Space, history: History) -> History:
    """What a model can be fitted to: what has ended, at points of the space."""
    kept = [
        trial
        for trial in history.trials
        if trial.number in history.results and trial.params in space
    ]
    return History(tuple(kept), history.results)


def outlook(space: Space, history: History, surrogate: str, winner: int | None = None) -> Outlook:
    """What a model makes of the trials; at least `NEEDED` must be `usable` and have succeeded.

    The slices go through the trial with the number `winner`, or through the best one.
    """
    ended = usable(space, history)
    losses = [result.loss for _, result in ended.done]
    units = Scale.of(losses)
    y, (shift, scale) = units.scores(losses), units.loss
    with repeatable():
        beliefs = Beliefs.of(space, ended, surrogate)
        anchor = next(
            (trial for trial, _ in ended.done if trial.number == winner), ended.done[0][0]
        )
        ranked = [anchor, *(trial for trial, _ in ended.done if trial is not anchor)]
        slices = [
            _slice(space, beliefs, name, ranked, ended, (shift, scale))
            for name in space.parameters
            if any(name in trial.params for trial in ranked)
        ]
        checks = _checks(beliefs, ended, (shift, scale))
    counted = shift + scale * y
    return Outlook(
        surrogate,
        len(losses),
        len(history.done) - len(losses),
        anchor.number,
        float(counted.max()),
        scale * math.sqrt(beliefs.model.noise),
        tuple(sorted(slices, key=lambda one: -one.swing)),
        checks,
        {name: one_step_ahead(space, ended, name) for name in SURROGATES},
    )


def _slice(
    space: Space,
    beliefs: Beliefs,
    name: str,
    ranked: Sequence[Trial],
    history: History,
    back: tuple[float, float],
) -> Slice:
    shift, scale = back
    parameter = space.parameters[name]
    anchor = next(trial for trial in ranked if name in trial.params)
    place = _placed(space, name)
    values = sorted({*parameter.grid(_POINTS), anchor.params[name]}, key=place)
    points = [(value, _with(space, ranked, anchor.params, name, value)) for value in values]
    points = [(value, params) for value, params in points if space.allows(params)]
    U = space.snap(np.array([space.encode(params) for _, params in points]))
    mu, s = moments(*beliefs.model.predict(U))
    seen = [(trial, result) for trial, result in history.done if name in trial.params]
    return Slice(
        name=name,
        trial=anchor.number,
        value=anchor.params[name],
        ordered=parameter.ordered,
        values=tuple(value for value, _ in points),
        places=tuple(place(value) for value, _ in points),
        mean=tuple((shift + scale * mu).tolist()),
        deviation=tuple((scale * s).tolist()),
        success=tuple(np.exp(log_success(beliefs.failure, U)).tolist())
        if beliefs.failure
        else (1.0,) * len(U),
        improvement=tuple((scale * np.exp(beliefs.improvement(U))).tolist()),
        seen=tuple(_point(trial, result, name, place) for trial, result in seen),
    )


def _placed(space: Space, name: str) -> Callable[[Value], float]:
    """Where a value lies along its parameter: on its scale, or which one of the choices it is."""
    parameter = space.parameters[name]
    if parameter.ordered:
        return lambda value: parameter.encode(value)[0]
    options = list(parameter.values() or ())
    return lambda value: float(options.index(value))


def _point(trial: Trial, result: Done, name: str, place: Callable[[Value], float]) -> Point:
    return Point(trial.number, trial.params[name], place(trial.params[name]), result.loss)


def _with(space: Space, ranked: Sequence[Trial], params: Params, name: str, value: Value) -> Params:
    """The point with another value; what that gives a meaning is as in the best trial that uses it."""
    moved: dict[str, Value] = {}
    for other, parameter in space.parameters.items():
        if other == name:
            moved[other] = value
        elif space.active(other, moved):
            usual = parameter.decode(parameter.middle)
            moved[other] = next(
                (one[other] for one in (params, *(t.params for t in ranked)) if other in one), usual
            )
    return moved


def _checks(beliefs: Beliefs, history: History, back: tuple[float, float]) -> tuple[Check, ...]:
    """Each trial as the model expects it from the others; nothing of a model that would have to be fitted again."""
    if not isinstance(beliefs.model, Checkable):
        return ()
    shift, scale = back
    y = scores([result.loss for _, result in history.done])
    score = {
        trial.number: value for (trial, _), value in zip(history.done, y.tolist(), strict=True)
    }
    numbers = [trial.number for trial, _ in chosen(history.done)]
    mu, s = moments(*beliefs.model.left_out())
    found = zip(numbers, mu.tolist(), s.tolist(), strict=True)
    seen = (Seen(n, shift + scale * score[n], shift + scale * m, scale * d) for n, m, d in found)
    return (Check("leave-one-out", tuple(seen)),)

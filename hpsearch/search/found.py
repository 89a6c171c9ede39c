"""What a search that Python has asked for came to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpsearch.search.isolation import own_state
from hpsearch.search.loop import Search
from hpsearch.space.space import Params
from hpsearch.strategies import ranked
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Result, Trial


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One call of the objective; `loss` is NaN where it failed, and then `reason` says why.

    With halving a training is one or more calls, each of which goes on to the end of `epochs`.
    `measures` are the other numbers that it has reported.
    """

    params: Params
    loss: float
    seconds: float
    reason: str = ""
    epochs: int = 1
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Best:
    """The point to take.

    `loss` is the mean over its calls, and `loss_se` its standard error, or None of a single call.
    """

    params: Params
    loss: float
    loss_se: float | None


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a search came to: the best point, and all calls in their order.

    The best is None where no call succeeded. Where the budget was not used up, `ended` says why.
    """

    best: Best | None
    trials: tuple[Evaluation, ...]
    ended: str = ""


def minimum(search: Search, history: History, ended: str = "") -> Minimum:
    """Return what was found so far, and why no more was."""
    return Minimum(best(search, history), evaluations(history), ended)


def best(search: Search, history: History) -> Best | None:
    """Return the point to take of those that were tried; None where none has a loss."""
    with own_state():
        order = ranked(search.strategy, search.space, search.scores(history))
    return _best(history, order[0]) if order else None


def evaluations(history: History) -> tuple[Evaluation, ...]:
    """Return all calls that have ended, in the order in which they were asked for."""
    called = (trial for trial in history.trials if trial.number in history.results)
    return tuple(_evaluation(one, history.results[one.number]) for one in called)


def _best(history: History, chosen: Trial) -> Best:
    result = next(result for trial, result in history.done if trial.number == chosen.number)
    return Best(dict(chosen.params), result.loss, result.loss_se)


def _evaluation(trial: Trial, result: Result) -> Evaluation:
    params = dict(trial.params)
    if isinstance(result, Done):
        more = result.epochs, result.measures
        return Evaluation(params, result.loss, result.seconds, "", *more)
    return Evaluation(params, math.nan, result.seconds, result.reason, len(result.curve))

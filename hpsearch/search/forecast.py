"""What a search would take, known before it runs: its dearest trial, and how cohorts fill workers.

The points are drawn at random, so that the forecast is an average over the space; trials are put
together as in a search. Seconds are nominal ones until a machine was timed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from random import Random

import numpy as np

from hpsearch.objectives import Objective
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import CostModel, Strategy
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

_SAMPLED = 200  # points from which the cheapest and the dearest are looked for, and the most drawn
_TICKS = 3  # values of a range that are tried on the way to a corner
Wave = Sequence[Sequence[Params]]
"""What is asked for together, as the cohorts that are trained as one batched computation."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many seconds a machine takes for a nominal one, by the nominal seconds of a cohort.

    Attributes:
        nominal: the nominal seconds of the cohorts that were timed, in ascending order.
        ratios: the seconds that each took, or would take, for one of them.
    """

    nominal: tuple[float, ...] = (1.0,)
    ratios: tuple[float, ...] = (1.0,)

    @classmethod
    def of(cls, timed: Sequence[tuple[float, float]]) -> Pace:
        """Return the pace at which cohorts were trained, given (nominal, real) seconds of each.

        >>> round(Pace.of([(4.0, 8.0), (1.0, 1.0)]).seconds(2.0), 3)
        2.828
        """
        pairs = sorted(timed)
        return cls(tuple(one for one, _ in pairs), tuple(real / one for one, real in pairs))

    def seconds(self, nominal: float) -> float:
        """Return the seconds of a cohort; between those that were timed the ratio is interpolated.

        Both are interpolated on a logarithmic scale.
        """
        at = np.interp(math.log(nominal), np.log(self.nominal), np.log(self.ratios))
        return nominal * math.exp(float(at))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a search would take, where its trainings end as early as they may, and at their end.

    Attributes:
        trials: how many there are.
        seconds: what they take, at least and at most.
        fitting: how many fit into the time that was asked about, at least and at most.
    """

    trials: int
    seconds: tuple[float, float]
    fitting: tuple[int, int]


def corners(space: Space, costs: CostModel) -> tuple[Params, Params]:
    """Return the cheapest and the dearest point that were found, within the constraints.

    Each is the best of some random points, after values were exchanged one at a time as long as
    that helped: the ends of ranges, and all choices.
    """
    points = [space.sample(Random(seed)) for seed in range(_SAMPLED)]
    found = costs(points, [])

    def cost(params: Params) -> float:
        return float(costs([params], [])[0])

    cheapest, dearest = points[int(found.argmin())], points[int(found.argmax())]
    return _climbed(space, cheapest, lambda params: -cost(params)), _climbed(space, dearest, cost)


def _climbed(space: Space, params: Params, value: Callable[[Params], float]) -> Params:
    """Return the point from which no other value of one parameter leads higher."""
    ticks = {name: parameter.grid(_TICKS) for name, parameter in space.parameters.items()}
    unused = {name: values[0] for name, values in ticks.items()}
    best, improved = value(params), True
    while improved:
        improved = False
        for name, values in ticks.items():
            for other in values:
                there = space.nearest({**unused, **params, name: other})
                if there is not None and (found := value(there)) > best:
                    params, best, improved = there, found, True
    return params


def waves(objective: Objective, trials: int, wave: int) -> Sequence[Wave]:
    """Return what a search of so many trials might ask for, in waves of this size.

    The default settings come first, and the others are different random points.
    """
    space, default = objective.space, objective.default()
    first = [] if default is None else [default]
    drawn = (space.sample(Random(seed)) for seed in range(2 * trials))
    points = [*{point_key(params): params for params in [*first, *drawn]}.values()][:trials]
    return [
        _grouped(objective, start // wave, points[start : start + wave])
        for start in range(0, len(points), wave)
    ]


def _grouped(objective: Objective, number: int, points: Sequence[Params]) -> Wave:
    trials = [Trial(k, params, "forecast", number, k) for k, params in enumerate(points)]
    return [[points[k] for k in group] for group in objective.cohorts(trials)]


def nominal_seconds(costs: CostModel, cohort: Sequence[Params]) -> float:
    """Return the nominal seconds of trials that are trained together."""
    return sum(float(costs([params], cohort[:k])[0]) for k, params in enumerate(cohort))


def seconds_to_choose(strategy: Strategy, space: Space, trials: int) -> float:
    """Return in how many seconds a strategy chooses a trial, half-way through so many of them.

    It is asked about random points with random losses.
    """
    draws = Random(0)
    points = [space.sample(draws) for _ in range(max(1, min(trials, _SAMPLED) // 2))]
    asked = [Trial(k, params, "forecast", k, k) for k, params in enumerate(points)]
    ended = {trial.number: Done(draws.random(), 0.0, 1.0, 1.0, 1, 1, 1) for trial in asked}
    history = History().with_trials(asked).with_results(ended)
    strategy.ask(space, history, Random(0))  # loads what it computes with
    start = time.perf_counter()
    strategy.ask(space, history, Random(1))
    return time.perf_counter() - start


def forecast(
    objective: Objective,
    trials: int,
    time_limit: float,
    wave: int,
    workers: int,
    pace: Pace,
    choosing: float = 0.0,
    least: float = 1.0,
) -> Forecast:
    """Return what a search would take.

    Args:
        objective: what is trained; its costs are known.
        trials: how many of them; where the space has fewer points, as many as there are.
        time_limit: the seconds into which as many as possible are to fit.
        wave: how many trials are asked for together.
        workers: how many cohorts are trained at a time.
        pace: what a nominal second is in seconds.
        choosing: the seconds in which a trial is chosen, while nothing is trained.
        least: the share of its epochs after which a training may end early.
    """
    costs = objective.costs()
    assert costs is not None, "what nobody can count is not forecast"
    asked = waves(objective, min(trials, _SAMPLED), wave)
    drawn = sum(len(cohort) for one in asked for cohort in one)
    training = sum(
        _makespan([pace.seconds(nominal_seconds(costs, cohort)) for cohort in one], workers)
        for one in asked
    )
    low, high = (part * training / drawn + choosing for part in (least, 1.0))
    size = objective.space.size
    in_all = trials if size is None else min(trials, size)
    fitting = int(time_limit / high), int(time_limit / low)
    return Forecast(in_all, (in_all * low, in_all * high), fitting)


def _makespan(seconds: Sequence[float], workers: int) -> float:
    """Return when the last of some pieces of work ends, each begun as soon as a worker is free.

    >>> _makespan([3.0, 2.0, 2.0], 2)
    4.0
    """
    ends = [0.0] * workers
    for one in seconds:
        heapreplace(ends, ends[0] + one)
    return max(ends)

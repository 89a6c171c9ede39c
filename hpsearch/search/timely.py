"""Which trials of a wave can end before the time is over, as far as their costs are known."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.objectives import Objective
from hpsearch.space.space import Params
from hpsearch.strategies import CostModel, Limit
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

_UNKNOWN = 4.0  # seconds for a nominal one, before any training was timed
_TIMED = 100  # trials that say how fast this machine is: the latest


def timely(
    trials: Sequence[Trial], objective: Objective, limit: Limit, history: History, epochs: int
) -> Sequence[Trial]:
    """Return the trials that fit into the time that is left; of a first wave, one at least.

    The members of a cohort are trained by one worker, so that they must fit into the time by the
    clock, and all of them into that of all workers. Where nobody knows costs, all of them fit.

    Args:
        trials: the trials that would be begun together.
        objective: says what they cost, and which are trained as one cohort.
        limit: what may be spent.
        history: what was spent, and how long trainings have taken.
        epochs: those of a whole training, where trainings are cut into segments; else 1.
    """
    costs = objective.costs()
    if costs is None or not trials:
        return trials
    scale = _seconds_per_nominal(costs, history, epochs)
    left = limit.left(history)
    by_clock = left / limit.workers
    kept: list[int] = []
    for group in objective.cohorts(trials):
        cohort, company = by_clock, list[Params]()
        for position in group:
            trial = trials[position]
            seconds = scale * _nominal(costs, trial, company, epochs)
            if seconds <= min(cohort, left):
                cohort, left = cohort - seconds, left - seconds
                kept.append(position)
                company.append(trial.params)
    if not kept and not history.trials:
        kept = [0]
    return [trials[position] for position in sorted(kept)]


def _seconds_per_nominal(costs: CostModel, history: History, epochs: int) -> float:
    """Return how long this machine takes for what a nominal one does in a second."""
    waves: dict[int, list[Params]] = {}
    seconds = nominal = 0.0
    for trial in history.trials[-_TIMED:]:
        company = waves.setdefault(trial.wave, [])
        result = history.results.get(trial.number)
        if isinstance(result, Done):
            seconds += result.seconds
            nominal += _nominal(costs, trial, company, epochs)
        company.append(trial.params)
    return seconds / nominal if nominal > 0 else _UNKNOWN


def _nominal(costs: CostModel, trial: Trial, company: Sequence[Params], epochs: int) -> float:
    """Return the nominal seconds that a segment adds to its company."""
    return float(costs([trial.params], company)[0]) * trial.length(epochs) / epochs

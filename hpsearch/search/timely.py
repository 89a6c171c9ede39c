"""Which trials of a wave can end before the time is over, as far as their costs are known.

Where nobody knows costs, what ended before says what to expect, in the mean. A limit by the clock
needs none of that: what has not begun when the time is over is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.objectives import Objective
from hpsearch.space.space import Params
from hpsearch.strategies import CostModel, Limit, training_seconds
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

_UNKNOWN = 4.0  # seconds for a nominal one, before any training was timed
_TIMED = 100  # trials that say how fast this machine is: the latest


def timely(
    trials: Sequence[Trial], objective: Objective, limit: Limit, history: History, epochs: int
) -> Sequence[Trial]:
    """Return the trials that fit into the time that is left; of a first wave, one at least.

    The members of a cohort are trained by one worker, so that they must fit into the time by the
    clock, and all of them into that of all workers.

    Args:
        trials: the trials that would be begun together.
        objective: says what they cost, and which are trained as one cohort.
        limit: what may be spent.
        history: what was spent, and how long trainings have taken.
        epochs: those of a whole training, where trainings are cut into segments; else 1.
    """
    costs = objective.costs()
    if not trials:
        return trials
    if costs is None:
        return trials if limit.is_by_clock else _expected_to_fit(trials, limit, history, epochs)
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


def _expected_to_fit(
    trials: Sequence[Trial], limit: Limit, history: History, epochs: int
) -> Sequence[Trial]:
    """Return the trials that fit beside the pending ones, if they take what others took.

    As many are begun at a time as have ended, which is what the expectation rests on; one is where
    none has. What a model has chosen, it has chosen with the time that is left in view.
    """
    ended = [trial for trial in history.trials if trial.number in history.results]
    if not ended:
        return trials[:1]
    pace = training_seconds(history) / sum(trial.length(epochs) for trial in ended)
    left = limit.left(history)
    left -= sum(_expected(trial, history, epochs, pace) for trial in history.pending)
    kept = []
    for trial in trials[: len(ended)]:
        seconds = _expected(trial, history, epochs, pace)
        if left > 0 and (seconds <= left or trial.expected_improvement is not None):
            kept.append(trial)
            left -= seconds
    return kept


def _expected(trial: Trial, history: History, epochs: int, pace: float) -> float:
    """Return the seconds of a trial, at its own earlier pace or else that of all."""
    own = history.segments[trial.parent] if trial.parent is not None else ()
    ended = [segment for segment in own if segment.number in history.results]
    if ended:
        seconds = sum(history.results[segment.number].seconds for segment in ended)
        pace = seconds / sum(segment.length(epochs) for segment in ended)
    return pace * trial.length(epochs)


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

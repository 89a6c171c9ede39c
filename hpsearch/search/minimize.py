"""The door for Python: any function of any parameters, searched by the same strategies."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from hpsearch.config.schema import OF_TRAININGS, SearchKeys
from hpsearch.config.spec import free_space
from hpsearch.errors import Problem, SpecError
from hpsearch.runners import Work
from hpsearch.search.loop import Search, ask_wave
from hpsearch.search.plan import build
from hpsearch.space.space import Params
from hpsearch.strategies import Limit
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, Failed, Result, Trial

Objective = Callable[[Params], float | tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One call of the objective. `loss` is NaN where it failed; then `reason` says why."""

    params: Params
    loss: float
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Best:
    """The point to take. `loss` is the mean over its calls, `loss_se` its standard error (None of a single call)."""

    params: Params
    loss: float
    loss_se: float | None


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a search came to: the best point (None where every call failed), and all calls in their order."""

    best: Best | None
    trials: tuple[Evaluation, ...]


def minimize(
    objective: Objective,
    parameters: Mapping[str, object],
    strategy: str = "bayes",
    budget: int = 50,
    seed: int = 0,
    *,
    time: float | None = None,
    constraints: Sequence[str] = (),
    **search: object,
) -> Minimum:
    """Search for the params of the smallest loss.

    Args:
        objective: takes params, gives a loss, or (loss, seconds). One that raises, or gives NaN or infinity, has
            failed there. It may be called again with the same params: that is how noise is told from merit.
        parameters: what a YAML has under `parameters:`, such as `{"lr": {"min": 1e-4, "max": 1, "log": True}}`; any
            names, `when` included.
        strategy: bayes, random or grid.
        budget: calls, in all; never more.
        seed: the same seed asks the same questions.
        time: seconds in all, as the objective counts them; a call that will not fit is not made.
        constraints: as in a YAML, such as `["width * depth <= 512"]`.
        **search: other keys of a YAML's `search:`, such as `wave=4`, `confirm=False`, `surrogate="ann"`.

    Raises:
        SpecError: parameters, constraints or keys are wrong.
    """
    space = free_space(parameters, constraints)
    if meaningless := sorted(OF_TRAININGS & search.keys()):
        raise SpecError(
            Problem("E020", f"'{meaningless[0]}' is of trainings, and a function is only called")
        )
    try:
        given = {
            "wave": 1,
            **search,
            "budget": budget,
            "seed": seed,
            **({} if time is None else {"time": time}),
        }
        keys = SearchKeys.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        problems = (
            Problem("E020", f"'{'.'.join(map(str, one['loc']))}': {one['msg']}") for one in wrong
        )
        raise SpecError(*problems) from error
    limit = None if time is None else Limit(time)
    asks, wave = build(strategy, keys, budget, limit, None, default=None)
    plan = Search(asks, space, (), budget, wave, seed, keys.time_weight, _alone, _no_work)
    history = History()
    while (limit is None or limit.left(history) > 0) and (trials := ask_wave(plan, history)):
        history = history.asked(trials)
        for trial in trials:
            history = history.told({trial.number: _called(objective, trial)})
    ranked = asks.ranked(space, history.weighed(keys.time_weight, "seconds"))
    best = _best(history, ranked[0]) if ranked else None
    return Minimum(
        best, tuple(_evaluation(trial, history.results[trial.number]) for trial in history.trials)
    )


def _called(objective: Objective, trial: Trial) -> Result:
    start = clock.perf_counter()
    try:
        found = objective(dict(trial.params))
        loss, seconds = found if isinstance(found, tuple) else (found, clock.perf_counter() - start)
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"it took {seconds} seconds")
        if not math.isfinite(loss):  # which takes no text for a number, as float() would
            return Failed(f"diverged: the loss is {loss}", float(seconds))
        return Done(float(loss), math.nan, float(seconds), 0.0, 0, 0, 0)
    except (
        Exception
    ) as error:  # the objective is somebody else's: what it raises is a trial's failure
        return Failed(f"error: {type(error).__name__}: {error}", clock.perf_counter() - start)


def _best(history: History, chosen: Trial) -> Best:
    result = next(result for trial, result in history.done if trial.number == chosen.number)
    return Best(dict(chosen.params), result.loss, result.loss_se)


def _evaluation(trial: Trial, result: Result) -> Evaluation:
    if isinstance(result, Done):
        return Evaluation(dict(trial.params), result.loss, result.seconds)
    return Evaluation(dict(trial.params), math.nan, result.seconds, result.reason)


def _alone(trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
    return [[position] for position in range(len(trials))]


def _no_work(cohort: Cohort) -> Work:
    raise AssertionError("what is called here is no work for a runner")

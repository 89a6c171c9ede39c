"""A Python function as an objective: it is called with params, and gives a loss."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hpsearch.config.schema import own_options, search_model
from hpsearch.config.spec import free_space
from hpsearch.objectives import ObjectiveInfo, StoredSearch
from hpsearch.runners import Work, WorkKey, WorkStarted
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.strategies import CohortRule, CostModel
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.trial import Cohort, Done, Failed, Result, Trial, TrialEnded

Loss = float | tuple[float, float]
"""What a function returns: a loss, or a loss and the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of params, searched over a space of any names.

    Its calls are counted in seconds, its own or those of the clock. What it raises is the failure
    of a trial; so is a loss that is no finite number.
    """

    function: Callable[[Params], Loss]
    space: Space
    timeout: float = math.inf

    @property
    def fixed(self) -> Params:
        """No params: a function has no settings beside those that are searched."""
        return {}

    def settings(self, params: Params) -> Params:
        """Return the params: nothing is fixed beside them."""
        return params

    def default(self) -> Params | None:
        """Return None: there are no default settings."""
        return None

    def presets(self) -> Sequence[Params]:
        """Return nothing."""
        return ()

    def typical_values(self) -> Mapping[str, Value | DependentValue]:
        """Return nothing."""
        return {}

    def epochs(self, params: Params) -> int:
        """Return 1: a call is not cut into parts."""
        return 1

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return each trial by itself."""
        return [[position] for position in range(len(trials))]

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return the call with the params of the one trial."""
        (trial,) = cohort.trials
        argument = (self.function, trial.number, dict(trial.params))
        key = WorkKey(cohort.number, attempt)
        return Work(key, "hpsearch.objectives.function:evaluate", argument, self.timeout)

    def costs(self) -> CostModel | None:
        """Return None: nobody knows what a call will take."""
        return None

    def cohort_rule(self) -> CohortRule | None:
        """Return None: calls are made one by one."""
        return None

    def kept(self, history: History) -> Collection[str]:
        """Return nothing: calls leave no artefacts."""
        return ()

    def describe(self) -> ObjectiveInfo:
        """Return what a study keeps: there is no metric, no cost and no baseline."""
        return ObjectiveInfo()

    def final_test(self, winner: Trial, result: Done) -> Work | None:
        """Return None: there are no rows to hold back."""
        return None


def evaluate(
    call: tuple[Callable[[Params], Loss], int, Params], artefacts: Artefacts
) -> Iterator[WorkStarted | TrialEnded]:
    """Call the function once and give what came of it.

    Raises:
        TypeError: what it returned is no number.
        ValueError: the seconds that it returned are negative, or no finite number.
    """
    function, number, params = call
    yield WorkStarted()
    start = time.perf_counter()
    found = function(params)
    taken = time.perf_counter() - start
    loss, seconds = found if isinstance(found, tuple) else (found, taken)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"it took {seconds} seconds")
    result: Result
    if math.isfinite(loss):  # which takes no text for a number, as float() would
        result = Done(float(loss), math.nan, float(seconds), 0.0, 0, 0, 0)
    else:
        result = Failed("diverged", f"the loss is {loss}", float(seconds))
    yield TrialEnded(number, result)


def of_study(meta: StudyMeta) -> StoredSearch:
    """Return the search of a study, to look at its trials: the function itself is not kept."""
    config = json.loads(meta.config)
    space = free_space(config["parameters"], config["constraints"], is_stored=True)
    objective = Function(_gone, space)
    keys = search_model(meta.strategy).model_validate(config["search"])
    return StoredSearch(objective, keys, own_options(keys, meta.strategy))


def _gone(params: Params) -> Loss:
    raise RuntimeError("a study does not keep the function that it searches")

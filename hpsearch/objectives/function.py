"""A Python function as an objective: it is called with params, and gives a loss."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from hpsearch import output
from hpsearch.config.schema import own_options, search_model
from hpsearch.config.spec import free_space
from hpsearch.errors import HpsearchError, Problem, SpecError
from hpsearch.objectives import ObjectiveInfo, StoredSearch
from hpsearch.objectives.own_module import load, takes_trial
from hpsearch.objectives.own_trainer import OwnTrainer
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.running_trial import Returned, RunningTrial
from hpsearch.objectives.trainers import FunctionSpec
from hpsearch.objectives.trial_folder import opened
from hpsearch.runners import Work, WorkKey, WorkStarted
from hpsearch.runners.call import contained
from hpsearch.space.space import Params, Space
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.files import temporary_folder
from hpsearch.study.folder import trial_folder
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.trial import Cohort, Epoch, Notice, Trial, TrialEnded

SearchedFunction = Callable[..., Returned]
"""A function of (params) or of (params, trial), where the trial is a `RunningTrial`."""


@dataclass(frozen=True, slots=True)
class Function(OwnTrainer):
    """A function of params, searched over a space of any names.

    Its calls are counted in seconds, its own or those of the clock. What it raises is the failure
    of a trial; so is a loss that is no finite number.

    Attributes:
        function: what is called, or where workers find it.
        space: what is searched.
        study: where trials have their folders; None gives each call one that is gone afterwards.
        reporting: how what it reports and returns is understood.
        seed: the study's.
        timeout: the seconds that a call may take.
        in_process: whether it is called in the coordinator's own process: what it prints then
            stays on the screen, and what it reports comes when it has ended.
    """

    function: SearchedFunction | FunctionSpec
    space: Space
    study: Path | None = None
    reporting: Reporting = field(default_factory=Reporting)
    seed: int = 0
    timeout: float = math.inf
    in_process: bool = False

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return the call with the params of the one trial."""
        (trial,) = cohort.trials
        folder = None if self.study is None else trial_folder(self.study, trial.run)
        call = FunctionCall(
            self.function, trial, self.reporting, self.seed, folder, self.in_process
        )
        key = WorkKey(cohort.number, attempt)
        return Work(key, "hpsearch.objectives.function:evaluate", call, self.timeout)

    def describe(self) -> ObjectiveInfo:
        """Return what a study keeps: what is minimised, and what is maximised in truth."""
        counts, minimized = self.reporting.counts, self.reporting.minimized
        data = {} if minimized == "loss" else {"minimized": minimized}
        return ObjectiveInfo(metric=counts if self.reporting.maximize else None, data=data)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One call, as it is sent to a worker: see `Function`; `folder` is the trial's own, if any."""

    function: SearchedFunction | FunctionSpec
    trial: Trial
    reporting: Reporting
    seed: int
    folder: Path | None
    in_process: bool


def evaluate(
    call: FunctionCall, artefacts: Artefacts
) -> Iterator[WorkStarted | Epoch | Notice | TrialEnded | HpsearchError]:
    """Call the function once and give what came of it, its epochs as soon as they are reported.

    Where the function is not there, or its folder cannot be made, no trial is to blame: then that
    is given.

    Raises:
        TypeError: what it returned is no number.
        ValueError: the seconds that it returned are negative, or no finite number.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(_place(call))
            function = _function(call)
        except HpsearchError as error:
            yield error
            return
        yield WorkStarted()
        yield from _called(call, function, folder)


def _function(call: FunctionCall) -> SearchedFunction:
    """Return what is called.

    Raises:
        SpecError: it is not there, or its trainings are to be halved and it cannot report.
    """
    found = load(call.function) if isinstance(call.function, FunctionSpec) else call.function
    if call.trial.until_epoch is not None and not takes_trial(found):
        raise cannot_halve()
    return found


def cannot_halve() -> SpecError:
    """Return what is said of a function that does not report, where trainings are to be halved."""
    message = "halving stops trainings on their way, and this function takes no 'trial'"
    help = "def train(params, trial): it calls trial.report(epoch, loss), which says when to stop"
    return SpecError(Problem("E034", message, help=help))


@contextmanager
def _place(call: FunctionCall) -> Iterator[Path]:
    """Give the trial's folder, where there is to be one; in workers its log takes what is printed.

    Raises:
        CannotWrite, DiskFull: there cannot be one.
    """
    if call.in_process and callable(call.function) and not takes_trial(call.function):
        yield Path()  # nobody asks for it
    elif call.folder is None:
        with temporary_folder() as folder:
            yield folder
    else:
        with opened(call.folder, is_first=not call.trial.start_epoch) as log, ExitStack() as stack:
            if not call.in_process:
                stack.enter_context(output.diverted(log.file))
            yield call.folder


def _called(
    call: FunctionCall, function: SearchedFunction, folder: Path
) -> Iterator[Epoch | Notice | TrialEnded]:
    reported: SimpleQueue[Epoch | None] = SimpleQueue()
    trial = RunningTrial.of(call.trial, call.reporting, call.seed, folder, reported.put)
    start = time.perf_counter()
    if takes_trial(function):
        called = _own_end(partial(function, trial.params, trial), call)
        returned = yield from _epochs(called, reported, call)
    else:
        returned = _own_end(partial(function, trial.params), call)()
    result = trial.result(returned, time.perf_counter() - start)
    if remark := trial.remark(result):
        yield Notice(remark)
    yield TrialEnded(trial.number, result)


def _own_end(call: Callable[[], Returned], how: FunctionCall) -> Callable[[], Returned]:
    """Return the call as one that ends its trial alone, also by `sys.exit` or KeyboardInterrupt.

    A program that calls its own function in its own process ends by them, as it says: there they
    are its own, or Ctrl-C. Ctrl-C reaches no other call.
    """
    is_own = how.in_process and not isinstance(how.function, FunctionSpec)
    return call if is_own else partial(contained, call)


def _epochs(
    call: Callable[[], Returned], reported: SimpleQueue[Epoch | None], how: FunctionCall
) -> Generator[Epoch, None, Returned]:
    """Give the epochs that a call reports, and return what it returns.

    In the coordinator's own process Ctrl-C is to reach the call, and nobody takes in epochs while
    it lasts. In others it has a thread, beside which they are sent.
    """
    if how.in_process:
        returned = call()
        reported.put(None)
        yield from iter(reported.get, None)
        return returned
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(call)
        running.add_done_callback(lambda _: reported.put(None))
        yield from iter(reported.get, None)
        return running.result()


def of_study(meta: StudyMeta) -> StoredSearch:
    """Return the search of a study, to look at its trials: the function itself is not kept."""
    config = json.loads(meta.config)
    space = free_space(config["parameters"], config["constraints"], is_stored=True)
    reporting = Reporting(**config.get("reporting", {}))
    objective = Function(_gone, space, reporting=reporting)
    keys = search_model(meta.strategy).model_validate(config["search"])
    return StoredSearch(objective, keys, own_options(keys, meta.strategy))


def _gone(params: Params) -> Returned:
    raise RuntimeError("a study does not keep the function that it searches")

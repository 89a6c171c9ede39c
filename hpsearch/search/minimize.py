"""The way in from Python: any function of any parameters, searched by the same strategies."""

from __future__ import annotations

import math
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from random import Random
from time import monotonic
from typing import TextIO, cast
from warnings import warn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from hpsearch import output
from hpsearch.config.diagnostics import kind
from hpsearch.config.schema import OPERATIONAL, SearchKeys, own_options
from hpsearch.errors import EXIT_OK, Crashing, HpsearchError, Problem, SpecError
from hpsearch.objectives.function import Function, SearchedFunction, cannot_halve
from hpsearch.objectives.own_module import takes_trial
from hpsearch.options import plain
from hpsearch.runners import RUNNERS, Resources
from hpsearch.search.arguments import Question, Refusal, check_plan, folder_of, reporting_of
from hpsearch.search.found import Minimum, minimum
from hpsearch.search.kept import opened
from hpsearch.search.loop import CohortFinished, Event, Journal, Memory, Stop, run
from hpsearch.search.plan import Plan
from hpsearch.space.space import Space
from hpsearch.strategies import Limit
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.files import temporary_folder
from hpsearch.study.history import History
from hpsearch.study.record import Session
from hpsearch.study.store import Store
from hpsearch.study.trial import Notice

_IN_PROCESS = frozenset({"trial_timeout", "memory", "max_retries"})
"""Keys that say how other processes work."""

_HERE = "is for processes that work, and a function is only called"


def minimize(
    objective: SearchedFunction,
    parameters: Mapping[str, object],
    strategy: str = "bayes",
    budget: int = 50,
    seed: int = 0,
    *,
    time: float | None = None,
    epochs: int = 1,
    maximize: str | None = None,
    minimize: str | None = None,
    constraints: Sequence[str] = (),
    workers: int | None = None,
    study: str | os.PathLike[str] | None = None,
    progress: bool = False,
    max_failures: int | None = 5,
    **search: object,
) -> Minimum:
    """Search for the params of the smallest loss.

    What ends the search early (Ctrl-C, `max_failures`, an error) is raised as itself, with the
    `Minimum` of all calls so far as its attribute `found`.

    Args:
        objective: takes (params), or (params, trial) where it reports its epochs; gives a loss, or
            several numbers by their names, or (loss, seconds), or None where it has reported. One
            that raises, or gives NaN or infinity, has failed there. It may be called again with the
            same params: that is how noise is told from merit.
        parameters: what a YAML has under `parameters:`, such as
            `{"lr": {"min": 1e-4, "max": 1, "log": True}}`; any names, `when` included. Numbers and
            lists may be numpy's.
        strategy: the name of a strategy, such as bayes, random or grid.
        budget: calls in all; never more. With halving these are whole trainings.
        seed: the same seed asks the same questions.
        time: seconds of all calls together, as the objective counts them; a call that is not
            expected to fit is not made.
        epochs: how long a whole training is; `halving=True` needs to know.
        maximize: the name of what counts, where more of it is better; its negative is the loss.
        minimize: the name of what counts; "loss" unless it is said.
        constraints: as in a YAML, such as `["width * depth <= 512"]`.
        workers: processes that call the objective, which must then be importable. Calls overlap
            within a wave and, with `lag`, across waves; both are those of the command line. None
            calls it in this process, and asks for one call at a time.
        study: a folder that keeps the calls. Where it has some already, the search goes on with
            them: after a crash as if nothing had happened, and with a larger budget.
        progress: whether to show a progress bar on stderr.
        max_failures: after so many failures in a row (losses that are no finite number do not
            count) the search ends with a `Crashing` error, as on the command line; None never ends
            it.
        **search: other keys of a YAML's `search:`, such as `wave=4`, `confirm=False`,
            `surrogate="ann"`.

    Raises:
        SpecError: parameters, constraints or keys are wrong.
        ConfigDiffers: the study was begun with others.
        Crashing: see `max_failures`.

    >>> import hpsearch
    >>> found = hpsearch.minimize(
    ...     lambda params: (params["x"] - 0.3) ** 2,
    ...     {"x": {"min": 0.0, "max": 1.0}},
    ...     strategy="grid",
    ...     budget=11,
    ...     points=11,
    ... )
    >>> found.best.params, len(found.trials)
    ({'x': 0.3}, 11)
    """
    began = monotonic()
    if not callable(objective):
        raise SpecError(Problem("E020", f"'objective' is {kind(objective)}, which is no function"))
    kept_in, workers = folder_of(study, "study"), plain(workers)
    given = {**search, "budget": budget, "seed": seed}
    given |= {} if workers is not None else {"wave": given.get("wave", 1)}
    given |= {} if time is None else {"time": time}
    given |= {} if max_failures is None else {"max_failures": max_failures}
    reporting = reporting_of(epochs, maximize, minimize)
    question = Question.of(parameters, constraints, strategy, reporting, given)
    space, keys = question.space, _keys(question, workers)
    budget = cast(int, keys.budget)
    with ExitStack() as stack:
        folder = kept_in or stack.enter_context(temporary_folder())
        timeout = keys.trial_timeout or math.inf
        function = Function(
            objective, space, folder, reporting, keys.seed, timeout, in_process=workers is None
        )
        plan = Plan(question.strategy, own_options(keys, question.strategy), keys, function)
        _check(plan, objective, workers)
        remarks = [*plan.remarks(budget)]  # which may refuse the search
        limit = None if keys.time is None else Limit(keys.time)
        planned = plan.search(budget, limit)
        journal: Journal = Memory()
        if kept_in:
            kept = question.kept(planned.wave, planned.lag)
            journal = stack.enter_context(opened(folder, plan, budget, kept))
        name = "inline" if workers is None else "local"
        resources = Resources(workers or 1, 1, keys.memory)
        runner = RUNNERS.load(name)().build(resources, Artefacts(folder / FOLDER))
        stack.enter_context(runner)
        for remark in remarks:
            warn(remark, stacklevel=2)
        bar = _Bar(budget, plan.epochs) if progress else None
        stop, known = Stop(), journal.history()
        try:
            for event in run(planned, journal, runner, stop):
                if isinstance(event, CohortFinished):
                    known = event.history
                elif isinstance(event, Notice):
                    warn(event.text, stacklevel=2)
                if bar:
                    bar.show(event)
            if stop.crashing:
                raise Crashing(Problem("E181", stop.crashing, help="the calls so far: .found"))
            found = minimum(planned, known, plan.ending(known, budget, limit))
        except BaseException as error:  # whatever ends the search early says what was found
            # what has broken may be what ranks the calls
            known_best = isinstance(error, HpsearchError | KeyboardInterrupt)
            by = planned if known_best else replace(planned, strategy=_ByLoss())
            error.found = minimum(by, known)  # type: ignore[attr-defined]
            raise
        finally:
            if bar:
                bar.close()
        if isinstance(journal, Store):
            journal.record_session(Session(monotonic() - began, EXIT_OK))
        return found


class _ByLoss:
    """A strategy that asks for nothing, and has no judgement beside the losses."""

    def ask(self, space: Space, history: History, rng: Random) -> None:
        """Return None."""


def _keys(question: Question, workers: object) -> SearchKeys:
    """Return the keys of `search:`, checked; `max_failures` may be None here.

    Raises:
        SpecError: some are wrong, or have no meaning for a function.
    """
    operational = OPERATIONAL - {"max_failures"} - (_IN_PROCESS if workers is not None else set())
    keys = question.keys(Refusal(operational, _HERE, "workers=N calls it in N processes"))
    is_whole = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and not (is_whole and cast(int, workers) >= 1):
        message = f"'workers' is {kind(workers)}, which is not a whole number, 1 or more"
        raise SpecError(Problem("E020", message))
    most = keys.max_failures if "max_failures" in question.search else None
    retries = 0 if workers is None else keys.max_retries
    return keys.model_copy(update={"max_failures": most, "max_retries": retries})


def _check(plan: Plan, objective: SearchedFunction, workers: int | None) -> None:
    """Refuse a plan that this function cannot follow.

    Raises:
        SpecError: it cannot.
    """
    check_plan(plan)
    if plan.halves and not takes_trial(objective):
        raise cannot_halve()
    if workers is not None:
        _check_importable(objective)


def _check_importable(objective: SearchedFunction) -> None:
    """Refuse a function that other processes cannot import."""
    try:
        pickle.dumps(objective)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        message = f"{objective!r} cannot be called in other processes, since they cannot import it"
        help = "define it with `def` in a module; a lambda or an inner function has no name there"
        raise SpecError(Problem("E020", message, help=help)) from error


class _Bar:
    """A progress bar on stderr: how much of the budget is used, and the best loss so far."""

    def __init__(self, budget: int, epochs: int) -> None:
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(file=cast(TextIO, output.Progress(sys.stderr)))
        self._progress = Progress(*columns, console=console)
        self._epochs = epochs
        self._task = self._progress.add_task("calls", total=budget)
        self._progress.start()

    def show(self, event: Event) -> None:
        """Take in what has happened."""
        if isinstance(event, CohortFinished):
            done = event.history.done
            text = f"best {done[0][1].loss:.4g}" if done else "calls"
            ended = (event.history.trials[number] for number in event.history.results)
            epochs = sum(trial.length(self._epochs) for trial in ended)
            done_of = epochs / self._epochs
            self._progress.update(self._task, completed=done_of, description=text)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

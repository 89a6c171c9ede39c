"""The way in from Python: any function of any parameters, searched by the same strategies."""

from __future__ import annotations

import json
import math
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic
from typing import TextIO, cast
from warnings import warn

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from hpsearch import output
from hpsearch.config.diagnostics import flow, kind, repair, written
from hpsearch.config.schema import OPERATIONAL, SearchKeys, own_options, search_model
from hpsearch.config.spec import free_space
from hpsearch.errors import (
    EXIT_OK,
    ConfigDiffers,
    Crashing,
    HpsearchError,
    Problem,
    SpecError,
)
from hpsearch.objectives.function import Function, Loss
from hpsearch.options import plain
from hpsearch.registry import closest
from hpsearch.runners import RUNNERS, Resources
from hpsearch.search.isolation import own_state
from hpsearch.search.loop import CohortFinished, Event, Journal, Memory, Search, Stop, run
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Limit, ranked
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.files import temporary_folder
from hpsearch.study.folder import FILE
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.record import Session
from hpsearch.study.store import Store
from hpsearch.study.trial import Done, Result, Trial
from hpsearch.versions import versions

_IN_PROCESS = frozenset({"trial_timeout", "memory", "max_retries"})
"""Keys that say how other processes work."""

_OF_TRAININGS = frozenset({"metric", "seeds"})
"""Keys without a meaning for a function."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One call of the objective; `loss` is NaN where it failed, and then `reason` says why."""

    params: Params
    loss: float
    seconds: float
    reason: str = ""


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


def minimize(
    objective: Callable[[Params], Loss],
    parameters: Mapping[str, object],
    strategy: str = "bayes",
    budget: int = 50,
    seed: int = 0,
    *,
    time: float | None = None,
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
        objective: takes params; gives a loss, or (loss, seconds). One that raises, or gives NaN or
            infinity, has failed there. It may be called again with the same params: that is how
            noise is told from merit.
        parameters: what a YAML has under `parameters:`, such as
            `{"lr": {"min": 1e-4, "max": 1, "log": True}}`; any names, `when` included. Numbers and
            lists may be numpy's.
        strategy: the name of a strategy, such as bayes, random or grid.
        budget: calls in all; never more.
        seed: the same seed asks the same questions.
        time: seconds in all, as the objective counts them; a call that will not fit is not made.
        constraints: as in a YAML, such as `["width * depth <= 512"]`.
        workers: processes that call the objective, which must then be importable. Calls overlap
            within a wave, which is as large as on the command line, and with `lag` across waves.
            None calls it in this process, and asks for one call at a time.
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
    _check_callable(objective, study)
    parameters, constraints, search = plain(parameters), plain(constraints), plain(search)
    workers, max_failures, strategy = plain(workers), plain(max_failures), plain(strategy)
    space = free_space(parameters, constraints, strategy)
    given = {**search, "budget": budget, "seed": seed}
    given |= {} if workers is not None else {"wave": given.get("wave", 1)}
    given |= {} if time is None else {"time": time}
    keys = _keys(strategy, given, workers, max_failures)
    assert keys.budget is not None, "a budget was given"
    budget = keys.budget
    if workers is not None:
        _check_importable(objective)
    function = Function(objective, space, keys.trial_timeout or math.inf)
    plan = Plan(strategy, own_options(keys, strategy), keys, function)
    if plan.total(budget) == 0 and plan.options.has_all_points:
        message = f"there is nothing to call: '{strategy}' takes its trials from elsewhere"
        raise SpecError(Problem("E020", message, help="such as random, grid or bayes"))
    for remark in plan.remarks(budget):
        warn(remark, stacklevel=2)
    limit = None if keys.time is None else Limit(keys.time)
    planned = plan.search(budget, limit)
    with ExitStack() as stack:
        # absolute, since the function may change the folder that it is called in
        folder = Path(study).absolute() if study else stack.enter_context(temporary_folder())
        journal: Journal = Memory()
        if study:
            config = _config(parameters, constraints, {**search, "wave": planned.wave})
            journal = stack.enter_context(_opened(folder, plan, budget, config))
        name = "inline" if workers is None else "local"
        resources = Resources(workers or 1, 1, keys.memory)
        runner = RUNNERS.load(name)().build(resources, Artefacts(folder / FOLDER))
        stack.enter_context(runner)
        bar = _Bar(budget) if progress else None
        stop, known = Stop(), journal.history()
        try:
            for event in run(planned, journal, runner, stop):
                if isinstance(event, CohortFinished):
                    known = event.history
                if bar:
                    bar.show(event)
            if stop.crashing:
                raise Crashing(Problem("E181", stop.crashing, help="the calls so far: .found"))
            found = _minimum(planned, known, plan.ending(known, budget, limit))
        except BaseException as error:  # whatever ends the search early says what was found
            # what has broken may be what ranks the calls
            known_best = isinstance(error, HpsearchError | KeyboardInterrupt)
            by = planned if known_best else replace(planned, strategy=_ByLoss())
            error.found = _minimum(by, known)  # type: ignore[attr-defined]
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


def _check_callable(objective: object, study: object) -> None:
    """Refuse what cannot be called, and what is no folder."""
    if not callable(objective):
        raise SpecError(Problem("E020", f"'objective' is {kind(objective)}, which is no function"))
    if not (study is None or isinstance(study, str | os.PathLike)):
        raise SpecError(Problem("E020", f"'study' is {kind(study)}, which is no folder"))


def _keys(
    strategy: str, given: Mapping[str, object], workers: int | None, max_failures: int | None
) -> SearchKeys:
    """Return the keys of `search:`, checked; `max_failures` may be None here.

    Raises:
        SpecError: some are wrong, or have no meaning for a function.
    """
    operational = OPERATIONAL - (_IN_PROCESS if workers is not None else frozenset())
    if meaningless := sorted(operational & given.keys()):
        message = f"'{meaningless[0]}' is for processes that work, and a function is only called"
        raise SpecError(Problem("E020", message, help="workers=N calls it in N processes"))
    if meaningless := sorted(_OF_TRAININGS & given.keys()):
        message = f"'{meaningless[0]}' is for trainings, and a function is only called"
        raise SpecError(Problem("E020", message, help="leave it out"))
    is_whole = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and not (is_whole and workers >= 1):
        message = f"'workers' is {kind(workers)}, which is not a whole number, 1 or more"
        raise SpecError(Problem("E020", message))
    more = {} if max_failures is None else {"max_failures": max_failures}
    retries = {"max_retries": 0 if workers is None else 1}
    keys_of = search_model(strategy)
    try:
        keys = keys_of.model_validate(retries | dict(given) | more)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise SpecError(*(_problem(one, keys_of) for one in wrong)) from error
    return keys.model_copy(update={"max_failures": max_failures})


def _problem(found: ErrorDetails, keys: type[SearchKeys]) -> Problem:
    """Return in words what pydantic says of an argument."""
    name = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        near = closest(name, keys.model_fields)
        help = f"did you mean '{near}'?" if near else f"there are: {', '.join(keys.model_fields)}"
        return Problem("E012", f"unknown key '{name}'", help=help)
    # a list is wrong as a whole, whichever of its members is
    expected = keys.model_fields[str(found["loc"][0])].description or "of its kind"
    message = f"'{name}' is {kind(found['input'])}, which is not {expected}"
    return Problem("E020", message, hint=repair(found["input"], expected))


def _check_importable(objective: Callable[[Params], Loss]) -> None:
    """Refuse a function that other processes cannot import."""
    try:
        pickle.dumps(objective)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        message = f"{objective!r} cannot be called in other processes, since they cannot import it"
        help = "define it with `def` in a module; a lambda or an inner function has no name there"
        raise SpecError(Problem("E020", message, help=help)) from error


def _config(
    parameters: Mapping[str, object], constraints: Sequence[str], search: Mapping[str, object]
) -> str:
    """Return what a study keeps of the call, as JSON: all that its trials rest on."""
    kept = {name: value for name, value in search.items() if name not in OPERATIONAL}
    config = {"parameters": dict(parameters), "constraints": list(constraints), "search": kept}
    return json.dumps(config, default=str)


def _opened(folder: Path, plan: Plan, budget: int, config: str) -> Store:
    """Return the study in a folder, begun now or earlier.

    Raises:
        ConfigDiffers: it was begun with other arguments, or by a version that asked otherwise.
    """
    meta = StudyMeta(
        name=folder.name,
        objective="function",
        strategy=plan.strategy,
        seed=plan.keys.seed,
        time_weight=plan.keys.time_weight,
        config=config,
        file="parameters",
        folder="",
        overrides="[]",
        rows=None,
        budget=budget,
        threads=1,
        device="cpu",
        metric=None,
        has_cost=False,
        baseline_loss=None,
        baseline_metric=None,
        data="{}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps(versions()),
    )
    if not (folder / FILE).exists():
        return Store.create(folder, meta)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(folder))
        begun = store.study().meta
        if problems := [Problem("E178", one) for one in _differences(begun, meta)]:
            raise ConfigDiffers(*problems)
        if begun.budget is not None and budget > begun.budget:
            store.amend(replace(begun, budget=budget))
        stack.pop_all()
        return store


def _differences(begun: StudyMeta, meta: StudyMeta) -> Iterator[str]:
    """Give each argument that is another than the study was begun with."""
    for name in ("objective", "strategy", "seed"):
        if (was := getattr(begun, name)) != (now := getattr(meta, name)):
            yield f"{name}: {was} -> {now}"
    if begun.objective != meta.objective:
        return
    before, after = json.loads(begun.config), json.loads(meta.config)
    if before["constraints"] != after["constraints"]:
        yield f"constraints: {flow(before['constraints'])} -> {flow(after['constraints'])}"
    for section in ("parameters", "search"):
        old, new = before[section], after[section]
        for name in {**old, **new}:
            # as text: 0 and 0.0 are equal, and ends of two ranges that are not the same
            texts = [json.dumps(one.get(name), sort_keys=True) for one in (old, new)]
            if name not in old or name not in new or texts[0] != texts[1]:
                said = (written(one[name]) if name in one else "not set" for one in (old, new))
                yield f"{section}.{name}: {' -> '.join(said)}"
    was, now = [*before["parameters"]], [*after["parameters"]]
    if was != now and sorted(was) == sorted(now):
        yield f"parameters: {flow(was)} -> {flow(now)}"


def _minimum(search: Search, history: History, ended: str = "") -> Minimum:
    """Return what was found so far, and why no more was."""
    scores = history.with_time_weight(search.time_weight, "seconds")
    with own_state():
        order = ranked(search.strategy, search.space, scores)
    best = _best(history, order[0]) if order else None
    called = (trial for trial in history.trials if trial.number in history.results)
    evaluations = tuple(_evaluation(one, history.results[one.number]) for one in called)
    return Minimum(best, evaluations, ended)


def _best(history: History, chosen: Trial) -> Best:
    result = next(result for trial, result in history.done if trial.number == chosen.number)
    return Best(dict(chosen.params), result.loss, result.loss_se)


def _evaluation(trial: Trial, result: Result) -> Evaluation:
    if isinstance(result, Done):
        return Evaluation(dict(trial.params), result.loss, result.seconds)
    return Evaluation(dict(trial.params), math.nan, result.seconds, result.reason)


class _Bar:
    """A progress bar on stderr: how many calls were made, and the best loss so far."""

    def __init__(self, budget: int) -> None:
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(file=cast(TextIO, output.Progress(sys.stderr)))
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("calls", total=budget)
        self._progress.start()

    def show(self, event: Event) -> None:
        """Take in what has happened."""
        if isinstance(event, CohortFinished):
            done = event.history.done
            text = f"best {done[0][1].loss:.4g}" if done else "calls"
            ended = len(event.history.results)
            self._progress.update(self._task, completed=ended, description=text)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

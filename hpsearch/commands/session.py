"""What a new search and a resumed one share: how it runs, what it shows, and how it ends."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hpsearch import output
from hpsearch.commands import console
from hpsearch.config.schema import RunnerKeys, runner_options
from hpsearch.config.spec import Spec
from hpsearch.engine.structure.device import Device
from hpsearch.errors import (
    EXIT_CRASHING,
    EXIT_INTERRUPTED,
    EXIT_NO_WINNER,
    EXIT_OK,
    EXIT_TERMINATED,
    MAKE_DO,
    HpsearchError,
    NoResources,
    Problem,
    SpecError,
)
from hpsearch.objectives import Objective, TestScore
from hpsearch.objectives.networks import set_up
from hpsearch.report.board.live import LiveView
from hpsearch.report.board.progress import Lines, Quiet, Subject, View
from hpsearch.report.board.text import DisplayOptions, as_json, as_table
from hpsearch.report.board.view import Board, Row, board
from hpsearch.report.render import figures
from hpsearch.report.render.figures import duration
from hpsearch.runners import (
    Resources,
    Runner,
    Work,
    WorkCrashed,
    WorkFinished,
    WorkKey,
)
from hpsearch.search.loop import CohortFinished, CohortRetried, Stop, run
from hpsearch.search.plan import Plan, idle_workers
from hpsearch.strategies import Limit
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.files import open_own, unwritable
from hpsearch.study.folder import LOG, sweep_study
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.record import Session, StudyRecord, TestEvaluation
from hpsearch.study.store import Store
from hpsearch.study.trial import Done, Notice, Result
from hpsearch.text import ERRORS, lines, shell_word

_SHOWN = 10  # rows of the board after a search
_POLL = 0.2  # seconds between looks at the signals
_KILLS = 2  # of a worker, after which a question is not asked again
_OVERRUN = 1.0  # seconds beyond a limit of which a person is told


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a search is run; only the threads and the device change what it finds.

    Attributes:
        resources: workers, threads and memory.
        runner: where work is done, with keys of its own.
        device: the device that is asked for: auto, cpu, cuda or cuda:i; empty where a trainer of
            one's own decides that.
        json: whether one JSON object is printed in place of the table.
        quiet: whether nothing is shown on stderr.
        no_color: whether there are no colours.
        started: when the command began, by the monotonic clock.
    """

    resources: Resources
    runner: RunnerKeys
    device: str
    json: bool
    quiet: bool
    no_color: bool
    started: float

    def limit(self, seconds: float) -> Limit:
        """Return what the workers may spend in so many seconds by the clock.

        Suggestions and waiting take their part of it.
        """
        workers = self.workers

        def spent(history: History) -> float:
            return (time.monotonic() - self.started) * workers

        return Limit(seconds * workers, spent, workers)

    @property
    def workers(self) -> int:
        """How many trainings run at a time."""
        return 1 if runner_options(self.runner).works_alone else self.resources.workers

    def build(self, artefacts: Artefacts) -> Runner:
        """Return the runner; enter it to start it."""
        return runner_options(self.runner).build(self.resources, artefacts)

    def view(self, subject: Subject) -> View:
        """Return what is shown on stderr."""
        if self.quiet:
            return Quiet()
        notes = console.progress(self.no_color)
        return LiveView(notes, subject) if console.animated(notes) else Lines(notes, subject)

    def note(self, *texts: str) -> None:
        """Print each text on a line of its own, on stderr."""
        if not self.quiet:
            console.note(*texts, no_color=self.no_color)


def resources(
    workers: int | None, threads: int, memory: int | None, runner: RunnerKeys, device: str
) -> Resources:
    """Return what a search may use; where nobody says how many workers, the runner does."""
    most = workers or runner_options(runner).default_workers(threads, device)
    return Resources(most, threads, memory)


def ask_for_device(runner: Runner, options: RunOptions) -> Work:
    """Begin to find out which device there is, and return the work; see `chosen_device`.

    It is begun before the data is read, so that workers import what they need in the meantime.
    """
    call = "hpsearch.engine.device:choose"
    environment = set_up(options.resources.threads)
    work = Work(WorkKey(-1), call, options.device, set_up=environment)
    runner.submit(work)
    return work


def chosen_device(runner: Runner, work: Work) -> Device:
    """Return the device that `auto` means here, or the one asked for if it is there.

    Raises:
        SpecError: it is not there.
    """
    device: Device
    (device,) = collect(runner, work)
    return device


def collect(runner: Runner, work: Work, stop: Stop | None = None) -> list[Any]:
    """Return all events of a piece of work that was submitted; none where `stop` says so before.

    See `collect_all`.
    """
    return collect_all(runner, [work], stop)[work.key]


def collect_all(
    runner: Runner, works: Sequence[Work], stop: Stop | None = None
) -> Mapping[WorkKey, list[Any]]:
    """Return all events of each piece of work that was submitted; none after `stop` says so.

    Work is done again where its worker was killed, which is not its fault.

    Raises:
        SpecError: some work crashed.
        NoResources: it lacks memory, or its worker was killed twice.
        HpsearchError: what it says itself.
    """
    given: dict[WorkKey, list[Any]] = {work.key: [] for work in works}
    running = {work.key: work for work in works}
    killed: Counter[WorkKey] = Counter()
    while running and (stop is None or not stop.now()):
        for key, event in runner.wait(_POLL):
            if key not in running:
                continue
            if isinstance(event, WorkFinished):
                del running[key]
            elif isinstance(event, HpsearchError):
                raise event
            elif not isinstance(event, WorkCrashed):
                given[key].append(event)
            else:
                killed[key] += event.kind == "killed"
                _raise_for(event, killed[key])
                given[key].clear()
                runner.submit(running[key])
    return {key: [] for key in given} if running else given


def _raise_for(crash: WorkCrashed, killed: int) -> None:
    """Raise what is to be said of a crash, unless the work is to be done again."""
    if killed == _KILLS:
        message = f"a worker was killed {killed} times in a row: {crash.message}"
        raise NoResources(Problem("E171", message, help=MAKE_DO))
    if crash.kind == "memory":
        message = f"a worker lacks memory: {crash.message}"
        help = "a machine with more of it, or a larger --memory where that is the limit"
        raise NoResources(Problem("E171", message, help=help))
    if crash.kind != "killed":
        raise SpecError(Problem("E080", crash.message))


def plan_of(strategy: str, spec: Spec, objective: Objective) -> Plan:
    """Return the plan of a search."""
    assert spec.options is not None, "a search has a strategy"
    return Plan(strategy, spec.options, spec.search, objective, spec.trials)


def finish(
    plan: Plan, options: RunOptions, runner: Runner, store: Store, held: Collection[str]
) -> int:
    """Search, judge the winner on the test split, print the board; return the exit code.

    `held` are the digests of artefacts that this run needs beside those that the study keeps.
    """
    study, began = store.study(), time.monotonic()
    meta, keys = study.meta, plan.keys
    limit = options.limit(keys.time) if keys.time else None
    search = plan.search(meta.budget, limit)
    options.note(*idle_workers(search, options.workers))
    deadline = options.started + keys.time if keys.time else float("inf")
    stop = Stop(deadline=deadline, grace=keys.grace)
    keeper = _Keeper(store.folder, plan, study.history, held)
    keeper.clean(study)
    with _signals(stop), options.view(_subject(plan, meta)) as view:
        for event in run(search, store, runner, stop):
            if isinstance(event, CohortFinished):
                keeper.take(event)
            if trace := _traceback(event):
                _log(store.folder / LOG, trace)
            view.show(event)
        if not stop.signals:
            _final_test(plan, options, runner, store, stop)
    study = store.study()
    code = _exit(study, stop, plan.epochs)
    store.record_session(Session(time.monotonic() - began, code))
    # after the commit has found the study in its place: it is no other's files that are removed
    keeper.held = ()
    keeper.clean(study)
    study = store.study()
    now = board(study)
    why = "" if stop.signals else plan.ending(study.history, meta.budget, limit)
    over = time.monotonic() - deadline
    try:
        _print(now, options)
    finally:  # also where the result cannot be printed
        _say_what_is_next(study, now, options, store.folder, stop, plan.epochs, why)
        if keys.time and over > _OVERRUN:
            options.note(f"the limit of {duration(keys.time)} was overrun by {duration(over)}")
    return code


class _Keeper:
    """Removes artefacts that are not needed any more, and files that are half written."""

    def __init__(self, folder: Path, plan: Plan, history: History, held: Collection[str]) -> None:
        self.held = held
        self._folder = folder
        self._objective = plan.objective
        self._artefacts = Artefacts(folder / FOLDER)
        self._recorded = _digests(history.results.values())

    def clean(self, study: StudyRecord) -> None:
        """Remove all that is not needed, also what was killed has left, while nothing runs."""
        sweep_study(self._folder)
        judged = {one.weights for one in study.evaluations if one.weights}
        kept = {*self._objective.kept(study.history), *judged, *self.held}
        self._artefacts.keep_only(kept)

    def take(self, event: CohortFinished) -> None:
        """Remove what is not needed after these results.

        What belongs to no result yet stays: other cohorts are running.
        """
        self._recorded |= _digests(event.results.values())
        doomed = self._recorded - {*self._objective.kept(event.history), *self.held}
        self._artefacts.remove(doomed.__contains__)
        self._recorded -= doomed


def _digests(results: Iterable[Result]) -> set[str]:
    """Return the digests of all artefacts that these results name."""
    done = (result for result in results if isinstance(result, Done))
    return {digest for one in done for digest in one.artefacts.values()}


def _traceback(event: object) -> str:
    if isinstance(event, CohortRetried):
        return event.failure.traceback
    return event.traceback if isinstance(event, CohortFinished) else ""


def _subject(plan: Plan, meta: StudyMeta) -> Subject:
    name, goal = figures.label(meta.minimized), ""
    if meta.objective != "networks":
        goal = f", {'minimize' if name == meta.minimized else 'maximize'} {name}"
    title = f"{meta.name}: {plan.strategy}, seed {meta.seed}{goal}"
    total = plan.total(meta.budget)
    epochs, whole = plan.objective.epochs, plan.epochs
    return Subject(title, total, meta.shown_beside, epochs, whole, meta.minimized, meta.curve)


def _exit(study: StudyRecord, stop: Stop, epochs: int) -> int:
    if stop.crashing:
        return EXIT_CRASHING
    if stop.signals and _is_unfinished(study, epochs):
        return EXIT_INTERRUPTED if stop.signals[0] == signal.SIGINT else EXIT_TERMINATED
    return EXIT_OK if study.history.done else EXIT_NO_WINNER


def _is_unfinished(study: StudyRecord, epochs: int) -> bool:
    """Return whether there may be something left to do.

    Where there is no budget, only the strategy knows.
    """
    budget = study.meta.budget
    if study.history.pending or budget is None:
        return True
    return study.history.epochs(epochs) < budget * epochs


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Let Ctrl-C and a polite kill only tell `stop`."""

    def note(number: int, frame: object) -> None:
        stop.signal(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log(path: Path, text: str) -> None:
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = open_own(path, flags)
        with os.fdopen(file, "w", encoding="utf-8", errors=ERRORS) as log:
            log.write(lines(text) + "\n")
    except OSError as error:
        raise unwritable(path, error) from error


def final_test_work(plan: Plan, study: StudyRecord, row: Row) -> Work | None:
    """Return the work that judges a trial on the test split, or None where there is none.

    The weights are those of its first run, the epochs those of all runs.
    """
    trial, result = study.history.trials[row.number], study.history.ended[row.number]
    if not isinstance(result, Done):
        return None
    return plan.objective.final_test(trial, replace(result, best_epoch=row.best_epoch or 0))


def _final_test(plan: Plan, options: RunOptions, runner: Runner, store: Store, stop: Stop) -> None:
    """Judge the winner on the test split, unless it has been: evaluations are counted."""
    study = store.study()
    now = board(study)
    if now.winner is None or now.test:
        return
    number = now.winner.number
    work = final_test_work(plan, study, now.winner)
    if work is None:
        return
    try:
        runner.submit(work)
        for event in collect(runner, work, stop):
            if isinstance(event, Notice):
                options.note(event.text)
            elif isinstance(event, TestScore):
                store.record_test(TestEvaluation(number, **asdict(event)))
    except (NoResources, SpecError) as error:  # the search is not lost with it
        options.note(f"the winner could not be scored on the test split: {error}")


def _print(now: Board, options: RunOptions) -> None:
    results = console.result(options.no_color)
    if options.json:
        output.emit(as_json(now, DisplayOptions()))
    else:
        console.emit(as_table(now, DisplayOptions(top=_SHOWN), results.width), results)


def _say_what_is_next(
    study: StudyRecord,
    now: Board,
    options: RunOptions,
    folder: Path,
    stop: Stop,
    epochs: int,
    why: str,
) -> None:
    """Say what was done, why the search has ended, and how it goes on."""
    ended, place = len(study.history.ended), shell_word(str(folder))
    options.note("", f"{counted(ended)} in {duration(now.wall_seconds)}; all is kept in {folder}")
    if stop.crashing:
        options.note(f"stopped: {stop.crashing}")
    elif why:
        options.note(f"ended: {why}")
    failed = (row.number for row in now.rows if row.state == "failed")
    if now.winner is None and (first := next(failed, None)) is not None:
        options.note(f"why trial {first} has failed:  hpsearch show {place} {first}")
    if stop.soon() and _is_unfinished(study, epochs):
        options.note(f"stopped early; go on with:  hpsearch resume {place}")
    elif now.winner is not None:
        options.note(f"next:  hpsearch leaderboard {place} --sort seconds")


def counted(trials: int) -> str:
    """Return so many trials in words."""
    return "1 trial" if trials == 1 else f"{trials:,} trials"

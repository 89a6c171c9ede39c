"""What a new search and a resumed one share: the plan of a study, its run, and its end."""

from __future__ import annotations

import math
import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpsearch.commands import console
from hpsearch.data import Dataset
from hpsearch.engine.structure.cohorts import Job, Member, cohorts
from hpsearch.errors import (
    EXIT_CRASHING,
    EXIT_INTERRUPTED,
    EXIT_NO_WINNER,
    EXIT_OK,
    EXIT_TERMINATED,
    HpsearchError,
    Problem,
    SpecError,
)
from hpsearch.report.board.progress import Lines, LiveView, Quiet, Subject, View
from hpsearch.report.board.text import Shown, as_json, as_table
from hpsearch.report.board.view import board, metric_name
from hpsearch.report.render.figures import duration
from hpsearch.runners import RUNNERS, Crashed, Finished, Runner, Work
from hpsearch.search.loop import Again, Search, Stop, Told, spent
from hpsearch.search.loop import run as run_search
from hpsearch.search.plan import Plan, bills, prices, sharing
from hpsearch.space.space import Params
from hpsearch.strategies import Limit
from hpsearch.study.files import sweep, unwritable
from hpsearch.study.history import History
from hpsearch.study.store import Look, Meta, Session, Store, Study
from hpsearch.study.trial import Cohort, Done, Note, Trial

WEIGHTS = "weights"
_KEPT = 5  # trials whose weights are kept, the best ones
_SHOWN = 10  # rows of the board after a search
_POLL = 0.2  # seconds between looks at the signals


@dataclass(frozen=True)
class Run:
    """How a search is run: nothing here changes what it finds, but for `threads` and the device."""

    workers: int
    threads: int
    wanted: str
    json: bool
    quiet: bool
    no_color: bool
    started: float

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Run:
        """From the flags; as many workers as there are cores for them, unless told."""
        threads = given["threads"]
        workers = given["workers"] or max(1, len(os.sched_getaffinity(0)) // threads)
        return cls(
            workers,
            threads,
            given["device"],
            given["json"],
            given["quiet"],
            given["no_color"],
            time.monotonic(),
        )

    def limit(self, seconds: float) -> Limit:
        """What the workers may spend in so many seconds by the clock; suggestions and waiting take their part."""
        return Limit(
            seconds * self.workers, lambda history: (time.monotonic() - self.started) * self.workers
        )

    def runner(self, memory: int | None = None) -> Runner:
        """The processes that train, each with so many bytes at most; enter it to start them."""
        runner: Runner = RUNNERS.load("local")(self.workers, self.threads, memory)
        return runner

    def device(self, runner: Runner) -> str:
        """The device that `auto` means here; or the one asked for, if it is there."""
        (device,) = call(runner, "hpsearch.engine.device:choose", self.wanted)
        return str(device)

    def view(self, subject: Subject) -> View:
        """What is shown on stderr."""
        if self.quiet:
            return Quiet()
        notes = console.progress(self.no_color)
        return LiveView(notes, subject) if console.animated(notes) else Lines(notes, subject)


def call(runner: Runner, function: str, argument: object, stop: Stop | None = None) -> list[Any]:
    """Have one piece of work done, and wait for it: the events that it gives, none where `stop` says so before its end.

    Raises:
        SpecError: it crashed.
        HpsearchError: what it says itself.
    """
    runner.submit(Work(-1, function, argument))
    given: list[Any] = []
    while stop is None or not stop.now():
        for _, event in runner.wait(_POLL):
            if isinstance(event, Finished):
                return given
            if isinstance(event, HpsearchError):
                raise event
            if isinstance(event, Crashed):
                raise SpecError(Problem("E080", event.reason.removeprefix("error: ")))
            given.append(event)
    return []


def finish(plan: Plan, run: Run, runner: Runner, data: Dataset, store: Store) -> int:
    """Search, look at the test split with the winner, print the board. Returns the exit code."""
    study, began = store.study(), time.monotonic()
    meta = study.meta
    limit, grace = plan.spec.search.time, plan.spec.search.grace
    search = planned(plan, data, store.folder, meta, run.limit(limit) if limit else None)
    stop = Stop(deadline=run.started + limit if limit else float("inf"), grace=grace)
    _prune(
        store.folder / WEIGHTS, study.history.weighed(meta.time_weight), plan
    )  # what a killed run left
    with _signals(stop), run.view(_subject(plan, data, meta)) as view:
        for event in run_search(search, store, runner, stop):
            if isinstance(event, Told):
                _prune(store.folder / WEIGHTS, event.history.weighed(meta.time_weight), plan)
            if isinstance(event, Told | Again) and event.traceback:
                _log(store.folder / "errors.log", event.traceback)
            view.show(event)
        if not stop.signals and len(data.test):
            _look(plan, runner, store, stop)
    sweep(store.folder)  # of this run's killed workers, and of runs that were killed themselves
    code = _exit(store.study(), stop, plan.epochs)
    store.ended(Session(time.monotonic() - began, code))
    _print(store.study(), run, store.folder, stop, plan.epochs)
    return code


def _subject(plan: Plan, data: Dataset, meta: Meta) -> Subject:
    def epochs(params: Params) -> int:
        return int(plan.spec.settings(params)["epochs"])

    metric = metric_name(data.task)
    title = f"{meta.name}: {plan.strategy}, seed {meta.seed}"
    return Subject(title, plan.total(meta.budget), metric, epochs, whole=plan.epochs)


def planned(
    plan: Plan, data: Dataset, folder: Path, meta: Meta, limit: Limit | None = None
) -> Search:
    """What the loop asks for, with the engine behind it; `limit` is that of time."""
    of = bills(plan.spec, data, meta.device)
    strategy, wave = plan.build(meta.budget, prices(of), limit, sharing(of, plan.spec.space))
    keys, folds = plan.spec.search, len(data.folds)
    seeds = keys.seeds

    def group(trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        settings = [plan.spec.settings(trial.params) for trial in trials]
        apart = [(trial.replicate, trial.start, trial.upto) for trial in trials]
        return cohorts(settings, data.shape, data.outputs, meta.device, seeds * folds, apart)

    def work(cohort: Cohort) -> Work:
        members = [
            Member(
                trial.run,
                settings,
                trial.replicate * seeds + seed,
                fold,
                trial.start,
                trial.upto,
                trial.lot,
            )
            for trial in cohort.trials
            for settings in [plan.spec.settings(trial.params)]
            for seed in range(seeds)
            for fold in range(folds)
        ]
        job = _job(plan, members, folder, meta.device, cohort.trials[0])
        seconds = len(cohort.trials) * (keys.trial_timeout or math.inf)
        return Work(cohort.number, "hpsearch.engine.jobs:train_cohort", job, seconds)

    return Search(
        strategy=strategy,
        space=plan.space(of({}).steps),
        opening=plan.opening,
        budget=meta.budget,
        wave=wave,
        seed=meta.seed,
        time_weight=meta.time_weight,
        cohorts=group,
        work=work,
        epochs=plan.epochs,
        retries=keys.max_retries,
        failures=keys.max_failures,
    )


def _job(plan: Plan, members: Sequence[Member], folder: Path, device: str, trial: Trial) -> Job:
    """Members that have the trial's split."""
    keys, data = plan.spec.search, replace(plan.spec.data, draw=trial.replicate)
    return Job(tuple(members), data, keys.metric, keys.seed, device, folder / WEIGHTS)


def _exit(study: Study, stop: Stop, epochs: int) -> int:
    if stop.crashing:
        return EXIT_CRASHING
    if stop.signals and _is_unfinished(study, epochs):
        return EXIT_INTERRUPTED if stop.signals[0] == signal.SIGINT else EXIT_TERMINATED
    return EXIT_OK if study.history.done else EXIT_NO_WINNER


def _is_unfinished(study: Study, epochs: int) -> bool:
    """Whether there may be something left to do (where the budget is all there is, only the strategy knows)."""
    budget = study.meta.budget
    return (
        bool(study.history.pending)
        or budget is None
        or spent(study.history, epochs) < budget * epochs
    )


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Ctrl-C and a polite kill only tell `stop`."""

    def note(number: int, frame: object) -> None:
        stop.signal(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prune(folder: Path, history: History, plan: Plan) -> None:
    """Keep the weights of the best trials only: of their first run, and of all that were run again.

    Of what trials left at a pause, keep what they may go on from.
    """
    again = [number for number, runs in history.runs.items() if len(runs) > 1]
    kept = {*(trial.number for trial, _ in history.whole[:_KEPT]), *again}
    for number in history.results.keys() - kept:
        (folder / f"{number}.safetensors").unlink(missing_ok=True)
    going = plan.going(history)
    for path in folder.glob("*.pause.safetensors"):
        trial, _, _, epoch, *_ = path.name.split(".")
        if int(epoch) < going.get(
            int(trial), math.inf
        ):  # later ones may be of a leg that is not told of yet
            path.unlink(missing_ok=True)


def _log(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(text + "\n")
    except OSError as error:
        raise unwritable(path, error) from error


def _look(plan: Plan, runner: Runner, store: Store, stop: Stop) -> None:
    """Score the winner on the test split, unless it has been: the count of looks is kept."""
    study = store.study()
    now = board(study)
    winner = now.winner
    if winner is None or now.test:
        return
    trial, result = study.history.trials[winner.number], study.history.ended[winner.number]
    member = Member(winner.number, plan.spec.settings(winner.params), lot=trial.lot)
    weights = result.weights if isinstance(result, Done) else None
    job = _job(plan, [member], store.folder, study.meta.device, trial)
    job = replace(job, epochs=winner.best_epoch or 0, weights=weights or "")
    try:
        for event in call(runner, "hpsearch.engine.jobs:score_test", job, stop):
            if isinstance(event, Note):
                console.progress().print(event.text, markup=False, soft_wrap=True)
            else:
                store.looked(Look(winner.number, *event))
    except SpecError as error:  # the search is not lost with it
        console.progress().print(
            f"the winner could not be scored on the test split: {error}", markup=False
        )


def _print(study: Study, run: Run, folder: Path, stop: Stop, epochs: int) -> None:
    results, notes = console.result(run.no_color), console.progress(run.no_color)
    now = board(study)
    if run.json:
        console.emit(as_json(now, Shown()))
    else:
        console.emit(console.rendered(as_table(now, Shown(top=_SHOWN), results.width), results))
    if run.quiet:
        return
    ended, place = len(study.history.ended), shlex.quote(str(folder))
    notes.print(
        f"\n{counted(ended)} in {duration(now.wall_seconds)}; all is kept in {folder}",
        soft_wrap=True,
    )
    if stop.crashing:
        notes.print(f"stopped: {stop.crashing}", markup=False, soft_wrap=True)
    if stop.soon() and _is_unfinished(study, epochs):
        notes.print(f"stopped early; go on with:  hpsearch resume {place}", soft_wrap=True)
    else:
        notes.print(f"next:  hpsearch leaderboard {place} --sort seconds", soft_wrap=True)


def counted(trials: int) -> str:
    """So many trials, in words."""
    return "1 trial" if trials == 1 else f"{trials:,} trials"

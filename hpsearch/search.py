"""The loop: ask a wave, train its cohorts, tell. The only place where trials are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from random import Random

from hpsearch.errors import HpsearchError
from hpsearch.runners import Crashed, Finished, Runner, Work
from hpsearch.space import Space, point_key
from hpsearch.store import Store
from hpsearch.strategies import Strategy
from hpsearch.trial import Cohort, Continue, Done, Epoch, Failed, History, New, Note, Repeat, Result, Suggestion, Trial

_POLL = 0.2  # seconds between looks at the signals


@dataclass(frozen=True)
class Search:
    """What the loop needs to know. The trials of `opening` are asked for before the strategy is.

    `cohorts` splits a wave into those that train together; `work` makes a cohort a runner's work.
    `budget` is the total of trials, or None for all that the strategy has. Where trainings consist of legs, `epochs`
    is the number of those of a whole one, and the budget counts whole ones: nothing is asked for that goes beyond it.
    """

    strategy: Strategy
    space: Space
    opening: Sequence[New]
    budget: int | None
    wave: int
    seed: int
    time_weight: float
    cohorts: Callable[[Sequence[Trial]], Sequence[Sequence[int]]]
    work: Callable[[Cohort], Work]
    epochs: int = 1


@dataclass
class Stop:
    """Why the loop should end before its budget: a time limit, or signals that have come.

    After the deadline, and after a first signal, nothing new begins; cohorts that run may finish,
    after a signal for `grace` seconds at most. A second signal ends it at once.
    """

    deadline: float = float("inf")
    grace: float = 10.0
    signals: list[int] = field(default_factory=list)
    _since: float | None = None

    def soon(self) -> bool:
        """Whether nothing new may begin."""
        return bool(self.signals) or time.monotonic() > self.deadline

    def now(self) -> bool:
        """Whether what runs must be left, too."""
        if self.signals and self._since is None:
            self._since = time.monotonic()
        late = self._since is not None and time.monotonic() > self._since + self.grace
        return late or len(self.signals) > 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A wave was written down and goes to the runner."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A cohort ended and was written down; `traceback` says more where it crashed."""

    results: Mapping[int, Result]
    history: History
    traceback: str = ""


def run(search: Search, store: Store, runner: Runner, stop: Stop) -> Iterator[Asked | Note | Epoch | Told]:
    """Search until the budget is spent, the strategy has no more, or `stop` says so; give what happens.

    Goes on where the store stands: trials without a result are trained first, in their own cohorts.
    """
    history = store.study().history
    while not stop.soon():
        if not history.pending:
            wave = ask_wave(search, history)
            if not wave:
                return
            store.asked(wave)
            history = history.asked(wave)
            yield Asked(wave)
        for event in _train(search, history, store, runner, stop):
            if isinstance(event, Told):
                history = event.history
            yield event


def ask_wave(search: Search, history: History) -> tuple[Trial, ...]:
    """The next wave, split into cohorts; empty where there is nothing left to ask.

    Question n uses a generator made from (seed, n), so that its answer depends on the history alone.
    """
    left = float("inf") if search.budget is None else search.budget * search.epochs - spent(history, search.epochs)
    number = max((trial.wave for trial in history.trials), default=-1) + 1
    cohort = max((trial.cohort for trial in history.trials), default=-1) + 1
    known = history.weighed(search.time_weight)
    trials: list[Trial] = []
    for _ in range(search.wave):
        match _ask(search, known):
            case New() as new:
                trial = Trial(
                    len(known),
                    new.params,
                    new.why,
                    number,
                    cohort,
                    promise=new.promise,
                    upto=new.upto,
                    lot=new.lot,
                )
            case Repeat(of, why):
                runs = known.runs[of]
                trial = Trial(len(known), runs[0].params, why, number, cohort, of, len(runs))
            case Continue(of, upto, why):
                last = known.legs[of][-1]
                trial = replace(last, number=len(known), why=why, wave=number, of=of, start=last.upto or 0, upto=upto)
            case _:
                break
        left -= trial.length(search.epochs)
        if left < 0:
            break
        trials.append(trial)
        known = known.asked([trial])
    groups = search.cohorts(trials)
    member_of = {position: cohort + k for k, group in enumerate(groups) for position in group}
    return tuple(replace(trial, cohort=member_of[position]) for position, trial in enumerate(trials))


def spent(history: History, whole: int) -> int:
    """The epochs of all that was asked for, at most, where a whole training has so many; with 1, the trials."""
    return sum(trial.length(whole) for trial in history.trials)


def _ask(search: Search, history: History) -> Suggestion | None:
    for new in search.opening:
        if point_key(new.params) not in history.keys:
            return new
    return search.strategy.ask(search.space, history, Random(f"{search.seed}/{len(history)}"))


def _train(search: Search, history: History, store: Store, runner: Runner, stop: Stop) -> Iterator[Note | Epoch | Told]:
    """Train the cohorts of the pending trials; each is told when all of it has ended."""
    groups: dict[int, list[Trial]] = {}
    for trial in history.pending:
        groups.setdefault(trial.cohort, []).append(trial)
    cohorts = {number: Cohort(number, tuple(trials)) for number, trials in groups.items()}
    results: dict[int, dict[int, Result]] = {number: {} for number in cohorts}
    for cohort in cohorts.values():
        runner.submit(search.work(cohort))
    while cohorts and not stop.now():
        if stop.soon():
            running = runner.withdraw()
            cohorts = {number: cohort for number, cohort in cohorts.items() if number in running}
        for number, event in runner.wait(_POLL):
            if isinstance(event, Epoch | Note):
                yield event
            elif isinstance(event, Finished | Crashed):
                crash = event if isinstance(event, Crashed) else Crashed("error: it ended without a result")
                missing = {trial.number: Failed(crash.reason) for trial in cohorts[number].trials}
                told = {**missing, **results[number]}
                store.told(told)
                history = history.told(told)
                del cohorts[number]
                yield Told(told, history, crash.traceback)
            elif isinstance(event, HpsearchError):
                raise event  # what a worker cannot write is no fault of its trials
            elif isinstance(event, tuple):
                trial = next(trial for trial in cohorts[number].trials if trial.run == event[0])
                results[number][trial.number] = _judged(_named(event[1], trial))


def _named(result: Result, trial: Trial) -> Result:
    """The result with the trial's own number, where the engine knows it by that of the first leg."""
    if not trial.start:
        return result
    return replace(result, curve=tuple(replace(epoch, number=trial.number) for epoch in result.curve))


def _judged(result: Result) -> Result:
    """The result, if its loss can be compared; what is not a finite number is a failure, whoever computed it."""
    if isinstance(result, Done) and not isfinite(result.loss):
        return Failed(f"diverged: the loss is {result.loss}", result.seconds, result.curve)
    return result

"""The loop: ask a wave, train its cohorts, tell. The only place where trials are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from random import Random

from hpsearch.errors import HpsearchError
from hpsearch.runners import Crashed, Finished, Runner, Work
from hpsearch.space.space import Space, point_key
from hpsearch.strategies import Strategy
from hpsearch.study.history import History
from hpsearch.study.store import Store
from hpsearch.study.trial import (
    Cohort,
    Continue,
    Done,
    Epoch,
    Failed,
    New,
    Note,
    Repeat,
    Result,
    Suggestion,
    Trial,
)

_POLL = 0.2  # seconds between looks at the signals


@dataclass(frozen=True)
class Search:
    """What the loop needs to know. The trials of `opening` are asked for before the strategy is.

    `cohorts` splits a wave into those that train together; `work` makes a cohort a runner's work.
    `budget` is the total of trials, or None for all that the strategy has. Where trainings consist of legs, `epochs`
    is the number of those of a whole one, and the budget counts whole ones: nothing is asked for that goes beyond it.

    A cohort that crashed is tried again as a whole, `retries` times, and then its trials one by one. After so many
    `failures` in a row (None: never) nothing more is asked for.
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
    retries: int = 1
    failures: int | None = None


@dataclass
class Stop:
    """Why the loop should end before its budget: a time limit, signals that have come, or too many crashes.

    After the deadline, after a first signal, and where trials only crash, nothing new begins; cohorts that run may
    finish, after a signal for `grace` seconds at most. A second signal ends it at once.
    """

    deadline: float = float("inf")
    grace: float = 10.0
    signals: list[int] = field(default_factory=list)
    crashing: str = ""
    _since: float | None = None
    _thinking: bool = False
    _announced: bool = False

    def signal(self, number: int) -> None:
        """Take note of a signal. A suggestion, which may take long, is broken off by the second one.

        Raises:
            BrokenOff: it was one.
        """
        self.signals.append(number)
        if self._thinking and len(self.signals) > 1:
            raise BrokenOff

    @contextmanager
    def thinking(self) -> Iterator[None]:
        """In here nothing is written down, and a second signal may break off what is done."""
        self._thinking = True
        try:
            yield
        finally:
            self._thinking = False

    def soon(self) -> bool:
        """Whether nothing new may begin."""
        return bool(self.signals or self.crashing) or time.monotonic() > self.deadline

    def announced(self) -> Iterator[Note]:
        """What is said once, after a signal."""
        if self.signals and not self._announced:
            self._announced = True
            yield Note(
                f"ending; what is being trained may go on for {self.grace:g} s (another Ctrl-C ends at once)"
            )

    def now(self) -> bool:
        """Whether what runs must be left, too."""
        if self.signals and self._since is None:
            self._since = time.monotonic()
        late = self._since is not None and time.monotonic() > self._since + self.grace
        return late or len(self.signals) > 1


class BrokenOff(Exception):
    """A suggestion was not waited for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A wave was written down and goes to the runner."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """Trials that were trained together are tried again, since a crash left them without results."""

    trials: tuple[Trial, ...]
    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Told:
    """A cohort ended and was written down; `traceback` says more where a trial of it crashed for good."""

    results: Mapping[int, Result]
    history: History
    traceback: str = ""


Event = Asked | Note | Epoch | Again | Told


def run(search: Search, store: Store, runner: Runner, stop: Stop) -> Iterator[Event]:
    """Search until the budget is spent, the strategy has no more, or `stop` says so; give what happens.

    Goes on where the store stands: trials without a result are trained first, in their own cohorts.
    """
    history = store.study().history
    before = frozenset(history.results)
    while not stop.soon():
        if not history.pending:
            try:
                with stop.thinking():
                    wave = ask_wave(search, history)
            except BrokenOff:
                return
            if not wave:
                return
            store.asked(wave)
            history = history.asked(wave)
            yield Asked(wave)
        for event in _train(search, history, store, runner, stop):
            if isinstance(event, Told):
                history = event.history
                stop.crashing = crashing(history, before, search.failures)
            yield event


def crashing(history: History, before: Collection[int], most: int | None) -> str:
    """Says that so many trials in a row have crashed; empty where they have not.

    The row goes by numbers, up to the first trial that is pending, so that it is the same whoever was faster. Those of
    `before` do not count, nor does a loss that explodes: that is a result.
    """
    row = 0
    for trial in history.trials:
        result = history.results.get(trial.number)
        if result is None:
            break
        if not isinstance(result, Failed) or not result.crashed or trial.number in before:
            row = 0
            continue
        row += 1
        if row == most:
            return f"{row} trials in a row have crashed, the last of them:  {result.reason}"
    return ""


def ask_wave(search: Search, history: History) -> tuple[Trial, ...]:
    """The next wave, split into cohorts; empty where there is nothing left to ask.

    Question n uses a generator made from (seed, n), so that its answer depends on the history alone.
    """
    left = (
        float("inf")
        if search.budget is None
        else search.budget * search.epochs - spent(history, search.epochs)
    )
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
                trial = replace(
                    last,
                    number=len(known),
                    why=why,
                    wave=number,
                    of=of,
                    start=last.upto or 0,
                    upto=upto,
                )
            case _:
                break
        left -= trial.length(search.epochs)
        if left < 0:
            break
        trials.append(trial)
        known = known.asked([trial])
    groups = search.cohorts(trials)
    member_of = {position: cohort + k for k, group in enumerate(groups) for position in group}
    return tuple(
        replace(trial, cohort=member_of[position]) for position, trial in enumerate(trials)
    )


def spent(history: History, whole: int) -> int:
    """The epochs of all that was asked for, at most, where a whole training has so many; with 1, the trials."""
    return sum(trial.length(whole) for trial in history.trials)


def _ask(search: Search, history: History) -> Suggestion | None:
    for new in search.opening:
        if point_key(new.params) not in history.keys:
            return new
    return search.strategy.ask(search.space, history, Random(f"{search.seed}/{len(history)}"))


@dataclass(slots=True)
class _Attempt:
    """A cohort that has not ended: those who are being trained, how often all were, who still is to be alone."""

    cohort: Cohort
    trials: tuple[Trial, ...]
    times: int = 1
    alone: list[Trial] = field(default_factory=list)
    results: dict[int, Result] = field(default_factory=dict)
    tracebacks: list[str] = field(default_factory=list)

    def ended(self, result: Result, run: int) -> None:
        """One of them has a result; the engine knows it by the number of its first leg."""
        trial = next(trial for trial in self.trials if trial.run == run)
        self.results[trial.number] = _judged(_named(result, trial))

    def following(self, last: Finished | Crashed, retries: int) -> Cohort | None:
        """What is to be trained next; None where the cohort has ended."""
        left = [trial for trial in self.trials if trial.number not in self.results]
        if isinstance(last, Crashed) and left:
            if self.is_whole() and self.times <= retries:
                self.times += 1
                return self.cohort
            if len(self.trials) > 1:
                self.alone, left = left, []
            else:
                self.tracebacks.append(last.traceback)
        reason = last.reason if isinstance(last, Crashed) else "error: it ended without a result"
        self.results.update({trial.number: Failed(reason) for trial in left})
        if not self.alone:
            return None
        self.trials = (self.alone.pop(0),)
        return replace(self.cohort, trials=self.trials)

    def is_whole(self) -> bool:
        """Whether all of the cohort is being trained."""
        return self.trials == self.cohort.trials


def _train(
    search: Search, history: History, store: Store, runner: Runner, stop: Stop
) -> Iterator[Note | Epoch | Again | Told]:
    """Train the cohorts of the pending trials; each is told when all of it has ended."""
    groups: dict[int, list[Trial]] = {}
    for trial in history.pending:
        groups.setdefault(trial.cohort, []).append(trial)
    cohorts = {
        number: _Attempt(Cohort(number, tuple(trials)), tuple(trials))
        for number, trials in groups.items()
    }
    for attempt in cohorts.values():
        runner.submit(search.work(attempt.cohort))
    while cohorts and not stop.now():
        yield from stop.announced()
        if stop.soon():
            running = runner.withdraw()
            cohorts = {number: attempt for number, attempt in cohorts.items() if number in running}
        for number, event in runner.wait(_POLL):
            attempt = cohorts[number]
            if isinstance(event, Epoch | Note):
                yield event
            elif isinstance(event, HpsearchError):
                raise event  # what a worker cannot write is no fault of its trials
            elif isinstance(event, tuple):
                attempt.ended(event[1], event[0])
            elif isinstance(event, Crashed) and stop.soon():
                del cohorts[number]  # it is tried again when the search goes on
            elif isinstance(event, Finished | Crashed):
                tried, following = attempt.trials, attempt.following(event, search.retries)
                if following:
                    if isinstance(event, Crashed) and following.trials[0] in tried:
                        yield Again(tried, event.reason, event.traceback)
                    runner.submit(search.work(following))
                    continue
                del cohorts[number]
                store.told(attempt.results)
                history = history.told(attempt.results)
                yield Told(attempt.results, history, "\n".join(filter(None, attempt.tracebacks)))


def _named(result: Result, trial: Trial) -> Result:
    """The result with the trial's own number, where the engine knows it by that of the first leg."""
    if not trial.start:
        return result
    return replace(
        result, curve=tuple(replace(epoch, number=trial.number) for epoch in result.curve)
    )


def _judged(result: Result) -> Result:
    """The result, if its loss can be compared; what is not a finite number is a failure, whoever computed it."""
    if isinstance(result, Done) and not isfinite(result.loss):
        return Failed(f"diverged: the loss is {result.loss}", result.seconds, result.curve)
    return result

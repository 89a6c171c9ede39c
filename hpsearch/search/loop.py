"""The loop: ask for a wave of trials, run its cohorts, write down the results; and again.

This is the only place where trials are made. A wave is asked for as soon as enough earlier waves
are complete, and knows of these alone, whoever was faster: so the trials of a study are the same
for any number of workers, and after any interruption.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from random import Random
from typing import Protocol

from hpsearch.errors import HpsearchError
from hpsearch.objectives import Objective
from hpsearch.runners import RUNNER, Runner, WorkCrashed, WorkFinished
from hpsearch.search.isolation import own_state
from hpsearch.search.timely import timely
from hpsearch.space.space import Space, point_key
from hpsearch.strategies import Limit, Strategy
from hpsearch.study.history import History
from hpsearch.study.trial import (
    Cohort,
    Done,
    Epoch,
    Failed,
    NewTrial,
    Notice,
    PromoteTrial,
    RepeatTrial,
    Result,
    Suggestion,
    Trial,
    TrialEnded,
)

_POLL = 0.2  # seconds between looks at the signals


@dataclass(frozen=True)
class Search:
    """What the loop needs to know.

    Attributes:
        objective: what is trained and judged.
        strategy: what is asked for trials, after those of the opening.
        space: what the strategy is asked about: the objective's, perhaps with default priors.
        opening: trials that are asked for before the strategy is.
        budget: the total of trials, or of whole trainings of `epochs` epochs, beyond which nothing
            is asked for; None for all that the strategy has.
        wave: how many trials are asked for together.
        seed: the study's.
        time_weight: what time counts in a score, see `History.with_time_weight`.
        has_cost: whether the objective counts what trials cost, see `ObjectiveInfo`.
        lag: how many of the latest waves need not be complete when the next one is asked for.
        epochs: those of a whole training where trainings are cut into segments, else 1.
        retries: how often a cohort that crashed is tried again as a whole, before each of its
            trials is tried alone.
        max_failures: after so many crashes in a row nothing more is asked for; None is no limit.
        limit: after so many seconds nothing more is asked for.
    """

    objective: Objective
    strategy: Strategy
    space: Space
    opening: Sequence[NewTrial]
    budget: int | None
    wave: int
    seed: int
    time_weight: float = 0.0
    has_cost: bool = True
    lag: int = 0
    epochs: int = 1
    retries: int = 1
    max_failures: int | None = None
    limit: Limit | None = None

    def scores(self, history: History) -> History:
        """Return the history as the strategy sees it: with scores in place of losses."""
        return history.scored(self.time_weight, self.has_cost)


class Journal(Protocol):
    """The record that the loop keeps of all that happens, before anybody is told of it."""

    def history(self) -> History:
        """Return what was written down so far."""

    def record_wave(self, trials: Sequence[Trial]) -> None:
        """Write down a wave before any of it is run."""

    def record_results(self, results: Mapping[int, Result]) -> None:
        """Write down what became of a cohort; a trial that has a result keeps it."""


@dataclass
class Memory:
    """A journal that is gone with the process."""

    known: History = field(default_factory=History)

    def history(self) -> History:
        """Return what was noted so far."""
        return self.known

    def record_wave(self, trials: Sequence[Trial]) -> None:
        """Note a wave."""
        self.known = self.known.with_trials(trials)

    def record_results(self, results: Mapping[int, Result]) -> None:
        """Note results."""
        self.known = self.known.with_results(results)


@dataclass
class Stop:
    """Why the loop should end before its budget: a deadline, signals, or too many crashes.

    After the deadline, after a first signal, and where trials only crash, nothing new begins.
    Cohorts that run may finish; after a signal they have `grace` seconds. A second signal ends all
    at once.
    """

    deadline: float = inf
    grace: float = 10.0
    signals: list[int] = field(default_factory=list)
    crashing: str = ""
    _since: float | None = None
    _thinking: bool = False
    _announced: bool = False

    def signal(self, number: int) -> None:
        """Take note of a signal; the second one breaks off a suggestion, which may take long.

        Raises:
            BrokenOff: a suggestion was under way.
        """
        self.signals.append(number)
        if self._thinking and len(self.signals) > 1:
            raise BrokenOff

    @contextmanager
    def thinking(self) -> Iterator[None]:
        """Allow a second signal to break off what is done in here, where nothing is kept."""
        self._thinking = True
        try:
            yield
        finally:
            self._thinking = False

    def soon(self) -> bool:
        """Return whether nothing new may begin."""
        return bool(self.signals or self.crashing) or time.monotonic() > self.deadline

    def announced(self) -> Iterator[Notice]:
        """Give, once, what is said after a signal."""
        if self.signals and not self._announced:
            self._announced = True
            yield Notice(
                f"ending; what is being trained may go on for {self.grace:g} s "
                "(another Ctrl-C ends at once)"
            )

    def now(self) -> bool:
        """Return whether what runs must be left, too."""
        if self.signals and self._since is None:
            self._since = time.monotonic()
        late = self._since is not None and time.monotonic() > self._since + self.grace
        return late or len(self.signals) > 1


class BrokenOff(Exception):
    """A suggestion was not waited for."""


@dataclass(frozen=True, slots=True)
class WaveStarted:
    """A wave was written down and goes to the runner."""

    trials: Sequence[Trial]


@dataclass(frozen=True, slots=True)
class CohortRetried:
    """Trials that were run together are tried again, since a crash left them without results."""

    trials: Sequence[Trial]
    failure: WorkCrashed


@dataclass(frozen=True, slots=True)
class CohortFinished:
    """A cohort has ended and was written down.

    `traceback` says more where a trial of it crashed for good.
    """

    results: Mapping[int, Result]
    history: History
    traceback: str = ""


Event = WaveStarted | Notice | Epoch | CohortRetried | CohortFinished


def run(search: Search, journal: Journal, runner: Runner, stop: Stop) -> Iterator[Event]:
    """Search until the budget is spent, the strategy has no more, or `stop` says so.

    Gives what happens. It goes on where the journal stands: trials without a result are run first,
    in their own cohorts.
    """
    history = journal.history()
    before = frozenset(history.results)
    waves, crashes = _Waves(search), Crashes(before, search.max_failures)
    cohorts = _Cohorts(search, runner)
    if not stop.soon():
        cohorts.begin(history.pending, history)
    changed = True
    while not stop.now():
        if changed and not stop.soon():
            try:
                with stop.thinking():
                    wave = waves.next(history)
            except BrokenOff:
                return
            if wave:
                journal.record_wave(wave)
                history = history.with_trials(wave)
                yield WaveStarted(wave)
                cohorts.begin(wave, history)
                continue
            changed = False
        if not cohorts.running:
            return
        yield from stop.announced()
        if stop.soon():
            cohorts.withdraw()
        events = [*cohorts.wait(history, stop)]
        if ended := [event for event in events if isinstance(event, _Ended)]:
            # what has ended meanwhile is written down at once: each time takes a write to the disk
            journal.record_results({n: one for event in ended for n, one in event.results.items()})
        for event in events:
            if isinstance(event, _Ended):
                history, changed = history.with_results(event.results), True
                stop.crashing = stop.crashing or crashes.among(history)
                yield CohortFinished(event.results, history, event.traceback)
            elif isinstance(event, HpsearchError):
                raise event
            else:
                yield event


@dataclass
class _Waves:
    """Asks for waves, each as soon as enough of the earlier ones are complete."""

    search: Search
    _asked: tuple[int, int] = (-1, -1)

    def next(self, history: History) -> tuple[Trial, ...]:
        """Return the next wave; empty where nothing is to be asked for now.

        Wave k is asked for when wave k - 1 - lag is complete. Where the strategy has nothing to
        suggest by then (it waits for more), it is asked again after each wave that follows.
        """
        number = history.next_wave
        complete = (history.pending[0].wave if history.pending else number) - 1
        for known in range(max(-1, number - 1 - self.search.lag), complete + 1):
            if (number, known) > self._asked:
                self._asked = number, known
                if wave := ask_wave(self.search, history, known):
                    return wave
        return ()


def ask_wave(search: Search, history: History, known: int | None = None) -> tuple[Trial, ...]:
    """Return the next wave, split into cohorts; empty where there is nothing left to ask for.

    Of results it knows those up to the wave `known`, or all. Question n uses a generator made from
    (seed, n), so that its answer depends on the history alone.
    """
    seen = history if known is None else history.up_to_wave(known)
    if search.limit is not None and search.limit.left(seen) <= 0:
        return ()
    left = inf
    if search.budget is not None:
        left = search.budget * search.epochs - history.epochs(search.epochs)
    number, cohort = history.next_wave, history.next_cohort
    known_results, seen = seen, search.scores(seen)
    trials: list[Trial] = []
    for _ in range(search.wave):
        if left < 1:  # the shortest trial has one epoch; a suggestion may take seconds
            break
        trial = _trial(_ask(search, seen), seen, number, cohort)
        if trial is None:
            break
        left -= trial.length(search.epochs)
        if left < 0:
            break
        trials.append(trial)
        seen = seen.with_trials([trial])
    if search.limit is not None:
        fitting = timely(trials, search.objective, search.limit, known_results, search.epochs)
        trials = [replace(trial, number=len(history) + k) for k, trial in enumerate(fitting)]
    groups = search.objective.cohorts(trials)
    cohort_of = {position: cohort + k for k, group in enumerate(groups) for position in group}
    return tuple(
        replace(trial, cohort=cohort_of[position]) for position, trial in enumerate(trials)
    )


def _ask(search: Search, history: History) -> Suggestion | None:
    for new in search.opening:
        if point_key(new.params) not in history.keys:
            return new
    generator = Random(f"{search.seed}/{len(history)}")
    with own_state():
        return search.strategy.ask(search.space, history, generator)


def _trial(suggestion: Suggestion | None, history: History, wave: int, cohort: int) -> Trial | None:
    """Return the trial that is suggested; None where none is."""
    number = len(history)
    match suggestion:
        case NewTrial() as new:
            return Trial(
                number=number,
                params=new.params,
                reason=new.reason,
                wave=wave,
                cohort=cohort,
                expected_improvement=new.expected_improvement,
                until_epoch=new.until_epoch,
                seed_group=new.seed_group,
                origin=new.origin,
            )
        case RepeatTrial(parent, reason):
            runs = history.runs[parent]
            return Trial(
                number=number,
                params=runs[0].params,
                reason=reason,
                wave=wave,
                cohort=cohort,
                parent=parent,
                replicate=len(runs),
                origin="repeat",
            )
        case PromoteTrial(parent, until_epoch, reason):
            last = history.segments[parent][-1]
            return replace(
                last,
                number=number,
                reason=reason,
                wave=wave,
                cohort=cohort,
                parent=parent,
                start_epoch=last.until_epoch or 0,
                until_epoch=until_epoch,
                origin="promoted",
            )
    return None


@dataclass
class Crashes:
    """Counts trials that have crashed in a row.

    The row goes by numbers, up to the first pending trial, so that it is the same whoever was
    faster. Trials of `before` do not count; nor do losses that diverge, which are results.
    """

    before: Collection[int]
    most: int | None
    _counted: int = 0
    _row: int = 0

    def among(self, history: History) -> str:
        """Return a sentence where `most` in a row have crashed, else nothing.

        It counts what has ended since it was last asked.
        """
        while self._counted < len(history):
            trial = history.trials[self._counted]
            result = history.results.get(trial.number)
            if result is None:
                break
            self._counted += 1
            crashed = isinstance(result, Failed) and result.crashed
            self._row = self._row + 1 if crashed and trial.number not in self.before else 0
            if self._row == self.most:
                assert isinstance(result, Failed)
                return (
                    f"{self.most} trials in a row have crashed, the last of them:  {result.reason}"
                )
        return ""


@dataclass(frozen=True, slots=True)
class _Ended:
    """All of a cohort has ended."""

    results: Mapping[int, Result]
    traceback: str


@dataclass(slots=True)
class _Running:
    """A cohort that has not ended: what of it runs, in which attempt, and what is to run alone."""

    cohort: Cohort
    trials: tuple[Trial, ...]
    attempt: int = 1
    whole_attempts: int = 1
    alone: list[Trial] = field(default_factory=list)
    results: dict[int, Result] = field(default_factory=dict)
    tracebacks: list[str] = field(default_factory=list)

    def take(self, ended: TrialEnded) -> None:
        """Take in the result of a trial; the objective names it by its first segment."""
        trial = next(trial for trial in self.trials if trial.run == ended.run)
        self.results[trial.number] = _checked(_renamed(ended.result, trial))

    def following(self, last: WorkFinished | WorkCrashed, retries: int) -> Cohort | None:
        """Return what is to be run next; None where all of the cohort has ended."""
        self.attempt += 1
        left = [trial for trial in self.trials if trial.number not in self.results]
        if isinstance(last, WorkCrashed) and left:
            if self.trials == self.cohort.trials and self.whole_attempts <= retries:
                self.whole_attempts += 1
                return self.cohort
            if len(self.trials) > 1:
                self.alone, left = left, []
            else:
                self.tracebacks.append(last.traceback)
        failed = Failed("error", "it ended without a result")
        if isinstance(last, WorkCrashed):
            failed = Failed(last.kind, last.message, last.seconds)
        self.results.update({trial.number: failed for trial in left})
        if not self.alone:
            return None
        self.trials = (self.alone.pop(0),)
        return replace(self.cohort, trials=self.trials)


class _Cohorts:
    """The cohorts that are with the runner."""

    def __init__(self, search: Search, runner: Runner) -> None:
        self.running: dict[int, _Running] = {}
        self._search, self._runner = search, runner
        self._said: set[Notice] = set()

    def begin(self, trials: Sequence[Trial], history: History) -> None:
        """Submit the cohorts of these trials."""
        groups: dict[int, list[Trial]] = {}
        for trial in trials:
            groups.setdefault(trial.cohort, []).append(trial)
        for number, members in groups.items():
            cohort = Cohort(number, tuple(members))
            self.running[number] = _Running(cohort, cohort.trials)
            self._submit(cohort, 1, history)

    def _submit(self, cohort: Cohort, attempt: int, history: History) -> None:
        self._runner.submit(self._search.objective.work(cohort, attempt, history))

    def withdraw(self) -> None:
        """Take back what has not begun."""
        begun = {key.cohort for key in self._runner.withdraw()}
        self.running = {number: one for number, one in self.running.items() if number in begun}

    def wait(
        self, history: History, stop: Stop
    ) -> Iterator[Notice | Epoch | CohortRetried | _Ended | HpsearchError]:
        """Give what happens soon, and each notice once.

        What an earlier attempt at a cohort still says is dropped. An error ends it: a worker has
        met something that is no fault of its trials.
        """
        for key, event in self._runner.wait(_POLL):
            if key == RUNNER and isinstance(event, Notice):
                yield event
                continue
            one = self.running.get(key.cohort)
            if one is None or one.attempt != key.attempt:
                continue
            if isinstance(event, Epoch):
                yield event
            elif isinstance(event, Notice):
                if event not in self._said:
                    self._said.add(event)
                    yield event
            elif isinstance(event, HpsearchError):
                yield event
                return
            elif isinstance(event, TrialEnded):
                one.take(event)
            elif isinstance(event, WorkCrashed) and stop.soon():
                del self.running[key.cohort]  # it is tried again when the search goes on
            elif isinstance(event, WorkFinished | WorkCrashed):
                tried, following = one.trials, one.following(event, self._search.retries)
                if following is None:
                    del self.running[key.cohort]
                    yield _Ended(one.results, "\n".join(filter(None, one.tracebacks)))
                    continue
                if isinstance(event, WorkCrashed) and following.trials[0] in tried:
                    yield CohortRetried(tried, event)
                self._submit(following, one.attempt, history)


def _renamed(result: Result, trial: Trial) -> Result:
    """Return the result with the trial's own number in its curve, where it is a later segment."""
    if not trial.start_epoch:
        return result
    return replace(
        result, curve=tuple(replace(epoch, number=trial.number) for epoch in result.curve)
    )


def _checked(result: Result) -> Result:
    """Return the result, or a failure where its loss is no finite number, whoever computed it."""
    if isinstance(result, Done) and not isfinite(result.loss):
        message = f"the loss is {result.loss}"
        return Failed("diverged", message, result.seconds, result.curve, result.epochs)
    return result

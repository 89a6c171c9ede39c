"""Waves that overlap: what each of them knows, and that nobody's speed makes a difference."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.runners import Resources, WorkCrashed
from hpsearch.runners.local import Local
from hpsearch.search.loop import (
    CohortFinished,
    Event,
    Memory,
    Search,
    Stop,
    WaveStarted,
    ask_wave,
    run,
)
from hpsearch.space.space import Space
from hpsearch.strategies import Limit, Strategy
from hpsearch.strategies.halving import Halving, rungs
from hpsearch.strategies.random import RandomSearch
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, NewTrial, Suggestion, Wait
from tests.helpers.histories import CUBE
from tests.helpers.objectives import (
    FakeObjective,
    FakeRunner,
    Train,
    by_side,
    plan_of,
    trained,
    trained_in_segments,
)

_WHOLE = 9  # epochs of a whole training where there is halving


@dataclass(frozen=True)
class Remembering:
    """Suggests a point that is another one wherever anything that it is shown is another."""

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion:
        shown = [
            (trial.number, trial.params, getattr(history.results.get(trial.number), "loss", None))
            for trial in history.trials
        ]
        return NewTrial(space.sample(Random(f"{shown} {rng.random()}")), "remembered")


@dataclass(frozen=True)
class Waiting:
    """Asks another strategy, but waits before every `every`-th trial until nothing is pending."""

    strategy: Strategy
    every: int

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        if len(history) % self.every == 0 and history.pending:
            return Wait()
        return self.strategy.ask(space, history, rng)


def overlapping(strategy: Strategy, lag: int, **changes: Any) -> Search:
    """Return a search for 18 trials in waves of three."""
    objective = FakeObjective(grouping=by_side)
    search = Search(objective, strategy, CUBE, (), budget=18, wave=3, seed=0, lag=lag)
    return replace(search, **changes)


def planned(strategy: str, lag: int, **keys: Any) -> Search:
    """Return a search for 18 trials in waves of three, as a plan makes it."""
    return plan_of(strategy, FakeObjective(grouping=by_side), wave=3, lag=lag, **keys).search(18)


def halved(lag: int) -> Search:
    """Return a search by halving for eight whole trainings."""
    halving = Halving(Remembering(), rungs(_WHOLE, 3), 8)
    return overlapping(halving, lag, budget=8, epochs=_WHOLE, wave=4)


def history_of(search: Search, runner: FakeRunner | None = None) -> History:
    """Return what a search comes to that nobody disturbs."""
    journal = Memory()
    for _ in run(search, journal, runner or FakeRunner(), Stop()):
        pass
    return journal.known


SEARCHES: dict[str, tuple[Callable[[int], Search], Train]] = {
    "remembering": (lambda lag: overlapping(Remembering(), lag), trained),
    "waiting": (lambda lag: overlapping(Waiting(Remembering(), 5), lag), trained),
    "guided": (lambda lag: overlapping(RandomSearch(6, guided=True), lag), trained),
    "halved": (halved, partial(trained_in_segments, whole=_WHOLE)),
    "confirmed": (lambda lag: planned("random", lag, rounds=3, confirm=True), trained),
    "limited": (lambda lag: overlapping(Remembering(), lag, limit=Limit(8.0)), trained),
}


def fragile(train: Train, order: Random) -> Train:
    """Return a way to train that loses a cohort now and then, some of its results with it."""

    def maybe(cohort: Cohort) -> Iterator[object]:
        events = list(train(cohort))
        if order.random() < 0.2:
            yield from events[: order.randrange(len(events))]
            yield WorkCrashed("killed", "SIGKILL")
        else:
            yield from events

    return maybe


class TestWhenAWaveBegins:
    @pytest.mark.parametrize("lag", [0, 1, 2, 5])
    def test_wave_k_begins_when_wave_k_minus_1_minus_lag_is_complete(self, lag: int) -> None:
        # one worker ends cohorts in their order, so that waves end in their order
        ended: set[int] = set()
        complete = []
        for event in run(overlapping(Remembering(), lag), Memory(), FakeRunner(), Stop()):
            if isinstance(event, CohortFinished):
                waves = {trial.wave for trial in event.history.trials}
                ended = waves - {trial.wave for trial in event.history.pending}
            elif isinstance(event, WaveStarted):
                complete.append(len(ended))
        assert complete == [max(0, number - lag) for number in range(6)]

    @pytest.mark.parametrize("lag", [0, 1, 2])
    @pytest.mark.parametrize("seed", range(3))
    def test_a_wave_knows_of_the_waves_before_the_lag_whoever_was_faster(
        self, lag: int, seed: int
    ) -> None:
        class Spy(Remembering):
            def ask(self, space: Space, history: History, rng: Random) -> Suggestion:
                wave, known = len(history) // 3, {trial.wave for trial in history.trials}
                known -= {trial.wave for trial in history.pending}
                seen.append((wave, known))
                return super().ask(space, history, rng)

        seen: list[tuple[int, set[int]]] = []
        history_of(overlapping(Spy(), lag), FakeRunner(workers=4, order=Random(seed)))
        assert len(seen) == 18
        assert all(known == set(range(wave - lag)) for wave, known in seen)

    def test_without_a_lag_trials_are_those_of_waves_that_are_asked_for_one_by_one(self) -> None:
        search, history = overlapping(Remembering(), 0), History()
        while wave := ask_wave(search, history):
            history = history.with_trials(wave)
            for trial in wave:
                (ended,) = (e for e in trained(Cohort(0, (trial,))) if not hasattr(e, "epoch"))
                history = history.with_results({trial.number: ended.result})
        assert history_of(search) == history

    def test_another_lag_asks_other_questions(self) -> None:
        one, other = (history_of(overlapping(Remembering(), lag)) for lag in (1, 2))
        assert one.trials[:6] == other.trials[:6]
        assert one.trials[6:] != other.trials[6:]

    @pytest.mark.parametrize("lag", [0, 1, 2, 9])
    def test_the_budget_is_a_total_whatever_overlaps(self, lag: int) -> None:
        assert len(history_of(overlapping(Remembering(), lag, budget=10))) == 10

    @pytest.mark.parametrize("lag", [0, 1, 2])
    def test_with_little_time_no_more_is_begun_than_fits(self, lag: int) -> None:
        # each trial takes a second
        search = overlapping(Remembering(), lag, limit=Limit(8.0))
        assert len(history_of(search)) == 8

    @pytest.mark.parametrize(("lag", "trials"), [(0, 9), (1, 12), (2, 15)])
    def test_seconds_by_a_clock_are_counted_of_the_waves_that_it_knows(
        self, lag: int, trials: int
    ) -> None:
        # after three waves of three no more is asked for
        limit = Limit(8.0, spent=lambda history: float(len(history.results)))
        assert len(history_of(overlapping(Remembering(), lag, limit=limit))) == trials

    def test_a_strategy_that_waits_is_asked_again_after_each_wave_that_ends(self) -> None:
        class Patient(Remembering):
            def ask(self, space: Space, history: History, rng: Random) -> Suggestion:
                known = {trial.wave for trial in history.trials if trial.number in history.results}
                if len(history) == 9 and len(known) < 3:
                    asked.append(len(known))
                    return Wait()
                return super().ask(space, history, rng)

        asked: list[int] = []
        assert len(history_of(overlapping(Patient(), lag=2))) == 18
        assert asked == [1, 2]

    def test_a_strategy_that_waits_for_nothing_ends_the_search(self) -> None:
        class Stubborn:
            def ask(self, space: Space, history: History, rng: Random) -> Suggestion:
                return Wait()

        assert len(history_of(overlapping(Stubborn(), lag=1))) == 0


class TestTheSameTrials:
    @pytest.mark.parametrize("name", SEARCHES)
    @given(
        lag=st.integers(0, 2),
        workers=st.sampled_from([1, 2, 4]),
        seed=st.integers(0, 2**32),
        cuts=st.lists(st.integers(1, 40), max_size=4),
    )
    @settings(max_examples=25, deadline=None)
    def test_whoever_was_faster_and_whatever_went_wrong(
        self, name: str, lag: int, workers: int, seed: int, cuts: list[int]
    ) -> None:
        make, train = SEARCHES[name]
        calm = history_of(make(lag), FakeRunner(train))
        assert all(isinstance(result, Done) for result in calm.results.values())
        search, order, journal = replace(make(lag), retries=1000), Random(seed), Memory()
        for cut in [*cuts, None]:  # after so many events it is killed, and begun anew
            runner = FakeRunner(fragile(train, order), workers, order)
            for _ in islice(run(search, journal, runner, Stop()), cut):
                pass
        assert journal.known == calm

    @pytest.mark.parametrize("lag", [0, 1, 2])
    @pytest.mark.parametrize("name", SEARCHES)
    def test_after_a_kill_at_every_point(self, name: str, lag: int) -> None:
        make, train = SEARCHES[name]
        calm, search = history_of(make(lag), FakeRunner(train)), make(lag)
        for cut in range(1, 1000):
            journal, order = Memory(), Random(cut)
            first = list(islice(run(search, journal, FakeRunner(train, 2, order), Stop()), cut))
            for _ in run(search, journal, FakeRunner(train, 4, order), Stop()):
                pass
            assert journal.known == calm
            if len(first) < cut:
                return
        raise AssertionError("it has no end")

    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_with_real_workers(self, tmp_path: Path, workers: int) -> None:
        search, journal = overlapping(Remembering(), lag=1), Memory()
        with Local(Resources(workers), Artefacts(tmp_path)) as runner:
            for _ in run(search, journal, runner, Stop()):
                pass
        assert journal.known == history_of(search)

    def test_of_a_bayesian_search(self) -> None:
        search = replace(planned("bayes", lag=1, confirm=False), budget=12)
        calm = history_of(search)
        assert any(trial.origin == "model" for trial in calm.trials)
        for seed in range(2):
            disturbed = history_of(search, FakeRunner(workers=4, order=Random(seed)))
            assert disturbed == calm


class TestStopping:
    def signalled(self, signals: int) -> list[Event]:
        """Run a search of overlapping waves; the signals come while its first cohort is run."""
        stop = Stop()

        def train(cohort: Cohort) -> Iterator[object]:
            if not stop.signals:
                stop.signals.extend([signal.SIGINT] * signals)
            yield from trained(cohort)

        search = overlapping(Remembering(), lag=2)
        return list(run(search, Memory(), FakeRunner(train, workers=2), stop))

    def test_after_a_first_signal_cohorts_that_run_are_finished_whatever_their_wave(self) -> None:
        events = self.signalled(1)
        ended = [event for event in events if isinstance(event, CohortFinished)]
        # two of wave 0 ran, and when the first ended, one of wave 1 had begun
        assert [min(event.results) // 3 for event in ended] == [0, 0, 1]
        after = events[events.index(ended[0]) :]
        assert not any(isinstance(event, WaveStarted) for event in after)
        assert {trial.wave for trial in ended[-1].history.pending} == {1, 2}

    def test_after_a_second_signal_they_are_left(self) -> None:
        events = self.signalled(2)
        assert sum(isinstance(event, CohortFinished) for event in events) == 1

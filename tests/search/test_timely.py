"""What is begun is chosen so that it ends in time, as far as costs are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from hpsearch.config.schema import search_model
from hpsearch.search.loop import ask_wave
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Array, Limit
from hpsearch.strategies.random import RandomOptions
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial, RepeatTrial, Suggestion, Trial
from tests.helpers.histories import done
from tests.helpers.objectives import FakeObjective, plan_of, together


def ten_seconds(params: Sequence[Params], company: Sequence[Params]) -> Array:
    """Return a cost of ten nominal seconds for each trial, whatever its company."""
    return np.full(len(params), 10.0)


def asked(limit: Limit, history: History, objective: FakeObjective | None = None) -> int:
    """Return how many of 64 trials are begun with a limit."""
    objective = objective or FakeObjective(cost_model=ten_seconds)
    plan = Plan("random", RandomOptions(), search_model("random")(), objective)
    return len(ask_wave(plan.search(None, limit), history))


@dataclass(frozen=True)
class Always:
    """A strategy of one answer."""

    answer: Suggestion

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion:
        """Return it."""
        return self.answer


def timed(seconds: float) -> History:
    """Return a history of one trial that took so many seconds."""
    trial = Trial(0, {"x": 0.5, "y": 0.5, "z": 0.5}, "", 0, 0)
    return History((trial,), {0: done(0.5, seconds=seconds)})


def test_before_anything_was_timed_a_wave_is_a_part_of_what_would_fit() -> None:
    assert asked(Limit(400.0), History()) == 10  # a nominal second may take four


def test_one_trial_is_begun_however_little_time_there_is() -> None:
    assert asked(Limit(1.0), History()) == 1


def test_a_wave_fits_into_the_time_that_is_left_at_the_speed_of_this_machine() -> None:
    assert asked(Limit(105.0), timed(5.0)) == 20  # 100 s are left, and each takes 5
    assert asked(Limit(120.0), timed(20.0)) == 5
    assert asked(Limit(1e9), timed(20.0)) == 64


def test_nothing_is_begun_that_does_not_fit() -> None:
    assert asked(Limit(30.0), timed(20.0)) == 0


def test_a_cohort_fits_into_the_time_of_one_worker() -> None:
    alone = FakeObjective(cost_model=ten_seconds)
    cohort = replace(alone, grouping=together)
    limit = Limit(420.0, workers=4)
    assert asked(limit, timed(20.0), alone) == 20
    assert asked(limit, timed(20.0), cohort) == 5


def of_seconds(*seconds: float, pending: int = 0) -> History:
    """Return a history of trials that took so many seconds, each a wave, and of pending ones."""
    count = len(seconds) + pending
    trials = [Trial(n, {"x": n / count, "y": 0.5, "z": 0.5}, "", n, n) for n in range(count)]
    return History(trials, {n: done(0.5, seconds=one) for n, one in enumerate(seconds)})


def begun(seconds: float, history: History) -> int:
    """Return how many of 64 trials are begun of which nobody knows the costs."""
    plan = plan_of("random", confirm=False)
    return len(ask_wave(plan.search(None, Limit(seconds)), history))


class TestWhereNobodyKnowsCosts:
    def test_as_many_are_begun_as_have_ended_and_one_before(self) -> None:
        assert [begun(1e6, of_seconds(*[2.0] * ended)) for ended in (0, 1, 5)] == [1, 1, 5]

    def test_they_are_expected_to_take_what_others_took_in_the_mean(self) -> None:
        history = of_seconds(*[1.0, 3.0] * 5)
        assert [begun(20.0 + left, history) for left in (1.9, 2.0, 7.0)] == [0, 1, 3]

    def test_pending_ones_will_have_taken_as_much(self) -> None:
        history = of_seconds(2.0, 2.0, 2.0, pending=4)
        assert [begun(14.0 + left, history) for left in (0.0, 4.0)] == [0, 2]

    def test_only_what_is_known_of_complete_waves_counts(self) -> None:
        history = of_seconds(2.0, 2.0, 100.0)
        search = plan_of("random").search(None, Limit(20.0))
        assert len(ask_wave(search, history, known=1)) == 2
        assert not ask_wave(search, history)

    def test_a_repetition_is_expected_to_take_what_its_first_run_took(self) -> None:
        history = of_seconds(1.0, 9.0, 9.0)
        search = plan_of("random").search(None, Limit(20.0))
        for number, count in ((0, 1), (1, 0)):
            again = replace(search, strategy=Always(RepeatTrial(number, "")), wave=1)
            assert len(ask_wave(again, history)) == count

    def test_what_a_model_has_chosen_is_begun_as_long_as_time_is_left(self) -> None:
        new = NewTrial({"x": 0.9, "y": 0.9, "z": 0.9}, "", expected_improvement=0.5)
        search = replace(plan_of("random").search(None), strategy=Always(new), wave=1)
        for pending, count in ((0, 1), (1, 0)):
            history = of_seconds(9.0, 9.0, pending=pending)
            assert len(ask_wave(replace(search, limit=Limit(20.0)), history)) == count

    def test_by_a_clock_a_wave_is_whole(self) -> None:
        limit = Limit(1.0, spent=lambda history: 0.0)
        assert asked(limit, History(), FakeObjective()) == 64


def test_what_is_left_out_leaves_no_gap_in_the_numbers() -> None:
    def uneven(params: Sequence[Params], company: Sequence[Params]) -> Array:
        return np.array([1.0 if float(one["x"]) < 0.5 else 1e6 for one in params])

    plan = Plan(
        "random", RandomOptions(), search_model("random")(), FakeObjective(cost_model=uneven)
    )
    wave = ask_wave(plan.search(None, Limit(1000.0)), History())
    assert [trial.number for trial in wave] == [*range(len(wave))]
    assert 16 < len(wave) < 48
    assert all(float(trial.params["x"]) < 0.5 for trial in wave)

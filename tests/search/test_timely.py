"""What is begun is chosen so that it ends in time, as far as costs are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hpsearch.config.schema import search_model
from hpsearch.search.loop import ask_wave
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params
from hpsearch.strategies import Array, Limit
from hpsearch.strategies.random import RandomOptions
from hpsearch.study.history import History
from hpsearch.study.trial import Trial
from tests.helpers.histories import done
from tests.helpers.objectives import FakeObjective, together


def ten_seconds(params: Sequence[Params], company: Sequence[Params]) -> Array:
    """Return a cost of ten nominal seconds for each trial, whatever its company."""
    return np.full(len(params), 10.0)


def asked(limit: Limit, history: History, objective: FakeObjective | None = None) -> int:
    """Return how many of 64 trials are begun with a limit."""
    objective = objective or FakeObjective(cost_model=ten_seconds)
    plan = Plan("random", RandomOptions(), search_model("random")(), objective)
    return len(ask_wave(plan.search(None, limit), history))


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


def test_where_nobody_knows_costs_a_wave_is_whole() -> None:
    assert asked(Limit(1.0), History(), FakeObjective()) == 64


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

"""What is forecast of a search before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest

from hpsearch.config.spec import free_space
from hpsearch.objectives.function import Function
from hpsearch.search.forecast import Pace, corners, forecast, seconds_to_choose, waves
from hpsearch.space.space import Params, Space
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial, Trial

SPACE = free_space(
    {
        "width": {"min": 1, "max": 1000},
        "depth": {"values": [1, 2, 3]},
        "kind": {"values": ["thin", "thick"]},
        "extra": {"min": 1, "max": 50, "when": {"kind": "thick"}},
    }
)


def seconds(params: Params) -> float:
    extra = params.get("extra", 0)
    return float(params["width"]) * float(params["depth"]) + 1000 * float(extra)


def costs(params: Sequence[Params], company: Sequence[Params]) -> Any:
    """Return the costs; in company a trial costs half."""
    return np.array([seconds(one) / (2 if company else 1) for one in params])


class Counted(Function):
    """A function whose costs are known, and whose trials run two at a time."""

    def costs(self) -> Any:
        return costs

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        return [[*range(len(trials))[k : k + 2]] for k in range(0, len(trials), 2)]


@pytest.fixture
def counted() -> Counted:
    return Counted(lambda params: 0.0, SPACE)


def test_the_corners_are_the_ends_of_all_ranges() -> None:
    cheapest, dearest = corners(SPACE, costs)
    assert (seconds(cheapest), seconds(dearest)) == (1, 3000 + 50_000)


def test_a_corner_is_allowed_by_the_constraints() -> None:
    rules = free_space(
        {"width": {"min": 1, "max": 1000}, "depth": {"values": [1, 2, 3]}},
        ["width * depth <= 1000"],
    )
    _, dearest = corners(rules, costs)
    assert rules.allows(dearest)
    assert seconds(dearest) >= 990


def test_the_pace_between_two_timed_cohorts_lies_between_theirs() -> None:
    pace = Pace.of([(1.0, 1.0), (100.0, 400.0)])
    assert pace.seconds(10.0) == pytest.approx(20.0)
    assert pace.seconds(1000.0) == pytest.approx(4000.0)
    assert pace.seconds(0.1) == pytest.approx(0.1)


def test_waves_have_different_points_in_the_cohorts_of_a_search(counted: Counted) -> None:
    asked = waves(counted, 10, 4)
    assert [[len(cohort) for cohort in wave] for wave in asked] == [[2, 2], [2, 2], [2]]
    assert len({str(one) for wave in asked for cohort in wave for one in cohort}) == 10


def test_a_search_takes_as_long_as_its_cohorts_one_after_the_other(counted: Counted) -> None:
    total = sum(
        seconds(cohort[0]) + sum(seconds(one) / 2 for one in cohort[1:])
        for wave in waves(counted, 10, 4)
        for cohort in wave
    )
    found = forecast(counted, 10, 2 * total, 4, 1, Pace((1.0,), (3.0,)))
    assert found.seconds == pytest.approx((3 * total, 3 * total))
    assert (found.trials, found.fitting) == (10, (6, 6))


def test_more_workers_than_a_wave_has_cohorts_gain_nothing(counted: Counted) -> None:
    one, two, many = (
        forecast(counted, 10, 1.0, 4, workers, Pace()).seconds[1] for workers in (1, 2, 9)
    )
    assert one > two == many


def test_a_space_of_few_points_has_no_more_trials_than_these() -> None:
    few = Counted(
        lambda params: 0.0, free_space({"width": {"values": [1, 2, 3]}, "depth": {"value": 1}})
    )
    assert forecast(few, 50, 1.0, 4, 1, Pace()).trials == 3
    assert sum(len(cohort) for wave in waves(few, 50, 4) for cohort in wave) == 3


def test_trainings_that_may_end_early_take_a_part_of_their_time_and_all_of_the_choice(
    counted: Counted,
) -> None:
    whole = forecast(counted, 10, 1.0, 4, 2, Pace()).seconds[1]
    found = forecast(counted, 10, 1e6, 4, 2, Pace(), 5.0, 0.25)
    assert found.seconds == pytest.approx((whole / 4 + 50, whole + 50))
    least, most = found.seconds
    assert found.fitting == (int(1e7 / most), int(1e7 / least))


def test_a_large_budget_is_forecast_by_some_of_its_trials(counted: Counted) -> None:
    found = forecast(counted, 10**5, 1.0, 4, 1, Pace())
    some = forecast(counted, 200, 1.0, 4, 1, Pace())
    assert found.seconds[1] == pytest.approx(some.seconds[1] * 10**5 / 200)


def test_choosing_takes_its_time_for_each_trial(counted: Counted) -> None:
    without, slow = (forecast(counted, 10, 1.0, 4, 2, Pace(), each) for each in (0.0, 5.0))
    assert slow.seconds[1] == pytest.approx(without.seconds[1] + 50)


def test_a_strategy_is_timed_half_way_through_a_search() -> None:
    asked = []

    class Watching:
        """Notes what it is asked."""

        def ask(self, space: Space, history: History, rng: Random) -> NewTrial | None:
            asked.append(len(history.done))
            return None

    assert 0 <= seconds_to_choose(Watching(), SPACE, 50) < 1
    assert asked == [25, 25]

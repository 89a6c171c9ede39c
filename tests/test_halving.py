"""Who is trained for how long in a bracket."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.strategies.halving import bracket, rungs, survivors


@pytest.mark.parametrize(
    ("R", "found"),
    [(81, (3, 9, 27, 81)), (30, (1, 3, 10, 30)), (9, (1, 3, 9)), (5, (1, 2, 5)), (2, (1, 2)), (1, (1,))],
)
def test_rungs_are_a_third_of_the_next_one_and_no_two_are_the_same(R: int, found: tuple[int, ...]) -> None:
    assert rungs(R) == found


@given(st.integers(1, 10_000), st.integers(2, 5))
def test_a_bracket_ends_with_one_whole_training(R: int, eta: int) -> None:
    plan = bracket(rungs(R, eta), eta)
    assert plan[-1] == (1, R)
    assert plan[0][1] >= 1
    assert all(many == eta * few and early < late for (many, early), (few, late) in pairwise(plan))


@pytest.mark.parametrize("R", [27, 30, 81, 100])
def test_a_bracket_costs_about_three_whole_trainings(R: int) -> None:
    # 27 (1/27) + 9 (1/9 - 1/27) + 3 (1/3 - 1/9) + 1 (1 - 1/3) = 3.0; rungs are rounded by up to half an epoch
    before, cost = 0, 0
    for trials, rung in bracket(rungs(R)):
        cost, before = cost + trials * (rung - before), rung
    assert cost / R == pytest.approx(3.0, abs=0.35)


def test_the_best_third_goes_on_best_first() -> None:
    losses = {4: 0.5, 5: 0.1, 6: 0.3, 7: 0.2, 8: 0.9, 9: 0.8}
    assert survivors(losses, 6) == (5, 7)


def test_of_equals_the_earlier_one_goes_on() -> None:
    assert survivors({3: 0.1, 2: 0.1, 1: 0.2}, 3) == (2,)


def test_those_that_failed_take_no_place_and_leave_theirs_to_others() -> None:
    assert survivors({0: 0.4, 8: 0.3}, 9) == (8, 0)
    assert survivors({}, 9) == ()


def test_of_few_one_goes_on() -> None:
    assert survivors({0: 0.4, 1: 0.3}, 2) == (1,)

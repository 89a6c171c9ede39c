"""Axes and their ticks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.report.render.chart import Axis, parameter_ticks, round_numbers
from hpsearch.space.parameters import Integer, Real


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 9))
def test_ticks_are_few_and_inside(low: float, size: float, most: int) -> None:
    ticks = round_numbers(low, low + size, False, most)
    assert 1 <= len(ticks) <= most + 1
    rounding = 1e-9 * (abs(low) + size)
    assert all(low - rounding <= tick <= low + size + rounding for tick in ticks)


def test_far_apart_they_are_powers_of_ten() -> None:
    assert round_numbers(1e-4, 1e-1, True) == [1e-4, 1e-3, 1e-2, 1e-1]
    assert round_numbers(1, 10, True) == [1, 2, 5, 10]
    assert len(round_numbers(1e-30, 1e30, True)) <= 5


def test_positions_are_from_0_to_1() -> None:
    axis = Axis.over([0.01, 1.0, math.nan])
    assert axis.log
    assert axis.at(0.1) == pytest.approx(0.5)
    assert (axis.at(-5), axis.at(1e9)) == (0.0, 1.0)


@pytest.mark.parametrize("values", [[], [0.0], [3.0, 3.0], [math.inf], [-1.0, 5.0]])
def test_any_values_have_an_axis(values: list[float]) -> None:
    axis = Axis.over(values)
    assert axis.low < axis.high
    assert axis.ticks()


@pytest.mark.parametrize(
    ("parameter", "texts"),
    [
        (Real(1e-4, 1e-1, log=True), ["0.0001", "0.001", "0.01", "0.1"]),
        (Real(0.0, 0.5), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        (Integer(1, 4), ["1", "2", "3", "4"]),
    ],
)
def test_a_parameter_has_round_numbers_where_they_are_on_its_scale(
    parameter: Real | Integer, texts: list[str]
) -> None:
    values = parameter.grid(61)
    ticks = parameter_ticks(values, [parameter.encode(value)[0] for value in values])
    assert [text for _, text in ticks] == texts
    for position, text in ticks:
        assert position == pytest.approx(parameter.encode(float(text))[0], abs=0.005)

"""Small pictures for a terminal."""

from __future__ import annotations

import math

import pytest

from hpsearch.report.render.blocks import Canvas, bars, interval, plot, sparkline


def test_bars_go_from_the_lowest_to_a_full_one() -> None:
    assert bars([0.0, 0.5, 1.0, None], 0.0, 1.0) == "▁▄█ "
    assert bars([0.0, 0.5, 1.0], 0.0, 1.0, 0) == " ▄█"
    assert bars([3.0, 3.0], 3.0, 3.0) == "▁▁"


def test_a_sparkline_is_lowest_where_the_value_is() -> None:
    assert sparkline([3.0, 2.0, 1.0]) == "█▅▁"
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([]) == ""


def test_a_value_of_a_sparkline_that_is_no_number_is_a_dot() -> None:
    assert sparkline([math.nan, 2.0, math.inf, 1.0]) == "·█·▁"


def test_an_interval_is_a_dot_on_a_line() -> None:
    assert interval(0.2, 0.5, 0.8, 10) == "  ───●─── "
    assert interval(-1.0, 0.0, 0.1, 5) == "●    "


def test_dots_stand_where_they_are() -> None:
    canvas = Canvas(2, 1)
    canvas.dot(0.0, 0.0, "")
    canvas.dot(1.0, 1.0, "")
    assert [str(line) for line in canvas.texts()] == ["⡀⠈"]
    assert str(Canvas(3, 1).texts()[0]) == "   "  # not the blank sign of braille


def test_a_falling_curve_falls() -> None:
    lines = str(plot([([4.0, 3.0, 2.0, 1.0], "")], 20, 4)).splitlines()
    drawn = [line.partition("┤")[2] or line.partition("│")[2] for line in lines[:4]]
    firsts = [min(at for at, sign in enumerate(line) if sign != " ") for line in drawn]
    assert firsts == sorted(firsts)
    assert firsts[0] < 2
    assert firsts[-1] > 10


@pytest.mark.parametrize(
    "values", [[1.0], [math.nan, math.nan], [1.0, math.nan, 2.0], [], [0.0, 0.0]]
)
def test_any_curve_can_be_drawn(values: list[float]) -> None:
    assert str(plot([(values, "")], 40, 6))

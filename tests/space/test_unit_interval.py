"""The scale of a number: values to coordinates in [0, 1] and back, cells, steps and ticks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.space.unit_interval import (
    cell_centers,
    evenly,
    from_unit,
    step_away,
    ticks,
    to_unit,
    value_at,
)

UNIT = st.floats(0.0, 1.0)


@given(UNIT, st.integers(1, 50))
def test_a_coordinate_lies_in_the_cell_of_its_center(unit: float, cells: int) -> None:
    (center,) = cell_centers(np.array([unit]), cells)
    values = range(cells)
    assert value_at(values, float(center)) == value_at(values, unit)
    assert abs(center - unit) <= 0.5 / cells * (1 + 1e-12)


@pytest.mark.parametrize("log", [False, True])
@given(unit=UNIT)
def test_a_value_lies_between_the_ends_and_where_it_came_from(unit: float, log: bool) -> None:
    value = from_unit(unit, 0.1, 10.0, log)
    assert 0.1 <= value <= 10.0
    assert to_unit(value, 0.1, 10.0, log) == pytest.approx(unit, abs=1e-14)


def test_what_lies_beyond_the_ends_has_their_coordinates() -> None:
    assert to_unit(-5.0, 0.0, 1.0, log=False) == 0.0
    assert to_unit(5.0, 0.0, 1.0, log=False) == 1.0


@settings(deadline=None)
@given(st.floats(0.001, 5.0), st.none() | st.integers(1, 9), st.integers(0, 2**32))
def test_steps_stay_between_0_and_1(std: float, cells: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = step_away(rng.random((20, 1)), std, cells, rng)
    assert ((moved >= 0.0) & (moved <= 1.0)).all()


@pytest.mark.parametrize("std", [1e-9, 0.08])
def test_a_small_step_leads_to_another_cell(std: float) -> None:
    rng = np.random.default_rng(0)
    units = cell_centers(rng.random((100, 1)), 5)
    inner = units[(units > 0.15) & (units < 0.85)][:, None]  # others may be reflected into theirs
    assert (cell_centers(step_away(inner, std, 5, rng), 5) != inner).all()


def test_steps_have_the_standard_deviation_asked_for() -> None:
    rng = np.random.default_rng(0)
    moved = step_away(np.full((10_000, 1), 0.5), 0.05, None, rng)
    # five standard errors of a standard deviation: std / sqrt(2 n)
    assert moved.std() == pytest.approx(0.05, abs=5 * 0.05 / math.sqrt(20_000))


@pytest.mark.parametrize(
    ("points", "found"), [(1, (0.5,)), (2, (0.0, 1.0)), (5, (0.0, 0.25, 0.5, 0.75, 1.0))]
)
def test_ticks_are_evenly_spaced(points: int, found: tuple[float, ...]) -> None:
    assert ticks(points) == found


@pytest.mark.parametrize(
    ("points", "found"), [(1, (5,)), (2, (0, 10)), (3, (0, 5, 10)), (99, tuple(range(11)))]
)
def test_some_of_many_values_are_evenly_spaced(points: int, found: tuple[int, ...]) -> None:
    assert evenly(range(11), points) == found

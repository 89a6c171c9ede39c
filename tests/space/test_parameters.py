"""Each parameter's map to the unit cube, its values, its grid."""

from __future__ import annotations

import math
import tracemalloc
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hpsearch.space.parameters import (
    Choice,
    Integer,
    Ordinal,
    Parameter,
    Real,
    Value,
    exact,
    listed,
)

UNIT = st.floats(0.0, 1.0)
EPS = 2.0**-52


@st.composite
def reals(draw: st.DrawFn) -> Real:
    """A continuous range, log or not, perhaps of one value."""
    log = draw(st.booleans())
    ends = st.floats(1e-30, 1e30) if log else st.floats(-1e30, 1e30)
    low, high = sorted((draw(ends), draw(ends)))
    return Real(low + 0.0, high + 0.0, log)


@st.composite
def stepped(draw: st.DrawFn) -> Real:
    """low, low + step, ..., as a person writes them: in decimals."""
    step = draw(st.sampled_from([0.1, 0.05, 0.25, 1e-4, 3.0, 1e-9, 2]))
    low = exact(draw(st.integers(-100, 100))) * exact(step)
    return Real(float(low), float(low + draw(st.integers(0, 10**6)) * exact(step)), step=step)


@st.composite
def integers(draw: st.DrawFn) -> Integer:
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -(2**31), 2**31))
    step = 1 if log else draw(st.integers(1, 1000))
    return Integer(low, low + step * draw(st.integers(0, 2**31)), log, step)


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    mixed = st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=3)
    return Choice(tuple(draw(st.lists(mixed, min_size=1, max_size=8, unique=True))))


@st.composite
def ordinals(draw: st.DrawFn) -> Ordinal:
    numbers = st.integers(-3, 3) | st.floats(-3, 3)
    return Ordinal(tuple(draw(st.lists(numbers, min_size=3, max_size=8, unique=True))))


NUMBERS = reals() | stepped() | integers()
PARAMETERS = NUMBERS | choices() | ordinals()


def rounding(parameter: Real) -> float:
    """Return how far a value may at most move on its way through the unit cube and back.

    That is six roundings of the range itself, or on a log scale of logarithms of up to 70.
    """
    size = max(abs(parameter.low), abs(parameter.high))
    return (
        6
        * EPS
        * size
        * (max(1.0, abs(math.log(size)) + abs(math.log(parameter.low))) if parameter.log else 2)
    )


@settings(deadline=None)
@given(PARAMETERS, st.data())
def test_every_place_is_a_value(parameter: Parameter, data: st.DataObject) -> None:
    place = data.draw(st.lists(UNIT, min_size=parameter.width, max_size=parameter.width))
    assert parameter.decode(place) in parameter


@settings(deadline=None)
@given(PARAMETERS, st.data())
def test_every_value_has_a_place_and_comes_back_from_it(
    parameter: Parameter, data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(UNIT, min_size=parameter.width, max_size=parameter.width))
    value = parameter.decode(drawn)
    place = parameter.encode(value)
    assert len(place) == parameter.width
    assert all(0 <= u <= 1 for u in place)
    back = parameter.decode(place)
    if isinstance(parameter, Real) and parameter.step is None:
        assert abs(float(back) - float(value)) <= rounding(parameter)
    else:
        assert (back, type(back)) == (value, type(value))


@settings(deadline=None)
@given(PARAMETERS, st.integers(0, 2**32))
def test_places_snap_to_those_of_their_values(parameter: Parameter, seed: int) -> None:
    if isinstance(parameter, Real) and parameter.values() is None:
        # A range of a few roundings has as many places; logarithms of up to 70 are rounded at
        # 1e-14, which is 1e-10 of a range of this length.
        size = 1.0 if parameter.log else max(abs(parameter.low), abs(parameter.high))
        length = (
            math.log(parameter.high / parameter.low)
            if parameter.log
            else parameter.high - parameter.low
        )
        assume(length > 1e-4 * size)
    units = np.random.default_rng(seed).random((5, parameter.width))
    places = np.array([parameter.encode(parameter.decode(unit)) for unit in units.tolist()])
    assert parameter.snap(units) == pytest.approx(places, abs=1e-9)


@settings(deadline=None)
@given(PARAMETERS, st.floats(0.001, 0.5), st.integers(0, 2**32))
def test_a_step_away_is_another_place(parameter: Parameter, std: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = parameter.snap(rng.random((5, parameter.width)))
    moved = parameter.near(units, std, rng)
    assert ((moved >= 0) & (moved <= 1)).all()
    if isinstance(parameter, Choice):
        same = (parameter.snap(moved) == units).all(axis=1)
        assert same.all() == (parameter.width == 1)
        assert same.any() == (parameter.width == 1)


def test_of_neighbours_whose_logarithms_are_equal_each_stands_in_the_middle() -> None:
    low, high = 1e-30, math.nextafter(1e-30, 1.0)
    parameter = Real(low, high, log=True)
    assert parameter.encode(low) == parameter.encode(high) == (0.5,)
    assert parameter.decode([0.5]) in parameter


@settings(deadline=None)
@given(PARAMETERS, st.data())
def test_the_density_of_a_prior_is_one_and_largest_at_its_value(
    parameter: Parameter, data: st.DataObject
) -> None:
    value = parameter.decode(
        data.draw(st.lists(UNIT, min_size=parameter.width, max_size=parameter.width))
    )
    k = parameter.width
    every = np.eye(k) if isinstance(parameter, Choice) else (np.arange(4000)[:, None] + 0.5) / 4000
    density = np.exp(parameter.log_prior(value, every))
    # The midpoint rule is off by h^2 / 24 times the change of the slope:
    # 4000^-2 / 24 * 2 * 5.4 / 0.15^2 = 1e-6.
    assert density.mean() == pytest.approx(1.0, abs=2e-6)
    (most,) = np.exp(parameter.log_prior(value, np.array([parameter.encode(value)])))
    assert density.max() <= most * (1 + 1e-12)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Real(0.0, 1.0), 0.1),
        (Real(1e-4, 1.0, log=True), 1e-2),
        (Choice(("a", "b", "c")), "b"),
        (Choice(("a",)), "a"),
    ],
)
def test_draws_around_a_prior_have_its_density(parameter: Parameter, value: Value) -> None:
    rng, draws, cells = Random(5), 20_000, 8
    places = np.array([parameter.around(value, rng) for _ in range(draws)])
    if isinstance(parameter, Choice):
        cells, at, middles = parameter.width, places.argmax(axis=1), np.eye(parameter.width)
    else:
        at, middles = (
            (places[:, 0] * cells).astype(int),
            (np.arange(1000 * cells)[:, None] + 0.5) / (1000 * cells),
        )
    shares = np.exp(parameter.log_prior(value, middles)).reshape(cells, -1).mean(axis=1) / cells
    counts = np.bincount(at, minlength=cells)
    # five standard errors of each share
    assert (
        np.abs(counts / draws - shares) <= 5 * np.sqrt(shares * (1 - shares) / draws) + 1e-12
    ).all()


@settings(deadline=None)
@given(stepped() | integers(), st.data())
def test_the_ends_of_a_range_come_back_exactly(parameter: Parameter, data: st.DataObject) -> None:
    values = parameter.values()
    assert values is not None
    for value in (values[0], values[-1], values[len(values) // 2]):
        assert parameter.decode(parameter.encode(value)) == value


@settings(deadline=None)
@given(reals())
def test_both_ends_of_a_range_belong_to_it(parameter: Real) -> None:
    assert parameter.decode([0.0]) == parameter.low
    assert parameter.decode([1.0]) == parameter.high
    assert parameter.low in parameter
    assert parameter.high in parameter
    assert math.nextafter(parameter.low, -math.inf) not in parameter
    assert math.nextafter(parameter.high, math.inf) not in parameter


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Real(0, 10), True),
        (Real(0, 10), "3"),
        (Real(0, 10), None),
        (Real(0, 10), math.nan),
        (Real(0, 10), math.inf),
        (Real(0, 1, step=0.1), 0.35),
        (Real(0, 1, step=0.1), 0.30000000000000004),
        (Integer(0, 10), True),
        (Integer(0, 10), 3.0),
        (Integer(0, 10), 11),
        (Integer(0, 10, step=5), 4),
        (Choice((1, 2)), True),
        (Choice((True, False)), 1),
        (Choice(("a", "b")), "c"),
        (Choice(("a", "b")), ["a"]),
    ],
)
def test_a_value_of_another_kind_or_beyond_the_range_does_not_belong(
    parameter: Parameter, value: object
) -> None:
    assert value not in parameter


@pytest.mark.parametrize(
    ("parameter", "value", "nearest"),
    [
        (Real(0.0, 1.0), 3, 1.0),
        (Real(0.0, 1.0), -0.0, 0.0),
        (Real(0.0, 1.0, step=0.1), 0.34, 0.3),
        (Real(0.5, 1.5, step=0.5), 9, 1.5),
        (Integer(16, 64), 17.4, 17),
        (Integer(16, 64, step=16), 41, 48),
        (Integer(16, 64), 1, 16),
        (Choice((16, 32, 64)), 40, 32),
        (Ordinal((64, 16, 32)), 40, 32),
        (Choice(("a", "b")), "b", "b"),
        (Choice(("a", "b")), "c", "a"),
        (Choice((True, False)), False, False),
        (Choice((0.1, 1)), 1.0, 1),
    ],
)
def test_the_nearest_value_is_in_the_range_and_of_its_kind(
    parameter: Parameter, value: Value, nearest: Value
) -> None:
    found = parameter.nearest(value)
    assert (found, type(found)) == (nearest, type(nearest))
    assert math.copysign(1, found) == 1 if found == 0.0 and not isinstance(found, str) else True


@settings(deadline=None)
@given(PARAMETERS, st.data())
def test_a_value_is_the_nearest_to_itself(parameter: Parameter, data: st.DataObject) -> None:
    value = parameter.decode(
        data.draw(st.lists(UNIT, min_size=parameter.width, max_size=parameter.width))
    )
    assert parameter.nearest(value) == value


@settings(deadline=None)
@given(PARAMETERS, st.integers(1, 12))
def test_a_grid_has_distinct_values_of_the_parameter_in_order(
    parameter: Parameter, points: int
) -> None:
    grid = parameter.grid(points)
    assert all(value in parameter for value in grid)
    assert len(set(grid)) == len(grid) >= 1
    if parameter.ordered:
        assert list(grid) == sorted(grid)
        assert len(grid) <= points
        if points > 1:
            assert grid[0] == parameter.decode([0.0])
            assert grid[-1] == parameter.decode([1.0])
    else:
        assert grid == parameter.values()


@pytest.mark.parametrize(
    ("parameter", "points", "grid"),
    [
        (Real(1e-4, 1e-1, log=True), 4, (1e-4, 1e-3, 1e-2, 1e-1)),
        (Real(0.0, 0.5), 6, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (Real(0.0, 0.5), 1, (0.25,)),
        (Real(0.3, 0.3), 5, (0.3,)),
        (Real(0.0, 1.0, step=0.1), 3, (0.0, 0.5, 1.0)),
        (Real(0.0, 0.3, step=0.1), 9, (0.0, 0.1, 0.2, 0.3)),
        (Integer(16, 256, log=True), 5, (16, 32, 64, 128, 256)),
        (Integer(1, 3, log=True), 9, (1, 2, 3)),
        (Integer(1, 3), 9, (1, 2, 3)),
        (Integer(0, 100), 3, (0, 50, 100)),
        (Integer(0, 100, step=25), 3, (0, 50, 100)),
        (Integer(5, 5, log=True), 3, (5,)),
        (Choice(("b", "a")), 1, ("b", "a")),
    ],
)
def test_a_grid_is_even_on_the_parameters_own_scale(
    parameter: Parameter, points: int, grid: tuple[Value, ...]
) -> None:
    assert tuple(parameter.grid(points)) == grid


def test_steps_are_the_decimals_that_a_person_means() -> None:
    tenths = Real(0.0, 1.0, step=0.1)
    assert list(tenths.values() or ()) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    fine = Real(1_000_000.0, 1_000_000.0000003, step=1e-7)
    assert list(fine.values() or ()) == [
        1_000_000.0,
        1_000_000.0000001,
        1_000_000.0000002,
        1_000_000.0000003,
    ]


def test_the_values_of_a_continuous_range_cannot_be_counted() -> None:
    assert Real(0, 1).values() is None
    assert list(Real(0.3, 0.3).values() or ()) == [0.3]


@pytest.mark.parametrize("parameter", [Integer(0, 2**31 - 1), Real(0.0, 1.0, step=1e-9)])
def test_a_long_range_is_not_listed(parameter: Parameter) -> None:
    tracemalloc.start()
    values = parameter.values()
    assert values is not None
    assert len(values) >= 10**9
    assert values.index(values[123_456_789]) == 123_456_789
    assert values[77] in values
    assert len(parameter.grid(5)) == 5
    assert parameter.decode([0.7]) in parameter
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def uniform(cells: Counter[int], draws: int, number: int) -> bool:
    """Say whether draws fell evenly into so many cells.

    Each share must lie within five standard errors, which one cell misses with p < 1e-6.
    """
    share = 1 / number
    return all(
        abs(cells[k] / draws - share) < 5 * math.sqrt(share * (1 - share) / draws)
        for k in range(number)
    )


@pytest.mark.parametrize(
    ("parameter", "cell"),
    [
        (Real(2.0, 10.0), lambda v: (v - 2) / 8),
        (Real(1e-4, 1e-1, log=True), lambda v: math.log(v / 1e-4) / math.log(1e3)),
        (Integer(1, 8), lambda v: (v - 1) / 8),
        (Integer(10, 80, step=10), lambda v: (v - 10) / 80),
        (Real(0.1, 0.8, step=0.1), lambda v: (v - 0.1) / 0.8 + 1e-9),
        (Choice(tuple("abcdefgh")), lambda v: "abcdefgh".index(v) / 8),
    ],
    ids=["real", "log", "integer", "integer steps", "real steps", "choice"],
)
def test_uniform_places_give_values_uniform_on_the_parameters_scale(
    parameter: Parameter, cell: object
) -> None:
    rng, draws = Random(7), 20_000
    values = (
        parameter.decode([rng.random() for _ in range(parameter.width)]) for _ in range(draws)
    )
    assert uniform(Counter(min(int(8 * cell(value)), 7) for value in values), draws, 8)  # type: ignore[operator]


def test_a_log_integer_falls_as_often_as_its_share_of_the_log_scale() -> None:
    parameter, rng, draws = Integer(1, 8, log=True), Random(7), 20_000
    counts = Counter(parameter.decode([rng.random()]) for _ in range(draws))
    for value in range(1, 9):
        share = math.log((value + 0.5) / (value - 0.5)) / math.log(8.5 / 0.5)
        # five standard errors
        assert abs(counts[value] / draws - share) < 5 * math.sqrt(share / draws)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Real(0.0, 0.99), "a number from 0 to 0.99"),
        (Real(1e-30, 1e30), "a number above 0"),
        (Real(0.0, 1e30), "a number of 0 or more"),
        (Real(0.0, 1.0, step=0.25), "a number from 0 to 1 in steps of 0.25"),
        (Integer(1, 65_536), "a whole number from 1 to 65536"),
        (Integer(0, 2**31 - 1), "a whole number of 0 or more"),
        (Integer(16, 64, step=16), "a whole number from 16 to 64 in steps of 16"),
        (Choice(("a", 1, True)), "one of a, 1, True"),
    ],
)
def test_a_parameter_says_what_it_takes(parameter: Parameter, words: str) -> None:
    assert parameter.describe() == words


@settings(deadline=None)
@given(NUMBERS, st.data())
def test_a_part_of_a_range_is_of_the_same_kind_and_inside(
    parameter: Parameter, data: st.DataObject
) -> None:
    low, high = sorted(float(parameter.decode([data.draw(UNIT)])) for _ in range(2))
    part = parameter.narrowed(low, high, False, None, 3)
    assert type(part) is type(parameter)
    assert part.points == 3
    assert part.decode([data.draw(UNIT)]) in part
    assert (part.decode([0.0]), part.decode([1.0])) == (low, high)


@pytest.mark.parametrize(
    ("options", "ordinal"),
    [
        ((1, 2, 3), True),
        ((0.1, 1, 0.01), True),
        ((1, 2), False),
        ((1, 2, "a"), False),
        ((1, True, 0.5), False),
    ],
)
def test_three_numbers_or_more_have_an_order(options: tuple[Value, ...], ordinal: bool) -> None:
    parameter = listed(options)
    assert isinstance(parameter, Ordinal) == ordinal
    assert parameter.grid(1) == options

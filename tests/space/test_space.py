"""The search space: its points' places in the unit cube, and how points are drawn and walked."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hpsearch.errors import SpecError
from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Parameter, Real, Value
from hpsearch.space.space import DependentValue, Params, Space, point_key
from hpsearch.strategies import Strategy
from hpsearch.strategies.bayes import Bayes
from hpsearch.strategies.random import RandomSearch
from tests.helpers.effort import calls_at_most
from tests.helpers.histories import MIXED, play
from tests.space.test_parameters import UNIT, uniform


def rules(*texts: str) -> tuple[Expression, ...]:
    return tuple(Expression(text) for text in texts)


OPTIMIZER = Space(
    {
        "optimizer": Choice(("sgd", "momentum", "adam")),
        "momentum": Choice((0.5, 0.9)),
        "width": Integer(1, 3),
        "depth": Integer(1, 4),
    },
    conditions={
        "momentum": {"optimizer": ("momentum", "adam")},
        "depth": {"momentum": (0.9,), "width": (2, 3)},
    },
    constraints=rules(
        "width * depth <= limit", "optimizer != 'adam' or momentum == 0.5 or width > 1"
    ),
    fixed={"limit": 6},
)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """A space of up to five small parameters, with conditions on those before, and constraints."""
    names = "abcde"[: draw(st.integers(1, 5))]
    small = st.builds(
        lambda low, n: Integer(low, low + n), st.integers(0, 2), st.integers(0, 3)
    ) | st.builds(lambda n: Choice(("x", "y", 3, 0.5)[:n]), st.integers(1, 4))
    parameters = {name: draw(small) for name in names}
    conditions: dict[str, dict[str, tuple[Value, ...]]] = {}
    for i, name in enumerate(names):
        for parent in draw(st.lists(st.sampled_from(names[:i] or "-"), max_size=2, unique=True)):
            if parent in parameters:
                values = [*(parameters[parent].values() or ())]
                allowed = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
                conditions.setdefault(name, {})[parent] = tuple(allowed)
    texts = st.builds(
        "{} {} {}".format,
        st.sampled_from(names),
        st.sampled_from(("<=", "!=")),
        st.sampled_from((*names, "1", "k", "'x'")),
    )
    return Space(parameters, conditions, rules(*draw(st.lists(texts, max_size=2))), {"k": 2})


def brute_force(space: Space, ticks: Mapping[str, object]) -> Iterator[Params]:
    """Yield every combination in which exactly the active parameters have values."""
    options = [[None, *space.ticks(9)[name]] for name in space.parameters]
    found = []
    for values in itertools.product(*options):
        params = {
            name: value
            for name, value in zip(space.parameters, values, strict=True)
            if value is not None
        }
        known = {**space.fixed, **params}
        fits = all(
            (name in params)
            == all(
                params.get(parent, ...) in allowed
                for parent, allowed in space.conditions.get(name, {}).items()
            )
            for name in space.parameters
        )
        if fits and all(
            rule.holds(known) for rule in space.constraints if rule.names <= known.keys()
        ):
            found.append(params)
    return iter(found)


def places(space: Space, points: list[Params]) -> list[tuple[int, ...]]:
    """Return each point as the positions of its values, -1 for what is not active."""
    ticks = {name: list(values) for name, values in space.ticks(9).items()}
    return [tuple(ticks[n].index(p[n]) if n in p else -1 for n in space.parameters) for p in points]


@settings(deadline=None)
@given(spaces())
def test_a_walk_gives_what_brute_force_does_in_the_order_of_the_parameters(space: Space) -> None:
    walked = list(space.walk(space.ticks(9)))
    expected = list(brute_force(space, space.ticks(9)))
    assert sorted(places(space, walked)) == sorted(places(space, expected))
    assert places(space, walked) == sorted(places(space, walked))


@settings(deadline=None)
@given(spaces())
def test_the_points_of_a_grid_have_the_numbers_of_their_walk(space: Space) -> None:
    free = Space(space.parameters, space.conditions, (), space.fixed)
    grid, walked = free.grid(9), list(free.walk(free.ticks(9)))
    assert grid.size == grid.count == free.size == len(walked)
    assert [grid.point(number) for number in range(grid.size)] == walked
    assert [grid.number(point) for point in walked] == [*range(grid.size)]
    held = space.grid(9)
    assert held.is_counted
    assert held.count == len(list(space.walk(space.ticks(9))))


@pytest.mark.slow
@settings(deadline=None)
@given(spaces(), st.data())
def test_a_spread_has_each_point_once_and_goes_on_after_any(
    space: Space, data: st.DataObject
) -> None:
    grid, walked = space.grid(9), list(space.walk(space.ticks(9)))
    spread = list(grid.spread())
    assert len(spread) == len(walked)
    assert set(map(point_key, spread)) == set(map(point_key, walked))
    assume(walked)
    at = data.draw(st.integers(0, len(walked) - 1))
    assert list(grid.spread(after=spread[at])) == spread[at + 1 :]


@pytest.mark.parametrize(
    ("counts", "points"), [((5, 5, 5, 5), 50), ((2, 3, 5, 7, 4), 40), ((10,) * 6, 100)]
)
def test_any_first_part_of_a_spread_has_each_value_about_equally_often(
    counts: tuple[int, ...], points: int
) -> None:
    space = Space({f"p{k}": Integer(1, most) for k, most in enumerate(counts)})
    first = list(itertools.islice(space.grid(10).spread(), points))
    for name, most in zip(space.parameters, counts, strict=True):
        often = Counter(point[name] for point in first)
        assert len(often) == most
        assert max(often.values()) <= 1.5 * points / most
    pairs = [
        len({(point[a], point[b]) for point in first}) / min(points, counts[i] * counts[j])
        for (i, a), (j, b) in itertools.combinations(enumerate(space.parameters), 2)
    ]
    assert sum(pairs) / len(pairs) > 0.7  # of a corner it is below 0.3


@settings(deadline=None)
@given(spaces(), st.integers(0, 2**32))
def test_what_is_drawn_is_in_the_space(space: Space, seed: int) -> None:
    walked = list(space.walk(space.ticks(9)))
    assume(walked)
    params = space.sample(Random(seed))
    assert params in space
    assert params in walked


@settings(deadline=None)
@given(spaces(), st.data())
def test_every_place_of_the_cube_is_a_point_and_comes_back(
    space: Space, data: st.DataObject
) -> None:
    params = space.decode(data.draw(st.lists(UNIT, min_size=space.width, max_size=space.width)))
    free = Space(space.parameters, space.conditions)
    assert params in free
    place = space.encode(params)
    assert len(place) == space.width
    assert space.decode(place) == params


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_not_active_is_snapped_and_moved_as_in_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = MIXED.snap(rng.random((20, MIXED.width)))
    for places in (units, MIXED.near(units, 0.1, rng)):
        points = [MIXED.decode(unit) for unit in places.tolist()]
        assert places == pytest.approx(
            np.array([MIXED.encode(params) for params in points]), abs=1e-9
        )
        assert all(
            ("momentum" in params) == (params["optimizer"] == "momentum") for params in points
        )


@settings(deadline=None)
@given(spaces(), st.data())
def test_what_is_drawn_snapped_or_moved_has_what_is_pinned_and_is_a_point(
    space: Space, data: st.DataObject
) -> None:
    free = Space(space.parameters, space.conditions)
    lead = free.sample(Random(data.draw(st.integers(0, 2**32))))
    pinned = {name: lead[name] for name in data.draw(st.sets(st.sampled_from(list(lead))))}
    held = replace(free, pinned=pinned)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    units = held.snap(rng.random((5, free.width)))
    points = [held.decode(unit) for unit in [*units.tolist(), *held.near(units, 0.3, rng).tolist()]]
    for params in [*points, held.sample(Random(0))]:
        assert params in free
        assert all(params[name] == value for name, value in pinned.items() if name in params)


def test_the_points_that_are_left_are_those_with_what_is_pinned() -> None:
    held = replace(OPTIMIZER, pinned={"optimizer": "momentum", "width": 2})
    assert held.every is not None
    points = list(held.walk(held.every))
    assert points == [
        params
        for params in OPTIMIZER.walk(OPTIMIZER.ticks(9))
        if (params["optimizer"], params["width"]) == ("momentum", 2)
    ]
    assert points


def test_every_other_point_that_is_near_differs_in_one_parameter() -> None:
    rng = np.random.default_rng(0)
    space = Space({name: Real(0.0, 1.0) for name in "abcdefgh"})
    units = rng.random((1000, 8))
    changed = (space.near(units, 0.1, rng) != units).sum(axis=1)
    # Half of all, and of the others those in which one of eight moves: 8 / 256. The tolerance is
    # five standard errors of a share of 1,000.
    share = 0.5 + 0.5 * 8 / 256
    assert (changed == 1).mean() == pytest.approx(
        share, abs=5 * math.sqrt(share * (1 - share) / 1000)
    )


def test_an_inactive_parameter_stands_in_the_middle() -> None:
    assert OPTIMIZER.encode({"optimizer": "sgd", "width": 1}) == (
        1.0,
        0.0,
        0.0,
        0.5,
        0.5,
        1 / 6,
        0.5,
    )


def test_the_points_of_a_small_space_are_drawn_equally_often() -> None:
    space = Space({"a": Integer(1, 2), "b": Choice(("x", "y")), "c": Real(0.0, 0.2, step=0.1)})
    rng, draws = Random(3), 12_000
    points = [point_key(params) for params in space.walk(space.ticks(9))]
    counts = Counter(points.index(point_key(space.sample(rng))) for _ in range(draws))
    assert uniform(counts, draws, 12)


def test_half_of_what_is_drawn_is_near_all_priors_and_half_anywhere() -> None:
    space = Space({name: Real(0.0, 1.0) for name in "ab"}, priors={"a": 0.5, "b": 0.5})
    rng, draws = Random(3), 4000
    points = [space.sample(rng) for _ in range(draws)]
    corner = sum(all(float(value) > 0.9 for value in params.values()) for params in points) / draws
    middle = (
        sum(all(abs(float(value) - 0.5) < 0.15 for value in params.values()) for params in points)
        / draws
    )
    # Far from both priors there are uniform draws only. Within one standard deviation of both
    # there are, of the draws from the priors, 0.6834^2 (a normal cut off at the ends of the range).
    for share, expected in ((corner, 0.5 * 0.01), (middle, 0.5 * 0.09 + 0.5 * 0.6834**2)):
        assert abs(share - expected) < 5 * math.sqrt(expected / draws)  # five standard errors


def test_what_is_drawn_near_priors_keeps_to_the_constraints() -> None:
    space = Space(
        {"a": Real(0.0, 1.0), "b": Real(0.0, 1.0)},
        constraints=rules("a + b <= 1"),
        priors={"a": 0.9},
    )
    assert all(space.sample(Random(seed)) in space for seed in range(50))


def test_a_prior_says_nothing_where_its_parameter_is_not_active() -> None:
    space = replace(MIXED, priors={"momentum": 0.9})
    points: list[Params] = [
        {"optimizer": optimizer, "lr": 0.01, "width": 16, "depth": 2, "norm": True, **more}
        for optimizer, more in (
            ("adam", {}),
            ("momentum", {"momentum": 0.9}),
            ("momentum", {"momentum": 0.5}),
        )
    ]
    idle, near, far = space.log_prior(np.array([space.encode(params) for params in points]))
    assert idle == 0.0
    assert far < idle < near
    assert (MIXED.log_prior(np.array([MIXED.encode(params) for params in points])) == 0.0).all()


class TestPriorsThatDependOnAnotherParameter:
    # the number stands before the choice on which its prior depends
    SPACE = Space(
        {"x": Real(0.0, 1.0), "kind": Choice(("low", "high", "other"))},
        priors={"x": DependentValue("kind", {"low": 0.1, "high": 0.9})},
    )

    def test_half_of_what_is_drawn_is_near_the_prior_of_its_kind(self) -> None:
        rng, draws = Random(3), 6000
        points = [self.SPACE.sample(rng) for _ in range(draws)]
        for kind, low, near in (
            ("low", 0.0, True),
            ("high", 0.8, True),
            ("other", 0.0, False),
            ("low", 0.8, False),
        ):
            share = (
                sum(
                    point["kind"] == kind and low <= float(point["x"]) <= low + 0.2
                    for point in points
                )
                / draws
            )
            # of the normal draws around 0.1 within [0, 1], those within 2/3 of a standard deviation
            inside = 0.4950 / 0.7475 if near else 0.2 if kind == "other" else 0.0
            expected = (0.5 * 0.2 + 0.5 * inside) / 3
            assert abs(share - expected) < 5 * math.sqrt(expected / draws)  # five standard errors

    def test_its_density_is_that_of_the_kind_at_the_place(self) -> None:
        points: list[Params] = [
            {"x": x, "kind": kind} for kind in ("low", "high", "other") for x in (0.1, 0.9)
        ]
        density = self.SPACE.log_prior(np.array([self.SPACE.encode(params) for params in points]))
        right, wrong, wrong_too, right_too, *nothing = density
        assert right > 0.0 > wrong
        assert right_too == pytest.approx(right)
        assert wrong_too == pytest.approx(wrong)
        assert nothing == [0.0, 0.0]


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "adam", "width": 1},  # no momentum
        {"optimizer": "sgd", "momentum": 0.5, "width": 1},  # one too many
        {"optimizer": "sgd", "width": 4},  # beyond its range
        {"optimizer": "sgd", "width": 1, "lr": 0.1},  # not of this space
        {"optimizer": "momentum", "momentum": 0.9, "width": 3, "depth": 4},  # breaks a constraint
        {"width": 1},
        {},
        "sgd",
    ],
)
def test_what_is_no_point_is_not_in_the_space(params: object) -> None:
    assert params not in OPTIMIZER
    assert {"optimizer": "sgd", "width": 1} in OPTIMIZER


def test_a_constraint_applies_where_all_its_names_have_values() -> None:
    assert OPTIMIZER.allows({"width": 3})
    assert not OPTIMIZER.allows({"width": 3, "depth": 3})
    assert [rule.text for rule in OPTIMIZER.broken({"width": 3, "depth": 3})] == [
        "width * depth <= limit"
    ]


def test_the_nearest_point_is_none_where_a_constraint_forbids_it() -> None:
    wanted: Params = {"optimizer": "momentum", "momentum": 0.8, "width": 9, "depth": 2}
    assert OPTIMIZER.nearest(wanted) == {
        "optimizer": "momentum",
        "momentum": 0.9,
        "width": 3,
        "depth": 2,
    }
    assert OPTIMIZER.nearest({**wanted, "depth": 3}) is None


def test_a_point_is_drawn_where_one_in_a_thousand_satisfies_the_constraints() -> None:
    space = Space({"width": Integer(1, 1000)}, constraints=rules("width == 7"))
    assert all(space.sample(Random(seed)) == {"width": 7} for seed in range(5))


def test_constraints_that_nothing_satisfies_are_named() -> None:
    space = Space({"width": Integer(1, 8)}, constraints=rules("width > 9"))
    with pytest.raises(SpecError, match=r"E051.*of all 8 points none satisfies.*'width > 9'"):
        space.check()
    space = Space({"x": Real(0.0, 8.0)}, constraints=rules("x > 9"))
    with pytest.raises(SpecError, match=r"E051.*of 20,000 random points none satisfies.*'x > 9'"):
        space.sample(Random(0))


class TestConstraintsThatLeaveLittle:
    SIMPLEX = Space(
        {name: Real(0.0, 1.0) for name in "xyz"}, constraints=rules("x + y + z <= 0.12")
    )
    EQUAL = Space(
        {"a": Integer(1, 2000), "b": Integer(1, 2000), "lr": Real(1e-4, 1e-1, log=True)},
        constraints=rules("a == b"),
    )

    def test_the_share_of_the_points_is_known(self) -> None:
        # 0.12^3 / 6 of all; of 20,000 draws 5.8 in the mean, and 5 standard deviations around it
        assert 0 < self.SIMPLEX.share < 17.8 / 20_000
        assert Space({"a": Integer(1, 100)}, constraints=rules("a > 95")).share == 0.05

    @pytest.mark.slow
    def test_what_is_drawn_is_spread_uniformly_over_it(self) -> None:
        draws = 400
        points = [self.SIMPLEX.sample(Random(seed)) for seed in range(draws)]
        assert all(point in self.SIMPLEX for point in points)
        assert len(set(map(point_key, points))) == draws
        for name in "xyz":  # of a uniform point of a simplex: mean 1/4, standard deviation 0.194
            mean = sum(float(point[name]) for point in points) / draws / 0.12
            assert abs(mean - 0.25) < 5 * 0.194 / math.sqrt(draws)  # five standard errors

    @pytest.mark.slow
    def test_values_that_must_be_equal_move_together(self) -> None:
        points = [self.EQUAL.sample(Random(seed)) for seed in range(100)]
        assert all(point["a"] == point["b"] for point in points)
        assert len({point["a"] for point in points}) > 60
        assert max(int(point["a"]) for point in points) > 1500
        assert min(int(point["a"]) for point in points) < 500

    def test_it_goes_out_from_points_that_are_known_where_none_is_found(self) -> None:
        tiny = Space(
            {name: Real(0.0, 1.0) for name in "xyz"}, constraints=rules("x + y + z < 1e-4")
        )
        with pytest.raises(SpecError, match="E051"):
            tiny.sample(Random(0))
        known = replace(tiny, known=({"x": 1e-5, "y": 1e-5, "z": 1e-5},))
        points = [known.sample(Random(seed)) for seed in range(20)]
        assert all(point in known for point in points)
        assert len(set(map(point_key, points))) == 20

    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", [RandomSearch(), Bayes()], ids=["random", "bayes"])
    @pytest.mark.parametrize("space", [SIMPLEX, EQUAL], ids=["simplex", "equal"])
    def test_a_search_goes_on_to_its_end(self, strategy: Strategy, space: Space) -> None:
        history = play(strategy, space, 14)
        assert len(history.keys) == 14
        assert all(trial.params in space for trial in history.trials)


def test_a_grid_of_many_points_is_counted_exactly_and_begins_at_once() -> None:
    names = [f"p{i}" for i in range(6)]
    parameters: dict[str, Parameter] = {name: Integer(0, 999) for name in names}
    parameters["only"] = Choice(("x", "y"))
    parameters["sub"] = Integer(1, 2**31)
    space = Space(parameters, {"sub": {"only": ("y",), "p0": (0, 7)}}, rules("p5 % 2 == 0"))
    tracemalloc.start()
    with calls_at_most(1_000_000):
        ticks = space.every
        assert ticks is not None
        # of p0, 2 of 1,000 values let `sub` have its 2^31 values beside y
        assert space.size == 998 * 1000**5 * 2 + 2 * 1000**5 * (1 + 2**31)
        grid = space.lattice(ticks)
        points = list(itertools.islice(grid.spread(), 100))
        assert len({point_key(point) for point in points}) == 100
        assert next(grid.spread(after=points[50])) == points[51]
        assert len(list(itertools.islice(space.walk(ticks), 100))) == 100
        assert not grid.is_counted
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_long_chain_of_conditions_is_counted_at_once() -> None:
    names = [f"p{i}" for i in range(40)]
    parameters = {name: Integer(0, 9) for name in names}
    conditions = {b: {a: (1, 2)} for a, b in itertools.pairwise(names)}
    count = 10
    for _ in names[1:]:
        count = 8 + 2 * count  # below each of two values stand the rest, below the others nothing
    with calls_at_most(100_000):
        assert Space(parameters, conditions).size == count


def test_a_space_without_parameters_has_one_point() -> None:
    space = Space({})
    assert (space.size, space.width, space.sample(Random(0)), list(space.walk({}))) == (
        1,
        0,
        {},
        [{}],
    )


def test_a_space_with_a_continuous_parameter_has_no_size() -> None:
    assert Space({"lr": Real(0.0, 1.0)}).size is None


def test_a_parameters_own_points_stand_over_those_of_the_grid() -> None:
    space = Space({"a": Real(0.0, 1.0, points=3), "b": Real(0.0, 1.0)})
    assert {name: len(values) for name, values in space.ticks(5).items()} == {"a": 3, "b": 5}


def test_a_point_has_one_name_whatever_the_order_of_its_parameters() -> None:
    assert point_key({"a": 1, "b": 2}) == point_key({"b": 2, "a": 1})

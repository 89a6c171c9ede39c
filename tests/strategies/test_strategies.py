"""What every strategy in the table promises, and what each of them does besides."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from statistics import mean
from typing import Any

import numpy as np
import pytest

from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Real
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import STRATEGIES, SURROGATES, Context, Limit, Strategy, bayes, ranked
from hpsearch.strategies.bayes import Bayes
from hpsearch.strategies.candidates import farthest_first
from hpsearch.strategies.grid import Grid
from hpsearch.strategies.manual import Manual
from hpsearch.strategies.random import RandomSearch
from hpsearch.strategies.surrogates import (
    Surrogates,
    encode_trials,
    model_of,
    scores,
    training_subset,
)
from hpsearch.study.history import History
from hpsearch.study.trial import Failed, NewTrial, Result, Trial
from tests.helpers.effort import calls_at_most
from tests.helpers.histories import (
    CUBE,
    MIXED,
    done,
    every_third_fails,
    loss_of,
    of_points,
    play,
    sampled,
)

# Every registered strategy with its defaults, and some with more.
EXTRA: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "random": [{"guided": True, "rounds": 8}],
    "bayes": [{"surrogate": "ann"}],
}
VARIANTS = [(name, options) for name in STRATEGIES for options in ({}, *EXTRA.get(name, ()))]
FINITE = Space({"a": Choice(("p", "q", "r")), "b": Integer(1, 4), "c": Choice((True, False))})
EMPTY = Space({})
ONE = Space({"a": Choice(("only",)), "b": Integer(3, 3), "c": Real(0.5, 0.5)})
CATEGORY = Space({"a": Choice(("p", "q", "r"))})
WIDE = Space({f"x{k}": Real(0.0, 1.0) if k % 2 else Choice(("p", "q")) for k in range(50)})


def improvement(history: History, points: Sequence[Params]) -> np.ndarray:
    """Return the expected improvement at points of the cube."""
    U = np.array([CUBE.encode(params) for params in points])
    return np.exp(Surrogates.fit(CUBE, history, "gp").log_improvement(U))


def build(name: str, options: Mapping[str, Any], space: Space) -> Strategy:
    """Return the strategy; rounds have 5 trials.

    A manual search gets 40 points of the space (or all that it has), since it has none of its own.
    """
    points: list[Params] = []
    if name == "manual" and space.every is not None:
        points = list(islice(space.walk(space.every), 40))
    elif name == "manual":
        points = [space.sample(Random(n)) for n in range(40)]
    budget = 5 * options["rounds"] if "rounds" in options else None
    context = Context(budget=budget, trials=tuple(points))
    return STRATEGIES.load(name)(**options).build(context)


def param(name: str, options: Mapping[str, Any]) -> Any:
    """Return a variant under its name; with nets it is slow, as each question trains some."""
    marks = [pytest.mark.slow] if options.get("surrogate") == "ann" else []
    return pytest.param((name, options), id="-".join([name, *options]), marks=marks)


@pytest.fixture(params=[param(*variant) for variant in VARIANTS])
def variant(request: pytest.FixtureRequest) -> tuple[str, Mapping[str, Any]]:
    chosen: tuple[str, Mapping[str, Any]] = request.param
    return chosen


class TestEveryStrategy:
    def test_is_built_with_defaults(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        assert STRATEGIES.load(variant[0])().build(Context())

    def test_stays_in_a_space_with_conditions_and_constraints(
        self, variant: tuple[str, Mapping[str, Any]]
    ) -> None:
        history = play(build(*variant, MIXED), MIXED, 30)
        assert len(history) == 30
        assert all(trial.params in MIXED for trial in history.trials)

    def test_gives_the_same_answer_to_the_same_question(
        self, variant: tuple[str, Mapping[str, Any]]
    ) -> None:
        history = play(build(*variant, MIXED), MIXED, 14)
        once = build(*variant, MIXED).ask(MIXED, history, Random(7))
        assert once is not None
        assert (
            build(*variant, MIXED).ask(MIXED, History(history.trials, history.results), Random(7))
            == once
        )

    def test_keeps_no_state_between_questions(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        strategy, history = build(*variant, MIXED), play(build(*variant, MIXED), MIXED, 14)
        once = strategy.ask(MIXED, history, Random(7))
        play(strategy, MIXED, 13, judge=every_third_fails, seed=5)
        assert strategy.ask(MIXED, history, Random(7)) == once

    def test_does_not_change_the_history(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        history = play(build(*variant, MIXED), MIXED, 14)
        trials, results = tuple(history.trials), dict(history.results)
        build(*variant, MIXED).ask(MIXED, history, Random(7))
        assert (history.trials, history.results) == (trials, results)

    def test_goes_on_while_trials_are_pending(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        history = play(
            build(*variant, MIXED),
            MIXED,
            24,
            judge=lambda t: None if t.number % 4 == 3 else done(t.number),
        )
        assert len(history.keys) == 24

    def test_goes_on_while_nothing_has_ended(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        # a round waits for the one before
        trials = 5 if "rounds" in variant[1] else 20
        assert len(play(build(*variant, MIXED), MIXED, 20, judge=lambda trial: None).keys) == trials

    def test_goes_on_where_some_trials_fail(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        assert len(play(build(*variant, MIXED), MIXED, 24, judge=every_third_fails).keys) == 24

    def test_goes_on_where_all_trials_fail(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        failed = Failed("diverged", "all of them")
        assert len(play(build(*variant, MIXED), MIXED, 20, judge=lambda trial: failed).keys) == 20

    def test_goes_on_where_all_losses_are_equal(
        self, variant: tuple[str, Mapping[str, Any]]
    ) -> None:
        assert (
            len(play(build(*variant, MIXED), MIXED, 20, judge=lambda trial: done(0.5)).keys) == 20
        )

    def test_copes_with_losses_far_apart(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        judge = lambda trial: done((1e-300, 1.0, 1e300)[trial.number % 3])  # noqa: E731
        assert len(play(build(*variant, MIXED), MIXED, 20, judge=judge).keys) == 20

    def test_searches_fifty_parameters(self, variant: tuple[str, Mapping[str, Any]]) -> None:
        history = play(build(*variant, WIDE), WIDE, 15)
        assert len(history) == 15
        assert all(trial.params in WIDE for trial in history.trials)

    @pytest.mark.parametrize(
        "space", [EMPTY, ONE, CATEGORY, FINITE], ids=["empty", "one", "category", "finite"]
    )
    def test_gives_each_point_of_a_finite_space_once_and_then_none(
        self, variant: tuple[str, Mapping[str, Any]], space: Space
    ) -> None:
        strategy = build(*variant, space)
        history = play(strategy, space, 40)
        assert len(history) == len(history.keys) == space.size
        assert strategy.ask(space, history, Random(0)) is None

    def test_finds_the_few_points_that_a_constraint_leaves(
        self, variant: tuple[str, Mapping[str, Any]]
    ) -> None:
        space = Space(
            {"a": Integer(1, 12), "b": Integer(1, 12)}, constraints=(Expression("a * b == 12"),)
        )
        options = {**variant[1], "points": 12} if variant[0] == "grid" else variant[1]
        history = play(build(variant[0], options, space), space, 30)
        assert sorted(int(trial.params["a"]) for trial in history.trials) == [1, 2, 3, 4, 6, 12]


class TestManual:
    def test_asks_for_the_trials_in_their_order(self) -> None:
        points: list[Params] = [{"x": 3}, {"x": 1}, {"x": 3}]
        history = play(Manual(tuple(points)), CUBE, 9, judge=lambda trial: done(0.1))
        assert [trial.params for trial in history.trials] == points


class TestGrid:
    SPACE = Space(
        {
            "a": Choice(("p", "q")),
            "b": Real(0.0, 1.0),
            "c": Integer(1, 9, points=2),
            "d": Choice((1, 2)),
        },
        {"d": {"a": ("q",)}},
        (Expression("b <= 0.5 or c == 1"),),
    )

    def test_asks_for_every_point_once(self) -> None:
        history = play(Grid(3), self.SPACE, 99)
        asked = sorted(tuple(trial.params.values()) for trial in history.trials)
        assert asked == [
            ("p", 0.0, 1), ("p", 0.0, 9), ("p", 0.5, 1), ("p", 0.5, 9), ("p", 1.0, 1),
            ("q", 0.0, 1, 1), ("q", 0.0, 1, 2), ("q", 0.0, 9, 1), ("q", 0.0, 9, 2),
            ("q", 0.5, 1, 1), ("q", 0.5, 1, 2), ("q", 0.5, 9, 1), ("q", 0.5, 9, 2),
            ("q", 1.0, 1, 1), ("q", 1.0, 1, 2),
        ]  # fmt: skip

    @pytest.mark.parametrize("begun", range(15))
    def test_goes_on_from_anywhere(self, begun: int) -> None:
        points = list(self.SPACE.grid(3).spread())
        new = Grid(3).ask(self.SPACE, self.of_grid(points[:begun]), Random(0))
        assert new is not None
        assert new.params == points[begun]

    @staticmethod
    def of_grid(points: list[Params]) -> History:
        history = of_points(points)
        return replace(history, trials=tuple(replace(one, origin="grid") for one in history.trials))

    def test_passes_over_what_was_picked(self) -> None:
        points = list(self.SPACE.grid(3).spread())
        picked = of_points([points[1], {"a": "p", "b": 0.25, "c": 1}, points[0]])
        new = Grid(3).ask(self.SPACE, picked, Random(0))
        assert new is not None
        assert new.params == points[2]

    def test_comes_back_to_what_was_left_out(self) -> None:
        points = list(self.SPACE.grid(3).spread())
        without = self.of_grid([point for k, point in enumerate(points) if k != 4])
        new = Grid(3).ask(self.SPACE, without, Random(0))
        assert new is not None
        assert new.params == points[4]

    def test_a_part_of_a_grid_has_all_values_of_all_parameters(self) -> None:
        space = Space({f"x{k}": Real(0.0, 1.0) for k in range(4)})
        trials = play(Grid(5), space, 50).trials
        for name in space.parameters:
            often = Counter(trial.params[name] for trial in trials)
            assert len(often) == 5
            assert min(often.values()) >= 8  # of 10 in the mean

    def test_begins_a_grid_of_ten_to_the_eighteenth_at_once(self) -> None:
        space = Space({f"x{k}": Real(0.0, 1.0) for k in range(18)})
        with calls_at_most(1_000_000):
            history = play(Grid(10), space, 100)
        assert len(history.keys) == 100

    def test_costs_no_more_in_the_middle_of_a_grid_of_ten_to_the_eighteenth(self) -> None:
        space = Space({f"x{k}": Real(0.0, 1.0) for k in range(18)})
        middle = {name: values[5] for name, values in space.ticks(10).items()}
        with calls_at_most(20_000):
            new = Grid(10).ask(space, self.of_grid([middle]), Random(0))
        assert new is not None
        assert new.params == next(space.grid(10).spread(after=middle))


class TestRandom:
    @pytest.mark.slow
    def test_draws_uniformly_on_the_scale_of_each_parameter(self) -> None:
        space = Space({"lr": Real(1e-4, 1.0, log=True)})
        found = [
            math.log10(float(t.params["lr"])) / 4 + 1
            for t in play(RandomSearch(), space, 1000).trials
        ]
        # the mean of n uniform places has the standard deviation 1 / sqrt(12 n); five of them
        # have p < 1e-6
        assert mean(found) == pytest.approx(0.5, abs=5 / math.sqrt(12 * 1000))
        assert mean(u < 0.25 for u in found) == pytest.approx(
            0.25, abs=5 * math.sqrt(0.25 * 0.75 / 1000)
        )

    def test_the_first_round_of_a_guided_search_is_that_of_a_plain_one(self) -> None:
        plain, guided = (
            play(RandomSearch(), CUBE, 10),
            play(RandomSearch(10, guided=True), CUBE, 10),
        )
        assert [trial.params for trial in guided.trials] == [trial.params for trial in plain.trials]

    def test_every_later_round_is_guided(self) -> None:
        history = play(RandomSearch(10, guided=True), CUBE, 40, wave=10)
        origins = [trial.origin for trial in history.trials]
        assert set(origins[:10]) == {"random"}
        assert all("guided" in origins[at : at + 10] for at in (10, 20, 30))
        near = (trial for trial in history.trials if trial.origin == "guided")
        assert all(trial.reason.startswith("near the best") for trial in near)

    def test_guided_draws_come_nearer_to_the_best_than_plain_ones(self) -> None:
        history = play(RandomSearch(), CUBE, 20)
        best = history.done[0][0].params

        def distances(strategy: Strategy) -> list[float]:
            news = (strategy.ask(CUBE, history, Random(n)) for n in range(2000))
            return [
                math.dist(CUBE.encode(new.params), CUBE.encode(best))
                for new in news
                if isinstance(new, NewTrial)
            ]

        # A distance in the cube is in [0, sqrt 3], so its standard deviation is at most sqrt(3)/2
        # (Popoviciu), and that of a difference of two means of 2,000 at most 0.027. Without
        # guidance the means would be equal: five times that has p < 1e-6.
        gain = mean(distances(RandomSearch(20))) - mean(distances(RandomSearch(20, guided=True)))
        assert gain > 5 * math.sqrt(2 * 3 / 4 / 2000)

    def test_each_trial_of_a_guided_round_has_seeds_of_its_own(self) -> None:
        history = play(RandomSearch(10, guided=True), CUBE, 30, wave=10)
        assert [trial.seed_group for trial in history.trials] == [0] * 10 + [*range(1, 21)]
        assert {trial.seed_group for trial in play(RandomSearch(10), CUBE, 30, wave=10).trials} == {
            0
        }

    def test_a_guided_search_never_stops_drawing_from_the_whole_space(self) -> None:
        history = sampled(CUBE, 100)
        news = [RandomSearch(10, guided=True).ask(CUBE, history, Random(n)) for n in range(400)]
        fresh = mean(new.origin == "random" for new in news if isinstance(new, NewTrial))
        # a quarter; five standard errors of a share of 400
        assert fresh == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 400))

    def test_later_rounds_stay_closer_to_the_best(self) -> None:
        def mean_move(round: int) -> float:
            history = of_points(
                [{"x": 0.5, "y": 0.5, "z": 0.5}] * (10 * round),
                {0: done(0.1), 10 * round - 1: done(0.1)},
            )
            news = [RandomSearch(10, guided=True).ask(CUBE, history, Random(n)) for n in range(300)]
            return mean(
                abs(float(new.params["x"]) - 0.5)
                for new in news
                if isinstance(new, NewTrial) and new.origin != "random"
            )

        # each is the mean of over 200 moves of half-normal size (0.2 and 0.072, half of them 0):
        # 0.08 and 0.029, with errors of at most 0.2 / sqrt(200) = 0.014
        assert mean_move(3) < mean_move(1) - 2 * 0.014


@pytest.mark.parametrize(
    "strategy", [Bayes(), Bayes(limit=Limit(60.0)), RandomSearch(2, guided=True)]
)
def test_where_nothing_is_searched_the_one_point_is_tried_once(strategy: Strategy) -> None:
    known = of_points([{"x": n} for n in range(5)], {n: done(float(n)) for n in range(5)})
    new = strategy.ask(Space({}), known, Random(0))
    assert isinstance(new, NewTrial)
    assert new.params == {}
    trials = known.with_trials([Trial(5, {}, "", 5, 5)]).with_results({5: done(1.0)})
    assert strategy.ask(Space({}), trials, Random(0)) is None
    assert ranked(strategy, Space({}), trials)[0].number == 0


class TestBayes:
    def test_suggests_no_point_twice_in_waves(self) -> None:
        space = Space(
            {"a": Integer(1, 6), "b": Choice(("p", "q", "r")), "c": Choice((True, False))}
        )
        history = play(Bayes(), space, 40, wave=4)
        assert len(history) == len(history.keys) == 36

    def test_beats_random_search_clearly(self) -> None:
        # Of 30 uniform points in the cube, the best reaches f <= r with p = 1 - (1 - V)^30, where
        # V = (4/3) pi r^1.5 is the volume of a ball: 0.058 for r = 0.006. Random searches do so
        # four times out of four with p^4 = 1e-5.
        losses = [play(Bayes(), CUBE, 30, wave=4, seed=seed).done[0][1].loss for seed in range(4)]
        assert max(losses) < 0.006

    def test_a_good_prior_is_soon_worth_it(self) -> None:
        # Of 8 uniform points the best reaches 0.02 with p = 1 - (1 - V)^8 = 0.09, where V = 0.0118
        # as above; four times it has p = 7e-5.
        space = replace(CUBE, priors={"x": 0.35, "y": 0.25, "z": 0.3})
        losses = [play(Bayes(), space, 8, seed=seed).done[0][1].loss for seed in range(4)]
        assert max(losses) < 0.02

    @pytest.mark.slow
    def test_a_bad_prior_is_forgotten(self) -> None:
        # in each parameter it is four standard deviations from the best
        space = replace(CUBE, priors={"x": 0.9, "y": 0.9, "z": 0.9})
        losses = [play(Bayes(), space, 30, seed=seed).done[0][1].loss for seed in range(4)]
        assert max(losses) < 0.006  # as without a prior: see above

    def test_a_prior_weighs_the_less_the_more_trials_there_are(self) -> None:
        space = replace(CUBE, priors={"x": 0.9})
        U = np.array([[0.9, 0.5, 0.5], [0.1, 0.5, 0.5]])
        few, many = (
            Surrogates.fit(space, sampled(CUBE, trials), "gp").log_prior(U) for trials in (10, 40)
        )
        assert few == pytest.approx(space.log_prior(U) / 2)
        assert many == pytest.approx(few / 4)

    def test_a_question_says_what_it_expects(self) -> None:
        history = play(Bayes(), CUBE, 12)
        assert history.trials[-1].reason.startswith("expected improvement ")
        assert history.trials[-1].reason.endswith("(11 trials)")

    def test_where_little_is_expected_it_looks_far_from_all_trials(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of places that promise alike it asks for the farthest, and elsewhere for the best."""
        noise = np.random.default_rng(0).standard_normal(40)

        def plain(trial: Trial) -> Result:
            return done(1.0 + abs(float(trial.params["x"]) - 0.4) + 0.01 * noise[trial.number])

        whole = play(Bayes(), CUBE, 40, judge=plain)
        little = farther = 0
        for trials in range(12, 40):
            history = History(whole.trials[:trials], {n: whole.results[n] for n in range(trials)})
            known = encode_trials(CUBE, history.trials)
            asked = []
            for alike in (0.0, math.log(2)):
                monkeypatch.setattr(bayes, "_ALIKE", alike)
                new = Bayes().ask(CUBE, history, Random(trials))
                assert isinstance(new, NewTrial)
                asked.append(new)
            best, far = (new.expected_improvement or 0.0 for new in asked)
            if best >= 0.2:
                assert asked[0] == asked[1]
                continue
            assert best / 2 <= far <= best
            before, after = (
                np.linalg.norm(known - np.array(CUBE.encode(new.params)), axis=1).min()
                for new in asked
            )
            assert before <= after
            little, farther = little + 1, farther + bool(before < after)
        assert 12 < little < 28
        assert farther > little / 2

    def test_places_come_farthest_from_the_known_ones_first(self) -> None:
        U = np.array([[0.0, 0.1], [0.9, 0.9], [0.5, 0.5]])
        known = np.array([[0.0, 0.0], [1.0, 1.0]])
        assert farthest_first(U, known).tolist() == [[0.5, 0.5], [0.9, 0.9], [0.0, 0.1]]

    def test_what_rests_on_losses_has_seeds_of_its_own(self) -> None:
        history = play(Bayes(), CUBE, 16, wave=4)
        random = [trial for trial in history.trials if trial.expected_improvement is None]
        assert {trial.seed_group for trial in random} == {0}
        guided = [trial.seed_group for trial in history.trials[len(random) :]]
        assert guided == [*range(1, 17 - len(random))]

    @pytest.mark.parametrize("surrogate", SURROGATES)
    def test_what_is_fitted_is_what_is_predicted_at_the_places_that_were_given(
        self, surrogate: str
    ) -> None:
        history, more = sampled(CUBE, 30), encode_trials(CUBE, sampled(CUBE, 33).trials[30:])
        given = encode_trials(CUBE, [trial for trial, _ in training_subset(history.done)])
        model = model_of(CUBE, history, surrogate)
        assert model.fitted() == pytest.approx(model.predict(given)[0], abs=1e-5)
        assert model.fantasize(more).fitted() == pytest.approx(
            model.predict(np.vstack([given, more]))[0], abs=1e-5
        )

    def test_a_pending_trial_makes_its_place_less_promising(self) -> None:
        history = play(RandomSearch(), CUBE, 12)
        place: Params = {"x": 0.31, "y": 0.29, "z": 0.3}
        before = improvement(history, [place])
        after = improvement(history.with_trials([Trial(12, place, "", 1, 1)]), [place])
        assert after[0] < before[0] / 2

    def test_repeated_and_contradictory_losses_at_one_place_are_noise(self) -> None:
        points: list[Params] = [{"x": 0.2, "y": 0.2, "z": 0.2}, {"x": 0.8, "y": 0.8, "z": 0.8}] * 8
        results: dict[int, Result] = {
            n: done(0.1 * (n % 2) + 0.04 * (n // 2 % 2)) for n in range(16)
        }
        pending = of_points([*points, {"x": 0.5, "y": 0.5, "z": 0.5}], results)
        ei = improvement(
            pending, [{"x": 0.21, "y": 0.2, "z": 0.2}, {"x": 0.79, "y": 0.8, "z": 0.8}]
        )
        assert np.isfinite(ei).all()
        assert ei[0] > ei[1]

    def test_how_bad_a_bad_loss_is_makes_no_difference(self) -> None:
        assert scores([0.1, 0.2, 0.3, 5.0]).tolist() == scores([0.1, 0.2, 0.3, 1e9]).tolist()

    def test_scores_have_mean_zero_and_standard_deviation_one(self) -> None:
        y = scores([3.0, 1.0, 2.0, 2.5])
        assert (y.mean(), y.std()) == pytest.approx((0.0, 1.0))
        assert np.argsort(y).tolist() == [1, 2, 3, 0]

    @pytest.mark.parametrize(
        "losses", [[0.5, 0.5], [0.0, 0.0], [1e308] * 9, [-1e308, 1e308, 0.0], [1e-300, 0.0]]
    )
    def test_scores_are_numbers_whatever_the_losses(self, losses: list[float]) -> None:
        assert np.isfinite(scores(losses)).all()

    def test_a_small_history_is_seen_whole(self) -> None:
        history = sampled(CUBE, 300)
        assert [trial for trial, _ in training_subset(history.done)] == list(history.trials)

    def test_of_a_long_history_it_sees_the_best_and_the_latest(self) -> None:
        history = sampled(CUBE, 1000)
        seen = training_subset(history.done)
        numbers = [trial.number for trial, _ in seen]
        assert len(seen) == 300
        assert numbers == sorted(numbers)
        assert {*(trial.number for trial, _ in history.done[:150]), 999, 998, 997} <= set(numbers)

    @pytest.mark.slow
    def test_goes_on_after_ten_thousand_trials(self) -> None:
        history = sampled(CUBE, 10_000)
        new = Bayes().ask(CUBE, history, Random(0))
        assert isinstance(new, NewTrial)
        assert point_key(new.params) not in history.keys

    @pytest.mark.slow
    def test_a_tight_constraint_does_not_hold_it_up(self) -> None:
        # one of 1,800 points
        space = Space(dict(CUBE.parameters), constraints=(Expression("x + y + z <= 0.15"),))
        with calls_at_most(20_000_000):
            history = play(Bayes(), space, 12)
        assert all(trial.params in space for trial in history.trials)


def test_every_point_of_a_walk_is_in_its_space() -> None:
    points = list(islice(MIXED.walk(MIXED.ticks(3)), 200))
    assert all(point in MIXED for point in points)
    assert all(math.isfinite(loss_of(MIXED, point)) for point in points)

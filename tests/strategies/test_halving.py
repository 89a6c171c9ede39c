"""Who is trained for how long in a bracket, and what becomes of it.

These are searches by halving without any training.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import log10
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.config.spec import parse
from hpsearch.errors import SpecError
from hpsearch.report.board.verdict import verdict
from hpsearch.report.board.view import board, record
from hpsearch.search.loop import CohortFinished, Search, Stop, run
from hpsearch.search.minimize import minimize
from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice
from hpsearch.space.space import Params, Space
from hpsearch.strategies import STRATEGIES, Context, Strategy
from hpsearch.strategies.confirm import UntilConverged
from hpsearch.strategies.halving import (
    Halving,
    bracket,
    bracket_epochs,
    brackets,
    comparable_kind,
    promotable,
    rungs,
    survivors,
    visible_at_one_rung,
)
from hpsearch.strategies.random import RandomSearch, draw_unseen
from hpsearch.study.history import History
from hpsearch.study.store import Store
from hpsearch.study.sums import merge_repeats
from hpsearch.study.trial import Cohort, Done, Failed, NewTrial, Trial, TrialEnded
from tests.helpers.histories import CUBE, done, loss_of, sampled
from tests.helpers.objectives import FakeObjective, FakeRunner, plan_of, trained_in_segments
from tests.helpers.studies import create, whole


@pytest.mark.parametrize(
    ("R", "found"),
    [
        (81, (3, 9, 27, 81)),
        (30, (1, 3, 10, 30)),
        (9, (1, 3, 9)),
        (5, (1, 2, 5)),
        (2, (1, 2)),
        (1, (1,)),
    ],
)
def test_rungs_are_a_third_of_the_next_one_and_no_two_are_the_same(
    R: int, found: tuple[int, ...]
) -> None:
    assert rungs(R, 4) == found


def test_with_fewer_rungs_the_first_ones_are_left_out() -> None:
    assert rungs(30, 3) == (3, 10, 30)


@given(st.integers(1, 10_000), st.integers(1, 5))
def test_at_each_rung_half_of_a_bracket_is_promoted_and_a_few_to_the_end(R: int, most: int) -> None:
    plan = bracket(rungs(R, most))
    assert plan[-1] == (max(1, len(plan) - 1), R)
    assert plan[0][1] >= 1
    assert all(many == 2 * few and early < late for (many, early), (few, late) in pairwise(plan))


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (4, 5.1),  # 24 (1/27) + 12 (1/9 - 1/27) + 6 (1/3 - 1/9) + 3 (1 - 1/3)
        (3, 3.1),  # 8 (1/9) + 4 (1/3 - 1/9) + 2 (1 - 1/3)
    ],
)
@pytest.mark.parametrize("R", [27, 30, 81, 100])
def test_a_bracket_costs_about_five_whole_trainings_and_of_three_rungs_about_three(
    R: int, most: int, expected: float
) -> None:
    # rungs are rounded by up to half an epoch
    assert bracket_epochs(rungs(R, most)) / R == pytest.approx(expected, abs=0.45)


def test_the_best_half_is_promoted_best_first() -> None:
    losses = {4: 0.5, 5: 0.1, 6: 0.3, 7: 0.2, 8: 0.9, 9: 0.8}
    assert survivors(losses, 6) == (5, 7, 6)


def test_of_equals_the_earlier_one_is_promoted() -> None:
    assert survivors({3: 0.1, 2: 0.1, 1: 0.2}, 3) == (2,)


def test_those_that_failed_take_no_place_and_leave_theirs_to_others() -> None:
    assert survivors({0: 0.4, 8: 0.3}, 9) == (8, 0)
    assert survivors({}, 9) == ()


def test_of_few_one_is_promoted() -> None:
    assert survivors({0: 0.4, 1: 0.3}, 2) == survivors({0: 0.4, 1: 0.3}, 1) == (1,)


R = 30
RUNGS = (1, 3, 10, 30)
BRACKET = [[(0, 1)] * 24, [(1, 3)] * 12, [(3, 10)] * 6, [(10, 30)] * 3]
PRICE = 5  # whole trainings
DEFAULT: Params = {"x": 0.9, "y": 0.9, "z": 0.9}


def halved(budget: int, strategy: Strategy | None = None) -> dict[str, Any]:
    """Return what is particular to a search by halving."""
    asks = Halving(strategy or RandomSearch(), RUNGS, budget)
    return {"strategy": asks, "budget": budget}


def by_segment(trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
    """Run those trials together that have a segment in common, three at a time."""
    segments: dict[object, list[int]] = {}
    for position, trial in enumerate(trials):
        name = trial.replicate, trial.start_epoch, trial.until_epoch
        segments.setdefault(name, []).append(position)
    return [
        segment[at : at + 3] for segment in segments.values() for at in range(0, len(segment), 3)
    ]


OBJECTIVE = FakeObjective(grouping=by_segment, whole=R)
SEARCH = Search(OBJECTIVE, RandomSearch(), CUBE, (), budget=10, wave=128, seed=0, epochs=R)


def played(
    store: Store, runner: FakeRunner | None = None, stop: Stop | None = None, **changes: Any
) -> History:
    """Run a search to its end and return its history."""
    search = replace(SEARCH, **changes)
    for _ in run(search, store, runner or FakeRunner(trained_in_segments), stop or Stop()):
        pass
    return store.study().history


def shape(history: History) -> list[list[tuple[int, int | None]]]:
    """Return the segments of each wave."""
    waves: dict[int, list[tuple[int, int | None]]] = {}
    for trial in history.trials:
        waves.setdefault(trial.wave, []).append((trial.start_epoch, trial.until_epoch))
    return list(waves.values())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with create(tmp_path / "study") as opened:
        yield opened


class TestBrackets:
    def test_each_rung_is_a_wave_and_half_is_promoted(self, store: Store) -> None:
        assert shape(played(store, **halved(PRICE))) == BRACKET

    def test_a_bracket_begins_when_the_one_before_has_ended(self, store: Store) -> None:
        history = played(store, **halved(3 * PRICE))
        assert shape(history) == 3 * BRACKET
        assert Counter(trial.number // 45 for trial, _ in history.contenders) == {0: 3, 1: 3, 2: 3}

    def test_the_best_goes_to_the_end(self, store: Store) -> None:
        history = played(store, **halved(PRICE))
        best = sorted(range(24), key=lambda number: loss_of(CUBE, history.trials[number].params))
        assert [trial.number for trial, _ in history.contenders] == best[:3]
        assert {(result.epochs, result.paused) for _, result in history.contenders} == {(30, False)}

    @pytest.mark.parametrize("wave", [1, 4, 24])
    def test_waves_of_any_size_make_the_same_brackets(self, wave: int, store: Store) -> None:
        history = played(store, **{**halved(PRICE), "wave": wave})
        assert [segment for wave in shape(history) for segment in wave] == [
            segment for wave in BRACKET for segment in wave
        ]

    @pytest.mark.parametrize("budget", [1, 2, 3, 4, 5, 7, 9])
    def test_no_more_is_trained_than_the_budget_and_little_less(
        self, budget: int, store: Store
    ) -> None:
        history = played(store, **halved(budget))
        assert budget * R - R < history.epochs(R) <= budget * R

    def test_a_small_budget_takes_a_smaller_bracket(self) -> None:
        assert list(brackets(RUNGS, 9 * R)) == [(1, 3, 10, 30), (3, 10, 30)]
        assert list(brackets(RUNGS, 7 * R)) == [(1, 3, 10, 30), (10, 30)]
        assert list(brackets(RUNGS, R)) == [(30,)]

    def test_the_default_competes_in_the_first_bracket(self, store: Store) -> None:
        strategy = Halving(RandomSearch(), RUNGS, 2 * PRICE, default=DEFAULT)
        history = played(store, **{**halved(2 * PRICE), "strategy": strategy})
        assert shape(history) == 2 * BRACKET
        assert [trial.number for trial in history.trials if trial.reason == "default"] == [0]
        assert history.trials[0].params == DEFAULT

    @pytest.mark.parametrize("budget", [1, 2, 4])
    def test_of_a_small_budget_it_is_the_first_of_what_there_is(
        self, budget: int, store: Store
    ) -> None:
        strategy = Halving(RandomSearch(), RUNGS, budget, default=DEFAULT)
        history = played(store, **{**halved(budget), "strategy": strategy})
        assert (history.trials[0].reason, history.trials[0].until_epoch) == (
            "default",
            next(brackets(RUNGS, budget * R))[0],
        )
        assert budget * R - R < history.epochs(R) <= budget * R

    def test_that_somebody_has_picked_it_is_enough(self, store: Store) -> None:
        strategy = Halving(RandomSearch(), RUNGS, PRICE + 1, default=DEFAULT)
        history = played(
            store,
            opening=(NewTrial(DEFAULT, "hand-picked"),),
            **{**halved(PRICE + 1), "strategy": strategy},
        )
        assert [trial.reason for trial in history.trials if trial.params == DEFAULT] == [
            "hand-picked"
        ]

    def test_the_others_are_not_in_its_cohort(self, store: Store) -> None:
        def rule(params: Params) -> tuple[Params, int]:
            return {"x": params["x"]}, 100

        strategy = Halving(RandomSearch(), RUNGS, PRICE, rule, DEFAULT)
        history = played(store, **{**halved(PRICE), "strategy": strategy})
        first, *others = history.trials[:24]
        assert first.params == DEFAULT
        assert len({trial.params["x"] for trial in others}) == 1
        assert others[0].params["x"] != DEFAULT["x"]

    def test_what_somebody_has_picked_is_trained_to_the_end_and_counts(self, store: Store) -> None:
        opening = (NewTrial(DEFAULT, "hand-picked"),)
        history = played(store, opening=opening, **halved(PRICE + 1))
        assert shape(history)[0] == [(0, None), *BRACKET[0]]
        assert history.epochs(R) <= (PRICE + 1) * R
        assert len(history.contenders) == 4
        assert 0 in {trial.number for trial, _ in history.contenders}

    def test_a_larger_budget_leaves_the_brackets_as_they_were(self, store: Store) -> None:
        before = played(store, **halved(PRICE + 2))  # with a smaller one at its end
        after = played(store, **halved(2 * PRICE + 2))
        assert after.trials[: len(before)] == before.trials
        assert after.epochs(R) <= (2 * PRICE + 2) * R
        assert shape(after) == [*BRACKET, [(0, 10)] * 2, [(10, 30)], *BRACKET]

    def test_a_space_with_few_points_makes_a_small_bracket(self, store: Store) -> None:
        space = Space({"x": Choice((0.1, 0.2, 0.3, 0.4)), "y": Choice((0.3,)), "z": Choice((0.3,))})
        history = played(store, space=space, **halved(9))
        assert shape(history) == [[(0, 1)] * 4, [(1, 3)] * 2, [(3, 10)], [(10, 30)]]

    def test_one_that_has_ended_keeps_its_place_and_gets_no_segment(self, store: Store) -> None:
        first = played(store, **halved(PRICE))
        best = first.contenders[0][0]
        with create(store.folder.parent / "other") as other:
            runner = FakeRunner(
                lambda cohort: trained_in_segments(
                    cohort, R, lambda trial: 2 if trial.params == best.params else None
                )
            )
            history = played(other, runner, **halved(PRICE))
        assert [trial.until_epoch for trial in history.segments[best.number]] == [1, 3]
        # it takes one of six places, then of three
        assert [len(wave) for wave in shape(history)] == [24, 12, 5, 2]
        assert [done.epochs for trial, done in history.done if trial.number == best.number] == [2]

    def test_one_that_fails_on_its_way_has_failed_and_the_others_go_on(self, store: Store) -> None:
        def train(cohort: Cohort) -> Iterator[TrialEnded]:
            for ended in trained_in_segments(cohort):
                if cohort.trials[0].start_epoch == 3:
                    yield replace(ended, result=Failed("diverged", "it did"))
                else:
                    yield ended

        history = played(store, FakeRunner(train), **halved(PRICE))
        assert shape(history) == BRACKET[:3]
        failed = [number for number, result in history.ended.items() if isinstance(result, Failed)]
        assert len(failed) == 6
        assert not {trial.number for trial, _ in history.done} & set(failed)

    def test_where_all_fail_the_next_bracket_begins(self, store: Store) -> None:
        failed = Failed("diverged", "all of them")
        runner = FakeRunner(
            lambda cohort: [TrialEnded(trial.number, failed) for trial in cohort.trials]
        )
        assert shape(played(store, runner, **halved(2 * PRICE))) == [BRACKET[0]] * 2

    def test_the_weight_of_time_keeps_the_order_at_a_rung(self, store: Store) -> None:
        history = played(store, **halved(PRICE), time_weight=0.5)
        assert shape(history) == BRACKET

    def test_a_segment_costs_what_all_segments_so_far_have_cost(self, store: Store) -> None:
        history = played(store, **halved(PRICE))
        best = history.contenders[0][0].number
        prices = {
            number: result.cost
            for number, result in history.ended.items()
            if isinstance(result, Done)
        }
        weighed = history.with_time_weight(0.5)
        spent = 0.0
        for segment in history.segments[best]:
            before, after = history.results[segment.number], weighed.results[segment.number]
            assert isinstance(before, Done)
            assert isinstance(after, Done)
            spent += before.cost
            assert after.loss == pytest.approx(
                before.loss + 0.5 * log10(spent / median(prices.values()))
            )

    def test_the_loop_asks_for_nothing_beyond_the_budget(self, store: Store) -> None:
        class Greedy:
            def ask(self, space: object, history: History, rng: object) -> NewTrial:
                return NewTrial({"x": len(history) / 100, "y": 0.5, "z": 0.5}, "", until_epoch=20)

        history = played(store, **{**halved(PRICE), "strategy": Greedy()})
        assert history.epochs(R) == 140  # of 150


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("random", "2 x (24 to epoch 1, 12 to epoch 3, 6 to epoch 10, 3 to epoch 30)"),
        ("bayes", "3 x (8 to epoch 3, 4 to epoch 10, 2 to epoch 30)"),
    ],
)
def test_brackets_of_bayes_are_of_fewer_trials_that_are_trained_for_longer(
    name: str, found: str
) -> None:
    plan = plan_of(name, OBJECTIVE, halving=True, confirm=False)
    assert plan.describe_brackets(10).endswith(f"trials: {found}")
    assert plan.rungs[0] == {"random": 1, "bayes": 3}[name]


class TestKinds:
    def test_places_are_for_the_best_of_each_kind(self) -> None:
        losses = {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4, 4: 0.7, 5: 0.8}
        kinds = {0: "a", 1: "a", 2: "a", 3: "a", 4: "b", 5: "b"}
        assert survivors(losses, 6, kinds) == (0, 4, 1)
        assert survivors(losses, 6) == (0, 1, 2)

    def test_for_the_last_place_the_loss_decides(self) -> None:
        assert survivors({0: 0.3, 1: 0.2, 2: 0.4}, 3, {0: "a", 1: "b", 2: "c"}) == (1,)

    def test_schedules_are_kinds_and_so_is_a_warm_up_that_is_not_over(self) -> None:
        assert comparable_kind({"schedule": "cosine"}, 3) != comparable_kind(
            {"schedule": "step"}, 3
        )
        assert comparable_kind({"warmup": 2.0}, 1) != comparable_kind({}, 1)
        assert comparable_kind({"warmup": 2.0}, 3) == comparable_kind({}, 3)

    def test_a_bracket_goes_by_them(self, store: Store) -> None:
        space = Space({**CUBE.parameters, "schedule": Choice(("constant", "cosine"))})

        def train(cohort: Cohort) -> Iterator[TrialEnded]:
            for trial, ended in zip(cohort.trials, trained_in_segments(cohort), strict=True):
                assert isinstance(ended.result, Done)
                # a cosine seems worse until the end
                loss = ended.result.loss + 5 * (trial.params["schedule"] == "cosine")
                yield replace(ended, result=replace(ended.result, loss=loss))

        history = played(store, FakeRunner(train), space=space, **halved(PRICE))
        second = [trial.params["schedule"] for trial in history.trials if trial.start_epoch == 1]
        assert 2 <= second.count("cosine") <= 7


NETS = Space({**CUBE.parameters, "net": Choice(("a", "b", "c", "d"))})


class Asks:
    """Draws at random, says that it was asked, and expects nothing."""

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial | None:
        params = draw_unseen(space, history.keys, rng)
        return NewTrial(params, "asked", expected_improvement=0.0) if params is not None else None

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        return [trial for trial, _ in history.done]


class TestCohorts:
    @staticmethod
    def brackets(store: Store, count: int, capacity: int, space: Space = NETS) -> list[list[Trial]]:
        """Return the newcomers of each bracket, where trials of the same `net` fit together."""

        def rule(params: Params) -> tuple[Params, int]:
            return {"net": params["net"]}, capacity

        strategy = Halving(Asks(), RUNGS, count * PRICE, rule)
        history = played(store, space=space, **{**halved(count * PRICE), "strategy": strategy})
        found: dict[int, list[Trial]] = {}
        for trial in history.trials:
            if not trial.start_epoch:
                found.setdefault(trial.wave, []).append(trial)
        return list(found.values())

    def test_those_of_a_bracket_are_one_cohort_and_brackets_differ(self, store: Store) -> None:
        nets = [
            {trial.params["net"] for trial in one} for one in self.brackets(store, 12, capacity=24)
        ]
        assert [len(one) for one in nets] == [1] * 12
        assert len(set.union(*nets)) > 1  # by chance 1 in 4^11

    def test_a_full_cohort_is_followed_by_another(self, store: Store) -> None:
        (trials,) = self.brackets(store, 1, capacity=5)
        firsts = [
            trial
            for at, trial in enumerate(trials)
            if not at or trial.params["net"] != trials[at - 1].params["net"]
        ]
        assert len(firsts) > 1
        assert all(trial.number % 5 == 0 for trial in firsts)

    def test_where_company_gains_nothing_the_strategy_chooses_them_all(self, store: Store) -> None:
        (trials,) = self.brackets(store, 1, capacity=1)
        assert {trial.reason for trial in trials} == {"asked"}
        assert len({trial.params["net"] for trial in trials}) > 1

    def test_the_strategy_begins_a_cohort_and_every_other_one_that_joins_is_random(
        self, store: Store
    ) -> None:
        (trials,) = self.brackets(store, 1, capacity=24)
        assert [trial.reason for trial in trials] == ["asked", "random"] * 12

    def test_only_who_begins_a_cohort_says_what_may_be_expected(self, store: Store) -> None:
        found = self.brackets(store, 2, capacity=8)
        expected = [
            [at for at, trial in enumerate(trials) if trial.expected_improvement is not None]
            for trials in found
        ]
        assert expected == [[0, 8, 16], [0, 8, 16]]

    def test_after_a_search_has_converged_the_bracket_goes_on_with_those_that_it_has(
        self, store: Store
    ) -> None:
        strategy = Halving(
            UntilConverged(Asks()), RUNGS, 9 * PRICE, lambda params: ({"net": params["net"]}, 24)
        )
        history = played(store, space=NETS, **{**halved(9 * PRICE), "strategy": strategy})
        assert shape(history) == [*BRACKET * 4, [(0, 1)] * 2, [(1, 3)], [(3, 10)], [(10, 30)]]

    def test_where_the_points_of_a_cohort_are_used_up_others_take_the_places(
        self, store: Store
    ) -> None:
        space = Space({"x": Choice((0.1, 0.2, 0.3)), "net": Choice(tuple("abcdefghij"))})
        (trials,) = self.brackets(store, 1, capacity=24, space=space)
        assert len({(trial.params["net"], trial.params["x"]) for trial in trials}) == 24
        nets = [trial.params["net"] for trial in trials]
        assert [len({*nets[at : at + 3]}) for at in range(0, 24, 3)] == [1] * 8

    def test_where_a_constraint_leaves_a_cohort_next_to_nothing_others_take_the_places(
        self,
    ) -> None:
        space = replace(NETS, constraints=(Expression("net != 'a' or x < 1e-9"),))
        company = [Trial(0, {"x": 0.0, "y": 0.5, "z": 0.5, "net": "a"}, "", 0, 0, until_epoch=1)]
        asks = Halving(Asks(), RUNGS, PRICE, lambda params: ({"net": params["net"]}, 24))
        new = asks.ask(space, History(tuple(company)), Random(0))
        assert isinstance(new, NewTrial)
        assert new.params["net"] != "a"


class TestModel:
    def test_it_sees_the_results_of_the_highest_rung_that_has_enough(self, store: Store) -> None:
        history = played(store, **halved(PRICE))
        epochs = {
            enough: {done.epochs for _, done in visible_at_one_rung(history, RUNGS, enough).done}
            for enough in (3, 4, 6, 7, 12, 13)
        }
        assert epochs == {3: {30}, 4: {10}, 6: {10}, 7: {3}, 12: {3}, 13: {1}}

    def test_it_sees_what_is_pending_and_what_has_failed_and_asks_for_no_point_twice(
        self, store: Store
    ) -> None:
        history = played(store, **halved(PRICE))
        more = [Trial(len(history), {"x": 0.5, "y": 0.5, "z": 0.5}, "", 9, 99, until_epoch=1)]
        failed = next(number for number, segments in history.segments.items() if len(segments) == 1)
        known = history.with_trials(more).with_results({failed: Failed("diverged", "it did")})
        shown = visible_at_one_rung(known, RUNGS, 3)
        assert [trial.number for trial in shown.pending] == [more[0].number]
        assert failed in shown.results
        assert len(shown.keys) == 25

    def test_a_whole_training_is_of_the_last_rung(self, store: Store) -> None:
        opening = (NewTrial(DEFAULT, "hand-picked"),)
        history = played(store, opening=opening, **halved(PRICE + 1))
        assert 0 in visible_at_one_rung(history, RUNGS, 4).results
        assert 0 not in visible_at_one_rung(history, RUNGS, 5).results


class TestHistory:
    def test_segments_are_one_training(self, store: Store) -> None:
        played(store, **halved(PRICE))
        history = whole(store.folder).history
        best, result = history.contenders[0]
        assert (result.flops, result.steps, result.seconds) == (30.0, 30, 4.0)
        assert [epoch.epoch for epoch in result.curve] == list(range(1, 31))
        assert len(history.runs[best.number]) == 1
        assert len(history.runs) == len(history.done) == 24

    def test_what_is_read_is_what_was_shown(self, store: Store) -> None:
        shown = [
            event
            for event in run(
                replace(SEARCH, **halved(PRICE)), store, FakeRunner(trained_in_segments), Stop()
            )
            if isinstance(event, CohortFinished)
        ]
        assert whole(store.folder).history == shown[-1].history

    def test_a_training_that_goes_on_is_what_it_was_at_its_pause(self, store: Store) -> None:
        history = played(store, **halved(PRICE))
        best = history.contenders[0][0].number
        last = history.segments[best][-1].number
        before = History(
            history.trials, {n: result for n, result in history.results.items() if n != last}
        )
        assert [done.epochs for trial, done in before.done if trial.number == best] == [10]
        assert len(before.pending) == 1

    def test_paused_trials_contend_where_there_are_no_others(self, store: Store) -> None:
        history = played(store, **halved(PRICE))
        first = History(history.trials[:24], {n: history.results[n] for n in range(24)})
        assert len(first.contenders) == 24

    def test_a_pause_says_nothing_where_a_repetition_went_to_its_end(self) -> None:
        runs = [
            Trial(0, {}, "", 0, 0, until_epoch=3),
            Trial(1, {}, "", 1, 1, parent=0, replicate=1),
        ]
        paused, whole = replace(done(0.9), paused=True), done(0.2)
        assert merge_repeats(runs, {0: paused, 1: whole}) == whole
        assert merge_repeats(runs, {0: paused}) == paused

    def test_the_board_says_who_was_dropped_and_the_winner_was_not(self, store: Store) -> None:
        played(store, **halved(PRICE))
        now = board(store.study())
        assert Counter(row.state for row in now.rows) == {"pruned": 21, "done": 3}
        assert now.winner is not None
        assert (now.winner.state, now.winner.epochs) == ("done", 30)
        assert {row.state for row in now.rows if row.pareto_optimal} == {"done"}
        assert {trial["state"] for trial in record(now)["trials"]} == {"pruned", "done"}

    def test_of_a_default_that_was_dropped_it_is_said(self, store: Store) -> None:
        played(
            store,
            **{**halved(PRICE), "strategy": Halving(RandomSearch(), RUNGS, PRICE, default=DEFAULT)},
        )
        text = dict(verdict(board(store.study())))
        assert text["default"].endswith(", pruned at a rung")
        assert "pruned" not in text["winner"]


def confirmed(objective: FakeObjective) -> dict[str, Any]:
    """Return what is particular to a search by halving whose best trials are run again."""
    strategy, wave = plan_of("random", objective, halving=True, confirm=True).build(20)
    return {"strategy": strategy, "wave": wave, "budget": 20}


class TestConfirmed:
    def test_the_best_are_run_again_whole_and_inside_the_budget(self, store: Store) -> None:
        history = played(store, **confirmed(OBJECTIVE))
        again = [trial for trial in history.trials if trial.replicate]
        assert [(trial.start_epoch, trial.until_epoch) for trial in again] == [(0, None)] * 3
        assert history.epochs(R) <= 20 * R
        assert {trial.parent for trial in again} <= {
            trial.run for trial in history.trials if trial.until_epoch == R
        }
        assert {trial.number for trial, _ in history.contenders} == {
            trial.parent for trial in again
        }

    def test_so_is_a_default_that_was_dropped_and_its_early_loss_is_no_first_loss(
        self, store: Store
    ) -> None:
        history = played(store, **confirmed(replace(OBJECTIVE, default_params=DEFAULT)))
        early, again = history.ended[0], history.runs[0][1]
        late = history.results[again.number]
        assert isinstance(early, Done)
        assert isinstance(late, Done)
        assert (early.paused, late.paused) == (True, False)
        row = board(store.study()).default
        assert row is not None
        assert (row.state, row.loss, row.first_loss) == ("done", late.loss, None)


class TestGoingOn:
    @pytest.mark.parametrize("during", [0, 7, 8, 12, 13, 14, 15])
    @pytest.mark.parametrize("name", ["random", "bayes"])
    def test_an_interrupted_search_ends_as_if_it_never_was(
        self, tmp_path: Path, name: str, during: int
    ) -> None:
        changes = halved(7, STRATEGIES.load(name)().build(Context()))
        with create(tmp_path / "calm") as calm, create(tmp_path / "broken") as broken:
            played(calm, **changes)
            stop = Stop()

            def train(cohort: Cohort) -> Iterator[object]:
                if cohort.number == during:
                    stop.signals.extend([signal.SIGINT] * 2)
                yield from trained_in_segments(cohort)

            played(broken, FakeRunner(train), stop, **changes)
            assert (
                len(broken.study().history) < len(calm.study().history)
                or broken.study().history.pending
            )
            played(broken, **changes)
            assert broken.study().history == calm.study().history

    def test_files_of_a_pause_are_kept_while_somebody_may_go_on_from_them(
        self, store: Store
    ) -> None:
        history = played(store, **halved(PRICE))
        assert promotable(history, RUNGS) == {}
        assert promotable(History(), RUNGS) == {}
        at_rung = History(history.trials[:36], {n: history.results[n] for n in range(27)})
        on = {trial.parent for trial in history.trials[24:27]}
        assert promotable(at_rung, RUNGS) == {
            number: 3 if number in on else 1 for number in range(24)
        }


class TestRefused:
    @pytest.mark.parametrize("name", ["grid", "manual"])
    def test_it_is_for_searches_that_draw(self, name: str) -> None:
        text = "data: {source: digits}\nsearch: {halving: true}\n"
        said = f"'halving' is a key of random and bayes, and this is {name}"
        with pytest.raises(SpecError, match=said):
            parse(text, "search.yaml", Path(), strategy=name)

    def test_a_function_has_no_epochs(self) -> None:
        with pytest.raises(SpecError, match="E034"):
            minimize(lambda params: 0.0, {"x": {"min": 0.0, "max": 1.0}}, budget=3, halving=True)


class TestWhatIsComparable:
    PLAN = plan_of("random", OBJECTIVE, halving=True)

    def test_trials_that_were_dropped_are_left_out_where_enough_others_are_whole(
        self, store: Store
    ) -> None:
        history = played(store, **halved(12))
        level, epoch = self.PLAN.comparable(history)
        assert epoch is None
        assert level.done == history.completed
        assert len(level.done) == 7  # three of each bracket, and one of a small one

    def test_else_losses_are_those_at_the_last_rung_that_enough_have_reached(
        self, store: Store
    ) -> None:
        level, epoch = self.PLAN.comparable(played(store, **halved(PRICE)))
        assert epoch == 10  # a model of three parameters takes four trials, and three are whole
        assert [result.epochs for _, result in level.done] == [10] * 6

    def test_what_failed_stays(self, store: Store) -> None:
        history = played(store, **halved(12))
        dropped = next(trial.number for trial, result in history.done if result.epochs == 1)
        level, _ = self.PLAN.comparable(
            history.with_results({dropped: Failed("diverged", "it did")})
        )
        assert dropped in {trial.number for trial in level.trials}

    def test_of_whole_trainings_all_are(self) -> None:
        history = sampled(CUBE, 12)
        assert self.PLAN.comparable(history) == (history, None)

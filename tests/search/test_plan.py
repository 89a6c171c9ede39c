"""The plan of a search: its opening, its strategy with what goes around it, and its waves."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest

from hpsearch.config.spec import networks_of, parse
from hpsearch.engine.structure.device import CPU
from hpsearch.errors import SpecError
from hpsearch.objectives.function import Function
from hpsearch.objectives.networks import Networks
from hpsearch.search.plan import Plan, idle_workers, with_default_priors
from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.strategies import STRATEGIES, Array, Limit, Strategy
from hpsearch.strategies.bayes import Bayes
from hpsearch.strategies.confirm import Confirmed, UntilConverged
from hpsearch.strategies.grid import Grid, GridOptions
from hpsearch.strategies.halving import Halving
from hpsearch.strategies.manual import Manual
from hpsearch.strategies.random import RandomSearch
from hpsearch.study.artefacts import Held
from hpsearch.study.trial import NewTrial
from tests.helpers.histories import CUBE, done, of_points
from tests.helpers.objectives import FakeObjective, plan_of
from tests.helpers.problems import blobs
from tests.helpers.studies import META

DEFAULT: Params = {"x": 0.5, "y": 0.5, "z": 0.5}
PICKED: tuple[Params, ...] = ({"x": 0.1, "y": 0.2, "z": 0.3}, {"x": 0.2, "y": 0.3, "z": 0.4})
WITH_DEFAULT = FakeObjective(default_params=DEFAULT)
BATCHED = FakeObjective(rule=lambda params: ({}, 8))
WITH_EPOCHS = FakeObjective(whole=27, default_params=DEFAULT)


def nothing_costs(params: Sequence[Params], company: Sequence[Params]) -> Array:
    """Return the costs of trials that cost nothing."""
    return np.zeros(len(params))


class TestOpening:
    def test_the_default_comes_first_and_then_what_a_person_has_picked(self) -> None:
        plan = replace(plan_of("random", WITH_DEFAULT), picked=PICKED)
        assert plan.opening == [
            NewTrial(DEFAULT, "default", origin="default"),
            *(NewTrial(params, "hand-picked", origin="picked") for params in PICKED),
        ]
        assert plan.default == DEFAULT

    def test_where_there_is_no_default_there_is_none(self) -> None:
        plan = plan_of("bayes")
        assert (plan.opening, plan.default) == ([], None)

    def test_a_strategy_of_picked_points_alone_is_not_opened(self) -> None:
        plan = replace(plan_of("manual", WITH_DEFAULT), picked=PICKED)
        assert (plan.opening, plan.default) == ([], None)

    def test_a_grid_opens_with_what_was_picked_and_not_with_the_default(self) -> None:
        plan = replace(plan_of("grid", WITH_DEFAULT), picked=PICKED)
        assert [new.params for new in plan.opening] == list(PICKED)
        assert [new.origin for new in plan.opening] == ["picked"] * 2
        assert plan.default is None

    @pytest.mark.parametrize("name", ["random", "bayes"])
    def test_with_halving_the_default_competes_and_what_is_picked_does_not(self, name: str) -> None:
        plan = replace(plan_of(name, WITH_EPOCHS, halving=True, confirm=False), picked=PICKED)
        assert [new.reason for new in plan.opening] == ["hand-picked"] * 2
        strategy, _ = plan.build(9)
        assert isinstance(strategy, Halving)
        assert strategy.default == DEFAULT

    def test_a_manual_search_runs_what_was_picked_or_else_the_presets(self) -> None:
        plan = plan_of("manual", FakeObjective(preset=PICKED[:1]))
        assert plan.build(None)[0] == Manual(PICKED[:1])
        assert replace(plan, picked=PICKED).build(None)[0] == Manual(PICKED)


class TestTotal:
    @pytest.mark.parametrize(
        ("name", "budget", "total"),
        [
            ("grid", None, 29),  # three ticks of three parameters, and two picked points
            ("grid", 10, 10),
            ("grid", 99, 29),
            ("manual", None, 2),
            ("manual", 1, 1),
            ("random", None, None),
            ("random", 10, 10),
            ("bayes", 10, 10),
        ],
    )
    def test_it_is_the_budget_or_all_that_there_is(
        self, name: str, budget: int | None, total: int | None
    ) -> None:
        keys = {"points": 3} if name == "grid" else {}
        assert replace(plan_of(name, **keys), picked=PICKED).total(budget) == total


class TestSearch:
    def test_it_has_the_keys_of_the_file(self) -> None:
        keys = {"seed": 4, "time_weight": 0.5, "lag": 2, "max_retries": 3, "max_failures": 7}
        search = plan_of("random", WITH_DEFAULT, **keys).search(20)
        assert (search.seed, search.time_weight, search.lag) == (4, 0.5, 2)
        assert (search.retries, search.max_failures, search.budget) == (3, 7, 20)
        assert search.objective is WITH_DEFAULT
        assert [new.reason for new in search.opening] == ["default"]

    def test_scores_go_by_seconds_where_costs_are_neither_counted_nor_reported(self) -> None:
        search = plan_of("random", time_weight=1.0).search(20)
        slow, fast = done(0.1, seconds=10.0), done(0.1, seconds=1.0)
        unpriced = of_points([{"x": 0}, {"x": 1}], {0: slow, 1: fast})
        priced = unpriced.with_results(
            {0: replace(slow, reported_cost=1.0), 1: replace(fast, reported_cost=10.0)}
        )
        assert [trial.number for trial, _ in search.scores(unpriced).done] == [1, 0]
        assert [trial.number for trial, _ in search.scores(priced).done] == [0, 1]

    def test_a_limit_ends_the_loop(self) -> None:
        limit = Limit(60.0)
        assert plan_of("bayes").search(20, limit).limit is limit
        assert plan_of("bayes").search(20).limit is None

    def test_the_unit_of_the_budget_is_a_whole_training_where_trials_may_be_dropped(self) -> None:
        assert plan_of("random", WITH_EPOCHS).search(20).epochs == 1
        assert plan_of("random", WITH_EPOCHS, halving=True).search(20).epochs == 27

    def test_a_search_that_halves_needs_epochs(self) -> None:
        with pytest.raises(SpecError, match="E034"):
            plan_of("random", WITH_DEFAULT, halving=True).search(20)


class TestStrategy:
    @pytest.mark.parametrize(
        ("name", "keys", "strategy"),
        [
            ("manual", {}, Manual(())),
            ("grid", {}, Grid(5)),
            ("grid", {"points": 7}, Grid(7)),
            ("random", {}, RandomSearch()),
            ("random", {"rounds": 4}, RandomSearch(Fraction(20, 4), guided=True)),
            ("random", {"rounds": 4, "guided": False}, RandomSearch(Fraction(20, 4))),
            ("random", {"guided": True}, RandomSearch(Fraction(20, 5), guided=True)),
            ("random", {"until_converged": True}, UntilConverged(RandomSearch())),
            ("bayes", {}, Bayes(trials=20)),
            ("bayes", {"surrogate": "ann", "pareto": True}, Bayes("ann", trials=20, pareto=True)),
        ],
    )
    def test_it_has_its_own_keys(
        self, name: str, keys: Mapping[str, object], strategy: Strategy
    ) -> None:
        assert plan_of(name, **keys).build(20)[0] == strategy

    def test_a_model_is_told_of_costs_and_limit(self) -> None:
        objective, limit = FakeObjective(cost_model=nothing_costs), Limit(60.0)
        strategy, _ = plan_of("bayes", objective).build(20, limit)
        assert strategy == Bayes(costs=nothing_costs, limit=limit, trials=20)

    @pytest.mark.parametrize(
        ("budget", "confirm", "repeated"),
        [(39, None, 0), (40, None, 6), (40, False, 0), (10, True, 3), (100, None, 12)],
    )
    def test_the_best_are_confirmed_from_forty_trials_on(
        self, budget: int, confirm: bool | None, repeated: int
    ) -> None:
        keys = {} if confirm is None else {"confirm": confirm}
        strategy, _ = plan_of("random", **keys).build(budget)
        own = strategy.trials if isinstance(strategy, Confirmed) else budget
        assert own == budget - repeated

    def test_with_a_default_it_is_confirmed_as_well(self) -> None:
        strategy, _ = plan_of("random", WITH_DEFAULT).build(40)
        assert isinstance(strategy, Confirmed)
        assert strategy.trials == 40 - 2 * 4

    def test_where_only_time_is_given_it_ends_with_a_race(self) -> None:
        limit = Limit(60.0)
        strategy, _ = plan_of("random").build(None, limit)
        assert strategy == Confirmed(RandomSearch(), None, None, limit)
        assert plan_of("random").build(None)[0] == RandomSearch()

    def test_what_is_confirmed_leaves_the_rest_to_the_rounds(self) -> None:
        strategy, wave = plan_of("random", rounds=4).build(60)
        assert isinstance(strategy, Confirmed)
        assert strategy.strategy == RandomSearch(Fraction(54, 4), guided=True)
        assert wave == 14

    def test_halving_comes_between_the_strategy_and_its_confirmation(self) -> None:
        strategy, wave = plan_of("random", WITH_EPOCHS, halving=True).build(60)
        assert isinstance(strategy, Confirmed)
        halving = strategy.strategy
        assert isinstance(halving, Halving)
        assert (halving.strategy, halving.rungs) == (RandomSearch(), (1, 3, 9, 27))
        assert halving.budget == 60 - 2 * 4  # what is confirmed comes out of the budget
        assert strategy.trials is None
        assert wave == 64

    @pytest.mark.parametrize(("name", "rungs"), [("random", (1, 3, 9, 27)), ("bayes", (3, 9, 27))])
    def test_each_strategy_says_how_many_rungs_it_has(
        self, name: str, rungs: tuple[int, ...]
    ) -> None:
        assert plan_of(name, WITH_EPOCHS, halving=True).rungs == rungs

    def test_a_budget_of_brackets_is_said_in_a_line(self) -> None:
        plan = plan_of("random", WITH_EPOCHS, halving=True, confirm=False)
        assert plan.describe_brackets(11) == (
            "halving: a budget of 11 whole trainings is 48 trials: "
            "2 x (24 to epoch 1, 12 to epoch 3, 6 to epoch 9, 3 to epoch 27)"
        )

    def test_one_training_is_not_several(self) -> None:
        plan = plan_of("random", WITH_EPOCHS, halving=True, confirm=False)
        assert plan.describe_brackets(1).startswith("halving: a budget of 1 whole training is ")


class TestWave:
    @pytest.mark.parametrize(
        ("name", "keys", "wave"),
        [
            ("manual", {}, 64),
            ("grid", {}, 64),
            ("random", {}, 64),
            ("random", {"rounds": 3}, 7),
            ("bayes", {}, 1),
            *((name, {"wave": 5}, 5) for name in STRATEGIES),
            ("random", {"wave": 5, "rounds": 3}, 5),
        ],
    )
    def test_it_is_the_strategys_unless_the_file_says_another(
        self, name: str, keys: Mapping[str, object], wave: int
    ) -> None:
        assert plan_of(name, **keys).build(20)[1] == wave

    def test_one_that_is_filled_by_what_is_worth_it_is_large(self) -> None:
        known = replace(BATCHED, cost_model=nothing_costs)
        assert plan_of("bayes", known).build(20, Limit(60.0))[1] == 64
        assert plan_of("bayes", known).build(20)[1] == 4
        assert plan_of("bayes", BATCHED).build(20, Limit(60.0))[1] == 4

    @pytest.mark.parametrize(
        ("name", "keys", "lag"),
        [
            *((name, {}, 1) for name in ("manual", "grid", "random")),
            ("bayes", {}, 5),
            ("random", {"rounds": 3}, 0),
            ("bayes", {"wave": 4}, 0),
            ("bayes", {"lag": 2}, 2),
            ("bayes", {"wave": 4, "lag": 2}, 2),
        ],
    )
    def test_waves_overlap_where_each_trial_is_run_by_itself(
        self, name: str, keys: Mapping[str, object], lag: int
    ) -> None:
        assert plan_of(name, **keys).search(20).lag == lag

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_waves_do_not_overlap_where_trials_are_batched_or_halved(self, name: str) -> None:
        assert plan_of(name, BATCHED).search(20).lag == 0
        if name in ("random", "bayes"):
            assert plan_of(name, WITH_EPOCHS, halving=True).search(20).lag == 0


class TestDefaultPriors:
    """Where brackets of bayes begin."""

    SPACE: ClassVar[str] = """
data: {source: digits}
train: {epochs: 2000}
parameters:
  lr: {min: 2e-3, max: 1, log: true}
  width: {values: [16, 32, 64]}
  dropout: {min: 0, max: 0.5}
  optimizer: {values: [adam, momentum]}
search: {halving: true}
"""

    def plan(self, strategy: str = "bayes", *changes: tuple[str, str]) -> Plan:
        """Return the plan for 60 rows, of which an epoch is one step."""
        text = self.SPACE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        spec = networks_of(parse(text, "space.yaml", Path(), strategy=strategy))
        assert spec.options is not None
        objective = Networks(spec).on(blobs(), Held(""), CPU, 1)
        return Plan(strategy, spec.options, spec.search, objective)

    def priors(
        self, strategy: str = "bayes", *changes: tuple[str, str]
    ) -> Mapping[str, Value | DependentValue]:
        return self.plan(strategy, *changes).search(10).space.priors

    def test_each_optimizer_has_its_usual_rate_and_nets_are_wide_with_some_dropout(self) -> None:
        rates = DependentValue("optimizer", {"adam": 2e-3, "momentum": 0.03})
        assert self.priors() == {"lr": rates, "width": 64, "dropout": 0.25}

    @pytest.mark.parametrize(
        ("text", "rate"), [("depth", 2e-3), ("optimizer: {value: sgd}\n  depth", 0.1)]
    )
    def test_where_no_optimizer_is_searched_it_is_that_of_the_one_there_is(
        self, text: str, rate: float
    ) -> None:
        searched = "optimizer: {values: [adam, momentum]}"
        assert self.priors("bayes", (searched, f"{text}: {{values: [1, 2]}}"))["lr"] == rate

    def test_what_a_person_says_comes_first(self) -> None:
        texts = {"lr": ("max: 1", 0.5), "width": ("[16, 32, 64]", 16), "dropout": ("max: 0.5", 0.0)}
        mine = self.priors(
            "bayes", *((text, f"{text}, prior: {value}") for text, value in texts.values())
        )
        assert mine == {"lr": 0.5, "width": 16, "dropout": 0.0}

    @pytest.mark.parametrize(
        ("strategy", "halving"), [("random", "true"), ("bayes", "false"), ("random", "false")]
    )
    def test_random_draws_from_all_of_the_space_and_whole_trainings_begin_anywhere(
        self, strategy: str, halving: str
    ) -> None:
        assert self.priors(strategy, ("halving: true", f"halving: {halving}")) == {}

    def test_three_in_four_random_trials_are_near_it(self) -> None:
        space = self.plan().search(10).space
        rng, draws = Random(3), 3000
        share = sum(space.sample(rng)["width"] == 64 for _ in range(draws)) / draws
        # near the widest, a normal draw from [0, 1] around 5/6 of standard deviation 0.15 falls
        # into the last third
        expected = 0.75 * 0.7335 / 0.8667 + 0.25 / 3
        standard_error = math.sqrt(expected * (1 - expected) / draws)
        assert abs(share - expected) < 5 * standard_error

    def test_what_is_typical_of_another_space_is_left_out(self) -> None:
        space = with_default_priors(CUBE, {"x": 7.0, "lr": 0.1})
        assert space.priors == {"x": 1.0}


class TestOfAStudy:
    def test_it_is_read_again_from_what_the_study_keeps(self) -> None:
        flags = [[["search", "surrogate"], "ann", "--surrogate ann"]]
        config = "data: {source: digits}\nparameters: {lr: {min: 0.1, max: 0.2}}\n"
        trials = "trials: [{lr: 0.15}]\n"
        meta = replace(META, strategy="bayes", config=config + trials, overrides=json.dumps(flags))
        plan = Plan.of_study(meta)
        assert (plan.strategy, plan.options.explained_by) == ("bayes", "ann")
        assert list(plan.objective.space.parameters) == ["lr"]
        assert plan.picked == ({"lr": 0.15},)

    def test_keys_of_other_strategies_are_accepted_as_they_were(self) -> None:
        config = "data: {source: digits}\nsearch: {points: 3, rounds: 2}\n"
        plan = Plan.of_study(replace(META, strategy="grid", config=config))
        assert plan.options == GridOptions(points=3)

    def test_of_a_function_the_space_is_kept_and_not_the_function(self) -> None:
        config = {"parameters": {"x": {"min": 0, "max": 1}}, "constraints": [], "search": {}}
        meta = replace(META, objective="function", config=json.dumps(config))
        plan = Plan.of_study(meta)
        assert isinstance(plan.objective, Function)
        assert callable(plan.objective.function)
        assert list(plan.objective.space.parameters) == ["x"]
        assert callable(plan.objective.function)
        with pytest.raises(RuntimeError, match="does not keep the function"):
            plan.objective.function({})


class TestEnding:
    FEW = Space({"a": Choice(("p", "q", "r")), "b": Integer(1, 3)})

    def ended(self, name: str, trials: int, budget: int | None, **keys: Any) -> str:
        plan = plan_of(name, FakeObjective(self.FEW), **keys)
        points = list(self.FEW.walk(self.FEW.ticks(9)))[:trials]
        return plan.ending(of_points(points, {n: done(1.0) for n in range(trials)}), budget)

    def test_a_budget_that_is_used_up_needs_no_reason(self) -> None:
        assert self.ended("random", 5, 5) == ""

    def test_all_points_are_counted(self) -> None:
        for name in ("random", "grid", "bayes"):
            assert self.ended(name, 9, 30) == "all 9 points were tried"

    def test_so_is_a_single_one(self) -> None:
        plan = plan_of("random", FakeObjective(Space({"a": Choice(("p",))})))
        assert plan.ending(of_points([{"a": "p"}], {0: done(1.0)}), 30) == "the one point was tried"

    def test_time_is_a_reason(self) -> None:
        plan = plan_of("random")
        history = of_points([{"x": 0.1, "y": 0.1, "z": 0.1}], {0: done(1.0, seconds=5.0)})
        assert plan.ending(history, None, Limit(5.0)) == "the time is over"
        assert plan.ending(history, None, Limit(6.0)) == "no time is left for another trial"

    def test_there_are_as_many_trials_as_there_are_points(self) -> None:
        plan = plan_of("random", FakeObjective(self.FEW))
        assert (plan.total(30), plan.total(4)) == (9, 4)
        assert plan.total(60) == 9 + 6  # of 60 trials, 2 x 3 are the best three again
        tight = replace(self.FEW, constraints=(Expression("b == 2"),))
        for name in ("random", "grid", "bayes"):
            assert plan_of(name, FakeObjective(tight)).total(30) == 3


@pytest.mark.parametrize(
    ("wave", "lag", "workers", "said"),
    [
        (4, 0, 4, ""),
        (4, 1, 8, ""),
        (4, 0, 5, "5 workers, but at most 4 trials are under way at a time"),
        (1, 0, 2, "2 workers, but at most 1 trial is under way at a time"),
        (2, 1, 64, "64 workers, but at most 4 trials are under way at a time"),
    ],
)
def test_more_workers_than_trials_are_asked_for_are_noticed(
    wave: int, lag: int, workers: int, said: str
) -> None:
    search = plan_of("random", wave=wave, lag=lag, budget=50).search(50)
    noticed = "".join(idle_workers(search, workers))
    assert noticed.startswith(said)
    assert bool(noticed) == bool(said) == ("search.wave or search.lag" in noticed)


def test_what_a_space_leaves_is_known_before_the_data() -> None:
    text = (
        "data: {source: digits}\ntrain: {epochs: 9}\nsearch: {halving: true}\n"
        "parameters: {lr: {min: 1e-4, max: 0.1}, dropout: {min: 0.0, max: 0.9}}\n"
        "constraints: ['lr + dropout < 0.02']\n"
    )
    spec = networks_of(parse(text, "search.yaml", Path(), strategy="bayes"))
    assert spec.options is not None
    plan = Plan("bayes", spec.options, spec.search, Networks(spec))
    (remark,) = plan.remarks(9)
    assert re.fullmatch(r"the constraints leave about 0\.\d+ % of the space", remark)

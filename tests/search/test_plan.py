"""What is planned: which trials train together, and where brackets begin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.commands.launch import planned
from hpsearch.config.spec import parse
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.cohorts import Job, bucket, capacity, cohorts, key
from hpsearch.engine.structure.settings import NEEDS, SETTINGS, complete, typical_values
from hpsearch.search.plan import Plan, cohort_rule, wave_costs
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params
from hpsearch.study.trial import Cohort, Trial
from tests.helpers.studies import META


@given(st.integers(1, 10_000))
def test_a_bucket_is_wide_enough_and_not_twice_as_wide(width: int) -> None:
    assert width <= bucket(width) < max(65, 2 * width)


def test_buckets_are_powers_of_two_and_from_128_on_the_halves_between() -> None:
    assert sorted({bucket(width) for width in range(1, 1025)}) == [
        64,
        128,
        192,
        256,
        384,
        512,
        768,
        1024,
    ]


@pytest.mark.parametrize(
    "other", [{"batch_size": 32}, {"depth": 3}, {"epochs": 5}, {"skip": "residual"}, {"width": 65}]
)
def test_what_shapes_the_computation_keeps_trials_apart(other: dict[str, int]) -> None:
    assert key(complete({})) != key(complete(other))


@pytest.mark.parametrize(
    "other",
    [{"lr": 0.5}, {"optimizer": "sgd"}, {"dropout": 0.5}, {"activation": "tanh"}, {"width": 33}, {"patience": 1},
     {"init": "fan_uniform"}, {"l2": 0.1}],
)  # fmt: skip
def test_everything_else_differs_inside_a_cohort(other: dict[str, object]) -> None:
    assert key(complete({})) == key(complete(other))  # type: ignore[arg-type]


def test_a_wave_is_split_by_key_in_even_shares() -> None:
    wave = [complete({"width": 128 if k % 2 else 40, "lr": 0.001 * (k + 1)}) for k in range(100)]
    split = cohorts(wave, (64,), 10, "cpu")
    assert sorted(position for cohort in split for position in cohort) == list(range(100))
    assert all(len({key(wave[position]) for position in cohort}) == 1 for cohort in split)
    assert [len(cohort) for cohort in split if cohort[0] % 2 == 0] == [25, 25]


def test_a_cohort_does_not_depend_on_what_else_is_in_the_wave() -> None:
    mine = [complete({"lr": 0.001 * (k + 1)}) for k in range(5)]
    other = [complete({"depth": 4, "lr": 0.001 * (k + 1)}) for k in range(5)]
    assert cohorts(mine, (64,), 10, "cpu") == cohorts([*mine, *other], (64,), 10, "cpu")[:1]


def test_wide_nets_and_convolutions_have_little_company_on_a_cpu() -> None:
    narrow, wide = (capacity(complete({"width": width}), (784,), 10, "cpu") for width in (32, 1024))
    assert narrow > 16 > wide >= 1
    assert capacity(complete({"model": "resnet"}), (1, 28, 28), 10, "cpu") == 1


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_default_that_it_allows(name: str) -> None:
    setting = SETTINGS[name]
    values = (
        setting.default.table.values()
        if isinstance(setting.default, DependentValue)
        else [setting.default]
    )
    assert all(value in setting.domain for value in values)


@pytest.mark.parametrize("name", NEEDS)
def test_every_option_of_a_component_is_a_setting(name: str) -> None:
    assert name in SETTINGS


def test_settings_without_a_meaning_are_left_out() -> None:
    assert "momentum" not in complete({"momentum": 0.5, "optimizer": "adam"})
    assert "width" not in complete({"model": "resnet"})


def test_trials_train_together_each_from_the_seeds_of_its_lot(tmp_path: Path) -> None:
    plan = Plan.of(META)
    search = planned(plan, prepare(plan.spec.data), tmp_path, META)
    trials = [Trial(number, {}, "", 0, 0, seed_group=number // 2) for number in range(4)]
    assert search.cohorts(trials) == [[0, 1, 2, 3]]
    job = search.work(Cohort(0, tuple(trials))).argument
    assert isinstance(job, Job)
    assert [member.seed_group for member in job.members] == [0, 0, 1, 1]


class TestWhatIsBelieved:
    """Where brackets of bayes begin."""

    SPACE = """
data: {source: digits}
parameters:
  lr: {min: 2e-3, max: 1, log: true}
  width: {values: [16, 32, 64]}
  dropout: {min: 0, max: 0.5}
  optimizer: {values: [adam, momentum]}
search: {halving: true}
"""
    STEPS: ClassVar[int] = 2000

    def priors(
        self, strategy: str = "bayes", *changes: tuple[str, str], steps: int = STEPS
    ) -> Mapping[str, Value | DependentValue]:
        text = self.SPACE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return Plan(strategy, parse(text, "space.yaml", Path())).space(steps).priors

    def test_each_optimizer_has_its_usual_rate_or_the_nearest_there_is_and_nets_are_wide_with_some_dropout(
        self,
    ) -> None:
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

    def test_what_a_person_believes_comes_first(self) -> None:
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
        space = Plan("bayes", parse(self.SPACE, "space.yaml", Path())).space(self.STEPS)
        rng, draws = Random(3), 3000
        share = sum(space.sample(rng)["width"] == 64 for _ in range(draws)) / draws
        # near the widest, a normal draw from [0, 1] around 5/6 of deviation 0.15 falls into the last third
        expected = 0.75 * 0.7335 / 0.8667 + 0.25 / 3
        assert abs(share - expected) < 5 * math.sqrt(
            expected * (1 - expected) / draws
        )  # five standard errors

    @pytest.mark.parametrize(("steps", "adam"), [(10, 0.25), (100, 0.025), (10**6, 3e-4)])
    def test_an_adaptive_optimizer_takes_the_larger_steps_the_fewer_there_are(
        self, steps: int, adam: float
    ) -> None:
        rates = self.priors("bayes", ("2e-3", "1e-4"), steps=steps)["lr"]
        assert isinstance(rates, DependentValue)
        assert rates.table == pytest.approx({"adam": adam, "momentum": 0.03})

    @pytest.mark.parametrize(("source", "epochs", "steps"), [("digits", 30, 510), ("wine", 10, 20)])
    def test_the_steps_are_those_of_a_whole_training(
        self, source: str, epochs: int, steps: int, tmp_path: Path
    ) -> None:
        text = self.SPACE.replace("digits", source) + f"train: {{epochs: {epochs}}}\n"
        plan = Plan("bayes", parse(text, "space.yaml", Path()))
        search = planned(plan, prepare(plan.spec.data), tmp_path, META)
        assert search.space.priors == plan.space(steps).priors != plan.space(steps + 1).priors

    @pytest.mark.parametrize("name", typical_values(1000))
    @pytest.mark.parametrize("steps", [1, 10**9])
    def test_it_is_said_of_settings_and_of_all_that_they_go_by(self, name: str, steps: int) -> None:
        good = typical_values(steps)[name]
        values = good.table if isinstance(good, DependentValue) else {None: good}
        assert all(value in SETTINGS[name].domain for value in values.values())
        if isinstance(good, DependentValue):
            assert set(good.table) == set(SETTINGS[good.name].domain.values() or ())


class TestSharing:
    """What must be equal for another training to share an array."""

    SPACE = """
data: {source: digits}
parameters:
  skip: {values: [none, highway]}
  width: {min: 16, max: 100}
  depth: {min: 1, max: 3}
  activation: {values: [relu, tanh]}
  batch_size: {values: [32, 64]}
  lr: {min: 1e-4, max: 1e-1, log: true}
  dropout: {values: [0.0, 0.5]}
"""
    PARAMS: ClassVar[Params] = {
        "skip": "none", "width": 30, "depth": 2, "activation": "tanh", "batch_size": 64, "lr": 0.01, "dropout": 0.5
    }  # fmt: skip

    def shared(self, text: str) -> tuple[Params, int]:
        spec = parse(text, "search.yaml", Path())
        return cohort_rule(wave_costs(spec, prepare(spec.data), "cpu"), spec.space)(self.PARAMS)

    def test_it_is_what_would_put_it_into_another_array(self) -> None:
        pinned, room = self.shared(self.SPACE)
        assert pinned == {"skip": "none", "width": 30, "depth": 2, "batch_size": 64}
        assert room == 32

    def test_widths_that_are_padded_alike_need_not_be_equal(self) -> None:
        assert "width" not in self.shared(self.SPACE.replace("max: 100", "max: 64"))[0]

    def test_slopes_that_are_learned_are_of_another_array(self) -> None:
        assert (
            self.shared(self.SPACE.replace("[relu, tanh]", "[prelu, tanh]"))[0]["activation"]
            == "tanh"
        )

    def test_folds_and_seeds_take_places(self) -> None:
        assert self.shared(self.SPACE + "search: {seeds: 4}\n")[1] == 8

"""Networks as an objective: which trials train together, what they cost, and what is typical."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.config.spec import NetworkSpec, networks_of, parse, spec_of
from hpsearch.data import Dataset
from hpsearch.data.prepare import prepare
from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.cohorts import bucket, capacity, cohorts, key
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.models import param_slots
from hpsearch.engine.structure.settings import NEEDS, SETTINGS, complete, typical_values
from hpsearch.errors import SpecError
from hpsearch.objectives.jobs import DataRef, TrainingJob, pause_name
from hpsearch.objectives.networks import Networks
from hpsearch.runners import WorkKey
from hpsearch.space.space import DependentValue, Params
from hpsearch.study.artefacts import Held
from hpsearch.study.history import History
from hpsearch.study.trial import WEIGHTS, Cohort, Done, Trial
from tests.helpers.histories import done, of_points
from tests.helpers.problems import blobs, dataset
from tests.helpers.studies import META


def networks(text: str, strategy: str = "random") -> Networks:
    """Return the networks that a YAML describes, on 60 rows: an epoch is one step."""
    return Networks(spec(text, strategy)).on(blobs(), Held("the digest"), CPU, 2)


def spec(text: str, strategy: str = "random") -> NetworkSpec:
    """Return the spec of a YAML."""
    return networks_of(parse(text, "search.yaml", Path(), strategy=strategy))


class TestCohorts:
    @given(st.integers(1, 10_000))
    def test_a_bucket_is_wide_enough_and_not_twice_as_wide(self, width: int) -> None:
        assert width <= bucket(width) < max(65, 2 * width)

    def test_buckets_are_powers_of_two_and_from_128_on_the_halves_between(self) -> None:
        found = sorted({bucket(width) for width in range(1, 1025)})
        assert found == [64, 128, 192, 256, 384, 512, 768, 1024]

    @pytest.mark.parametrize(
        "other",
        [{"batch_size": 32}, {"depth": 3}, {"epochs": 5}, {"skip": "residual"}, {"width": 65}],
    )
    def test_what_shapes_the_computation_keeps_trials_apart(self, other: dict[str, int]) -> None:
        assert key(complete({})) != key(complete(other))

    @pytest.mark.parametrize(
        "other",
        [
            *({"lr": 0.5}, {"optimizer": "sgd"}, {"dropout": 0.5}, {"activation": "tanh"}),
            *({"width": 33}, {"patience": 1}, {"init": "fan_uniform"}, {"l2": 0.1}),
        ],
    )
    def test_everything_else_differs_inside_a_cohort(self, other: Params) -> None:
        assert key(complete({})) == key(complete(other))

    def test_a_wave_is_split_by_key_in_even_shares(self) -> None:
        wave = [
            complete({"width": 128 if k % 2 else 40, "lr": 0.001 * (k + 1)}) for k in range(100)
        ]
        split = cohorts(wave, InputShape((64,)), 10, CPU)
        assert sorted(position for cohort in split for position in cohort) == list(range(100))
        assert all(len({key(wave[position]) for position in cohort}) == 1 for cohort in split)
        assert [len(cohort) for cohort in split if cohort[0] % 2 == 0] == [25, 25]

    def test_a_cohort_does_not_depend_on_what_else_is_in_the_wave(self) -> None:
        mine = [complete({"lr": 0.001 * (k + 1)}) for k in range(5)]
        other = [complete({"depth": 4, "lr": 0.001 * (k + 1)}) for k in range(5)]
        together = cohorts([*mine, *other], InputShape((64,)), 10, CPU)
        assert cohorts(mine, InputShape((64,)), 10, CPU) == together[:1]

    def test_wide_nets_and_convolutions_have_little_company_on_a_cpu(self) -> None:
        narrow, wide = (
            capacity(complete({"width": width}), InputShape((784,)), 10, CPU)
            for width in (32, 1024)
        )
        assert narrow > 16 > wide >= 1
        assert capacity(complete({"model": "resnet"}), InputShape((1, 28, 28)), 10, CPU) == 1


class TestSettings:
    @pytest.mark.parametrize("name", SETTINGS)
    def test_every_setting_has_a_default_that_it_allows(self, name: str) -> None:
        default = SETTINGS[name].default
        values = default.table.values() if isinstance(default, DependentValue) else [default]
        assert all(value in SETTINGS[name].domain for value in values)

    @pytest.mark.parametrize("name", NEEDS)
    def test_every_option_of_a_component_is_a_setting(self, name: str) -> None:
        assert name in SETTINGS

    def test_settings_without_a_meaning_are_left_out(self) -> None:
        assert "momentum" not in complete({"momentum": 0.5, "optimizer": "adam"})
        assert "width" not in complete({"model": "resnet"})

    @pytest.mark.parametrize("name", typical_values(1000))
    @pytest.mark.parametrize("steps", [1, 10**9])
    def test_what_is_typical_is_a_value_of_settings_for_all_that_it_depends_on(
        self, name: str, steps: int
    ) -> None:
        good = typical_values(steps)[name]
        values = good.table if isinstance(good, DependentValue) else {None: good}
        assert all(value in SETTINGS[name].domain for value in values.values())
        if isinstance(good, DependentValue):
            assert set(good.table) == set(SETTINGS[good.name].domain.values() or ())


class TestWork:
    SEGMENTS = "data: {source: digits}\ntrain: {epochs: 9}\nsearch: {halving: true, seed: 5}\n"

    def job(self, objective: Networks, history: History, *trials: Trial) -> TrainingJob:
        work = objective.work(Cohort(7, trials), 3, history)
        assert work.key == WorkKey(7, 3)
        assert isinstance(work.argument, TrainingJob)
        return work.argument

    def test_trials_train_together_each_from_the_seeds_of_its_group(self) -> None:
        kept = networks_of(spec_of(META))
        objective = Networks(kept).on(prepare(kept.data), Held(""), CPU, 1)
        trials = [Trial(number, {}, "", 0, 0, seed_group=number // 2) for number in range(4)]
        assert objective.cohorts(trials) == [[0, 1, 2, 3]]
        members = self.job(objective, History(), *trials).members
        assert [member.seed_group for member in members] == [0, 0, 1, 1]

    def test_segments_and_repetitions_train_apart(self) -> None:
        trials = [
            Trial(0, {}, "", 0, 0, until_epoch=3),
            Trial(1, {}, "", 0, 0),
            Trial(2, {}, "", 0, 0, parent=8, start_epoch=3, until_epoch=9),
            Trial(3, {}, "", 0, 0, parent=9, replicate=1),
            Trial(4, {}, "", 0, 0, until_epoch=3),
        ]
        assert networks(self.SEGMENTS).cohorts(trials) == [[0, 4], [1], [2], [3]]

    def test_it_names_its_data_by_digest_and_holds_no_path(self) -> None:
        objective = networks(self.SEGMENTS)
        repetition = Trial(1, {}, "", 1, 1, parent=0, replicate=2)
        job = self.job(objective, History(), repetition)
        assert (job.data, job.seed, job.device) == (DataRef(Held("the digest"), 2), 5, CPU)
        assert job.pauses == {}

    def test_a_segment_goes_on_from_the_pause_of_the_one_before(self) -> None:
        objective = networks(self.SEGMENTS)
        first = Trial(0, {}, "", 0, 0, until_epoch=3)
        second = Trial(1, {}, "", 1, 1, parent=0, start_epoch=3)
        (member,) = self.job(objective, History(), second).members
        left = {pause_name(member): "aaa", "weights": "bbb"}
        paused = Done(0.5, 0.5, 1.0, 1.0, 3, 3, 3, paused=True, artefacts=left)
        history = History((first, second), {0: paused})
        assert self.job(objective, history, second).pauses == {member.name: "aaa"}

    @pytest.mark.parametrize(("timeout", "seconds"), [("", float("inf")), ("10m", 1800.0)])
    def test_a_cohort_may_take_as_long_as_its_trials(self, timeout: str, seconds: float) -> None:
        search = f"search: {{trial_timeout: {timeout}}}\n" if timeout else ""
        objective = networks("data: {source: digits}\n" + search)
        trials = tuple(Trial(number, {}, "", 0, 0) for number in range(3))
        assert objective.work(Cohort(0, trials), 1, History()).seconds == seconds

    def test_a_model_of_images_is_refused_on_a_table(self) -> None:
        with pytest.raises(SpecError, match="E078"):
            networks("data: {source: digits}\ntrain: {model: resnet}\n")


def by(metric: str) -> str:
    return f"data: {{source: digits}}\nsearch: {{metric: {metric}}}\n"


def a_regression(targets: Sequence[float] = (3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0)) -> Dataset:
    """Return rows of numbers, the last quarter of which validates."""
    made = dataset(np.zeros((len(targets), 1)), np.array(targets))
    return replace(made, target_scale=100.0)


class TestMetrics:
    @pytest.mark.parametrize(
        ("metric", "measured", "minimized"),
        [
            ("loss", "accuracy", "loss"),
            ("accuracy", "accuracy", "1 - accuracy"),
            ("balanced_accuracy", "balanced_accuracy", "1 - balanced_accuracy"),
            ("f1", "f1", "1 - f1"),
            ("auc", "auc", "1 - auc"),
        ],
    )
    def test_a_study_of_classes_names_what_it_measures_and_minimises(
        self, metric: str, measured: str, minimized: str
    ) -> None:
        info = networks(by(metric)).describe()
        assert (info.metric, info.data["minimized"]) == (measured, minimized)
        assert info.baseline_metric is not None
        if metric != "loss":
            assert info.baseline_loss == 1.0 - info.baseline_metric

    @pytest.mark.parametrize(
        ("metric", "measured", "minimized"),
        [
            ("loss", "r2", "loss"),
            ("r2", "r2", "1 - r2"),
            ("rmse", "rmse", "rmse"),
            ("mae", "mae", "mae"),
        ],
    )
    def test_a_study_of_numbers_names_what_it_measures_and_minimises(
        self, metric: str, measured: str, minimized: str
    ) -> None:
        objective = Networks(spec(by(metric))).on(a_regression(), Held("d"), CPU, 1)
        info = objective.describe()
        assert (info.metric, info.data["minimized"]) == (measured, minimized)
        if metric in ("rmse", "mae"):
            assert info.baseline_loss == info.baseline_metric

    @pytest.mark.parametrize("metric", ["r2", "rmse", "mae"])
    def test_a_metric_of_numbers_is_refused_for_classes(self, metric: str) -> None:
        with pytest.raises(SpecError) as problem:
            networks(by(metric))
        (one,) = problem.value.problems
        assert one.code == "E077"
        assert one.message == f"the metric {metric} is for regression, and this is classification"
        assert one.help == "search: metric: loss, accuracy, balanced_accuracy, f1 or auc"

    @pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "auc"])
    def test_a_metric_of_classes_is_refused_for_numbers(self, metric: str) -> None:
        with pytest.raises(SpecError) as problem:
            Networks(spec(by(metric))).on(a_regression(), Held("d"), CPU, 1)
        (one,) = problem.value.problems
        assert one.message == f"the metric {metric} is for classification, and this is regression"
        assert one.help == "search: metric: loss, r2, rmse or mae"

    @pytest.mark.group("worthless results")
    @pytest.mark.parametrize(("metric", "refused"), [("r2", True), ("rmse", False), ("mae", False)])
    def test_targets_that_do_not_vary_define_errors_alone(self, metric: str, refused: bool) -> None:
        data = a_regression([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 2.0])
        objective = Networks(spec(by(metric)))
        if not refused:
            objective.on(data, Held("d"), CPU, 1)
            return
        words = "the metric r2 is not defined where all rows that validate have one target"
        with pytest.raises(SpecError, match=words):
            objective.on(data, Held("d"), CPU, 1)

    @pytest.mark.group("worthless results")
    @pytest.mark.parametrize(("metric", "refused"), [("auc", True), ("f1", False)])
    def test_rows_of_one_class_define_no_area(self, metric: str, refused: bool) -> None:
        data = dataset(np.zeros((8, 1)), np.array([0, 1, 0, 1, 0, 1, 1, 1]), classes=2)
        objective = Networks(spec(by(metric)))
        if not refused:
            objective.on(data, Held("d"), CPU, 1)
            return
        words = "the metric auc is not defined where all rows that validate are of one class"
        with pytest.raises(SpecError, match=words):
            objective.on(data, Held("d"), CPU, 1)


class TestTypicalValues:
    SPACE = """
data: {source: digits}
parameters:
  lr: {min: 2e-3, max: 1, log: true}
  optimizer: {values: [adam, momentum]}
"""

    @pytest.mark.parametrize(("steps", "adam"), [(10, 0.25), (100, 0.025), (10**4, 3e-4)])
    def test_an_adaptive_optimizer_takes_the_larger_steps_the_fewer_there_are(
        self, steps: int, adam: float
    ) -> None:
        rates = networks(f"{self.SPACE}train: {{epochs: {steps}}}\n").typical_values()["lr"]
        assert isinstance(rates, DependentValue)
        assert rates.table["adam"] == pytest.approx(adam)
        assert rates.table["momentum"] == 0.03

    @pytest.mark.parametrize(("text", "optimizer"), [("", "adam"), ("optimizer: sgd, ", "sgd")])
    def test_where_no_optimizer_is_searched_it_is_that_of_the_one_there_is(
        self, text: str, optimizer: str
    ) -> None:
        space = "data: {source: digits}\nparameters: {lr: {min: 1e-4, max: 1, log: true}}\n"
        rate = networks(f"{space}train: {{{text}epochs: 1000}}\n").typical_values()["lr"]
        rates = typical_values(1000)["lr"]
        assert isinstance(rates, DependentValue)
        assert rate == rates.table[optimizer]

    @pytest.mark.parametrize(("source", "epochs", "steps"), [("digits", 30, 510), ("wine", 10, 20)])
    def test_the_steps_are_those_of_a_whole_training(
        self, source: str, epochs: int, steps: int
    ) -> None:
        found = spec(self.SPACE.replace("digits", source) + f"train: {{epochs: {epochs}}}\n")
        objective = Networks(found).on(prepare(found.data), Held(""), CPU, 1)
        assert objective.typical_values() == typical_values(steps) != typical_values(steps + 1)


class TestCohortRule:
    """What must be equal for another training to be in the same cohort."""

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
        **{"skip": "none", "width": 30, "depth": 2, "activation": "tanh", "batch_size": 64},
        **{"lr": 0.01, "dropout": 0.5},
    }

    def rule(self, text: str) -> tuple[Params, int]:
        found = spec(text)
        rule = Networks(found).on(prepare(found.data), Held(""), CPU, 1).cohort_rule()
        assert rule is not None
        return rule(self.PARAMS)

    def test_it_is_what_would_put_it_into_another_cohort(self) -> None:
        pinned, capacity = self.rule(self.SPACE)
        assert pinned == {"skip": "none", "width": 30, "depth": 2, "batch_size": 64}
        assert capacity == 32

    def test_widths_that_are_padded_alike_need_not_be_equal(self) -> None:
        assert "width" not in self.rule(self.SPACE.replace("max: 100", "max: 64"))[0]

    def test_slopes_that_are_learned_are_of_another_cohort(self) -> None:
        pinned, _ = self.rule(self.SPACE.replace("[relu, tanh]", "[prelu, tanh]"))
        assert pinned["activation"] == "tanh"

    def test_folds_and_seeds_take_places(self) -> None:
        assert self.rule(self.SPACE + "search: {seeds: 4}\n")[1] == 8


class TestKept:
    NETS: ClassVar[Networks] = networks("data: {source: wine}\nparameters: {width: {values: [8]}}")

    def history(self) -> History:
        """Return nine trials, the last of which are the best, with the weights that they left."""
        history = of_points([{"width": 8}] * 9)
        results = {n: replace(done(1.0 - n / 10), artefacts={WEIGHTS: f"w{n}"}) for n in range(9)}
        return history.with_results(results)

    def test_the_weights_of_all_trials_are_kept_while_there_is_room(self) -> None:
        assert set(self.NETS.kept(self.history())) == {f"w{n}" for n in range(9)}

    def test_beyond_that_those_of_the_best_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        of_one = sum(
            math.prod(slot.shape)
            for slot in param_slots(complete({"width": 8}), InputShape((6,)), 3)
        )
        room = "hpsearch.objectives.networks._MOST_KEPT"
        monkeypatch.setattr(room, 4 * of_one * 7)
        assert set(self.NETS.kept(self.history())) == {f"w{n}" for n in range(2, 9)}
        monkeypatch.setattr(room, 0)
        assert set(self.NETS.kept(self.history())) == {f"w{n}" for n in range(4, 9)}

"""What a surrogate has learned from a search: along each parameter, and of each trial."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.space.expression import Expression
from hpsearch.space.space import Space
from hpsearch.strategies import gp
from hpsearch.strategies.surrogate_report import Slice, SurrogateReport, surrogate_report, usable
from hpsearch.strategies.surrogates import ScoreScale, scores
from hpsearch.study.trial import Failed, Result, Trial
from tests.helpers.histories import CUBE, MIXED, done, loss_of, of_points, sampled


def report(space: Space = CUBE, trials: int = 30, winner: int | None = None) -> SurrogateReport:
    return surrogate_report(space, sampled(space, trials), "gp", winner)


def slice_of(found: SurrogateReport, name: str) -> Slice:
    return next(one for one in found.slices if one.name == name)


class TestScores:
    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
    def test_a_score_goes_back_to_its_loss_or_to_what_a_bad_one_counts_as(
        self, losses: list[float]
    ) -> None:
        y, (shift, unit) = scores(losses), ScoreScale.fit(losses).shift_and_unit
        cut = float(np.median(losses) + 2 * (np.median(losses) - min(losses)))
        back = [shift + unit * score for score in y.tolist()]
        size = max(map(abs, losses))
        assert back == pytest.approx([min(loss, cut) for loss in losses], abs=1e-9 * size + 1e-300)

    @pytest.mark.parametrize(
        "losses", [[0.5, 0.5], [0.0, 0.0], [1e308] * 9, [-1e308, 1e308, 0.0], [1e-300, 0.0]]
    )
    def test_the_way_back_is_a_number_whatever_the_losses(self, losses: list[float]) -> None:
        assert np.isfinite([*scores(losses), *ScoreScale.fit(losses).shift_and_unit]).all()


class TestLeaveOneOut:
    def test_it_is_what_a_process_predicts_that_has_not_seen_the_trial(self) -> None:
        rng = np.random.default_rng(0)
        X, m = rng.random((9, 3)), rng.integers(1, 4, 9).astype(float)
        y = np.sin(5 * X[:, 0]) + X[:, 1]
        groups = [slice(0, 1), slice(1, 3)]
        t = np.log([0.5, 0.8, 1.3, 0.05])
        mu, s = gp.GaussianProcess.conditioned_on(groups, t, X, y, m).leave_one_out()
        for one in range(9):
            rest = np.arange(9) != one
            other = gp.GaussianProcess.conditioned_on(groups, t, X[rest], y[rest], m[rest])
            expected, std = other.predict(X[[one]])
            assert mu[one] == pytest.approx(expected[0], rel=1e-6)
            assert s[one] == pytest.approx(math.hypot(std[0], math.sqrt(0.05 / m[one])), rel=1e-6)


class TestSurrogateReport:
    @pytest.mark.slow
    def test_losses_and_expectations_are_in_units_of_the_loss(self) -> None:
        near = sampled(CUBE, 30)
        far = near.with_results({t.number: done(7 + 100 * r.loss) for t, r in near.done})
        one, other = (surrogate_report(CUBE, history, "gp") for history in (near, far))
        for a, b in zip(one.slices, other.slices, strict=True):
            assert b.mean == pytest.approx([7 + 100 * value for value in a.mean], rel=1e-3)
            assert b.std == pytest.approx([100 * value for value in a.std], rel=1e-2)
            assert b.improvement == pytest.approx(
                [100 * value for value in a.improvement], rel=1e-2, abs=1e-3
            )
        (check,), (scaled,) = one.cross_validations, other.cross_validations
        assert scaled.rmse == pytest.approx(100 * check.rmse, rel=1e-2)

    def test_a_smooth_loss_is_expected_as_it_is(self) -> None:
        found = slice_of(report(trials=60), "x")
        anchor = sampled(CUBE, 60).trials[found.trial].params
        truth = [loss_of(CUBE, {**anchor, "x": value}) for value in found.values]
        # losses go from 0 to 1.5; the model knows a bowl of 60 points to a hundredth of that
        assert max(abs(a - b) for a, b in zip(found.mean, truth, strict=True)) < 0.015

    @pytest.mark.slow
    def test_slices_go_through_the_winner_or_the_best(self) -> None:
        best = sampled(CUBE, 30).done[0][0].number
        assert {one.trial for one in report().slices} == {best}
        assert {one.trial for one in report(winner=7).slices} == {7}
        assert all(one.value in one.values for one in report(winner=7).slices)

    def test_values_are_in_order_from_end_to_end(self) -> None:
        found = report(MIXED, 40)
        assert {one.name for one in found.slices} == set(MIXED.parameters)
        for one in found.slices:
            assert list(one.positions) == sorted(set(one.positions))
            parameter = MIXED.parameters[one.name]
            assert all(value in parameter for value in one.values)
            along = (one.positions, one.mean, one.std, one.success, one.improvement)
            assert {len(values) for values in along} == {len(one.values)}

    def test_no_value_is_there_that_a_constraint_forbids(self) -> None:
        space = Space(dict(CUBE.parameters), constraints=(Expression("x + y <= 0.7"),))
        found = slice_of(report(space), "x")
        y = float(sampled(space, 30).trials[found.trial].params["y"])
        assert max(map(float, found.values)) <= 0.7 - y
        assert min(map(float, found.values)) == 0.0

    def test_the_slice_of_a_conditional_parameter_goes_through_the_best_trial_that_uses_it(
        self,
    ) -> None:
        found = slice_of(report(MIXED, 40), "momentum")
        history = sampled(MIXED, 40)
        assert found.trial == next(
            t.number for t, _ in history.done if t.params["optimizer"] == "momentum"
        )
        assert len(found.points) == sum("momentum" in trial.params for trial in history.trials)

    def test_a_parameter_that_no_trial_used_has_no_slice(self) -> None:
        rng = Random(0)
        some = [p for p in (MIXED.sample(rng) for _ in range(60)) if p["optimizer"] == "adam"]
        history = of_points(some, {n: done(loss_of(MIXED, p)) for n, p in enumerate(some)})
        assert "momentum" not in {one.name for one in surrogate_report(MIXED, history, "gp").slices}

    @pytest.mark.slow
    def test_what_matters_most_comes_first(self) -> None:
        history = sampled(CUBE, 40)
        by_z = history.with_results({t.number: done(float(t.params["z"])) for t in history.trials})
        found = surrogate_report(CUBE, by_z, "gp")
        assert found.slices[0].name == "z"
        assert found.slices[0].swing > 5 * found.slices[1].swing

    @pytest.mark.slow
    def test_where_trainings_fail_success_and_improvement_are_small(self) -> None:
        history = sampled(CUBE, 60)
        failing: dict[int, Result] = {
            t.number: Failed("error", "") for t in history.trials if float(t.params["y"]) > 0.6
        }
        found = slice_of(surrogate_report(CUBE, history.with_results(failing), "gp"), "y")
        assert found.success[0] > 0.8
        assert found.success[-1] < 0.2
        assert found.improvement[-1] <= found.success[-1]
        assert all(one == 1.0 for one in slice_of(report(), "y").success)

    def test_pending_trials_and_those_outside_of_the_space_are_left_out(self) -> None:
        history = sampled(CUBE, 10)
        outside = Trial(10, {"x": 3.0, "y": 0.1, "z": 0.1}, "hand-picked", 1, 1)
        pending = Trial(11, {"x": 0.1, "y": 0.1, "z": 0.1}, "", 1, 1)
        more = replace(history, trials=(*history.trials, outside, pending))
        more = more.with_results({10: done(0.01)})
        assert len(usable(CUBE, more).trials) == 10
        found = surrogate_report(CUBE, more, "gp", winner=10)
        assert (found.trials, found.outside) == (10, 1)
        assert found.slices == surrogate_report(CUBE, history, "gp").slices

    @pytest.mark.slow
    def test_a_smooth_loss_is_foreseen_and_noise_is_not(self) -> None:
        (check,) = report(trials=40).cross_validations
        assert len(check.predictions) == 40
        assert check.rmse < 0.2 * check.loss_std
        rng = Random(0)
        random = sampled(CUBE, 40).with_results({n: done(rng.random()) for n in range(40)})
        (noise,) = surrogate_report(CUBE, random, "gp").cross_validations
        assert noise.rmse > 0.8 * noise.loss_std
        # 95.4 % of 40 are expected within two standard deviations: four standard errors of that
        # share are 13 %
        assert noise.within(2) > 0.954 - 0.133

    @pytest.mark.slow
    def test_each_loss_stands_beside_what_was_expected_of_it(self) -> None:
        history = sampled(CUBE, 40)
        odd = history.with_results({5: done(history.done[-1][1].loss)})
        (check,) = surrogate_report(CUBE, odd, "gp").cross_validations
        counted = {one.number: one.loss for one in check.predictions}
        cut = max(counted.values())
        assert all(counted[t.number] == pytest.approx(min(r.loss, cut)) for t, r in odd.done)

    def test_networks_have_slices_and_no_cross_validation(self) -> None:
        found = surrogate_report(CUBE, sampled(CUBE, 12), "ann")
        assert len(found.slices) == 3
        assert found.cross_validations == ()

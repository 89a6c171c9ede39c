"""One step ahead: what a surrogate would have said of each trial before it was trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest

from hpsearch.space.parameters import Real
from hpsearch.space.space import Space
from hpsearch.strategies import SURROGATES, SurrogateModel
from hpsearch.strategies.prequential import one_step_ahead, predictive_scores
from hpsearch.strategies.random import RandomSearch
from hpsearch.strategies.surrogates import ScoreScale, encode_trials, model_of, scores
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, Trial
from tests.helpers.histories import CUBE, done, play, sampled

CONSTANT = 0.5 * math.log(2.0 * math.pi) + 0.5
"""Minus the mean log density that scores have to who knows their mean and std alone."""


@dataclass(frozen=True)
class Two:
    """Two opinions of every place."""

    noise: float = 0.19

    def predict(self, U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.array([[0.0], [4.0]]).repeat(len(U), 1), np.full((2, len(U)), 0.9)

    def fitted(self) -> np.ndarray:
        return np.zeros((2, 0))

    def fantasize(self, U: np.ndarray) -> SurrogateModel:
        return self


def test_the_density_is_that_of_the_mixture_with_the_noise_and_the_error_that_of_its_mean() -> None:
    density, error = predictive_scores(Two(), np.zeros((3, 1)), np.array([0.0, 2.0, 4.0]))
    normal = [
        math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in (0.0, 2.0, 4.0)
    ]  # 0.81 + 0.19 = 1
    outer, inner = math.log((normal[0] + normal[2]) / 2), math.log(normal[1])
    assert density == pytest.approx([outer, inner, outer])
    assert error == pytest.approx([-2.0, 0.0, 2.0])


def test_both_are_in_units_of_the_standard_deviation_of_all_losses() -> None:
    history = sampled(CUBE, 6).with_results({5: done(0.01)})  # a good one, which is not cut down
    losses = [
        done_.loss for number in range(6) if isinstance(done_ := history.results[number], Done)
    ]
    known, whole = ScoreScale.fit(losses[:5]), ScoreScale.fit(losses)
    model = model_of(
        CUBE, History(history.trials[:5], {n: history.results[n] for n in range(5)}), "gp"
    )
    mu, s = model.predict(encode_trials(CUBE, history.trials[5:]))
    ratio = known.std / whole.std
    assert abs(ratio - 1.0) > 0.05  # else this would show nothing
    v = ratio**2 * (s**2 + model.noise)
    missed = whole.scores(losses[5:]) - (mu * known.std + known.mean - whole.mean) / whole.std
    found = one_step_ahead(CUBE, history, "gp")
    assert found.density == pytest.approx(
        np.log(np.mean(np.exp(-0.5 * missed**2 / v) / np.sqrt(2.0 * math.pi * v)))
    )
    assert found.rmse == pytest.approx(abs(missed.mean()))
    assert found.trials == 1


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_a_smooth_loss_is_predicted_better_than_by_its_mean_and_std(surrogate: str) -> None:
    better, rmse = (0.3, 0.7) if surrogate == "forest" else (0.5, 0.5)  # a forest has steps
    found = one_step_ahead(CUBE, sampled(CUBE, 30), surrogate)
    assert found.trials == 30 - 5
    assert found.density > -CONSTANT + better
    assert found.rmse < rmse
    assert found == one_step_ahead(CUBE, sampled(CUBE, 30), surrogate)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_mere_noise_is_predicted_no_better_than_that(surrogate: str) -> None:
    noise = np.random.default_rng(0).standard_normal(40)
    history = play(RandomSearch(), CUBE, 40, judge=lambda trial: done(float(noise[trial.number])))
    found = one_step_ahead(CUBE, history, surrogate)
    # the mean of 35 logs, whose standard deviation is 0.7, is known to 0.12; noise has no more to
    # predict
    assert -CONSTANT - 0.7 < found.density < -CONSTANT + 0.3
    assert 0.7 < found.rmse < 1.4


def test_no_trial_is_known_before_it_is_predicted() -> None:
    history = sampled(CUBE, 30)
    last = history.trials[-1]
    worse = history.with_results(
        {last.number: done(50.0)}
    )  # cut down: it is as bad as a loss may count
    before = one_step_ahead(CUBE, History(history.trials[:-1], history.results), "gp")
    told, surprised = (one_step_ahead(CUBE, one, "gp") for one in (history, worse))
    assert surprised.rmse > told.rmse
    # all but the last are predicted as they were without it
    assert (told.density * 25 - before.density * 24) > (
        surprised.density * 25 - before.density * 24
    ) + 1.0
    ys = scores([history.results[n].loss for n in range(29)])  # type: ignore[union-attr]
    assert math.isfinite(surprised.density)
    assert surprised.rmse**2 * 25 < before.rmse**2 * 24 + (ys.max() - ys.min() + 1.0) ** 2


def test_neither_failures_nor_repetitions_nor_pending_trials_count() -> None:
    history = sampled(CUBE, 20)
    failed = Trial(20, CUBE.sample(Random(5)), "", 20, 20)
    again = replace(history.trials[3], number=21, wave=21, cohort=21, parent=3, replicate=1)
    pending = Trial(22, CUBE.sample(Random(6)), "", 22, 22)
    more = history.with_trials([failed, again, pending]).with_results(
        {20: Failed("diverged", "at once"), 21: done(9.0)}
    )
    assert one_step_ahead(CUBE, more, "gp") == one_step_ahead(CUBE, history, "gp")


@pytest.mark.parametrize("trials", [0, 1, 5])
def test_of_too_few_trials_nothing_is_said(trials: int) -> None:
    found = one_step_ahead(CUBE, sampled(CUBE, trials), "gp")
    assert found.trials == 0
    assert math.isnan(found.density)
    assert math.isnan(found.rmse)


def test_a_search_of_one_parameter_is_predicted_too() -> None:
    space = Space({"x": Real(0.0, 1.0)})
    assert one_step_ahead(space, sampled(space, 10), "gp").trials == 7

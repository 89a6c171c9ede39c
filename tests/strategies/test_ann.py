"""The neural surrogate: what it says of scores."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from hpsearch.engine.ensemble import ensemble
from hpsearch.strategies.ann import Array, NeuralModel, calibration, evidence, fit

pytestmark = pytest.mark.slow  # nets are trained in each: half a minute in all


def places(rows: int, coordinates: int = 2, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((rows, coordinates))


def wave(X: Array) -> Array:
    """A smooth score, of mean 0 and standard deviation 1 or so."""
    result: Array = 1.4 * np.sin(4.0 * X[:, 0]) * np.cos(3.0 * X[:, 1])
    return result


def of(X: Array, y: Array, runs: Array | None = None) -> NeuralModel:
    """The model, each column a parameter of its own."""
    return fit(
        [slice(k, k + 1) for k in range(X.shape[1])],
        X,
        y,
        np.ones(len(y)) if runs is None else runs,
    )


def said(model: NeuralModel, U: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the mixture of the nets."""
    mu, sd = model.predict(U)
    return mu.mean(0), np.sqrt((sd**2).mean(0) + mu.var(0))


@cache
def smooth() -> NeuralModel:
    """Of 40 scores without noise."""
    return of(places(40), wave(places(40)))


def test_it_goes_through_scores_without_noise() -> None:
    mu, _ = said(smooth(), places(40))
    assert np.abs(mu - wave(places(40))).max() < 0.15
    assert smooth().noise < 0.1**2


def test_it_knows_scores_that_it_was_not_shown_as_well_as_it_says() -> None:
    new = places(500, seed=1)
    mu, sd = said(smooth(), new)
    error = wave(new) - mu
    assert np.sqrt(np.mean(error**2)) < 0.1
    assert 0.3 < np.sqrt(np.mean(error**2 / (sd**2 + smooth().noise))) < 3.0


def test_it_knows_less_far_from_all_trials() -> None:
    X = places(30) * 0.4
    y = (wave(X) - wave(X).mean()) / wave(X).std()
    _, sd = said(of(X, y), np.array([[0.2, 0.2], [0.6, 0.6], [1.0, 1.0]]))
    assert 3.0 * sd[0] < sd[1] < sd[2]


@pytest.mark.parametrize("noise", [0.1, 0.4])
def test_it_learns_how_noisy_an_evaluation_is(noise: float) -> None:
    X = places(150)
    y = wave(X) + noise * np.random.default_rng(1).standard_normal(150)
    # the standard deviation of 150 draws is known to 1 / sqrt(300) = 6 %; the nets take some noise
    # for score, or the reverse
    assert math.sqrt(of(X, y).noise) == pytest.approx(noise, rel=0.35)


def test_a_mean_of_many_evaluations_weighs_more_than_one() -> None:
    X = np.repeat(places(20), 2, axis=0)
    y = wave(X) + np.tile([1.0, -1.0], 20)
    upper = said(of(X, y, np.tile([20.0, 1.0], 20)), places(20))[0]
    lower = said(of(X, y, np.tile([1.0, 20.0], 20)), places(20))[0]
    # (20 - 1) / (20 + 1) = 0.90 of the way from the middle to the heavier one, were the two all
    # that is known
    assert 0.5 < np.mean(upper - wave(places(20))) < 1.1
    assert 0.5 < np.mean(wave(places(20)) - lower) < 1.1


def test_a_fantasy_moves_no_mean_and_leaves_each_net_less_to_learn_there() -> None:
    Z, U = np.array([[0.5, 0.5], [0.95, 0.05]]), places(50, seed=2)
    fantasy, noise = smooth().fantasize(Z), smooth().noise
    assert np.array_equal(fantasy.predict(U)[0], smooth().predict(U)[0])
    before, after = (model.predict(np.vstack([Z, U]))[1] for model in (smooth(), fantasy))
    assert (after <= before * (1 + 1e-5)).all()
    # one run says 1 / (1 / v + 1 / noise) of the variance v, another one near by says more
    bound = before[:, :2] ** 2 * noise / (before[:, :2] ** 2 + noise)
    assert (after[:, :2] ** 2 <= bound * (1 + 1e-5)).all()
    alone = smooth().fantasize(Z[:1]).predict(Z[:1])[1][:, 0]
    np.testing.assert_allclose(alone**2, bound[:, 0], rtol=1e-5)


def test_fantasies_one_after_the_other_are_those_of_all_together() -> None:
    Z, U = places(3, seed=3), places(50, seed=2)
    together, one_by_one = smooth().fantasize(Z), smooth().fantasize(Z[:1]).fantasize(Z[1:])
    np.testing.assert_allclose(together.predict(U)[1], one_by_one.predict(U)[1], rtol=1e-4)


def test_what_the_score_does_not_depend_on_matters_less_to_the_nets() -> None:
    U = places(60, 6)
    inputs = of(U, wave(U)).inputs(np.vstack([np.zeros(6), np.eye(6)])).numpy()
    moved = np.abs(inputs[1:] - inputs[0]).sum(1)
    assert moved[2:].max() < 0.5 * moved[:2].min()


def test_the_same_question_has_the_same_answer_whatever_was_drawn_before() -> None:
    X = places(25)
    first = of(X, wave(X))
    torch.rand(3), np.random.default_rng().random(3)
    second, other = of(X, wave(X)), of(X, wave(X) + 0.1 * X[:, 0])
    for mine, its in zip(first.predict(places(9)), second.predict(places(9)), strict=True):
        assert np.array_equal(mine, its)
    assert not np.array_equal(first.predict(places(9))[0], other.predict(places(9))[0])


@pytest.mark.parametrize("rows", [2, 3, 9])
def test_a_few_trials_are_enough(rows: int) -> None:
    X = places(rows)
    y = (wave(X) - wave(X).mean()) / wave(X).std()
    mu, sd = said(of(X, y).fantasize(X[:1]), places(20))
    assert np.isfinite(mu).all()
    assert (sd > 0).all()


def test_scores_that_are_all_one_are_no_difficulty() -> None:
    mu, sd = said(of(places(12), np.zeros(12)), places(20))
    assert np.abs(mu).max() < 0.05
    assert np.isfinite(sd).all()


def test_the_evidence_finds_both_precisions() -> None:
    rng = np.random.default_rng(0)
    phi = torch.from_numpy(rng.standard_normal((1, 4000, 50)))
    w = torch.from_numpy(0.5 * rng.standard_normal(50))
    y = phi[0] @ w + torch.from_numpy(0.2 * rng.standard_normal(4000))
    m, root, beta = evidence(phi, y, torch.ones(1, 4000, dtype=torch.float64))
    assert float(beta) == pytest.approx(
        25.0, rel=0.1
    )  # a variance of 4,000 draws is known to 2.2 %
    # the posterior's covariance, by the book
    alpha = 49.0 / float(m.square().sum())  # gamma is 50, or a little less
    A = alpha * torch.eye(50, dtype=torch.float64) + beta * phi[0].T @ phi[0]
    np.testing.assert_allclose(root[0] @ root[0].T, torch.linalg.inv(A), rtol=1e-2, atol=1e-9)
    np.testing.assert_allclose(
        m[0], beta * torch.linalg.solve(A, phi[0].T @ y), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("s", [1.0, 3.0])
def test_nets_that_are_too_sure_are_found_out_by_what_they_left_out(s: float) -> None:
    rng = np.random.default_rng(0)
    own, noise = (
        torch.from_numpy(rng.uniform(0.5, 2.0, 1000)),
        torch.full((1000,), 0.1, dtype=torch.float64),
    )
    error = (s * s * own + noise).sqrt() * torch.from_numpy(rng.standard_normal(1000))
    # a standard deviation of 1,000 draws is known to 2.2 %
    assert float(calibration(error, own, noise)) == pytest.approx(s, rel=0.09)


def test_each_net_s_standard_deviation_is_multiplied_by_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stds(s: float) -> Array:
        monkeypatch.setattr("hpsearch.strategies.ann.calibration", lambda *given: s)
        return of(places(20), wave(places(20))).predict(places(9, seed=1))[1]

    np.testing.assert_allclose(stds(5.0), 5.0 * stds(1.0), rtol=1e-4)


def test_a_row_of_weight_0_teaches_a_net_nothing() -> None:
    x, weights = torch.from_numpy(places(10)).float(), torch.ones(2, 10, dtype=torch.float64)
    weights[0, :3] = 0.0
    y = torch.from_numpy(wave(places(10)))
    changed = torch.cat([y[:3] + 1.0, y[3:]])
    settings = {"width": 8, "lr": 0.01, "epochs": 20}
    # as many epochs as there are, so that what is left out cannot say when to end
    first, second = (
        ensemble(x, target, weights, settings, 0, least=20).features(x) for target in (y, changed)
    )
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_nets_end_where_they_miss_least_what_they_have_not_seen() -> None:
    x = torch.from_numpy(places(40)).float()
    y = torch.from_numpy(np.random.default_rng(1).standard_normal(40))  # nothing but noise
    weights = (torch.arange(40) % 2 == torch.arange(2).unsqueeze(1)).double()
    settings = {"width": 8, "lr": 0.01}
    early, at_once, late = (
        ensemble(x, y, weights, {**settings, "epochs": epochs}, 0, least).features(x)
        for epochs, least in ((2000, 0), (0, 0), (2000, 2000))
    )
    assert (early - at_once).abs().mean() < 0.5 * (late - at_once).abs().mean()

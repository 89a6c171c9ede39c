"""The Gaussian process: its likelihood, and its predictions near trials and far from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from hpsearch.strategies import gp
from hpsearch.strategies.acquisition import log_improvement

RNG = np.random.default_rng(0)
GROUPS = [slice(0, 1), slice(1, 2), slice(2, 5)]  # two numbers, and a choice of three
X = np.concatenate([RNG.random((30, 2)), np.eye(3)[RNG.integers(3, size=30)]], axis=1)
TRUE = np.sin(5 * X[:, 0]) + 0.5 * X[:, 3]
Y = (TRUE - TRUE.mean()) / TRUE.std()
ONES = np.ones(30)


def kernel(t: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Equation (1), one pair of places at a time."""
    lengths = np.exp(t[:3])
    r2 = ((a[:2] - b[:2]) ** 2 / lengths[:2] ** 2).sum() + float((a[2:] != b[2:]).any()) / lengths[
        2
    ] ** 2
    r = math.sqrt(5 * r2)
    return float(np.exp(t[3])) * (1 + r + r * r / 3) * math.exp(-r)


def test_the_likelihood_is_that_of_the_normal_distribution() -> None:
    posterior, m = gp.HyperparameterPosterior(GROUPS, X, Y, ONES + 1), 2.0
    t, other = posterior.center + 0.1, posterior.center - 0.2

    def log_p(t: np.ndarray) -> float:
        K = np.array([[kernel(t, a, b) for b in X] for a in X]) + (
            math.exp(t[4]) / m + 1e-8
        ) * np.eye(30)
        prior = -0.5 * (((t - posterior.center) / posterior.std) ** 2).sum()
        return float(multivariate_normal(np.zeros(30), K).logpdf(Y) + prior)

    # up to what does not depend on t
    assert posterior(other)[0] - posterior(t)[0] == pytest.approx(log_p(t) - log_p(other), rel=1e-6)


def test_its_gradient_is_that_of_differences() -> None:
    posterior = gp.HyperparameterPosterior(GROUPS, X, Y, ONES)
    t = posterior.center + 0.3 * RNG.standard_normal(5)
    steps = [(posterior(t + 1e-5 * e)[0] - posterior(t - 1e-5 * e)[0]) / 2e-5 for e in np.eye(5)]
    assert posterior(t)[1] == pytest.approx(np.array(steps), rel=1e-4, abs=1e-6)


def test_it_passes_through_what_it_has_seen_and_is_unsure_elsewhere() -> None:
    model = gp.fit(GROUPS, X, Y, ONES)
    mu, s = model.predict(X)
    assert np.abs(mu.mean(axis=0) - Y).max() < 0.1
    far = np.array([[3.5, 3.5, 1.0, 0.0, 0.0]])
    assert model.predict(far)[1].min() > 3 * s.max()


def test_it_tells_noise_from_what_it_follows() -> None:
    noisy = Y + 0.5 * np.random.default_rng(1).standard_normal(30)
    variances = [gp.fit(GROUPS, X, (y - y.mean()) / y.std(), ONES).noise for y in (Y, noisy)]
    assert variances[0] < 0.02
    assert 0.05 < variances[1] < 0.4  # 0.2 of a variance of 1.25; half and double of it


def test_the_mean_of_many_runs_weighs_more_than_one_run() -> None:
    place = np.array([[0.5]])
    groups, t = [slice(0, 1)], np.log([0.3, 1.0, 1.0])

    def mean(m: float) -> float:
        return float(
            gp.GaussianProcess.conditioned_on(
                groups, t, place, np.array([1.0]), np.array([m])
            ).predict(place)[0][0]
        )

    # v / (v + w / m), with v = w = 1
    assert [mean(1), mean(4)] == pytest.approx([1 / 2, 4 / 5])


def test_a_fantasy_makes_it_surer_and_moves_no_mean_there() -> None:
    model, place = gp.fit(GROUPS, X, Y, ONES), np.array([[0.05, 0.95, 0.0, 0.0, 1.0]])
    before, after = model.predict(place), model.fantasize(place).predict(place)
    assert after[0] == pytest.approx(before[0], abs=0.02)
    assert (after[1] < before[1]).all()


def test_a_fantasy_is_to_be_given_what_it_expects_by_one_run_each() -> None:
    t, m = np.log([0.5, 0.7, 1.0, 1.2, 0.1]), ONES + 1
    process, Z = gp.GaussianProcess.conditioned_on(GROUPS, t, X, Y, m), X[:4] + 0.03
    told = gp.GaussianProcess.conditioned_on(
        GROUPS, t, np.vstack([X, Z]), np.append(Y, process.predict(Z)[0]), np.append(m, np.ones(4))
    )
    fantasy = process.fantasize(Z[:1]).fantasize(Z[1:])
    for mine, its in zip(fantasy.predict(X + 0.1), told.predict(X + 0.1), strict=True):
        assert mine == pytest.approx(its, abs=1e-6)
    assert fantasy.fitted() == pytest.approx(told.fitted(), abs=1e-6)


def test_the_same_trials_give_the_same_model() -> None:
    one, two = (gp.fit(GROUPS, X, Y, ONES).predict(X + 0.01) for _ in range(2))
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()


def test_the_improvement_is_its_integral_also_where_it_is_tiny() -> None:
    mu, s, best = np.array([[0.3, 2.0]]), np.array([[0.5, 0.4]]), np.array([0.1])
    y = np.linspace(-10, 0.1, 2_000_001)
    density = [
        np.exp(-0.5 * ((y - m) / d) ** 2) / d / math.sqrt(2 * math.pi)
        for m, d in zip(mu[0], s[0], strict=True)
    ]
    integral = [np.trapezoid((0.1 - y) * p, y) for p in density]
    assert np.exp(log_improvement(mu, s, best)) == pytest.approx(integral, rel=1e-5)


def test_the_improvement_still_has_an_order_where_it_is_nothing() -> None:
    mu = np.array([[10.0, 100.0, 1e4, 1e6, 1e9]])
    values = log_improvement(mu, np.ones((1, 5)), np.zeros(1))
    assert np.isfinite(values).all()
    assert (np.diff(values[:4]) < 0).all()


def test_of_several_parts_it_is_the_mean_improvement() -> None:
    mu, s, best = RNG.random((2, 7)), 0.1 + RNG.random((2, 7)), np.array([0.2, 0.4])
    parts = [
        np.exp(log_improvement(mu[k : k + 1], s[k : k + 1], best[k : k + 1])) for k in range(2)
    ]
    assert np.exp(log_improvement(mu, s, best)) == pytest.approx((parts[0] + parts[1]) / 2)

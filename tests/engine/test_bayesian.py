"""Networks that know what they do not know, against models whose posterior has a closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hpsearch.data import Dataset
from hpsearch.data.shape import InputShape
from hpsearch.engine.bayesian import LAPLACE, SAMPLED, fitted
from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import BAYESIAN, NETWORKS, complete
from hpsearch.engine.train import MemberEnded, build_cohort, learn, train
from hpsearch.study.trial import Done
from tests.helpers.problems import blobs, dataset, member, run

F64 = torch.float64
ROWS, INPUTS = 120, 4


def line(seed: int = 0) -> Dataset:
    """Return targets that are linear in correlated inputs, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(160, INPUTS)) @ (np.eye(INPUTS) + 0.3)
    return dataset(x, x @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.5 * rng.normal(size=160) + 1.0)


def linear(**settings: Any) -> Member:
    """Return a member without hidden layers: a linear model, whose posterior is known."""
    common: dict[str, Any] = {
        "patience": 0,
        "depth": 0,
        "width": INPUTS,
        "activation": "tanh",
        "batch_size": ROWS,
    }
    return Member(0, complete({**common, **settings}))


def known(stacked: StackedCohort) -> dict[str, Tensor]:
    """Return the one member's weights, by name."""
    return {name: weight.detach()[0] for name, weight in stacked.net.weights.items()}


class TestLinearGaussian:
    """Linear models with Gaussian noise of variance nu^2.

    The posterior of their weights is N(m, C) with C = (X'X / nu^2 + I / s^2)^-1.
    """

    @pytest.mark.slow
    def test_variational_finds_the_posterior_as_near_as_independent_weights_can(self) -> None:
        feed = Feed(line(), "cpu", F64)
        settings = {"epochs": 3000, "lr": 0.03, "schedule": "cosine", "prior_scale": 0.5}
        stacked = build_cohort(feed, [linear(bayesian="variational", **settings)], 0)
        for epoch in range(1, 3001):
            learn(stacked, feed, epoch)
        found = known(stacked)
        nu2 = float(found["output.noise"].exp())
        s2 = 0.5**2 * 2 / (INPUTS + 1)  # what the fans ask for is Glorot's 2 / (in + out)
        x, y, _ = feed.batch(feed.rows(feed.data.folds[0].train, 0), [0])
        precision = x.T @ x / nu2 + torch.eye(INPUTS, dtype=F64) / s2
        m = torch.linalg.solve(precision, x.T @ (y - found["output.bias"]) / nu2)
        mu, sigma = (
            found["output.weight"][0],
            math.sqrt(s2) * found["output.weight.log_scale"][0].exp(),
        )
        # the best factorised Gaussian has the posterior's mean, and the diagonal of its precision
        # (Bishop 2006, 10.1.2); the last steps of the descent are noisy, and small: a tenth of a
        # standard deviation bounds what they leave
        assert ((mu - m).abs() < 0.1 * sigma).all()
        torch.testing.assert_close(sigma, precision.diagonal().rsqrt(), rtol=0.1, atol=0)
        # the noise of the targets has a standard deviation of 0.5, known to 1 / sqrt(2 * 120) of it
        assert math.sqrt(nu2) == pytest.approx(0.5, rel=5 / math.sqrt(2 * ROWS))

    def test_laplace_is_the_posterior_itself_of_the_output_layer(self) -> None:
        feed = Feed(line(), "cpu", F64)
        stacked = build_cohort(
            feed, [member(bayesian="laplace", prior_scale=0.7, width=5, activation="tanh")], 0
        )
        learn(stacked, feed, 1)
        x, y, _ = feed.batch(feed.rows(feed.data.folds[0].train, 0), [0])
        nu2 = float((stacked.outputs(x)[0, :, 0] - y).detach().square().mean())
        h = torch.tanh(x @ known(stacked)["hidden0.weight"].T + known(stacked)["hidden0.bias"])
        phi = torch.cat([h, torch.ones(ROWS, 1, dtype=F64)], 1)
        s2 = 0.7**2 * 2 / (5 + 1)
        C = torch.linalg.inv(phi.T @ phi / nu2 + torch.eye(6, dtype=F64) / s2)
        v = fitted(stacked, feed).variance(phi.unsqueeze(0))
        torch.testing.assert_close(v[0, :, 0], ((phi @ C) * phi).sum(1), rtol=1e-9, atol=0)

    def test_dropout_gives_the_mean_of_its_thinned_networks(self) -> None:
        feed = Feed(line(), "cpu", F64)
        one = member(
            bayesian="mc_dropout", dropout=0.5, width=16, activation="leaky_relu", slope=1.0
        )
        stacked = build_cohort(feed, [one], 0)
        x, *_ = feed.batch(torch.arange(40), [0])
        predict = SAMPLED(stacked, feed)
        whole = stacked.outputs(x)
        a = x @ known(stacked)["hidden0.weight"].T
        # the mean over thinned networks of a linear one is the whole one; a unit that is kept half
        # of the time at twice its output a has the variance a^2
        se = ((a.square() @ known(stacked)["output.weight"].square().T) / NETWORKS).sqrt()
        assert ((predict(x) - whole)[0].abs() < 5 * se).all()
        assert not torch.equal(predict(x), whole)


class TestAnswers:
    @pytest.mark.parametrize("name", BAYESIAN)
    def test_they_do_not_depend_on_which_rows_are_asked_together(self, name: str) -> None:
        feed = Feed(blobs(), "cpu", F64)
        stacked = build_cohort(feed, [member(bayesian=name, epochs=1)], 0)
        predict = BAYESIAN.load(name)(stacked, feed)
        x, *_ = feed.batch(torch.arange(20), [0])
        torch.testing.assert_close(predict(x)[:, :5], predict(x[:5]), rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("name", ["variational", "mc_dropout"])
    def test_sampled_classes_are_the_mean_of_probabilities(self, name: str) -> None:
        feed = Feed(blobs(), "cpu", F64)
        stacked = build_cohort(feed, [member(bayesian=name, prior_scale=2.0, dropout=0.5)], 0)
        learn(stacked, feed, 1)
        x, *_ = feed.batch(torch.arange(20), [0])
        noise = stacked.noise("networks", passes=NETWORKS)
        each = torch.stack(
            [stacked.outputs(x, noise, sampled=True).softmax(2) for _ in range(NETWORKS)]
        )
        torch.testing.assert_close(
            SAMPLED(stacked, feed)(x).softmax(2), each.mean(0), rtol=1e-9, atol=0
        )
        assert each.std(0).mean() > 1e-3

    @pytest.mark.parametrize("name", ["variational", "mc_dropout", "laplace"])
    def test_they_are_less_sure_far_from_the_data(self, name: str) -> None:
        feed = Feed(blobs(), "cpu", F64)
        settings: dict[str, Any] = {
            "width": 32,
            "epochs": 40,
            "lr": 0.01,
            "prior_scale": 2.0,
            "dropout": 0.3,
        }
        confidence = {}
        for which in (name, "none"):
            stacked = build_cohort(feed, [member(bayesian=which, **settings)], 0)
            for epoch in range(1, 41):
                learn(stacked, feed, epoch)
            predict = BAYESIAN.load(which)(stacked, feed)
            far = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=F64) * 20
            confidence[which] = float(predict(far).detach().softmax(2).amax(2).mean())
        assert confidence[name] < confidence["none"] - 0.02

    @pytest.mark.parametrize("name", ["variational", "mc_dropout", "laplace"])
    @pytest.mark.parametrize("data", [blobs(), line()], ids=["classes", "numbers"])
    def test_every_way_learns(self, name: str, data: Dataset) -> None:
        ended, _ = run(data, [member(bayesian=name, epochs=60, lr=0.01, prior_scale=2.0, width=16)])
        result = ended[0].result
        assert isinstance(result, Done)
        assert result.metric > 0.8

    def test_one_network_answers_with_all_of_its_units(self) -> None:
        feed = Feed(blobs(), "cpu", F64)
        stacked = build_cohort(feed, [member(dropout=0.5)], 0)
        x, *_ = feed.batch(torch.arange(20), [0])
        assert torch.equal(BAYESIAN.load("none")(stacked, feed)(x), stacked.outputs(x))

    def test_what_all_outputs_share_makes_laplace_no_less_sure(self) -> None:
        feed = Feed(blobs(), "cpu", F64)
        stacked = build_cohort(feed, [member(bayesian="laplace")], 0)
        posterior = fitted(stacked, feed)
        torch.testing.assert_close(
            posterior.Q.sum(1), torch.zeros(1, 3, dtype=F64), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("name", BAYESIAN)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_member_answers_the_same_alone_and_in_company(name: str, activation: str) -> None:
    def of(width: int, k: int) -> Member:
        settings: dict[str, Any] = {
            "dropout": 0.1 * (k + 1),
            "prior_scale": 1.0 + k,
            "optimizer": ("adam", "sgd")[k % 2],
            "lr": 0.01,
        }
        return member(
            k, bayesian=name, width=width, depth=2, activation=activation, epochs=3, **settings
        )

    members = [of(width, k) for k, width in enumerate((5, 9, 12))]
    together, _ = run(blobs(), members, dtype=F64)
    for one in members:
        alone, _ = run(blobs(), [one], dtype=F64)
        mine, its = alone[one.number], together[one.number]
        assert isinstance(mine.result, Done)
        assert isinstance(its.result, Done)
        assert its.result.loss == pytest.approx(mine.result.loss, abs=1e-9)
        for slot, weight in mine.weights.items():
            assert (weight - its.weights[slot]).abs().max() < 1e-9


def test_a_seed_draws_networks_of_its_own() -> None:
    feed = Feed(blobs(), "cpu", F64)
    one = member(bayesian="mc_dropout", dropout=0.5, epochs=1)
    members = [Member(0, one.settings, replicate) for replicate in range(2)]
    stacked = build_cohort(feed, members, 0)
    stacked.weights.flat.copy_(build_cohort(feed, [members[0], members[0]], 0).weights.flat)
    x, *_ = feed.batch(torch.arange(20), [0])
    first, second = SAMPLED(stacked, feed)(x)
    assert not torch.allclose(first, second)


def test_a_posterior_costs_what_its_answers_take() -> None:
    def flops(name: str) -> int:
        return Cost.of(
            complete({"bayesian": name}), InputShape((6,)), 3, n_train=60, n_valid=20
        ).flops

    forward = flops("none") // (3 * 60 + 20)
    assert flops("mc_dropout") == (3 * 60 + NETWORKS * 20) * forward
    assert flops("laplace") == (3 * 60 + 20 + 60) * forward
    # a log scale for every weight, but not for biases
    assert flops("variational") > 1.9 * flops("mc_dropout")


def test_pretraining_is_paid_for() -> None:
    plain, pretrained = (
        Cost.of(
            complete({"pretrain": p, "width": 10, "depth": 2, "batch_size": 16}),
            InputShape((6,)),
            3,
            n_train=60,
            n_valid=20,
        )
        for p in ("none", "layerwise")
    )
    assert pretrained.flops == plain.flops
    assert pretrained.steps_after(1) == plain.steps_after(1) + 20 * 2 * 4
    # 3 passes there and back of 10 x 6 weights, and of 10 x 10 after a pass through the first layer
    assert pretrained.flops_before == 20 * 60 * (3 * 4 * 60 + 3 * 4 * 100 + 2 * 60)


def test_laplace_needs_the_training_rows_of_its_own_fold() -> None:
    data = blobs()
    feed = Feed(data, "cpu", F64)
    stacked = build_cohort(feed, [member(bayesian="laplace")], 0)
    x, *_ = feed.batch(feed.rows(data.folds[0].train, 0), [0])
    stacked.outputs(x)
    assert float(fitted(stacked, feed).a.sum()) == pytest.approx(
        float(stacked.net.features.detach().square().sum()) + len(x)  # type: ignore[union-attr]
    )
    assert LAPLACE(stacked, feed)(x).shape == (1, len(x), 3)


def test_a_variational_regression_is_scored_by_its_squared_error() -> None:
    events = list(
        train(Feed(line(), "cpu", F64), [linear(bayesian="variational", epochs=2)], "loss", 0)
    )
    (result,) = [event.result for event in events if isinstance(event, MemberEnded)]
    assert isinstance(result, Done)
    y = line().targets[ROWS:]
    assert result.metric == pytest.approx(1 - result.loss / float(np.var(y)), rel=1e-6)

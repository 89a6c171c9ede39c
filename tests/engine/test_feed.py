"""Rows that count by their weights: in losses, in their derivatives, and in what is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hpsearch.data import Dataset, Ints
from hpsearch.engine.bayesian import fitted
from hpsearch.engine.feed import Feed
from hpsearch.engine.probes import probes
from hpsearch.engine.structure.members import Member
from hpsearch.engine.train import MemberEnded, build_cohort, learn, reference_losses, train
from tests.helpers.problems import blobs, dataset, in_folds, member, pictures, replicated, run

F64 = torch.float64


def line(rows: int = 80) -> Dataset:
    """Return targets that are linear in the inputs, with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4))
    return dataset(x, x.sum(1) + rng.normal(size=rows))


def weighed(data: Dataset, by: str = "w") -> Dataset:
    """Return the data with weights in the ratios of 1 to 4, which are 1 in the mean of training."""
    own = np.random.default_rng(1).integers(1, 5, len(data.targets))
    measured = data.folds[0].train if data.whole is None else data.whole.train
    weights = (own / own[measured].mean()).astype(np.float32)
    return replace(data, weights=weights, weighted_by=by)


def repeated(data: Dataset) -> Dataset:
    """Return the data with each row as often as it counts, and no weights."""
    assert data.weights is not None
    times = np.rint(data.weights / data.weights.min()).astype(int)
    first = np.concatenate([[0], np.cumsum(times)])

    def of(rows: Ints) -> Ints:
        return np.concatenate([np.arange(first[row], first[row + 1]) for row in rows])

    (fold,) = data.folds
    every: Ints = np.repeat(np.arange(len(times)), times)
    return replace(
        data,
        inputs=data.inputs[every],
        targets=data.targets[every],
        folds=(replace(fold, train=of(fold.train), validation=of(fold.validation)),),
        weights=None,
        weighted_by=None,
    )


BOTH = pytest.mark.parametrize("data", [blobs(), line()], ids=["classes", "numbers"])


@BOTH
@pytest.mark.parametrize("has_own_rows", [False, True])
def test_the_derivative_of_a_batch_is_that_of_its_weighted_loss(
    data: Dataset, has_own_rows: bool
) -> None:
    feed = Feed(weighed(data), "cpu", F64)
    rows = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    _, y, w = feed.batch(rows if has_own_rows else rows[0], [0, 0])
    assert w is not None
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 5, data.outputs, generator=generator, dtype=F64, requires_grad=True)
    losses, derivative = feed.objective(outputs, y, w)
    expected = (feed.losses(outputs, y) * w).sum(1) / 5
    expected.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(derivative, outputs.grad, rtol=1e-12, atol=1e-15)


@BOTH
@pytest.mark.parametrize(
    "settings", [{}, {"skip": "residual", "depth": 3}], ids=["by hand", "auto"]
)
def test_a_row_that_weighs_twice_is_learned_as_two_rows_are(
    data: Dataset, settings: dict[str, Any]
) -> None:
    once = weighed(data)
    one = member(batch_size=4096, lr=0.05, epochs=12, l2=0.01, **settings)
    found, expected = (run(each, [one], dtype=F64) for each in (once, repeated(once)))
    for mine, other in zip(found[1], expected[1], strict=True):
        assert mine.train_loss == pytest.approx(other.train_loss, rel=1e-6)
        assert mine.loss == pytest.approx(other.loss, rel=1e-6)
        assert mine.metric == pytest.approx(other.metric, rel=1e-6)
    for name, weight in found[0][0].weights.items():
        torch.testing.assert_close(weight, expected[0][0].weights[name], rtol=1e-4, atol=1e-6)


@BOTH
def test_what_can_be_had_without_learning_goes_by_weights(data: Dataset) -> None:
    once = weighed(data)
    found, expected = (
        reference_losses(build_cohort(feed, [member(init_scale=5.0)], 0), feed)
        for feed in (Feed(once, "cpu", F64), Feed(repeated(once), "cpu", F64))
    )
    assert found == pytest.approx(expected, rel=1e-6)
    feeds = [Feed(each, "cpu", F64) for each in (once, repeated(once))]
    assert feeds[0].constant_losses == pytest.approx(feeds[1].constant_losses, rel=1e-6)


def test_the_training_loss_is_the_mean_over_weights_whatever_the_batches() -> None:
    # 45 for training, in batches of 16, 16 and 13; the answer to zeros is zero
    weights = 3 * np.random.default_rng(0).random(60, np.float32)
    data = dataset(np.zeros((60, 2)), np.arange(1.0, 61.0))
    # in a fold of several, or where rows are drawn anew, their mean is not 1
    feed = Feed(replace(data, weights=weights, weighted_by="w"), "cpu", F64)
    one = member(lr=1e-30, batch_size=16, optimizer="sgd")
    (loss,) = learn(build_cohort(feed, [one], 0), feed, 1)
    expected = np.average(np.arange(1.0, 46.0) ** 2, weights=weights[:45])
    assert loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("by", ["w", "balanced"])
def test_folds_and_seeds_learn_the_same_alone_as_in_one_cohort(by: str) -> None:
    data = weighed(in_folds(pictures(50)), by)
    one = member(dropout=0.3, epochs=3)
    members = [*replicated(one, 2, 3), Member(1, {**one.settings, "lr": 0.01}, 1, 2)]

    def ends(among: list[Member]) -> dict[tuple[int, int, int], MemberEnded]:
        events = [*train(Feed(data, "cpu", F64), among, "f1", 0)]
        return {
            (e.member.number, e.member.replicate, e.member.fold): e
            for e in events
            if isinstance(e, MemberEnded)
        }

    together = ends(members)
    for lone in members:
        ((place, alone),) = ends([lone]).items()
        company = together[place]
        for name, weight in alone.weights.items():
            assert (weight - company.weights[name]).abs().max() < 1e-9
        for mine, other in zip(alone.result.curve, company.result.curve, strict=True):
            figures = (other.train_loss, other.loss, other.metric)
            assert (mine.train_loss, mine.loss, mine.metric) == pytest.approx(figures, rel=1e-9)


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_balanced_weights_are_for_losses_and_not_for_metrics(metric: str) -> None:
    data = weighed(blobs(), "balanced")
    feeds = [Feed(replace(data, weighted_by=by), "cpu", F64) for by in ("balanced", "w")]
    stacked = build_cohort(feeds[0], [member()], 0)
    plain = Feed(replace(data, weights=None, weighted_by=None), "cpu", F64)
    balanced, weighted, without = (
        feed.score(stacked, "validation", metric) for feed in (*feeds, plain)
    )
    assert balanced.losses == weighted.losses != without.losses
    assert balanced.metrics == without.metrics != weighted.metrics


@BOTH
def test_a_posterior_counts_rows_by_their_weights(data: Dataset) -> None:
    once = weighed(data)
    feeds = [Feed(each, "cpu", F64) for each in (once, repeated(once))]
    stacked = build_cohort(feeds[0], [member(bayesian="laplace", width=5, activation="tanh")], 0)
    found, expected = (fitted(stacked, feed) for feed in feeds)
    assert once.weights is not None
    # weights are 1 in the mean, and those of repeated rows are more
    scale = float(once.weights.min())
    torch.testing.assert_close(found.a, expected.a * scale, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(found.g, expected.g, rtol=1e-5, atol=1e-8)


def test_the_noise_of_a_variational_regression_is_learned_by_weights() -> None:
    feed = Feed(weighed(line()), "cpu", F64)
    stacked = build_cohort(feed, [member(bayesian="variational", width=5, batch_size=20)], 0)
    x, y, w = feed.batch(torch.arange(20), [0])
    assert w is not None
    noise = stacked.noise("noise", 1)
    outputs = stacked.outputs(x, noise)
    stacked.backward(outputs, feed.objective(outputs, y, w)[1], w)
    at = [slot.name for slot in stacked.layout].index("output.noise")
    eta = stacked.weights.views[at].detach().clone().requires_grad_()
    o = outputs.detach()[0, :, 0]
    minus_log = (y - o).square() / (2.0 * eta.exp()) + eta / 2.0  # but for a constant
    (expected,) = torch.autograd.grad((minus_log * w).sum() / len(y), eta)
    torch.testing.assert_close(stacked.gradient.views[at], expected, rtol=1e-9, atol=0)


@BOTH
def test_a_diagnosis_sees_what_a_training_sees(data: Dataset) -> None:
    once = weighed(data)
    one = member(batch_size=4096, lr=0.05)
    found, expected = (
        [*probes(Feed(each, "cpu", F64), [one], 0, 2)] for each in (once, repeated(once))
    )
    for mine, other in zip(found, expected, strict=True):
        assert mine.loss == pytest.approx(other.loss, rel=1e-6)
        for layer, same in zip(mine.layers, other.layers, strict=True):
            assert layer.gradient == pytest.approx(same.gradient, rel=1e-5)
    assert once.weights is not None
    heavier = replace(once, weights=3 * once.weights)
    assert next(probes(Feed(heavier, "cpu", F64), [one], 0, 0)).loss == pytest.approx(found[0].loss)


def test_images_of_bytes_have_their_weights_in_every_fold() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(40, 1, 4, 4)).astype(np.uint8)
    data = weighed(in_folds(dataset(images, np.arange(40) % 2, classes=2)))
    assert data.weights is not None
    for kept in (images, images.astype(np.float32)):
        feed = Feed(replace(data, inputs=kept), "cpu", F64)
        rows = torch.stack([feed.rows(np.arange(40), fold) for fold in range(3)])
        weights: Tensor | None = feed.batch(rows, range(3)).weights
        assert weights is not None
        assert weights.tolist() == [data.weights.tolist()] * 3

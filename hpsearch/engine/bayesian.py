"""What a network answers when it is a distribution of networks: the posterior predictive.

Notation
    phi       the input of the output layer, with a 1 for its biases, [K, B, D]; f = W phi
    L         the Hessian of a row's loss by f: diag(p) - p p' for classes of probabilities p, and
              1 / nu^2 for a regression with noise of variance nu^2
    A, G      the sum of phi phi' and the mean of L over the training rows, by their weights: the
              Hessian of the loss by W is about A x G, their Kronecker product
    a, g      their eigenvalues; U, Q their eigenvectors
    tau       the precision of the prior of W, by `prior_scale`
    N         the number of training rows, or the sum of their weights
    v         the variance of f under the posterior, [K, B, outputs]

Sources: Gal & Ghahramani 2016 (dropout); Blundell et al. 2015 (variational); MacKay 1992 (laplace,
and the mean of a squashed Gaussian); Ritter, Botev & Barber 2018 (A x G); Kristiadi, Hein & Hennig
2020 (last layer).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.engine.draws import generator
from hpsearch.engine.feed import Answers, Feed
from hpsearch.engine.inits import prior_std
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.settings import NETWORKS
from hpsearch.engine.structure.slots import ParamSlot

Predict = Callable[[Tensor], Tensor]
"""Gives [K, B, outputs] for a batch: logarithms of the classes' probabilities, up to a constant of
each row, or the mean of a regression."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """The posterior covariance of each member's output layer, (A x G + tau)^-1.

    It is held by eigenvalues and eigenvectors: a [K, D] with U [K, D, D], and g [K, outputs] with Q
    [K, outputs, outputs]; tau is [K].
    """

    a: Tensor
    U: Tensor
    g: Tensor
    Q: Tensor
    tau: Tensor

    def variance(self, phi: Tensor) -> Tensor:
        """Return v = sum over i, j of (phi U_i)^2 Q_j^2 / (a_i g_j + tau)."""
        # the covariance has these eigenvalues [K, D, outputs], and the vectors U_i x Q_j
        eigenvalues = 1.0 / (self.a.unsqueeze(2) * self.g.unsqueeze(1) + self.tau.view(-1, 1, 1))
        return (phi @ self.U).square() @ eigenvalues @ self.Q.square().transpose(1, 2)


Answering = Callable[[StackedCohort, bool, "Posterior | None"], Predict]
"""Gives how members answer, for whether their answers are classes and for what was fitted."""


@dataclass(frozen=True, slots=True)
class Inference:
    """How trained members answer.

    Attributes:
        predict: gives their answers.
        networks: gives those of the networks of which `predict` is the mean, [S, K, B, outputs].
        fit: gives what they need beside their weights, from the training rows; None where that is
            nothing.
        count: S, how many networks each member is.
    """

    predict: Answering
    networks: Answering
    fit: Callable[[StackedCohort, Feed], Posterior] | None = None
    count: int = 1

    def __call__(self, stacked: StackedCohort, feed: Feed) -> Predict:
        """Return the answers of members that were trained on this feed."""
        posterior = self.fit(stacked, feed) if self.fit else None
        return self.predict(stacked, feed.classifies, posterior)


def _point(stacked: StackedCohort, classifies: bool, posterior: Posterior | None) -> Predict:
    return stacked.outputs


def _alone(stacked: StackedCohort, classifies: bool, posterior: Posterior | None) -> Predict:
    return lambda x: stacked.outputs(x).unsqueeze(0)


def _mean(stacked: StackedCohort, classifies: bool, posterior: Posterior | None) -> Predict:
    networks = _drawn(stacked, classifies, posterior)

    def predict(x: Tensor) -> Tensor:
        answers = networks(x)
        return answers.log_softmax(3).logsumexp(0) if classifies else answers.mean(0)

    return predict


def _drawn(stacked: StackedCohort, classifies: bool, posterior: Posterior | None) -> Predict:
    def networks(x: Tensor) -> Tensor:
        noise = stacked.noise("networks", passes=NETWORKS)
        return torch.stack([stacked.outputs(x, noise, sampled=True) for _ in range(NETWORKS)])

    return networks


def _softened(stacked: StackedCohort, classifies: bool, posterior: Posterior | None) -> Predict:
    around = _around(stacked, posterior)

    def predict(x: Tensor) -> Tensor:
        f, v = around(x)
        # the mean of a softmax under N(f, v) is about that of f / sqrt(1 + pi v / 8) (MacKay 1992)
        return f / torch.sqrt(1.0 + math.pi / 8.0 * v).to(f)

    return predict


def _scattered(stacked: StackedCohort, classifies: bool, posterior: Posterior | None) -> Predict:
    around = _around(stacked, posterior)
    draws = generator("cpu", stacked.task.seed, "networks")
    e = torch.randn(NETWORKS, 1, 1, stacked.task.outputs, generator=draws, dtype=torch.float64)

    def networks(x: Tensor) -> Tensor:
        f, v = around(x)
        return f + v.sqrt() * e.to(v)

    return networks


def _around(
    stacked: StackedCohort, posterior: Posterior | None
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return what gives f and v for a batch."""
    assert posterior is not None, "it is fitted first"

    def around(x: Tensor) -> tuple[Tensor, Tensor]:
        f = stacked.outputs(x)
        return f, posterior.variance(_features(stacked))

    return around


def fitted(stacked: StackedCohort, feed: Feed) -> Posterior:
    """Return the output layer's posterior, fitted to each member's training rows."""
    sums = [
        _sums(stacked, feed, batch) for batch in feed.answers(stacked, "train", stacked.outputs)
    ]
    A, G = (torch.stack(parts).sum(0) for parts in zip(*sums, strict=True))
    N = A[:, -1:, -1:]  # the sum of the biases' 1 squared
    # a regression's G holds the squared errors so far, which are N nu^2
    G = G / N if feed.classifies else N / G
    (a, U), (g, Q) = (torch.linalg.eigh(factor) for factor in (A, G))
    a, g = a.clamp_min(0.0), g.clamp_min(0.0)
    if feed.classifies:
        # what all outputs have in common changes no probability, and no row says anything of it:
        # without it the prior's whole variance would count there
        Q = Q - Q.mean(1, keepdim=True)
    stds = [
        prior_std(_output(layout), member.settings)
        for layout, member in zip(stacked.own_layouts, stacked.members, strict=True)
    ]
    return Posterior(a, U, g, Q, a.new_tensor(stds).pow(-2))


POINT = Inference(_point, _alone)
"""The answers of one network."""

SAMPLED = Inference(_mean, _drawn, count=NETWORKS)
"""The mean over networks that are drawn from the posterior or thinned by dropout.

They are the same networks for all rows.
"""

LAPLACE = Inference(_softened, _scattered, fitted, NETWORKS)
"""The mean over a Gaussian around the output layer's weights, in closed form.

The Gaussian is fitted to each member's training rows. Its networks draw each output by itself.
"""


def _sums(stacked: StackedCohort, feed: Feed, batch: Answers) -> tuple[Tensor, Tensor]:
    """Return sums over the rows of a batch, by their weights: of phi phi', and of L.

    For a regression the second is that of the squared errors.
    """
    f = batch.outputs
    phi = _features(stacked)
    counted = batch.weights.to(torch.float64).expand(f.shape[:2]).unsqueeze(2)
    A = (phi * counted).transpose(1, 2) @ phi
    if not feed.classifies:
        return A, (feed.losses(f, batch.targets).unsqueeze(2) * counted).sum(1, keepdim=True)
    p = f.double().softmax(2)
    return A, torch.diag_embed((p * counted).sum(1)) - (p * counted).transpose(1, 2) @ p


def _features(stacked: StackedCohort) -> Tensor:
    """Return phi of the last pass, which is 0 in padding."""
    features = stacked.net.features
    assert features is not None
    widths = features.new_tensor([_output(layout).fan_in for layout in stacked.own_layouts])
    inside = torch.arange(features.shape[2], device=features.device) < widths.view(-1, 1, 1)
    phi = torch.where(inside, features.detach(), 0.0).double()
    return torch.cat([phi, phi.new_ones(*phi.shape[:2], 1)], 2)


def _output(layout: tuple[ParamSlot, ...]) -> ParamSlot:
    """Return the slot of the output layer's weights."""
    return next(slot for slot in layout if slot.role == "output")

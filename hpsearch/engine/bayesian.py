"""What a net answers when it is not one net but a distribution of them: the posterior predictive.

Each is `(array, feed) -> predict`, and `predict(x)` gives [K, B, outputs] for a batch: of a classification
logarithms of probabilities, up to a constant of a row; of a regression the mean.

Notation
    phi       what the output layer is given, with a 1 for its biases, [K, B, D]; f = W phi
    L         the Hessian of a row's loss by f: diag(p) - p p' of classes; 1 / nu^2 of a regression
    A, G      sum of phi phi' and mean of L over the training rows: the Hessian by W is about A x G
    a, g      their eigenvalues; U, Q their eigenvectors
    tau       the precision of the prior of W, by `prior_scale`
    v         the variance of f under the posterior, [K, B, outputs]

Sources: Gal & Ghahramani 2016 (dropout), Blundell et al. 2015 (variational), MacKay 1992 (laplace, and the mean
of a squashed Gaussian), Ritter, Botev & Barber 2018 (A x G), Kristiadi, Hein & Hennig 2020 (last layer).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.engine.feed import Feed
from hpsearch.engine.inits import prior_deviation
from hpsearch.engine.stacked_cohort import Array
from hpsearch.engine.structure.cohorts import Member
from hpsearch.engine.structure.settings import NETWORKS
from hpsearch.engine.structure.slots import Slot, slots

Predict = Callable[[Tensor], Tensor]


def point(array: Array, feed: Feed) -> Predict:
    """One net's answer."""
    return array.outputs


def sampled(array: Array, feed: Feed) -> Predict:
    """The mean over networks drawn from the posterior, or thinned by dropout: the same ones for all rows."""

    def predict(x: Tensor) -> Tensor:
        noise = array.noise("networks", passes=NETWORKS)
        answers = torch.stack([array.outputs(x, noise, sampled=True) for _ in range(NETWORKS)])
        return answers.log_softmax(3).logsumexp(0) if feed.classifies else answers.mean(0)

    return predict


def laplace(array: Array, feed: Feed) -> Predict:
    """A Gaussian around the output layer's weights, fitted to the training rows; the softmax's mean in closed form."""
    posterior = fitted(array, feed)

    def predict(x: Tensor) -> Tensor:
        f = array.outputs(x)
        v = posterior.variance(_given(array))
        return f / torch.sqrt(1.0 + math.pi / 8.0 * v).to(f)

    return predict


@dataclass(frozen=True, slots=True)
class Posterior:
    """Of each member's output layer: (A x G + tau)^-1, by its eigenvectors."""

    a: Tensor
    U: Tensor
    g: Tensor
    Q: Tensor
    tau: Tensor

    def variance(self, phi: Tensor) -> Tensor:
        """v = sum over i, j of (phi U_i)^2 Q_j^2 / (a_i g_j + tau)."""
        spread = 1.0 / (self.a.unsqueeze(2) * self.g.unsqueeze(1) + self.tau.view(-1, 1, 1))
        return (phi @ self.U).square() @ spread @ self.Q.square().transpose(1, 2)


def fitted(array: Array, feed: Feed) -> Posterior:
    """Fit the output layer's posterior to each member's training rows."""
    sums = [_sums(array, feed, *batch) for batch in feed.answers(array, "train", array.outputs)]
    A, G = (torch.stack(parts).sum(0) for parts in zip(*sums, strict=True))
    N = A[:, -1:, -1:]  # the biases' 1 squared, summed
    G = G / N if feed.classifies else N / G
    (a, U), (g, Q) = (torch.linalg.eigh(factor) for factor in (A, G))
    a, g = a.clamp_min(0.0), g.clamp_min(0.0)
    if (
        feed.classifies
    ):  # what all outputs have in common changes no probability, and no row says anything of it
        Q = Q - Q.mean(1, keepdim=True)
    deviations = [
        prior_deviation(_output(array, member), member.settings) for member in array.members
    ]
    return Posterior(a, U, g, Q, a.new_tensor(deviations).pow(-2))


def _sums(array: Array, feed: Feed, f: Tensor, y: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Over the rows of a batch that count: of phi phi', and of L, or of a regression's squared errors."""
    phi, counted = _given(array), count.to(torch.float64).expand(f.shape[:2]).unsqueeze(2)
    A = (phi * counted).transpose(1, 2) @ phi
    if not feed.classifies:
        return A, (feed.losses(f, y).unsqueeze(2) * counted).sum(1, keepdim=True)
    p = f.double().softmax(2)
    return A, torch.diag_embed((p * counted).sum(1)) - (p * counted).transpose(1, 2) @ p


def _given(array: Array) -> Tensor:
    """phi, of the last pass; 0 in padding."""
    features = array.net.features
    assert features is not None
    widths = features.new_tensor([_output(array, member).fan_in for member in array.members])
    inside = torch.arange(features.shape[2], device=features.device) < widths.view(-1, 1, 1)
    phi = torch.where(inside, features.detach(), 0.0).double()
    return torch.cat([phi, phi.new_ones(*phi.shape[:2], 1)], 2)


def _output(array: Array, member: Member) -> Slot:
    """The weights of a member's output layer, of their true shape."""
    own = slots(member.settings, array.problem.inputs, array.problem.outputs)
    return next(slot for slot in own if slot.role == "output")

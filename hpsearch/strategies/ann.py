"""The neural surrogate: a few small networks whose output layers are Bayesian linear regressions.

The networks are trained as one cohort of hpsearch's own engine.

Notation
    U         [n, D] places in the unit cube; a number fills one column, a choice one for each of
              its values; `groups` says which columns belong to one parameter
    y, r      [n] the trials' scores, of mean 0 and standard deviation 1, and how many runs each is
              the mean of
    l         length scales: how far apart two values of a parameter are that the score tells apart
    M, H      how many networks there are, and their width; each network leaves out one M-th of the
              trials, so that each trial is left out by one network
    phi       [H + 1] the input of a network's output layer, whose last component is 1; Phi
              [n, H + 1] has those of all trials as rows
    w         [H + 1] the weights of an output layer: a priori w ~ N(0, 1 / alpha), and
              y ~ N(phi w, 1 / (beta r))
    lambda, V eigenvalues and eigenvectors (columns) of Phi' diag(r) Phi
    A         the precision of w: alpha + beta Phi' diag(r) Phi; its eigenvalues are alpha + beta
              lambda
    m, root   the mean of w, and a square root of its covariance: root root' = A^-1
    gamma     how many of the weights are determined by the data
    s         what the networks' own standard deviations are multiplied by, see `calibration`

The evidence p(y | alpha, beta) is largest where

    gamma = sum over j of beta lambda_j / (alpha + beta lambda_j)                               (1)
    alpha = gamma / |m|^2                                                                       (2)
    beta  = (N - gamma) / sum over i of r_i (y_i - phi_i m)^2                                   (3)

with N the number of trials of a weight above 0.

Sources: MacKay 1992 (the evidence); Snoek et al. 2015 (the output layer, tanh, a bowl as prior
mean: here its squares are inputs); Pearce, Leibfried & Brintrup 2020 (networks that begin apart
disagree where there are no data); Krogh & Vedelsby 1995 (each network leaves something out).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.engine.ensemble import Ensemble, ensemble
from hpsearch.space.space import Params
from hpsearch.strategies.gp import HyperparameterPosterior, length_scales

Array = NDArray[np.float64]

_NETS = 8
_SETTINGS: Params = {
    "width": 48,
    "depth": 2,
    "init_scale": 0.4,
    "optimizer": "adam",
    "lr": 0.02,
    "epochs": 100,
}
_MIN_EPOCHS = 50  # a dozen trials left out say little about when to end
_L2 = 0.1  # divided by the number of trials: it weighs less the more there are
_ALPHA = (1e-3, 1e3)  # bounds
_BETA = (1.0, 1e4)
_ROUNDS = 50  # of the fixed-point iteration for the evidence
_SCALES = torch.linspace(0.0, 2.0, 41, dtype=torch.float64).exp()  # candidates for s: 1 to 7.4


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Maps places of the unit cube to the networks' inputs.

    They are the coordinates from -1 to 1 and their squares, since most losses lie in a bowl. Each
    is divided by the length scale of its parameter, so that what matters little is small.
    """

    groups: Sequence[slice]
    t: Array

    def __call__(self, U: Array) -> Tensor:
        """Return the inputs [n, 2 D], float32, of places U [n, D]."""
        z = 2.0 * U - 1.0
        both = np.hstack([z, z * z - 0.5]) / np.tile(length_scales(self.groups, self.t), 2)
        return torch.from_numpy(both).float()


@dataclass(frozen=True, slots=True, eq=False)
class NeuralModel:
    """Fitted networks; each of them is a part of a mixture of equally probable parts.

    Attributes:
        noise: the variance of one run's score.
        inputs: maps places to the networks' inputs.
        nets: the networks without their output layers.
        m: [M, H + 1] the means of the output layers' weights.
        root: [M, H + 1, H + 1] s V / sqrt(alpha + beta lambda), so that the sum of (phi root)^2 is
            a network's variance.
        means: [M, n] the means at the trials.
    """

    noise: float
    inputs: Inputs
    nets: Ensemble
    m: Tensor
    root: Tensor
    means: Array

    def fitted(self) -> Array:
        """Return the mean of the score at the trials, by each network: [M, n]."""
        return self.means

    def predict(self, U: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation, [M, n] each, of the score without noise at places."""
        with _single_thread(), torch.no_grad():
            phi = self.nets.features(self.inputs(U))
            mu = torch.bmm(phi, self.m.float().unsqueeze(2)).squeeze(2)
            std = torch.bmm(phi, self.root.float()).square().sum(2).clamp_min(1e-18).sqrt()
            return mu.double().numpy(), std.double().numpy()

    def fantasize(self, U: Array) -> NeuralModel:
        """Return the model as if one run at each place had given exactly the mean expected there.

        No mean moves. With Phi those at the new places and psi = Phi root, the precision of w
        becomes (root root')^-1 + Phi' Phi / noise, whose inverse is root (I + psi' psi / noise)^-1
        root'. Where L L' is the matrix in brackets, the new square root is root L^-T.
        """
        with _single_thread(), torch.no_grad():
            psi = torch.bmm(self.nets.features(self.inputs(U)).double(), self.root)
            known = (
                torch.eye(psi.shape[2], dtype=psi.dtype) + psi.transpose(1, 2) @ psi / self.noise
            )
            L = torch.linalg.cholesky(known)
            root = torch.linalg.solve_triangular(
                L, self.root.transpose(1, 2), upper=False
            ).transpose(1, 2)
            return replace(
                self, root=root.contiguous(), means=np.hstack([self.means, self.predict(U)[0]])
            )


def fit(groups: Sequence[slice], U: Array, y: Array, r: Array) -> NeuralModel:
    """Return the networks fitted to the trials.

    The length scales are the most probable ones of the Gaussian process (gp.py): networks that had
    to find out from a few dozen trials which parameters matter were worse.

    Args:
        groups: the columns of each parameter.
        U: [n, D] places of the trials in the unit cube; n >= 2.
        y: [n] their scores, of mean 0 and standard deviation 1.
        r: [n] how many runs each score is the mean of.
    """
    inputs = Inputs(groups, HyperparameterPosterior(groups, U, y, r).most_probable())
    n, x, target, weight = len(y), inputs(U), torch.from_numpy(y), torch.from_numpy(r)
    leaving = torch.from_numpy(np.random.default_rng(n).permutation(n) % _NETS)
    left_out = leaving == torch.arange(_NETS).unsqueeze(1)  # [M, n] whether a network leaves it out
    with _single_thread():
        nets = ensemble(x, target, weight * ~left_out, {**_SETTINGS, "l2": _L2 / n}, 0, _MIN_EPOCHS)
    with _single_thread(), torch.no_grad():
        phi = nets.features(x).double()
        m, root, beta = evidence(phi, target, weight * ~left_out)
        error = target - torch.einsum("knh,kh->kn", phi, m)
        own, noise = (phi @ root).square().sum(2), 1.0 / (beta.unsqueeze(1) * weight)
        s = calibration(error[left_out], own[left_out], noise[left_out])
        # in the end, the output layers are fitted to all trials
        m, root, beta = evidence(phi, target, weight.expand(_NETS, n))
        means = torch.einsum("knh,kh->kn", phi, m).numpy()
        return NeuralModel(float((1.0 / beta).mean()), inputs, nets, m, s * root, means)


def calibration(error: Tensor, own: Tensor, noise: Tensor) -> Tensor:
    """Return the s that makes errors of the variances s^2 own + noise most probable.

    The features of a network were fitted to the scores, which its regression does not take into
    account: it is too sure of itself. By how much is seen at the trials that it has left out.

    Args:
        error: [n] by how much scores were missed.
        own: [n] the networks' own variances there, without noise.
        noise: [n] the variances of the scores' noise.
    """
    v = _SCALES.square().unsqueeze(1) * own + noise
    return _SCALES[(v.log() + error.square() / v).sum(1).argmin()]


def evidence(phi: Tensor, y: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit M Bayesian linear regressions, alpha and beta where their evidence is largest.

    Args:
        phi: [M, n, H + 1] the regressors.
        y: [n] the targets.
        r: [M, n] the weights of the rows, 0 or more.

    Returns:
        The means m [M, H + 1], the square roots V / sqrt(alpha + beta lambda) [M, H + 1, H + 1] of
        the covariances, and beta [M].
    """
    weighed = phi * r.unsqueeze(2)
    eigenvalues, V = torch.linalg.eigh(phi.transpose(1, 2) @ weighed)
    eigenvalues = eigenvalues.clamp_min(0.0)
    c = torch.einsum("khj,knh,n->kj", V, weighed, y)  # V' Phi' diag(r) y
    N, total = (r > 0).sum(1, keepdim=True), (r * y.square()).sum(1, keepdim=True)
    alpha, beta = torch.ones_like(total), torch.full_like(total, 10.0)
    for _ in range(_ROUNDS):
        m = beta * c / (alpha + beta * eigenvalues)  # in the basis V, where A is diagonal
        # the sum of r (y - phi m)^2, multiplied out: no pass over the rows
        error = (
            total
            - 2.0 * (m * c).sum(1, keepdim=True)
            + (eigenvalues * m.square()).sum(1, keepdim=True)
        )
        gamma = (beta * eigenvalues / (alpha + beta * eigenvalues)).sum(1, keepdim=True)  # (1)
        alpha = (gamma / m.square().sum(1, keepdim=True)).clamp(*_ALPHA)  # (2)
        beta = ((N - gamma) / error.clamp_min(1e-12)).clamp(*_BETA)  # (3)
    precision = alpha + beta * eigenvalues
    m = torch.einsum("khj,kj->kh", V, beta * c / precision)
    return m, V / precision.sqrt().unsqueeze(1), beta.squeeze(1)


@contextmanager
def _single_thread() -> Iterator[None]:
    """Compute on one thread, since torch's numbers change with the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

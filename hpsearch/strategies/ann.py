"""The neural surrogate: a few small nets, trained as one cohort of hpsearch's own engine, whose output layers are
Bayesian linear regressions.

Notation
    U         [n, D] places in the unit cube; numbers fill one column, a choice one per value; `groups` says which
    y, r      [n] the scores of the trials that ended, of mean 0 and deviation 1, and how many runs each is the mean of
    l         length scales: how far apart two values of a parameter are that the score tells apart
    M         nets; H their width; each leaves out an M-th of the trials, and a trial is left out by one net
    phi       what a net's output layer is given, [H + 1], the last of them 1; Phi that of all rows, [n, H + 1]
    w         the weights of an output layer: a priori N(0, 1 / alpha); y ~ N(phi w, 1 / (beta r))
    lambda, V eigenvalues and eigenvectors (columns) of Phi' diag(r) Phi
    A         the precision of w: alpha + beta Phi' diag(r) Phi, whose eigenvalues are alpha + beta lambda
    gamma     how many of the weights the data determine
    m, root   the mean of w; root root' is its covariance
    s         the nets' own deviations of the score, without noise, are multiplied by this

Sources: MacKay 1992 (the evidence: eq. 1-3); Snoek et al. 2015 (the output layer, tanh, a bowl as prior mean: here its
squares are inputs); Pearce, Leibfried & Brintrup 2020 (nets that begin apart disagree where there is no data); Krogh &
Vedelsby 1995 (each leaves something out).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.registry import resolve
from hpsearch.strategies.gp import Posterior, lengths

Array = NDArray[np.float64]

_ensemble = resolve("hpsearch.engine.ensemble:ensemble")

_MEMBERS = 8
_NETS = {"width": 48, "depth": 2, "init_scale": 0.4, "optimizer": "adam", "lr": 0.02, "epochs": 100}
_LEAST = 50  # epochs: a dozen trials left out say little about when to end
_L2 = 0.1  # over the rows: it weighs less the more there are
_ALPHA = (1e-3, 1e3)  # bounds
_BETA = (1.0, 1e4)
_ROUNDS = 50  # of the evidence's fixed point
_SCALES = torch.linspace(0.0, 2.0, 41, dtype=torch.float64).exp()  # what s may be: from 1 to 7.4


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What the nets are given of a place: coordinates from -1 to 1, and their squares, since most losses lie in a
    bowl; each over its parameter's length scale, so that what matters little is small."""

    groups: Sequence[slice]
    t: Array

    def __call__(self, U: Array) -> Tensor:
        """[n, 2 D], float32."""
        z = 2.0 * U - 1.0
        both = np.hstack([z, z * z - 0.5]) / np.tile(lengths(self.groups, self.t), 2)
        return torch.from_numpy(both).float()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What the nets say of the scores; each is a part. `noise` is the variance of one run, in units of y squared."""

    noise: float
    inputs: Inputs
    nets: Any
    m: Tensor
    root: Tensor
    """s V / sqrt(alpha + beta lambda): [M, H + 1, H + 1], so that (phi root)^2 sums to a net's variance."""
    means: Array

    def fitted(self) -> Array:
        """The mean of the score at the places that it was given, by each net: [M, n]."""
        return self.means

    def predict(self, U: Array) -> tuple[Array, Array]:
        """Mean and deviation of the score without its noise, by each net: [M, n]."""
        with _alone(), torch.no_grad():
            phi = self.nets.features(self.inputs(U))
            mu = torch.bmm(phi, self.m.float().unsqueeze(2)).squeeze(2)
            sd = torch.bmm(phi, self.root.float()).square().sum(2).clamp_min(1e-18).sqrt()
            return mu.double().numpy(), sd.double().numpy()

    def believing(self, U: Array) -> Model:
        """Each net after one run at each place has given what it expects: no mean moves."""
        with _alone(), torch.no_grad():
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


def fit(groups: Sequence[slice], U: Array, y: Array, r: Array) -> Model:
    """The surrogate of scores `y` [n] at places `U` [n, D] of the unit cube; n >= 2.

    The length scales are the most probable ones of the Gaussian process (gp.py): nets that had to find out from a few
    dozen trials which parameters matter were worse.
    """
    inputs = Inputs(groups, Posterior(groups, U, y, r).climb())
    n, x, target, weight = len(y), inputs(U), torch.from_numpy(y), torch.from_numpy(r)
    net = torch.from_numpy(
        np.random.default_rng(n).permutation(n) % _MEMBERS
    )  # the one that leaves it out
    left_out = net == torch.arange(_MEMBERS).unsqueeze(1)
    with _alone():
        nets = _ensemble(x, target, weight * ~left_out, {**_NETS, "l2": _L2 / n}, 0, _LEAST)
    with _alone(), torch.no_grad():
        phi = nets.features(x).double()
        m, root, beta = evidence(phi, target, weight * ~left_out)
        error = target - torch.einsum("knh,kh->kn", phi, m)
        own, noise = (phi @ root).square().sum(2), 1.0 / (beta.unsqueeze(1) * weight)
        s = calibration(error[left_out], own[left_out], noise[left_out])
        m, root, beta = evidence(phi, target, weight.expand(_MEMBERS, n))
        means = torch.einsum("knh,kh->kn", phi, m).numpy()
        return Model(float((1.0 / beta).mean()), inputs, nets, m, s * root, means)


def calibration(error: Tensor, own: Tensor, noise: Tensor) -> Tensor:
    """The s with which errors of these variances, s^2 own + noise, are the likeliest.

    The nets' features were fitted to the scores, which the regressions do not know. At trials that a net has left
    out it can be seen.
    """
    v = _SCALES.square().unsqueeze(1) * own + noise
    return _SCALES[(v.log() + error.square() / v).sum(1).argmin()]


def evidence(phi: Tensor, y: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of M regressions of `y` [n] on `phi` [M, n, H + 1], whose rows weigh `r` [M, n]: m [M, H + 1], V / sqrt(alpha +
    beta lambda) [M, H + 1, H + 1], and beta [M]; alpha and beta are where their evidence is largest."""
    weighed = phi * r.unsqueeze(2)
    eigenvalues, V = torch.linalg.eigh(phi.transpose(1, 2) @ weighed)
    eigenvalues = eigenvalues.clamp_min(0.0)
    c = torch.einsum("khj,knh,n->kj", V, weighed, y)
    N, total = (r > 0).sum(1, keepdim=True), (r * y.square()).sum(1, keepdim=True)
    alpha, beta = torch.ones_like(total), torch.full_like(total, 10.0)
    for _ in range(_ROUNDS):
        m = beta * c / (alpha + beta * eigenvalues)
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
def _alone() -> Iterator[None]:
    """One thread: torch's numbers change with their count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""The neural surrogate: a few small nets, trained as one cohort of hpsearch's own engine, whose output layers are
Bayesian linear regressions.

Notation
    D         coordinates of the unit cube; numbers fill one, a choice one per value
    X, y, r   the places of n trials, their scores, and how many evaluations each score is the mean of
    M         nets; H their width; each leaves out an M-th of the trials, and a trial is left out by one net
    phi       what a net's output layer is given, [H + 1], the last of them 1; Phi that of all rows, [n, H + 1]
    w         the weights of an output layer: a priori N(0, 1 / alpha); y ~ N(phi w, 1 / (beta r))
    lambda, V eigenvalues and eigenvectors (columns) of Phi' diag(r) Phi
    A         the precision of w: alpha + beta Phi' diag(r) Phi, whose eigenvalues are alpha + beta lambda
    gamma     how many of the weights the data determine
    m         the mean of w
    s         the nets' own deviations of the score, without noise, are multiplied by this
    mu, v     mean and variance of the score at a place, without the noise, of the mixture of all nets
    psi       what makes psi(x) psi(x')' the mixture's covariance of two places

Sources: MacKay 1992 (the evidence: eq. 1-3); Snoek et al. 2015 (the output layer, tanh, a bowl as prior mean: here its
squares are inputs); Pearce, Leibfried & Brintrup 2020 (nets that begin apart disagree where there is no data); Krogh &
Vedelsby 1995 (each leaves something out); Ament et al. 2023 (the logarithm of the expected improvement).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.registry import resolve

Array = NDArray[np.float64]

_ensemble = resolve("hpsearch.engine.ensemble:ensemble")

_MEMBERS = 8
_NETS = {"width": 48, "depth": 2, "init_scale": 0.4, "optimizer": "adam", "lr": 0.01, "epochs": 300}
_LEAST = 50  # epochs: a dozen trials left out say little about when to end
_L2 = 0.1  # over the rows: it weighs less the more there are
_ALPHA = (1e-3, 1e3)  # bounds
_BETA = (1.0, 1e4)
_ROUNDS = 50  # of the evidence's fixed point
_SCALES = torch.linspace(0.0, 2.0, 41, dtype=torch.float64).exp()  # what s may be: from 1 to 7.4
_RATE = 0.02  # of a step uphill, in the unit cube
_STEPS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What the nets say of the scores. `noise` is the variance of one evaluation, in units of y squared."""

    noise: float
    nets: Any
    m: Tensor
    root: Tensor
    """s V / sqrt(alpha + beta lambda): [M, H + 1, H + 1], so that (phi root)^2 sums to a net's variance."""
    held: Tensor
    """What the trials that are believed take away, [q, M (H + 2)]: the variance (psi held')^2."""

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and deviation of the score without its noise at places [m, D]: of one part, [1, m]."""
        with _alone(), torch.no_grad():
            mu, sd = self._moments(torch.from_numpy(X))
            return mu.numpy()[None], sd.numpy()[None]

    def believing(self, Z: Array) -> Model:
        """The same nets after one evaluation at each place in Z [q, D] has given what they expect.

        No mean moves. The mixture is taken for one Gaussian process: where nets disagree, they do less so.
        """
        with _alone(), torch.no_grad():
            psi = self._psi(*self._each(torch.from_numpy(Z)))
            free = psi - psi @ self.held.T @ self.held
            noise = self.noise * torch.eye(len(psi), dtype=psi.dtype)
            L = torch.linalg.cholesky(free @ psi.T + noise)
            return replace(self, held=torch.cat([self.held, torch.linalg.solve_triangular(L, free, upper=False)]))

    def climb(self, starts: Array, best: Array) -> Array:
        """The best places on the way up from each start [k, D]: of the expected improvement over `best`.

        Places stay in the cube, but need not be points of the space: between the values of a choice there is none.
        """
        with _alone():
            x = torch.from_numpy(starts).clone()
            top, found = x.new_full((len(x),), -torch.inf), x.clone()
            a, b = torch.zeros_like(x), torch.zeros_like(x)
            for t in range(1, _STEPS + 2):
                x.requires_grad_()
                log_ei = log_improvement(*self._moments(x), float(best[0]))
                (g,) = torch.autograd.grad(log_ei.sum(), x)
                x, log_ei = x.detach(), log_ei.detach()
                better = log_ei > top
                top[better], found[better] = log_ei[better], x[better]
                a.lerp_(g, 0.1)  # adam's step (`torch.optim` takes seconds to import)
                b.lerp_(g.square(), 0.001)
                step = a / (1 - 0.9**t) / ((b / (1 - 0.999**t)).sqrt() + 1e-8)
                x = (x + _RATE * step).clamp(0.0, 1.0)
            return found.numpy()

    def _each(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """phi [M, m, H + 1] and each net's mean [M, m] at places [m, D]."""
        phi = self.nets.features(_inputs(X))
        return phi, torch.einsum("kmh,kh->km", phi, self.m)

    def _psi(self, phi: Tensor, means: Tensor) -> Tensor:
        """What the nets do not know, and what they do not agree about: [m, M (H + 2)]."""
        unknown = torch.cat([phi @ self.root, (means - means.mean(0)).unsqueeze(2)], 2)
        return unknown.transpose(0, 1).flatten(1) / math.sqrt(len(phi))

    def _moments(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """mu and sqrt(v), [m]."""
        phi, means = self._each(X)
        psi = self._psi(phi, means)
        v = psi.square().sum(1) - (psi @ self.held.T).square().sum(1)
        return means.mean(0), v.clamp_min(1e-18).sqrt()


def fit(groups: Sequence[slice], X: Array, y: Array, runs: Array) -> Model:
    """The surrogate of scores `y` [n], of mean 0 and deviation 1, at places `X` [n, D] of the unit cube; n >= 2.

    `runs` [n] says how many evaluations each score is the mean of. Which columns belong to a parameter, the nets need
    not know.
    """
    with _alone(), torch.no_grad():
        x, t, r = _inputs(torch.from_numpy(X)), torch.from_numpy(y), torch.from_numpy(runs)
        n = len(t)
        net = torch.from_numpy(np.random.default_rng(n).permutation(n) % _MEMBERS)  # the one that leaves it out
        left_out = net == torch.arange(_MEMBERS).unsqueeze(1)
    with _alone():
        nets = _ensemble(x, t, r * ~left_out, {**_NETS, "l2": _L2 / n}, 0, _LEAST)
    with _alone(), torch.no_grad():
        phi = nets.features(x)
        m, root, beta = evidence(phi, t, r * ~left_out)
        error = t - torch.einsum("knh,kh->kn", phi, m)
        own, noise = (phi @ root).square().sum(2), 1.0 / (beta.unsqueeze(1) * r)
        s = calibration(error[left_out], own[left_out], noise[left_out])
        m, root, beta = evidence(phi, t, r.expand(_MEMBERS, n))
        return Model(float((1.0 / beta).mean()), nets, m, s * root, m.new_zeros(0, m.numel() + _MEMBERS))


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
        error = total - 2.0 * (m * c).sum(1, keepdim=True) + (eigenvalues * m.square()).sum(1, keepdim=True)
        gamma = (beta * eigenvalues / (alpha + beta * eigenvalues)).sum(1, keepdim=True)  # (1)
        alpha = (gamma / m.square().sum(1, keepdim=True)).clamp(*_ALPHA)  # (2)
        beta = ((N - gamma) / error.clamp_min(1e-12)).clamp(*_BETA)  # (3)
    precision = alpha + beta * eigenvalues
    m = torch.einsum("khj,kj->kh", V, beta * c / precision)
    return m, V / precision.sqrt().unsqueeze(1), beta.squeeze(1)


def log_improvement(mu: Tensor, sd: Tensor, best: float) -> Tensor:
    """That of acquisition.py, of one part, for a gradient: log(sd h(u)), h(u) = N(u) + u P(u), u = (best - mu) / sd."""
    u = (best - mu) / sd
    # below -1e5 the bracket is less than its rounding, and nothing beside u^2; what is not used needs finite slopes too
    near, far = u.clamp_min(-1.0), u.clamp(-1e5, -1.0)
    normal = torch.exp(-0.5 * near.square()) / math.sqrt(2.0 * math.pi)
    h = torch.log(normal + near * torch.special.ndtr(near))
    # h = N(u) (1 - |u| sqrt(pi / 2) erfcx(|u| / sqrt(2)))
    bracket = 1.0 + math.sqrt(math.pi / 2.0) * far * torch.special.erfcx(-far / math.sqrt(2.0))
    tail = torch.log(bracket) - 0.5 * u.square() - 0.5 * math.log(2.0 * math.pi)
    return torch.log(sd) + torch.where(u > -1.0, h, tail)


def _inputs(X: Tensor) -> Tensor:
    """What the nets are given: coordinates from -1 to 1, and their squares, since most losses lie in a bowl."""
    z = 2.0 * X - 1.0
    return torch.cat([z, z.square() - 0.5], 1)


@contextmanager
def _alone() -> Iterator[None]:
    """One thread: torch's numbers change with their count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

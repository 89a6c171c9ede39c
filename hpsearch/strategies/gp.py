"""A Gaussian process with one length scale per parameter, averaged over what the data leave open about them.

Notation
    X         [n, P] places of the trials that ended; `groups` says which columns have one length scale: a parameter's
    y, m      [n] their scores, of mean 0 and deviation 1, and of how many runs each is the mean
    r         distance: r^2 = sum over groups g of |x_g - x'_g|^2 / l_g^2, which is 1 / l_g^2 for two choices
    A         [n, P] sqrt5 x / l, whose distances are sqrt5 r
    k         covariance: v (1 + sqrt5 r + 5 r^2 / 3) exp(-sqrt5 r), Matern-5/2                                 (1)
    l, v, w   length scales, variance, noise of one run; t = log (l, v, w)
    K         k(X, X) + diag(w / m) = L L^T,  a = K^-1 y,  W = L^-1                                             (2)
    mu, s     k(x, X) a, and sqrt(v - |W k(X, x)|^2)                                                            (3)

Sources: Rasmussen & Williams 2006 (2.25, 2.26, 5.9, 5.12); Hvarfner, Hellsten & Nardi 2024 (a prior on l that grows
with sqrt(D)); Snoek, Larochelle & Adams 2012 (the average over t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri, dtrtri
from scipy.optimize import minimize

Array = NDArray[np.float64]
Groups = Sequence[slice]

_ROOT5 = math.sqrt(5.0)
# Median and deviation of the logarithm in the log-normal priors.
LENGTH = (0.5, 1.0)  # of l / sqrt(D)
VARIANCE = (1.0, 0.7)
NOISE = (0.01, 1.5)
_BOUNDS = ((0.02, 30.0), (0.05, 20.0), (1e-6, 0.5))  # of l / sqrt(D), v, w
_JITTER = 1e-8  # of a variance
_SMALLEST = 1e-12  # variance
_STEP = 0.05  # of the differences that give the curvature
_FLATTEST = 0.2
SAMPLES = 8


@dataclass(frozen=True, slots=True)
class Process:
    """A Gaussian process whose t is known, given y at X, each the mean of m runs."""

    groups: Groups
    t: Array
    A: Array
    y: Array
    m: Array
    W: Array
    a: Array

    @classmethod
    def given(cls, groups: Groups, t: Array, X: Array, y: Array, m: Array) -> Process:
        """Equation (2)."""
        A = scaled(groups, t, X)
        K = covariance(t, A, A)
        K.flat[:: len(X) + 1] += _noise(t, m)
        W = _inverse(K)
        return cls(groups, t, A, y, m, W, W.T @ (W @ y))

    def predict(self, Z: Array) -> tuple[Array, Array]:
        """Mean and deviation of the score without noise at places; equation (3)."""
        k = covariance(self.t, self.A, scaled(self.groups, self.t, Z))
        h = self.W @ k  # as a product twice as fast as solving for it, though half of W is 0
        variance = math.exp(self.t[-2]) - np.einsum("ij,ij->j", h, h)
        return self.a @ k, np.sqrt(np.maximum(variance, _SMALLEST))

    def fitted(self) -> Array:
        """The mean at X: K a = y, so k(X, X) a is y without the noise's part of it."""
        return self.y - _noise(self.t, self.m) * self.a

    def left_out(self) -> tuple[Array, Array]:
        """Mean and deviation of each score, with its noise, given all the others; Rasmussen & Williams (5.12)."""
        precision = np.einsum("ij,ij->j", self.W, self.W)
        return self.y - self.a / precision, 1.0 / np.sqrt(precision)

    def believing(self, Z: Array) -> Process:
        """Given what it expects at more places, too, by one run each: no mean moves, so that their part of `a` is 0.

        W grows by rows [-R h^T W, R], where R is to the covariance S of the new scores, given the others, as W is to K.
        """
        B, m = scaled(self.groups, self.t, Z), np.ones(len(Z))
        k = covariance(self.t, self.A, B)
        h = self.W @ k
        S = covariance(self.t, B, B) - h.T @ h
        S.flat[:: len(Z) + 1] += _noise(self.t, m)
        R = _inverse(S)
        W = np.block([[self.W, np.zeros_like(k)], [-R @ (h.T @ self.W), R]])
        A, y = np.concatenate([self.A, B]), np.append(self.y, self.a @ k)
        return replace(
            self, A=A, y=y, m=np.append(self.m, m), W=W, a=np.append(self.a, np.zeros(len(Z)))
        )


def _noise(t: Array, m: Array) -> Array:
    """[n] the variance of the mean of m runs."""
    variance: Array = math.exp(t[-1]) / m + _JITTER
    return variance


def _inverse(K: Array) -> Array:
    """W, with W K W^T = 1; K is overwritten."""
    L, _ = dpotrf(K.T, lower=1, clean=1, overwrite_a=1)  # K.T is K in LAPACK's order
    return np.ascontiguousarray(dtrtri(L, lower=1, overwrite_c=1)[0])


def lengths(groups: Groups, t: Array) -> Array:
    """[P] the length scale of each column."""
    found = np.empty(groups[-1].stop)
    for group, log in zip(groups, t[:-2], strict=True):
        found[group] = math.exp(log) * math.sqrt(_apart(group))
    return found


def _apart(group: slice) -> int:
    """The squared distance of two values that count as 1 apart: of two choices, which differ in two coordinates, 2."""
    return 1 if group.stop - group.start == 1 else 2


def scaled(groups: Groups, t: Array, X: Array) -> Array:
    """A."""
    A: Array = _ROOT5 * X / lengths(groups, t)
    return A


def covariance(t: Array, A: Array, B: Array) -> Array:
    """Equation (1)."""
    r = distance(A, B)
    v = math.exp(t[-2])
    k: Array = np.exp(-r)
    k *= v + r * (v + v / 3.0 * r)
    return k


def distance(A: Array, B: Array) -> Array:
    """sqrt5 r."""
    r: Array = A @ (
        -2.0 * B.T
    )  # in place from here on: it is here that a suggestion takes its time
    r += np.einsum("ij,ij->i", A, A)[:, None]
    r += np.einsum("ij,ij->i", B, B)
    np.maximum(r, 0.0, out=r)
    return np.sqrt(r, out=r)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Processes of several t, which are equally probable."""

    parts: tuple[Process, ...]

    @property
    def noise(self) -> float:
        """Of one run: a variance, in units of y."""
        return fmean(math.exp(part.t[-1]) for part in self.parts)

    def predict(self, Z: Array) -> tuple[Array, Array]:
        """[parts, n] mean and deviation."""
        found = [part.predict(Z) for part in self.parts]
        return np.array([mu for mu, _ in found]), np.array([s for _, s in found])

    def fitted(self) -> Array:
        """[parts, n] the mean at the places that it was given."""
        return np.array([part.fitted() for part in self.parts])

    def left_out(self) -> tuple[Array, Array]:
        """[parts, n] mean and deviation of each score, given all the others (but t, which was fitted to it as well)."""
        found = [part.left_out() for part in self.parts]
        return np.array([mu for mu, _ in found]), np.array([s for _, s in found])

    def believing(self, Z: Array) -> Mixture:
        """Each part given, at more places, what it expects there."""
        return Mixture(tuple(part.believing(Z) for part in self.parts))


def fit(groups: Groups, X: Array, y: Array, m: Array) -> Mixture:
    """The most probable t, and draws around it."""
    posterior = Posterior(groups, X, y, m)
    best = posterior.climb()
    ts = [best, *posterior.around(best, SAMPLES - 1)]
    return Mixture(tuple(Process.given(groups, t, X, y, m) for t in ts))


def likeliest(groups: Groups, X: Array, y: Array, m: Array) -> Mixture:
    """The most probable t alone."""
    return Mixture((Process.given(groups, Posterior(groups, X, y, m).climb(), X, y, m),))


class Posterior:
    """The probability of t: - log p(y | t) - log p(t), and its gradient."""

    def __init__(self, groups: Groups, X: Array, y: Array, m: Array) -> None:
        D, root = len(groups), math.sqrt(len(groups))
        self.groups, self.X, self.y, self.m = groups, X, y, m
        self.center = np.log([LENGTH[0] * root] * D + [VARIANCE[0], NOISE[0]])
        self.spread = np.array([LENGTH[1]] * D + [VARIANCE[1], NOISE[1]])
        limits = [_BOUNDS[0]] * D + list(_BOUNDS[1:])
        scales = [root] * D + [1.0, 1.0]
        self.bounds = [
            (math.log(low * s), math.log(high * s))
            for (low, high), s in zip(limits, scales, strict=True)
        ]

    def __call__(self, t: Array) -> tuple[float, Array]:
        """The value at t, and its gradient; Rasmussen & Williams (5.9)."""
        n, A = len(self.y), scaled(self.groups, t, self.X)
        r = distance(A, A)
        v, w = math.exp(t[-2]), math.exp(t[-1])
        e = v * np.exp(-r)
        steepness = e * (1.0 + r)
        k = steepness + e * r * r / 3.0
        K = k.copy()
        K.flat[:: n + 1] += _noise(t, self.m)
        L, fault = dpotrf(K.T, lower=1, clean=1, overwrite_a=1)
        z = (t - self.center) / self.spread
        if fault:
            return 1e10, z / self.spread
        logs = float(np.log(L.diagonal()).sum())
        W = dpotri(L, lower=1, overwrite_c=1)[0].T
        W += np.triu(W, 1).T
        a = W @ self.y
        value = 0.5 * float(self.y @ a) + logs + 0.5 * float(z @ z)
        W -= np.outer(a, a)  # twice the derivative by K
        slope = np.empty(len(t))
        G = W * steepness  # - 6 dk / d(5 r^2), weighed
        of_column = (A * (A * G.sum(axis=1)[:, None] - G @ A)).sum(axis=0) / 3.0
        slope[:-2] = [of_column[group].sum() for group in self.groups]
        slope[-2] = 0.5 * float((W * k).sum())
        slope[-1] = 0.5 * w * float((W.diagonal() / self.m).sum())
        return value, slope + z / self.spread

    def climb(self) -> Array:
        """The most probable t, from the priors' medians."""
        found = minimize(
            self,
            self.center,
            method="L-BFGS-B",
            jac=True,
            bounds=self.bounds,
            options={"maxiter": 60},
        )
        best: Array = found.x
        return best

    def around(self, best: Array, samples: int) -> list[Array]:
        """Draws from the normal distribution whose curvature is that at the best t."""
        slope, size = self(best)[1], len(best)
        H = np.empty((size, size))
        for i, (_, high) in enumerate(self.bounds):
            moved = best.copy()
            moved[i] += _STEP if best[i] + _STEP < high else -_STEP
            H[i] = (self(moved)[1] - slope) / (moved[i] - best[i])
        curvature, directions = np.linalg.eigh((H + H.T) / 2)
        z = np.random.default_rng(len(self.y)).standard_normal((samples, size))
        # the priors alone have a curvature of 1 / spread^2: less is an error of the differences
        ts = best + z / np.sqrt(np.maximum(curvature, _FLATTEST)) @ directions.T
        return list(np.clip(ts, *np.array(self.bounds).T))

"""A Gaussian process with one length scale per parameter, averaged over their posterior.

Notation
    X, Z      [n, P] places of the trials that ended, and of others; `groups` says which columns
              belong to one parameter and share its length scale
    y, m      [n] the trials' scores, of mean 0 and standard deviation 1, and how many runs each is
              the mean of
    l, v, w   a length scale for each of the D groups, the variance of the process, the variance of
              one run's noise; t = log (l, v, w) [D + 2] are the hyperparameters
    r         distance: r^2 = sum over groups g of |x_g - x'_g|^2 / l_g^2; two different choices
              count as 1 apart
    A         [n, P] sqrt5 x / l, so that the distance of two rows is q = sqrt5 r
    k         covariance: v (1 + q + q^2 / 3) exp(-q), Matern-5/2                               (1)
    K         k(X, X) + N, where N = diag(w / m) is the noise, and a jitter of 1e-8
    L, W, a   K = L L^T,  W = L^-1,  a = K^-1 y = W^T W y                                       (2)
    mu, s     k(x, X) a  and  sqrt(v - |W k(X, x)|^2): mean and standard deviation at x         (3)

Sources: Rasmussen & Williams 2006 (2.25, 2.26, 5.9, 5.12; their K_y is K here); Hvarfner, Hellsten
& Nardi 2024 (a prior on l that grows with sqrt(D)); Snoek, Larochelle & Adams 2012 (the average
over t).
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
# The log-normal priors: the median, and the standard deviation of the logarithm.
LENGTH = (0.5, 1.0)  # of l / sqrt(D)
VARIANCE = (1.0, 0.7)
NOISE = (0.01, 1.5)
_BOUNDS = ((0.02, 30.0), (0.05, 20.0), (1e-6, 0.5))  # of l / sqrt(D), v, w
_JITTER = 1e-8  # added to each variance of K, so that it stays positive definite
_MIN_VARIANCE = 1e-12
_STEP = 0.05  # of the finite differences that give the curvature
_MIN_CURVATURE = 0.2
SAMPLES = 8


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """A Gaussian process of known hyperparameters, conditioned on scores.

    The fields are those of the notation: scores y [n], each the mean of m [n] runs, at places whose
    scaled coordinates are A [n, P], with W [n, n] and a [n].
    """

    groups: Groups
    t: Array
    A: Array
    y: Array
    m: Array
    W: Array
    a: Array

    @classmethod
    def conditioned_on(
        cls, groups: Groups, t: Array, X: Array, y: Array, m: Array
    ) -> GaussianProcess:
        """Return the process with hyperparameters t, given y at X; equation (2).

        Args:
            groups: the columns of each parameter.
            t: [D + 2] the logarithms of length scales, variance and noise.
            X: [n, P] places in the unit cube.
            y: [n] their scores.
            m: [n] how many runs each score is the mean of.
        """
        A = scaled(groups, t, X)
        K = covariance(t, A, A)
        K.flat[:: len(X) + 1] += _noise(t, m)
        W = _inverse_cholesky(K)
        return cls(groups, t, A, y, m, W, W.T @ (W @ y))

    def predict(self, Z: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the score without noise, [n] each: equation (3)."""
        k = covariance(self.t, self.A, scaled(self.groups, self.t, Z))
        h = self.W @ k  # as a product twice as fast as solving for it, though half of W is 0
        variance = math.exp(self.t[-2]) - np.einsum("ij,ij->j", h, h)
        return self.a @ k, np.sqrt(np.maximum(variance, _MIN_VARIANCE))

    def fitted(self) -> Array:
        """Return the mean at the trials, [n].

        It is k(X, X) a = (K - N) a = y - N a, which needs no product of matrices.
        """
        return self.y - _noise(self.t, self.m) * self.a

    def leave_one_out(self) -> tuple[Array, Array]:
        """Return mean and standard deviation of each score, given all the others: [n] each.

        The standard deviation includes the score's noise. Rasmussen & Williams (5.12): the mean is
        y_i - a_i / [K^-1]_ii, the variance 1 / [K^-1]_ii.
        """
        precision = np.einsum("ij,ij->j", self.W, self.W)  # the diagonal of K^-1 = W^T W
        return self.y - self.a / precision, 1.0 / np.sqrt(precision)

    def fantasize(self, Z: Array) -> GaussianProcess:
        """Return the process as if one run at each place had given exactly the mean expected there.

        The means stay as they are; the standard deviations shrink.

        With k = k(X, Z), h = W k and the covariance S = k(Z, Z) + N' - h^T h of the new scores
        given the old ones (N' is the noise of one run), the grown matrix and its factor are

            K' = [K    k           ]     L' = [L    0  ]     W' = L'^-1 = [W         0]
                 [k^T  k(Z, Z) + N']          [h^T  L_S]                  [-R h^T W  R]

        where S = L_S L_S^T and R = L_S^-1. The new scores equal their mean, so that they explain
        nothing that the old ones do not: their part of a' is 0, and the rest of it is a.
        """
        B, m = scaled(self.groups, self.t, Z), np.ones(len(Z))
        k = covariance(self.t, self.A, B)
        h = self.W @ k
        S = covariance(self.t, B, B) - h.T @ h
        S.flat[:: len(Z) + 1] += _noise(self.t, m)
        R = _inverse_cholesky(S)
        W = np.block([[self.W, np.zeros_like(k)], [-R @ (h.T @ self.W), R]])
        A, y = np.concatenate([self.A, B]), np.append(self.y, self.a @ k)
        return replace(
            self, A=A, y=y, m=np.append(self.m, m), W=W, a=np.append(self.a, np.zeros(len(Z)))
        )


def _noise(t: Array, m: Array) -> Array:
    """Return the diagonal of N, [n]: the variances of means of m runs."""
    variance: Array = math.exp(t[-1]) / m + _JITTER
    return variance


def _inverse_cholesky(K: Array) -> Array:
    """Return W = L^-1, where K = L L^T; K is overwritten."""
    L, _ = dpotrf(K.T, lower=1, clean=1, overwrite_a=1)  # K.T is K in LAPACK's order
    return np.ascontiguousarray(dtrtri(L, lower=1, overwrite_c=1)[0])


def length_scales(groups: Groups, t: Array) -> Array:
    """Return the length scale of each column, [P], from hyperparameters t [D + 2]."""
    found = np.empty(groups[-1].stop)
    for group, log in zip(groups, t[:-2], strict=True):
        found[group] = math.exp(log) * math.sqrt(_unit_squared(group))
    return found


def _unit_squared(group: slice) -> int:
    """Return the squared distance in a parameter's columns that counts as 1.

    Two choices, which are one-hot, differ by 1 in two columns: for them it is 2.
    """
    return 1 if group.stop - group.start == 1 else 2


def scaled(groups: Groups, t: Array, X: Array) -> Array:
    """Return A [n, P], the scaled coordinates of places X [n, P]."""
    A: Array = _ROOT5 * X / length_scales(groups, t)
    return A


def covariance(t: Array, A: Array, B: Array) -> Array:
    """Return the covariances of places A [n, P] and B [m, P], both scaled: [n, m]; equation (1)."""
    q = distance(A, B)
    v = math.exp(t[-2])
    k: Array = np.exp(-q)
    k *= v + q * (v + v / 3.0 * q)
    return k


def distance(A: Array, B: Array) -> Array:
    """Return the distances q of places A [n, P] and B [m, P], both scaled: [n, m]."""
    # |a - b|^2 = -2 a b + |a|^2 + |b|^2; in place, since a suggestion spends most of its time here
    q: Array = A @ (-2.0 * B.T)
    q += np.einsum("ij,ij->i", A, A)[:, None]
    q += np.einsum("ij,ij->i", B, B)
    np.maximum(q, 0.0, out=q)  # rounding may leave less than 0
    return np.sqrt(q, out=q)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Equally probable Gaussian processes, which differ in their hyperparameters.

    Each part has one draw from the posterior of t. Its methods return one row for each part, and
    leave it to their callers what is averaged over the parts: a density, an improvement, a mean.
    """

    parts: tuple[GaussianProcess, ...]

    @property
    def noise(self) -> float:
        """The variance of one run's score, averaged over the parts."""
        return fmean(math.exp(part.t[-1]) for part in self.parts)

    def predict(self, Z: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the score without noise at places: [parts, n]."""
        found = [part.predict(Z) for part in self.parts]
        return np.array([mu for mu, _ in found]), np.array([s for _, s in found])

    def fitted(self) -> Array:
        """Return the means at the trials: [parts, n]."""
        return np.array([part.fitted() for part in self.parts])

    def leave_one_out(self) -> tuple[Array, Array]:
        """Return mean and standard deviation of each score, given all the others: [parts, n] each.

        The hyperparameters stay those that were fitted to all scores.
        """
        found = [part.leave_one_out() for part in self.parts]
        return np.array([mu for mu, _ in found]), np.array([s for _, s in found])

    def fantasize(self, Z: Array) -> Mixture:
        """Return the mixture as if, for each part, its means at these places had been observed."""
        return Mixture(tuple(part.fantasize(Z) for part in self.parts))


def fit(groups: Groups, X: Array, y: Array, m: Array) -> Mixture:
    """Return the process averaged over its hyperparameters: the most probable t and draws near it.

    Args:
        groups: the columns of each parameter.
        X: [n, P] places of the trials in the unit cube.
        y: [n] their scores, of mean 0 and standard deviation 1.
        m: [n] how many runs each score is the mean of.
    """
    posterior = HyperparameterPosterior(groups, X, y, m)
    best = posterior.most_probable()
    ts = [best, *posterior.sample_near(best, SAMPLES - 1)]
    return Mixture(tuple(GaussianProcess.conditioned_on(groups, t, X, y, m) for t in ts))


def fit_most_probable(groups: Groups, X: Array, y: Array, m: Array) -> Mixture:
    """Return a mixture of one part, with the most probable t; the arguments are those of `fit`."""
    t = HyperparameterPosterior(groups, X, y, m).most_probable()
    return Mixture((GaussianProcess.conditioned_on(groups, t, X, y, m),))


class HyperparameterPosterior:
    """The posterior of the hyperparameters t, given scores y at places X.

    Called with t, it returns f(t) = - log p(y | t) - log p(t), up to a constant, and its gradient.
    The prior of t is normal, with means `center` and standard deviations `std`, within `bounds`.
    """

    def __init__(self, groups: Groups, X: Array, y: Array, m: Array) -> None:
        D, root = len(groups), math.sqrt(len(groups))
        self.groups, self.X, self.y, self.m = groups, X, y, m
        self.center = np.log([LENGTH[0] * root] * D + [VARIANCE[0], NOISE[0]])
        self.std = np.array([LENGTH[1]] * D + [VARIANCE[1], NOISE[1]])
        limits = [_BOUNDS[0]] * D + list(_BOUNDS[1:])
        scales = [root] * D + [1.0, 1.0]
        self.bounds = [
            (math.log(low * s), math.log(high * s))
            for (low, high), s in zip(limits, scales, strict=True)
        ]

    def __call__(self, t: Array) -> tuple[float, Array]:
        """Return f(t) and its gradient [D + 2].

        With z = (t - center) / std,

            f(t) = 1/2 y^T K^-1 y + 1/2 log |K| + 1/2 |z|^2                                     (4)
            df / dt_j = 1/2 sum over i, k of G_ik dK_ik / dt_j + z_j / std_j,                   (5)

        where G = K^-1 - a a^T; this is Rasmussen & Williams (5.8) and (5.9) with the sign turned.
        """
        n, A = len(self.y), scaled(self.groups, t, self.X)
        q = distance(A, A)
        v, w = math.exp(t[-2]), math.exp(t[-1])
        e = v * np.exp(-q)
        steepness = e * (1.0 + q)  # -6 dk / d(q^2), by equation (1)
        k = steepness + e * q * q / 3.0
        K = k.copy()
        K.flat[:: n + 1] += _noise(t, self.m)
        L, fault = dpotrf(K.T, lower=1, clean=1, overwrite_a=1)
        z = (t - self.center) / self.std
        if fault:  # K is not positive definite: a large value sends the search back
            return 1e10, z / self.std
        logs = float(np.log(L.diagonal()).sum())  # 1/2 log |K|
        G = dpotri(L, lower=1, overwrite_c=1)[0].T  # K^-1, of which LAPACK fills one triangle
        G += np.triu(G, 1).T
        a = G @ self.y
        value = 0.5 * float(self.y @ a) + logs + 0.5 * float(z @ z)  # (4)
        G -= np.outer(a, a)
        gradient = np.empty(len(t))
        # dK / dlog l_g = dk / d(q^2) * dq^2 / dlog l_g = steepness / 3 * |A_ig - A_kg|^2, since
        # q^2 holds |A_ig - A_kg|^2, which falls as 1 / l_g^2. Half its sum with G is, column by
        # column, 1/3 sum over i of A_i (A_i sum over k of C_ik - (C A)_i), with C = G * steepness.
        C = G * steepness
        of_column = (A * (A * C.sum(axis=1)[:, None] - C @ A)).sum(axis=0) / 3.0
        gradient[:-2] = [of_column[group].sum() for group in self.groups]
        gradient[-2] = 0.5 * float((G * k).sum())  # dK / dlog v = k(X, X)
        gradient[-1] = 0.5 * w * float((G.diagonal() / self.m).sum())  # dK / dlog w = diag(w / m)
        return value, gradient + z / self.std  # (5)

    def most_probable(self) -> Array:
        """Return the most probable t, as far as a climb from the priors' medians finds it."""
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

    def sample_near(self, best: Array, samples: int) -> list[Array]:
        """Return draws from Laplace's approximation: a normal distribution around the best t.

        Its precision is the Hessian H of f there, from differences of the gradient. The generator
        is seeded with the number of trials, so that the same trials give the same draws.
        """
        gradient, size = self(best)[1], len(best)
        H = np.empty((size, size))
        for i, (_, high) in enumerate(self.bounds):
            moved = best.copy()
            moved[i] += _STEP if best[i] + _STEP < high else -_STEP
            H[i] = (self(moved)[1] - gradient) / (moved[i] - best[i])
        curvature, directions = np.linalg.eigh((H + H.T) / 2)
        z = np.random.default_rng(len(self.y)).standard_normal((samples, size))
        # The priors alone have a curvature of 1 / std^2, 0.44 or more. Where H has much less, the
        # differences are inaccurate or f is not convex there, and draws would go far astray.
        ts = best + z / np.sqrt(np.maximum(curvature, _MIN_CURVATURE)) @ directions.T
        return list(np.clip(ts, *np.array(self.bounds).T))

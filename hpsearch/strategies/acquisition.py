"""How valuable a candidate is, given what a surrogate model predicts of it, as a logarithm.

Notation
    mu, s     [parts, n] mean and standard deviation of the score without noise, by each part of a
              mixture model
    best      [parts] the lowest mean that each part has at any trial so far
    z         (best - mu) / s
    phi, Phi  density and distribution function of the standard normal distribution
    h         h(z) = phi(z) + z Phi(z), so that the expected improvement is EI = s h(z)         (1)

Sources: Jones, Schonlau & Welch 1998 (EI); Ament et al. 2023 (its logarithm, which still has an
order where EI itself is rounded to 0); Snoek, Larochelle & Adams 2012 (the average over parts).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

Array = NDArray[np.float64]

_ROOT_2PI = math.sqrt(2.0 * math.pi)


def log_improvement(mu: Array, s: Array, best: Array) -> Array:
    """Return the logarithm of the expected improvement, averaged over the parts: [n]."""
    each = np.log(s) + _log_h((best[:, None] - mu) / s)
    # the logarithm of the mean of exp(each), without computing an exp that would be rounded to 0
    mean: Array = np.logaddexp.reduce(each, axis=0) - math.log(len(mu))
    return mean


def moments(mu: Array, s: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation, [n] each, of a mixture of equally probable parts.

    The variance is the mean of the parts' variances plus the variance of their means.
    """
    mean = mu.mean(axis=0)
    return mean, np.sqrt(np.square(s).mean(axis=0) + np.square(mu - mean).mean(axis=0))


def _log_h(z: Array) -> Array:
    """Return log h(z), accurate for any z; equation (1).

    For z < -1 the two terms of h nearly cancel. There Phi(z) / phi(z) = sqrt(pi / 2) erfcx(-z /
    sqrt 2), with the scaled complementary error function, and

        h(z) = phi(z) (1 + z sqrt(pi / 2) erfcx(-z / sqrt 2)),

    whose first factor has an exact logarithm and whose second one keeps its digits. Below -1000 the
    second factor is rounded away as well; its expansion there begins with 1 / z^2.
    """
    far = np.clip(z, -1e6, -1.0)
    near = np.maximum(z, -1.0)  # `np.where` evaluates both branches: neither may overflow
    tail = 1.0 + far * math.sqrt(math.pi / 2.0) * erfcx(-far / math.sqrt(2.0))
    log_tail = np.where(far < -1e3, -2.0 * np.log(-far), np.log(np.maximum(tail, 1e-300)))
    below = -0.5 * far * far - math.log(_ROOT_2PI) + log_tail
    return np.where(
        z > -1.0, np.log(np.exp(-0.5 * near * near) / _ROOT_2PI + near * ndtr(near)), below
    )

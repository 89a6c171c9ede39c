"""What a next trial is worth, given what a model expects of it: everything here is a logarithm.

Notation
    mu, s     [parts, n] mean and deviation of the score, without noise, by each part of a model
    best      [parts] the lowest score that each part expects of any trial so far
    z         (best - mu) / s
    phi, Phi  density and distribution of the standard normal

Sources: Jones, Schonlau & Welch 1998 (EI); Ament et al. 2023 (its logarithm, where EI itself is 0); Snoek, Larochelle &
Adams 2012 (the average over parts).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

Array = NDArray[np.float64]

_ROOT_2PI = math.sqrt(2.0 * math.pi)


def log_improvement(mu: Array, s: Array, best: Array) -> Array:
    """[n] log EI, the mean over the parts: EI = s (phi(z) + z Phi(z))."""
    each = np.log(s) + _log_h((best[:, None] - mu) / s)
    mean: Array = np.logaddexp.reduce(each, axis=0) - math.log(len(mu))
    return mean


def moments(mu: Array, s: Array) -> tuple[Array, Array]:
    """Mean and deviation [n] of a mixture of equally probable parts [parts, n]."""
    mean = mu.mean(axis=0)
    return mean, np.sqrt(np.square(s).mean(axis=0) + np.square(mu - mean).mean(axis=0))


def _log_h(z: Array) -> Array:
    """log(phi(z) + z Phi(z)); far below 0 by phi(z) (1 + z sqrt(pi/2) erfcx(-z / sqrt2)), whose sum is exact there."""
    far = np.clip(z, -1e6, -1.0)
    near = np.maximum(z, -1.0)
    tail = 1.0 + far * math.sqrt(math.pi / 2.0) * erfcx(-far / math.sqrt(2.0))
    # beyond -1e3 or so even this sum is rounded away: it goes on as 1 / z^2
    log_tail = np.where(far < -1e3, -2.0 * np.log(-far), np.log(np.maximum(tail, 1e-300)))
    below = -0.5 * far * far - math.log(_ROOT_2PI) + log_tail
    return np.where(
        z > -1.0, np.log(np.exp(-0.5 * near * near) / _ROOT_2PI + near * ndtr(near)), below
    )

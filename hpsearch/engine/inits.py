"""The distributions of initial weights.

Each draws the same standard numbers for the same shape, and scales them.

Notation
    fan_in, fan_out   inputs to a unit, units that an input reaches
    gain              the factor on the variance that makes up for what a ReLU loses: 2, and 1 for
                      activations that lose nothing
    a                 `init_scale`, by which everything is multiplied afterwards: half the range of
                      `uniform`, the standard deviation of `normal`, a factor for the others

Sources: Glorot & Bengio 2010 (eq. 12 and 16); He et al. 2015 (eq. 10 and 15); Saxe, McClelland &
Ganguli 2014; Le, Jaitly & Hinton 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hpsearch.engine.structure.slots import ParamSlot
from hpsearch.space.space import Params

Init = Callable[[ParamSlot, Params, torch.Generator], Tensor]
"""Gives weights of the slot's shape in float64, for (slot, settings, random numbers)."""

_RECTIFIERS = ("relu", "leaky_relu", "prelu")


def gain(slot: ParamSlot, settings: Params) -> float:
    """Return the gain: 2 / (1 + slope^2) for a rectifier with this slope.

    It is 1 for other activations and at the output.
    """
    if slot.role == "output" or settings["activation"] not in _RECTIFIERS:
        return 1.0
    return 2.0 / (1.0 + float(settings.get("slope", 0.0)) ** 2)


def _variance(slot: ParamSlot, settings: Params) -> float:
    """Return He's gain / fan_in before a rectifier, Glorot's 2 / (fan_in + fan_out) elsewhere."""
    if slot.role != "output" and settings["activation"] in _RECTIFIERS:
        return gain(slot, settings) / slot.fan_in
    return 2.0 / (slot.fan_in + slot.fan_out)


def prior_std(slot: ParamSlot, settings: Params) -> float:
    """Return the standard deviation of the prior of a Bayesian network's weights.

    It is `prior_scale` in units of the standard deviation of `fan_normal`.
    """
    return float(settings["prior_scale"]) * math.sqrt(_variance(slot, settings))


def _normal(slot: ParamSlot, noise: torch.Generator) -> Tensor:
    return torch.randn(slot.shape, generator=noise, dtype=torch.float64)


def _uniform(slot: ParamSlot, noise: torch.Generator) -> Tensor:
    return 2.0 * torch.rand(slot.shape, generator=noise, dtype=torch.float64) - 1.0


def uniform(slot: ParamSlot, settings: Params, noise: torch.Generator) -> Tensor:
    """Draw from U(-1, 1), whatever the fans."""
    return _uniform(slot, noise)


def normal(slot: ParamSlot, settings: Params, noise: torch.Generator) -> Tensor:
    """Draw from N(0, 1), whatever the fans."""
    return _normal(slot, noise)


def fan_normal(slot: ParamSlot, settings: Params, noise: torch.Generator) -> Tensor:
    """Draw from a normal distribution with the variance that keeps signals of one size."""
    return _normal(slot, noise) * math.sqrt(_variance(slot, settings))


def fan_uniform(slot: ParamSlot, settings: Params, noise: torch.Generator) -> Tensor:
    """Draw from a uniform distribution in [-b, b] with that variance: b = sqrt(3 variance)."""
    return _uniform(slot, noise) * math.sqrt(3.0 * _variance(slot, settings))


def orthogonal(slot: ParamSlot, settings: Params, noise: torch.Generator) -> Tensor:
    """Draw orthonormal rows or columns, whichever are fewer, times the root of the gain."""
    z = _normal(slot, noise).flatten(1)
    tall = z if z.shape[0] >= z.shape[1] else z.T
    q: Tensor
    q, r = torch.linalg.qr(tall)
    # a QR decomposition prefers some signs; with these all such matrices are equally likely
    q = q * torch.sign(torch.diagonal(r))
    q = q if z.shape[0] >= z.shape[1] else q.T
    return q.reshape(slot.shape) * math.sqrt(gain(slot, settings))


def identity(slot: ParamSlot, settings: Params, noise: torch.Generator) -> Tensor:
    """Return ones on the main diagonal, for a convolution in the middle of its window."""
    weight = torch.zeros(slot.shape, dtype=torch.float64)
    middle = tuple(side // 2 for side in slot.shape[2:])
    for k in range(min(slot.shape[:2])):
        weight[(k, k, *middle)] = 1.0
    return weight

"""How weights begin. Each draws the same standard noise for the same shape, and scales it.

Notation
    fan_in, fan_out   inputs to a unit, units that an input reaches
    gain              the factor on the variance that makes up for what a ReLU loses: 2; 1 for the others
    a                 `init_scale`: half the range of `uniform`, the deviation of `normal`; else a factor

Sources: Glorot & Bengio 2010 (eq. 12 and 16), He et al. 2015 (eq. 10 and 15), Saxe, McClelland & Ganguli 2014,
Le, Jaitly & Hinton 2015.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hpsearch.engine.structure.slots import Slot
from hpsearch.space.space import Params

_RECTIFIERS = ("relu", "leaky_relu", "prelu")


def gain(slot: Slot, settings: Params) -> float:
    """What a rectifier with this slope asks for, 2 / (1 + slope^2); 1 for other activations and at the output."""
    if slot.role == "output" or settings["activation"] not in _RECTIFIERS:
        return 1.0
    return 2.0 / (1.0 + float(settings.get("slope", 0.0)) ** 2)


def _variance(slot: Slot, settings: Params) -> float:
    """He's gain / fan_in before a rectifier; Glorot's 2 / (fan_in + fan_out) elsewhere."""
    if slot.role != "output" and settings["activation"] in _RECTIFIERS:
        return gain(slot, settings) / slot.fan_in
    return 2.0 / (slot.fan_in + slot.fan_out)


def prior_deviation(slot: Slot, settings: Params) -> float:
    """Of a Bayesian net's weights: `prior_scale`, in units of what the fans ask for."""
    return float(settings["prior_scale"]) * math.sqrt(_variance(slot, settings))


def _normal(slot: Slot, noise: torch.Generator) -> Tensor:
    return torch.randn(slot.shape, generator=noise, dtype=torch.float64)


def _uniform(slot: Slot, noise: torch.Generator) -> Tensor:
    return 2.0 * torch.rand(slot.shape, generator=noise, dtype=torch.float64) - 1.0


def uniform(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """U(-a, a), whatever the fans."""
    return _uniform(slot, noise)


def normal(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """N(0, a^2), whatever the fans."""
    return _normal(slot, noise)


def fan_normal(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """Normal, with the variance that the fans ask for."""
    return _normal(slot, noise) * math.sqrt(_variance(slot, settings))


def fan_uniform(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """Uniform in [-b, b], b = sqrt(3 variance)."""
    return _uniform(slot, noise) * math.sqrt(3.0 * _variance(slot, settings))


def orthogonal(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """Rows or columns, whichever are fewer, orthonormal; times the root of the gain."""
    z = _normal(slot, noise).flatten(1)
    tall = z if z.shape[0] >= z.shape[1] else z.T
    q: Tensor
    q, r = torch.linalg.qr(tall)
    q = q * torch.sign(torch.diagonal(r))  # uniform over all such matrices, not QR's habit
    q = q if z.shape[0] >= z.shape[1] else q.T
    return q.reshape(slot.shape) * math.sqrt(gain(slot, settings))


def identity(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """Ones on the main diagonal, of any shape; in the middle of a convolution's window."""
    weight = torch.zeros(slot.shape, dtype=torch.float64)
    middle = tuple(side // 2 for side in slot.shape[2:])
    for k in range(min(slot.shape[:2])):
        weight[(k, k, *middle)] = 1.0
    return weight

"""How weights begin. Each draws the same standard noise for the same shape, and scales it.

Notation
    fan_in, fan_out   inputs to a unit, units that an input reaches
    gain              2 for ReLU (half of its inputs are lost), 1 for tanh: the factor on the variance

Sources: Glorot & Bengio 2010 (eq. 12 and 16), He et al. 2015 (eq. 10).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hpsearch.engine.shapes import Slot
from hpsearch.space import Params

_HE = ("relu",)


def _variance(slot: Slot, settings: Params) -> float:
    """He's 2 / fan_in before a ReLU; Glorot's 2 / (fan_in + fan_out) before tanh and at the output."""
    if slot.role != "output" and settings["activation"] in _HE:
        return 2.0 / slot.fan_in
    return 2.0 / (slot.fan_in + slot.fan_out)


def fan_normal(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """Normal, with the variance that the fans ask for."""
    z = torch.randn(slot.shape, generator=noise, dtype=torch.float64)
    return z * math.sqrt(_variance(slot, settings))


def fan_uniform(slot: Slot, settings: Params, noise: torch.Generator) -> Tensor:
    """Uniform in [-a, a], a = sqrt(3 variance)."""
    u = 2.0 * torch.rand(slot.shape, generator=noise, dtype=torch.float64) - 1.0
    return u * math.sqrt(3.0 * _variance(slot, settings))

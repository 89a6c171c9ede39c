"""The non-linearities, each `(z, slope) -> a` of any shape; only the leaky ones use the slope, which broadcasts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def relu(z: Tensor, slope: Tensor) -> Tensor:
    """max(z, 0)."""
    return torch.relu(z)


def leaky_relu(z: Tensor, slope: Tensor) -> Tensor:
    """Z where it is positive, slope * z elsewhere (Maas, Hannun & Ng 2013)."""
    return torch.where(z > 0, z, slope * z)


def prelu(z: Tensor, slope: Tensor) -> Tensor:
    """The same; the slope is a weight that is learned (He et al. 2015)."""
    return torch.where(z > 0, z, slope * z)


def tanh(z: Tensor, slope: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return torch.tanh(z)


def sigmoid(z: Tensor, slope: Tensor) -> Tensor:
    """1 / (1 + exp(-z)): the one that does not take 0 to 0."""
    return torch.sigmoid(z)


def gelu(z: Tensor, slope: Tensor) -> Tensor:
    """Z times the normal distribution function of z (Hendrycks & Gimpel 2016)."""
    return F.gelu(z)

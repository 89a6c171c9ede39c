"""The non-linearities, and their derivatives written out.

Notation
    z, a      what a non-linearity is given and what it gives, of one shape
    slope     what a leaky one multiplies by below 0; it broadcasts over z, the others ignore it
    d         the derivative of a loss by a
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Callable[[Tensor, Tensor], Tensor]
"""Gives a for (z, slope)."""
Derivative = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""Gives the derivative of the loss by z for (d, z, a, slope, out), written into `out`, which may be
`d` itself."""


def relu(z: Tensor, slope: Tensor) -> Tensor:
    """Return max(z, 0)."""
    return torch.relu(z)


def leaky_relu(z: Tensor, slope: Tensor) -> Tensor:
    """Return z where it is positive and slope * z elsewhere (Maas, Hannun & Ng 2013)."""
    return torch.where(z > 0, z, slope * z)


def prelu(z: Tensor, slope: Tensor) -> Tensor:
    """Return the same, of a slope that is a weight and is learned (He et al. 2015)."""
    return torch.where(z > 0, z, slope * z)


def tanh(z: Tensor, slope: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return torch.tanh(z)


def sigmoid(z: Tensor, slope: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-z)), the only one here that does not map 0 to 0."""
    return torch.sigmoid(z)


def gelu(z: Tensor, slope: Tensor) -> Tensor:
    """Return z times the standard normal distribution function of z (Hendrycks & Gimpel 2016)."""
    return F.gelu(z)


_aten = torch.ops.aten
DERIVATIVES: Mapping[str, Derivative] = {
    "relu": lambda d, z, a, slope, out: _aten.threshold_backward.grad_input(
        d, a, 0, grad_input=out
    ),
    "leaky_relu": lambda d, z, a, slope, out: torch.where(z > 0, d, slope * d, out=out),
    "tanh": lambda d, z, a, slope, out: _aten.tanh_backward.grad_input(d, a, grad_input=out),
    "sigmoid": lambda d, z, a, slope, out: _aten.sigmoid_backward.grad_input(d, a, grad_input=out),
    "gelu": lambda d, z, a, slope, out: _aten.gelu_backward.grad_input(d, z, grad_input=out),
}
"""The derivative of each but prelu, which has one by its slope as well."""

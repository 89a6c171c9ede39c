"""The non-linearities, each `(z, slope) -> a` of any shape; only the leaky ones use the slope, which broadcasts.

`DERIVATIVES` holds for each (but prelu, which learns its slope) `(d, z, a, slope, out) -> out`: the derivative
by z of what has the derivative d by a, written into `out`, which may be d itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


_aten = torch.ops.aten
DERIVATIVES: Mapping[str, Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "relu": lambda d, z, a, slope, out: _aten.threshold_backward.grad_input(
        d, a, 0, grad_input=out
    ),
    "leaky_relu": lambda d, z, a, slope, out: torch.where(z > 0, d, slope * d, out=out),
    "tanh": lambda d, z, a, slope, out: _aten.tanh_backward.grad_input(d, a, grad_input=out),
    "sigmoid": lambda d, z, a, slope, out: _aten.sigmoid_backward.grad_input(d, a, grad_input=out),
    "gelu": lambda d, z, a, slope, out: _aten.gelu_backward.grad_input(d, z, grad_input=out),
}

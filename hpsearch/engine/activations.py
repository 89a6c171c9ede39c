"""The non-linearities, each `z -> a` of any shape."""

from __future__ import annotations

import torch
from torch import Tensor


def relu(z: Tensor) -> Tensor:
    """max(z, 0)."""
    return torch.relu(z)


def tanh(z: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return torch.tanh(z)

"""A dense layer of K stacked members: once for autograd, and once with its way back written out.

Notation
    h, z      what the layer is given, [K, B, in], or [B, in] where the members share it; and what
              it gives, [K, B, out]
    W, b      weights [K, out, in] and biases [K, out]: z = h W' + b
    dW, db    the derivatives of the members' losses by them, from the derivative d by z:
              dW = d' h, and db is the sum of d over the batch
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_NARROW = 16  # a layer of fewer units is multiplied the other way round


def dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x W' + b of all members, [K, B, out], for `x` [K, B, in] or [B, in]."""
    if x.dim() == 3:
        transposed = weight.transpose(1, 2)
        return (
            torch.bmm(x, transposed)
            if bias is None
            else torch.baddbmm(bias.unsqueeze(1), x, transposed)
        )
    members, out, _ = weight.shape
    # one product for all members: [B, in] x [in, K * out]
    z = F.linear(x, weight.flatten(0, 1), None if bias is None else bias.flatten())
    return z.view(-1, members, out).transpose(0, 1)


class Affine:
    """A dense layer of all members, forwards and back, in which autograd has no part.

    Everything that it needs is a view of the members' weights and gradients, made once, since
    making a view takes as long as a small product.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Make the views of weights [K, out, in] and biases [K, out], and of their gradients."""
        assert weight.grad is not None
        assert bias.grad is not None
        self.W, b = weight.detach(), bias.detach()
        self._b, self._transposed = b.unsqueeze(1), self.W.transpose(1, 2)
        self._dW, self._db = weight.grad, bias.grad
        # where the members share h, one product serves all of them: [B, in] x [in, K * out]
        self._flat, self._flat_b = self.W.flatten(0, 1).t(), b.flatten()
        self._flat_dW = weight.grad.flatten(0, 1)
        self._is_narrow, self._column = self.W.shape[1] < _NARROW, b.unsqueeze(2)

    def __call__(self, h: Tensor) -> Tensor:
        """Return z [K, B, out] for h [K, B, in], or [B, in]."""
        if h.dim() == 3 and self._is_narrow:
            # z' = W h' + b takes half the time of z = h W' + b where there are few units
            return torch.baddbmm(self._column, self.W, h.transpose(1, 2)).transpose(1, 2)
        if h.dim() == 3:
            return torch.baddbmm(self._b, h, self._transposed)
        z = torch.addmm(self._flat_b, h, self._flat)
        return z.view(-1, *self.W.shape[:2]).transpose(0, 1)

    def back(self, d: Tensor, h: Tensor) -> None:
        """Leave dW and db in the `grad` of the weights and biases, from d [K, B, out] and h."""
        torch.sum(d, 1, out=self._db)
        if h.dim() == 3:
            torch.bmm(d.transpose(1, 2), h, out=self._dW)
        else:
            # [B, K, out] flattened is the d of one layer of K * out units
            torch.mm(d.transpose(0, 1).reshape(len(h), -1).t(), h, out=self._flat_dW)

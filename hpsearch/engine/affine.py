"""A dense layer of K stacked members: what autograd goes back through, and what goes back by hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_NARROW = 16  # units of a layer that has few


def dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x W' + b of all members, [K, B, out], for `x` [K, B, in], or [B, in] where they share it."""
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
    """A dense layer of all members, z = W h + b, and what it takes to go back through it; autograd has no part in it.

    Everything is a view of the members' weights and gradients, made once: views cost as much as small products.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        assert weight.grad is not None
        assert bias.grad is not None
        self.W, b = weight.detach(), bias.detach()
        self._b, self._transposed, self._dW, self._db = (
            b.unsqueeze(1),
            self.W.transpose(1, 2),
            weight.grad,
            bias.grad,
        )
        # one product for all members where they share h: [B, in] x [in, K * out]
        self._flat, self._flat_b, self._flat_dW = (
            self.W.flatten(0, 1).t(),
            b.flatten(),
            weight.grad.flatten(0, 1),
        )
        self._is_narrow, self._column = self.W.shape[1] < _NARROW, b.unsqueeze(2)

    def __call__(self, h: Tensor) -> Tensor:
        """z [K, B, out] for h [K, B, in], or [B, in]."""
        if h.dim() == 3 and self._is_narrow:  # the other way round takes half of the time
            return torch.baddbmm(self._column, self.W, h.transpose(1, 2)).transpose(1, 2)
        if h.dim() == 3:
            return torch.baddbmm(self._b, h, self._transposed)
        return (
            torch.addmm(self._flat_b, h, self._flat).view(len(h), *self.W.shape[:2]).transpose(0, 1)
        )

    def back(self, d: Tensor, h: Tensor) -> None:
        """Leave the derivatives by W and b, of d -> z, in the weights' `grad`."""
        torch.sum(d, 1, out=self._db)
        if h.dim() == 3:
            torch.bmm(d.transpose(1, 2), h, out=self._dW)
        else:
            torch.mm(d.transpose(0, 1).reshape(len(h), -1).t(), h, out=self._flat_dW)

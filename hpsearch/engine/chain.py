"""Plain dense layers as one function whose gradient is written by hand: most trials are this, and the chain rule
by autograd takes twice as long (docs/decisions/0006).

Notation
    W_l, b_l  a layer's weights and biases, [K, out, in] and [K, out]
    h_l       what a layer is given; z_l = W_l h_l + b_l; a_l = f(z_l); h_(l+1) = m_l a_l
    f, m_l    a member's non-linearity, and dropout's mask (or 1)
    d         the loss's derivative by what the arrow on its line names
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hpsearch.engine.net import Net, dense


def chain(net: Net, x: Tensor) -> Tensor:
    """The outputs [K, B, outputs] of `hidden0`, `hidden1`, ... and `output` for x [B, inputs], or [K, B, inputs]."""
    names = [*(f"hidden{layer}" for layer in range(int(net.settings["depth"]))), "output"]
    weights = [net.weights[f"{name}.{part}"] for name in names for part in ("weight", "bias")]
    outputs: Tensor = _Chain.apply(net, names, x, *weights)  # type: ignore[no-untyped-call]
    return outputs


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, net: Net, names: list[str], x: Tensor, *weights: Tensor) -> Tensor:
        h, seen = x, []
        for name, W, b in zip(names, weights[:-2:2], weights[1:-2:2], strict=False):
            z = dense(h, W, b)
            a = net.activate(name, z)
            m = net.mask(name, a)
            seen.append((h, z, a, m))
            h = a if m is None else a * m
        ctx.net, ctx.seen, ctx.last, ctx.weights = net, seen, h, weights
        net.features = h
        return dense(h, weights[-2], weights[-1])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        """Writes each weight's gradient where it is kept, instead of adding it there."""
        (d,) = slopes  # -> outputs
        *hidden, W, b = ctx.weights
        _write(d, ctx.last, W, b)
        for h, z, a, m in reversed(ctx.seen):
            d = torch.bmm(d, W.detach())  # -> h_(l+1)
            if m is not None:
                d = d * m  # -> a_l
            d = ctx.net.derive(d, z, a)  # -> z_l
            *hidden, W, b = hidden
            _write(d, h, W, b)
        return (None,) * (3 + len(ctx.weights))


def _write(d: Tensor, h: Tensor, W: Tensor, b: Tensor) -> None:
    """The derivatives by W and b, of d -> z [K, B, out] and h [K, B, in], or [B, in]."""
    assert W.grad is not None
    assert b.grad is not None
    torch.sum(d, 1, out=b.grad)
    if h.dim() == 3:
        torch.bmm(d.transpose(1, 2), h, out=W.grad)
    else:
        columns = d.transpose(0, 1).reshape(len(h), -1)
        torch.mm(columns.t(), h, out=W.grad.view(-1, h.shape[1]))

"""Plain dense layers, forwards and back, with the chain rule written out: most trials are this, and autograd takes
twice as long for it (docs/decisions/0006).

Notation
    W_l, b_l  a layer's weights and biases, [K, out, in] and [K, out]
    h_l       what a layer is given; z_l = W_l h_l + b_l; a_l = f(z_l); h_(l+1) = m_l a_l
    f, m_l    a member's non-linearity, and dropout's mask (or 1)
    d         the loss's derivative by what the comment on its line names
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from hpsearch.engine.net import Net

Layer = tuple[Tensor, Tensor, Tensor, Tensor | None]
"""h, z, a, m."""


def chain(net: Net, x: Tensor) -> Tensor:
    """The outputs [K, B, outputs] of `hidden0`, `hidden1`, ... and `output` for x [B, inputs], or [K, B, inputs]."""
    h, layers = x, []
    for layer in range(int(net.settings["depth"])):
        name = f"hidden{layer}"
        z = net.affine[name](h)
        a = net.activate(name, z)
        m = net.mask(name, a)
        layers.append((h, z, a, m))
        h = a if m is None else a * m
    net.features = h
    if torch.is_grad_enabled():
        net.back = partial(_back, net, layers, h)
    return net.affine["output"](h)


def _back(net: Net, layers: list[Layer], last: Tensor, d: Tensor) -> None:
    """Leave the derivatives by all weights; d: -> outputs."""
    above = net.affine["output"]
    above.back(d, last)
    for layer, (h, z, a, m) in reversed(list(enumerate(layers))):
        d = torch.bmm(d, above.W)  # -> h_(l+1)
        if m is not None:
            d *= m  # -> a_l
        d = net.derive(d, z, a)  # -> z_l
        above = net.affine[f"hidden{layer}"]
        above.back(d, h)

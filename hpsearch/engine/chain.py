"""Plain dense layers, forwards and back, with the chain rule written out.

Most trials are of this kind, and autograd takes twice as long for them (docs/decisions/0006).

Notation
    W_l, b_l  a layer's weights [K, out, in] and biases [K, out]
    h_l       what a layer is given: z_l = h_l W_l' + b_l, a_l = f(z_l), h_(l+1) = m_l a_l
    f, m_l    a member's non-linearity, and dropout's mask (1 where nothing is dropped)
    d         the derivative of the members' losses by what the comment on its line names
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from hpsearch.engine.net import Net

_Pass = tuple[Tensor, Tensor, Tensor, Tensor | None]  # h, z, a and m of one layer


def chain(net: Net, x: Tensor) -> Tensor:
    """Return the outputs [K, B, outputs] for x [B, inputs], or [K, B, inputs].

    The layers are called `hidden0`, `hidden1`, ... and `output`. Where gradients are wanted,
    `net.backward` is left to give them.
    """
    h, passes = x.detach(), []
    for layer in range(int(net.settings["depth"])):
        name = f"hidden{layer}"
        z = net.affine[name](h)
        a = net.activate(name, z)
        m = net.mask(name, a)
        passes.append((h, z, a, m))
        h = a if m is None else a * m
    net.features = h
    if torch.is_grad_enabled():
        net.backward = partial(_back, net, passes, h, x)
    return net.affine["output"](h)


def _back(net: Net, passes: list[_Pass], last: Tensor, x: Tensor, d: Tensor) -> None:
    """Leave the derivatives by all weights, and by x where it is wanted.

    d is the derivative by the outputs.
    """
    above = net.affine["output"]
    above.back(d, last)
    for layer, (h, z, a, m) in reversed(list(enumerate(passes))):
        d = torch.bmm(d, above.W)  # by h_(l+1)
        if m is not None:
            d *= m  # by a_l
        d = net.derive(d, z, a)  # by z_l
        above = net.affine[f"hidden{layer}"]
        above.back(d, h)
    if x.requires_grad:
        x.grad = torch.bmm(d, above.W)

"""Dense layers, plain or with a residual or a highway path around each but the first."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.engine.chain import chain
from hpsearch.engine.net import Net


def forward(net: Net, x: Tensor) -> Tensor:
    """Return outputs [K, B, outputs] for `x` [B, *inputs], or [K, B, *inputs].

    A residual layer gives h + f(h) (He et al. 2016). A highway layer gives t f(h) + (1 - t) h with
    a gate t that begins nearly shut (Srivastava, Greff & Schmidhuber 2015).
    """
    h = x.flatten(-len(net.inputs))
    if net.is_plain:
        return chain(net, h)
    skip = net.settings["skip"]
    for layer in range(int(net.settings["depth"])):
        name = f"hidden{layer}"
        a = net.drop(name, net.activate(name, net.norm(name, net.dense(name, h))))
        if layer == 0 or skip == "none":
            h = a
        elif skip == "residual":
            h = h + a
        else:
            h = torch.lerp(h, a, torch.sigmoid(net.dense(f"{name}.gate", h)))
    return net.output(h)

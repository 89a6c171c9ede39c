"""A small residual network for images (He et al. 2016).

Each branch ends in weights (or, with a normalisation, gains) that begin at zero: a block begins as
the identity, and depth needs no normalisation to train (Zhang, Dauphin & Ma 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.engine.net import Net
from hpsearch.engine.structure.resnet import STAGES, stem_stride


def forward(net: Net, x: Tensor) -> Tensor:
    """Return outputs [K, B, outputs] for images `x` [B, channels, height, width].

    Where the members see images of their own, `x` is [K, B, channels, height, width].
    """
    if x.dim() == 5:
        x = x.transpose(0, 1).flatten(1, 2)
    x = x.to(memory_format=torch.channels_last)
    stem = net.convolve("stem", x, stride=stem_stride(net.inputs))
    h = net.activate("stem", net.norm("stem", stem))
    for stage in range(STAGES):
        for block in range(int(net.settings["blocks"])):
            name = f"stage{stage}.block{block}"
            opens = stage > 0 and block == 0
            stride = 2 if opens else 1
            around = net.convolve(f"{name}.around", h, stride=stride) if opens else h
            first, second = f"{name}.first", f"{name}.second"
            inner = net.activate(first, net.norm(first, net.convolve(first, h, stride=stride)))
            h = net.activate(second, around + net.norm(second, net.convolve(second, inner)))
    pooled = h.mean(dim=(2, 3)).view(h.shape[0], net.members, -1).transpose(0, 1)
    return net.output(net.drop(second, pooled))

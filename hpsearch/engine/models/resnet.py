"""A small residual network for images (He et al. 2016), without normalisation.

Each branch ends in weights that begin at zero, so a block begins as the identity and depth needs no
normalisation to train (Zhang, Dauphin & Ma 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hpsearch.engine.layers import Layers, convolve, dense
from hpsearch.engine.plan import bucket
from hpsearch.engine.shapes import STAGES, stem_stride
from hpsearch.space import Params


def forward(
    settings: Params, layers: Layers, weights: Sequence[Tensor], x: Tensor, noise: torch.Generator | None
) -> Tensor:
    """Outputs [K, B, outputs] for images `x` [B, channels, height, width]; `weights` as `shapes.resnet` lists them."""
    left = iter(weights)
    h = layers.activate_images(convolve(x, *_take(left), stride=stem_stride(tuple(x.shape[1:]))))
    for stage in range(STAGES):
        for block in range(int(settings["blocks"])):
            opens = stage > 0 and block == 0
            stride = 2 if opens else 1
            around = convolve(h, *_take(left), stride=stride) if opens else h
            inner = layers.activate_images(convolve(h, *_take(left), stride=stride))
            h = layers.activate_images(around + convolve(inner, *_take(left)))
    pooled = h.mean(dim=(2, 3)).view(len(x), layers.members, -1).transpose(0, 1)
    drawn = bucket(int(settings["channels"])) * 2 ** (STAGES - 1)
    return dense(layers.drop(pooled, noise, drawn), *_take(left))


def _take(weights: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    """The next weight and its bias."""
    return next(weights), next(weights)

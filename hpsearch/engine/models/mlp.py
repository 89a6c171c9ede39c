"""Dense layers, plain or with a residual path around each but the first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpsearch.engine.layers import Layers, dense
from hpsearch.engine.plan import bucket
from hpsearch.space import Params


def forward(
    settings: Params, layers: Layers, weights: Sequence[Tensor], x: Tensor, noise: torch.Generator | None
) -> Tensor:
    """Outputs [K, B, outputs] for `x` [B, ...]; `weights` as `shapes.mlp` lists them, each [K, *shape].

    `noise` is given in training only.
    """
    h = x.flatten(1)
    *hidden, weight, bias = weights
    drawn = bucket(int(settings["width"]))
    for layer in range(int(settings["depth"])):
        z = dense(h, hidden[2 * layer], hidden[2 * layer + 1])
        a = layers.drop(layers.activate(z), noise, drawn)
        h = h + a if layer and settings["skip"] == "residual" else a
    return dense(h, weight, bias)

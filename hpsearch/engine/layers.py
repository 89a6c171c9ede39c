"""The operations that models are made of, over K stacked members at once.

Shapes
    K, B      members, rows in the batch
    dense     [K, B, units]; the input, shared by all members, is [B, ...]
    images    [B, K * channels, height, width], as a convolution in K groups takes them
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hpsearch.engine.settings import ACTIVATIONS
from hpsearch.space import Params


class Layers:
    """What differs between the members of an array outside their weights: activation and dropout.

    In training, `noise` gives the draws behind dropout, shared by all members: each thresholds the
    same numbers at its own rate. In evaluation there is none, and nothing is dropped.
    """

    def __init__(self, settings: Sequence[Params], like: Tensor) -> None:
        self.members = len(settings)
        names = [str(one["activation"]) for one in settings]
        self._activations: dict[Callable[[Tensor], Tensor], Tensor] = {
            ACTIVATIONS.load(name): torch.tensor([n == name for n in names], device=like.device)
            for name in dict.fromkeys(names)
        }
        self._rate = like.new_tensor([float(one["dropout"]) for one in settings])
        self._drops = any(one["dropout"] for one in settings)

    def activate(self, z: Tensor) -> Tensor:
        """Each member's own non-linearity, on `z` [K, ...]."""
        first, *others = self._activations
        a = first(z)
        for function in others:
            mine = self._activations[function].view(-1, *(1 for _ in z.shape[1:]))
            a = torch.where(mine, function(z), a)
        return a

    def activate_images(self, z: Tensor) -> Tensor:
        """The same on images."""
        if len(self._activations) == 1:
            return self.activate(z)
        batch, _, height, width = z.shape
        grouped = z.view(batch, self.members, -1, height, width).transpose(0, 1)
        return self.activate(grouped).transpose(0, 1).reshape(z.shape)

    def drop(self, a: Tensor, noise: torch.Generator | None, drawn: int) -> Tensor:
        """Dropout of units of `a` [K, B, units], scaled so that the mean stays.

        Noise is drawn for `drawn` >= units: a number that must not depend on the company that made the padding.
        """
        if noise is None or not self._drops:
            return a
        batch, units = a.shape[1:]
        r = torch.rand(batch, drawn, generator=noise, device=a.device, dtype=a.dtype)[:, :units]
        rate = self._rate.view(-1, 1, 1)
        return a * ((r >= rate) / (1.0 - rate))


def dense(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W' + b with `weight` [K, out, in], for `x` [K, B, in], or [B, in] where all members share it."""
    if x.dim() == 3:
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
    members, out, _ = weight.shape
    # one product for all members: [B, in] x [in, K * out]
    return torch.addmm(bias.flatten(), x, weight.flatten(0, 1).T).view(-1, members, out).transpose(0, 1)


def convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolution with `weight` [K, out, in, side, side], same padding.

    `x` holds K groups of channels, or one image that all members share.
    """
    members, _, channels, side, _ = weight.shape
    groups = 1 if x.shape[1] == channels else members
    return F.conv2d(x, weight.flatten(0, 1), bias.flatten(), stride=stride, padding=side // 2, groups=groups)

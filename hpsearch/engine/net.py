"""The operations that models are made of, over K stacked members at once, by the names of their weights.

Shapes
    K, B      members, rows in the batch
    dense     [K, B, units], or [B, inputs] for an input that all members share
    images    [B, K * channels, height, width], as a convolution in K groups takes them, or of K = 1 where shared
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from hpsearch.engine.activations import DERIVATIVES
from hpsearch.engine.affine import Affine, dense
from hpsearch.engine.draws import LEVELS, Noise
from hpsearch.engine.structure.settings import ACTIVATIONS
from hpsearch.space.space import Params

_EPS = 1e-5  # of a normalisation
_MASKED = 2**17  # numbers of dropout's masks made at once
_TINY = 1e-16  # a variance that is as good as none
_MOMENTUM = 0.1  # of batch norm's running statistics

Function = Callable[[Tensor, Tensor], Tensor]
Derivative = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


class Net:
    """The members' weights, and what else differs between them.

    In a training pass `noise` gives the draws behind dropout and drop-connect, shared by all members of a
    replicate: each thresholds the same numbers at its own rate. In evaluation there is none, and nothing is
    dropped. `drawn` says for each weight how large a draw is: the shape of the widest member that the key
    allows, which does not depend on the company that made the padding; nor on how full a batch is. `deviations`
    are those of a variational weight's prior, [K, *shape].
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        settings: Params,
        members: Sequence[Params],
        widths: Mapping[str, Sequence[int]],
        weights: Mapping[str, Tensor],
        drawn: Mapping[str, tuple[int, ...]],
        deviations: Mapping[str, Tensor],
    ) -> None:
        self.inputs = inputs
        self.settings = settings
        self.members = len(members)
        self.noise: Noise | None = None
        self.seen: dict[str, list[Tensor]] | None = None
        """Where it is a dict: all that the activations give, by name, as they give it (to be diagnosed)."""
        self.back: Callable[[Tensor], None] | None = None
        """Where the last pass did without autograd: takes the loss's derivative by the outputs, and leaves that by
        each weight in its `grad`."""
        self.features: Tensor | None = None
        """What the output layer was last given."""
        self.weights = weights
        self.drawn = drawn
        self._deviations = deviations
        self._sampled = False
        like = next(iter(weights.values()))
        self._widths = {name: like.new_tensor(widths[name]) for name in widths}
        names = [str(one["activation"]) for one in members]
        self._functions: list[tuple[Function, Derivative | None, Tensor]] = [
            (
                ACTIVATIONS.load(name),
                DERIVATIVES.get(name),
                torch.tensor([n == name for n in names], device=like.device),
            )
            for name in dict.fromkeys(names)
        ]
        self._slope = _column(members, "slope", like)
        # one function of z alone for all
        self._is_alike = (
            len(self._functions) == 1 and "prelu" not in names and not self._slope.any()
        )
        self._dropout = _Rates.of(_column(members, "dropout", like))
        self._dropconnect = _Rates.of(_column(members, "dropconnect", like))
        self._drops = bool(self._dropout.levels.any())
        self._disconnects = bool(self._dropconnect.levels.any())
        self.is_plain = not (
            self._disconnects
            or deviations
            or settings["norm"] != "none"
            or settings.get("skip") != "none"
            or "prelu" in names
        )
        """Whether hidden layers do no more than a chain of dense layers does."""
        names_of = [
            name.removesuffix(".weight")
            for name in weights
            if self.is_plain and name.endswith(".weight")
        ]
        self.affine = {
            name: Affine(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in names_of
        }
        """The layers of a chain."""

    def dense(self, name: str, x: Tensor) -> Tensor:
        """x W' + b, for `x` [K, B, in], or [B, in] where all members share it."""
        weight, bias = self._connected(f"{name}.weight"), self.weights.get(f"{name}.bias")
        s = self._deviations.get(f"{name}.weight")
        if s is None or self.noise is None:
            return dense(x, weight, bias)
        sigma = s * self.weights[f"{name}.weight.spread"].exp()
        if self._sampled:
            return dense(
                x,
                weight
                + sigma * self._normal(f"{name}.weight", self.drawn[f"{name}.weight"], sigma),
                bias,
            )
        z = dense(x, weight, bias)
        full = (int(self.settings["batch_size"]), self.drawn[f"{name}.weight"][0])
        # the root has no derivative at 0, where padding is
        return z + (dense(x.square(), sigma.square(), None) + _TINY).sqrt() * self._normal(
            f"{name}.sums", full, z
        )

    def output(self, h: Tensor) -> Tensor:
        """The output layer, of [K, B, in]."""
        self.features = h
        return self.dense("output", h)

    def _normal(self, name: str, drawn: tuple[int, ...], like: Tensor) -> Tensor:
        """Standard normal numbers, drawn for a shape and cut to that of `like` [K, rows, columns]."""
        assert self.noise is not None
        return self.noise.normal(name, drawn, like)[:, : like.shape[1], : like.shape[2]]

    def convolve(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        """Convolution with same padding, of K groups of channels, or of one image that all members share."""
        weight, bias = self._connected(f"{name}.weight"), self.weights.get(f"{name}.bias")
        _, _, channels, side, _ = weight.shape
        groups = 1 if x.shape[1] == channels else self.members
        shift = None if bias is None else bias.flatten()
        return F.conv2d(
            x, weight.flatten(0, 1), shift, stride=stride, padding=side // 2, groups=groups
        )

    def gates(self, layer: str, names: Sequence[str], part: str) -> Tensor:
        """One part of several gates side by side: weights [K, gates * out, in], or biases [K, gates * out]."""
        parts = [self._connected(f"{layer}.{name}.{part}") for name in names]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def begin(self, noise: Noise | None, sampled: bool = False) -> None:
        """A pass: with noise, in training; or of a net that is drawn from the posterior, one for all rows."""
        self.back = None
        self._sampled = sampled
        if noise is not self.noise:
            self.noise = noise
            self._masks: dict[str, list[Tensor]] = {}

    def mask(self, name: str, like: Tensor) -> Tensor | None:
        """What dropout multiplies the units of a layer by in this pass, [K, B, units]; None where nothing is dropped.

        `like` [K, B, units] says for how many rows and units. Masks are made for several passes at once.
        """
        if self.noise is None or not self._drops:
            return None
        members, batch, units = like.shape
        if not self._masks.get(name):
            rows = 1 if self._sampled else int(self.settings["batch_size"])
            shape = (rows, self.drawn[f"{name}.weight"][0])
            r = self.noise.bytes(name, shape, most=max(1, _MASKED // (members * shape[0] * units)))
            self._masks[name] = list(self._dropout.kept(r[..., :units]).unbind())[::-1]
        return self._masks[name].pop()[:, :batch]

    def _connected(self, name: str) -> Tensor:
        """A weight, with connections dropped in training: the same for all rows of a batch."""
        weight = self.weights[name]
        if self.noise is None or not self._disconnects or name.endswith(".bias"):
            return weight
        r = self.noise.bytes(name, self.drawn[name], most=1)[0]
        for axis, side in enumerate(reversed(weight.shape[1:]), 1):
            r = r.narrow(-axis, 0, side)
        return weight * self._dropconnect.kept(r.flatten(2)).view(weight.shape)

    def norm(self, name: str, z: Tensor) -> Tensor:
        """The normalisation that the settings name, of `z` [K, B, units] or images."""
        kind = self.settings["norm"]
        if kind == "none":
            return z
        if kind == "batch":
            return self._over_batch(name, z)
        member = 0 if z.dim() == 3 else 1  # the members' axis; the units' is 2 either way
        grouped = z if member == 0 else z.view(len(z), self.members, -1, *z.shape[2:])
        place = [
            self.members if axis == member else -1 if axis == 2 else 1
            for axis in range(grouped.dim())
        ]
        gain, shift = (self.weights[f"{name}.{part}"].view(place) for part in ("gain", "shift"))
        return torch.addcmul(shift, self._over_units(name, grouped, place), gain).view(z.shape)

    def _over_batch(self, name: str, z: Tensor) -> Tensor:
        """Batch norm (Ioffe & Szegedy 2015): of the batch in training, by running statistics in evaluation."""
        if z.dim() == 3:  # all members' units are as the channels of one image
            members, batch, units = z.shape
            together = z.transpose(0, 1).reshape(batch, members * units)
            return self._over_batch(name, together).view(batch, members, units).transpose(0, 1)
        gain, shift = (self.weights[f"{name}.{part}"].flatten() for part in ("gain", "shift"))
        # `.data`: autograd need not know that they change
        mean, variance = (
            self.weights[f"{name}.{part}"].data.flatten() for part in ("mean", "variance")
        )
        trains = self.noise is not None and not self._sampled
        learns = trains and z.numel() > len(mean)  # one number has no spread of its own
        return F.batch_norm(z, mean, variance, gain, shift, learns, _MOMENTUM, _EPS)

    def _over_units(self, name: str, z: Tensor, place: Sequence[int]) -> Tensor:
        """Layer norm (Ba, Kiros & Hinton 2016), over a member's true units: padding is 0 and is not counted."""
        over = list(range(2, z.dim()))
        units = self._widths[f"{name}.gain"] * math.prod(z.shape[3:])
        count = units.view([1 if side == -1 else side for side in place])
        mean = z.sum(over, keepdim=True) / count
        var = z.square().sum(over, keepdim=True) / count - mean.square()
        return (z - mean) * torch.rsqrt(var.clamp_min(0.0) + _EPS)

    def activate(self, name: str, z: Tensor) -> Tensor:
        """Each member's own non-linearity, of `z` [K, B, units] or images."""
        a = self._activated(name, z)
        if self.seen is not None:
            self.seen.setdefault(name, []).append(a.detach())
        return a

    def _activated(self, name: str, z: Tensor) -> Tensor:
        learned = self.weights.get(f"{name}.slope")
        slope = self._slope if learned is None else learned.flatten()
        if z.dim() == 3:
            return self._each(z, slope)
        if self._is_alike:
            return self._functions[0][0](z, slope[:1])
        grouped = z.view(len(z), self.members, -1, *z.shape[2:]).transpose(0, 1)
        return self._each(grouped, slope).transpose(0, 1).reshape(z.shape)

    def _each(self, z: Tensor, slope: Tensor) -> Tensor:
        slope = _spread(slope, z)
        (first, _, _), *others = self._functions
        a = first(z, slope)
        for function, _, mine in others:
            a = torch.where(_spread(mine, z), function(z, slope), a)
        return a

    def derive(self, d: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """The derivative by `z` [K, B, units] of what has the derivative `d` by `a` = activate(z); `d` is used up."""
        slope = self._slope.view(-1, 1, 1)
        found: Tensor | None = None
        for _, derivative, mine in self._functions:
            assert derivative is not None
            # a buffer less is one that need not go through the cache
            its = derivative(
                d, z, a, slope, d if len(self._functions) == 1 else torch.empty_like(d)
            )
            found = its if found is None else torch.where(_spread(mine, z), its, found)
        assert found is not None
        return found

    def drop(self, name: str, a: Tensor) -> Tensor:
        """Dropout of the units of `a` [K, B, units], scaled so that the mean stays (Srivastava et al. 2014)."""
        mask = self.mask(name, a)
        return a if mask is None else a * mask


def _spread(values: Tensor, z: Tensor) -> Tensor:
    """`values` [K] so that they broadcast over `z` [K, ...]."""
    return values.view(-1, *(1 for _ in z.shape[1:]))


@dataclass(frozen=True, slots=True)
class _Rates:
    """The members' rates of dropping, [K, 1, 1]: how many of the 256 bytes do, and what keeps the mean."""

    levels: Tensor
    scale: Tensor

    @classmethod
    def of(cls, rates: Tensor) -> _Rates:
        levels = (rates * LEVELS).round().view(-1, 1, 1)
        return cls(levels, LEVELS / (LEVELS - levels))

    def kept(self, r: Tensor) -> Tensor:
        """0 where the bytes `r` are below a member's level, else its scale: [..., K, rows, columns] for `r` of this
        shape, or with 1 for K."""
        # arithmetic on whole numbers, since comparing and casting takes three times as long
        return (r.to(self.levels) - (self.levels - 1.0)).clamp_(0.0, 1.0).mul_(self.scale)


def _column(members: Sequence[Params], name: str, like: Tensor) -> Tensor:
    """One setting of all members, [K]; 0 where it does not apply."""
    return like.new_tensor([float(one.get(name, 0.0)) for one in members])

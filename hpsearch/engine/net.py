"""The operations that models are made of, over K stacked members, by the names of their weights.

Shapes
    K, B      members, rows in the batch
    dense     [K, B, units], or [B, inputs] for an input that all members share
    images    [B, K * channels, height, width], as a convolution in K groups takes them, or without
              the factor K where all members share the image

A pass that is traced for a file of ONNX holds for any number of rows: x.shape[0], but not len(x),
stays open in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from hpsearch.engine.activations import DERIVATIVES, Activation, Derivative
from hpsearch.engine.affine import Affine, dense
from hpsearch.engine.draws import LEVELS, Noise
from hpsearch.engine.structure.settings import ACTIVATIONS
from hpsearch.space.space import Params

_EPS = 1e-5  # added to a normalisation's variance
_MOMENTUM = 0.1  # of batch norm's running statistics
_MASK_NUMBERS = 2**17  # how many numbers of dropout's masks are made at once
_TINY = 1e-16  # added to the variance of a variational layer's sums


class Net:
    """The members' weights by name, and what else differs between them.

    In a training pass `noise` gives the random numbers behind dropout and drop-connect. Members of
    the same seeds share them, and each compares them with its own rate. In evaluation there is no
    noise, and nothing is dropped.

    Attributes:
        members: how many there are.
        weights: each slot of all members, [K, *shape], padded to the widest member.
        draw_shapes: for each weight the shape in which random numbers are drawn for it: that of the
            widest member that the cohort's key allows. It depends neither on the other members, who
            make the padding, nor on how full a batch is.
        features: what the output layer was last given.
        recorded: where it is a dict, all outputs of the activations are kept in it, by layer.
        backward: set by a pass that did without autograd. It takes the derivative of the losses by
            the outputs, and leaves that by each weight in the weight's `grad`.
        is_plain: whether the hidden layers are no more than a chain of dense layers.
        affine: the layers of such a chain, by name.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        settings: Params,
        members: Sequence[Params],
        widths: Mapping[str, Sequence[int]],
        weights: Mapping[str, Tensor],
        draw_shapes: Mapping[str, tuple[int, ...]],
        prior_stds: Mapping[str, Tensor],
    ) -> None:
        """Bring the members' weights together.

        Args:
            inputs: the shape of one input.
            settings: what all members have in common, with the widths of the widest one.
            members: the settings of each member.
            widths: each member's true number of units, by the name of a normalisation's gain.
            weights: the slots of all members.
            draw_shapes: the shapes in which random numbers are drawn.
            prior_stds: the prior's standard deviation of each variational weight, [K, *shape].
        """
        self.inputs = inputs
        self.settings = settings
        self.members = len(members)
        self.noise: Noise | None = None
        self.recorded: dict[str, list[Tensor]] | None = None
        self.backward: Callable[[Tensor], None] | None = None
        self.features: Tensor | None = None
        self.weights = weights
        self.draw_shapes = draw_shapes
        self._prior_stds = prior_stds
        self._sampled = False
        like = next(iter(weights.values()))
        self._widths = {name: like.new_tensor(widths[name]) for name in widths}
        names = [str(one["activation"]) for one in members]
        # each distinct activation, with its derivative and a mask [K] of the members that have it
        self._activations: list[tuple[Activation, Derivative | None, Tensor]] = [
            (
                ACTIVATIONS.load(name),
                DERIVATIVES.get(name),
                torch.tensor([n == name for n in names], device=like.device),
            )
            for name in dict.fromkeys(names)
        ]
        self._slope = _column(members, "slope", like)
        # one function of z alone serves all members
        self._is_alike = (
            len(self._activations) == 1 and "prelu" not in names and not self._slope.any()
        )
        self._dropout = _DropRates.of(_column(members, "dropout", like))
        self._dropconnect = _DropRates.of(_column(members, "dropconnect", like))
        self._drops = bool(self._dropout.levels.any())
        self._disconnects = bool(self._dropconnect.levels.any())
        self.is_plain = not (
            self._disconnects
            or prior_stds
            or settings["norm"] != "none"
            or settings.get("skip") != "none"
            or "prelu" in names
        )
        self.affine = (
            {name: Affine(weight, bias) for name, weight, bias in _dense_layers(weights)}
            if self.is_plain
            else {}
        )

    def dense(self, name: str, x: Tensor) -> Tensor:
        """Return x W' + b, [K, B, out], for `x` [K, B, in], or [B, in] that all members share."""
        weight, bias = self._connected(f"{name}.weight"), self.weights.get(f"{name}.bias")
        s = self._prior_stds.get(f"{name}.weight")
        if s is None or self.noise is None:
            return dense(x, weight, bias)
        # a variational layer, in the notation of `hpsearch.engine.variational`
        sigma = s * self.weights[f"{name}.weight.log_scale"].exp()
        shape = self.draw_shapes[f"{name}.weight"]
        if self._sampled:
            return dense(x, weight + sigma * self._normal(f"{name}.weight", shape, sigma), bias)
        z = dense(x, weight, bias)
        # the root has no derivative at 0, where padding is
        std = (dense(x.square(), sigma.square(), None) + _TINY).sqrt()
        full_batch = (int(self.settings["batch_size"]), shape[0])
        return z + std * self._normal(f"{name}.sums", full_batch, z)

    def output(self, h: Tensor) -> Tensor:
        """Return the outputs [K, B, outputs] of the output layer for its inputs [K, B, in]."""
        self.features = h
        return self.dense("output", h)

    def _normal(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return standard normal numbers, drawn in a shape and cut to that of `like` [K, m, n]."""
        assert self.noise is not None
        return self.noise.normal(name, shape, like)[:, : like.shape[1], : like.shape[2]]

    def convolve(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        """Return the convolution of images with same padding.

        It is one in K groups of channels, or one of an image that all members share.
        """
        weight, bias = self._connected(f"{name}.weight"), self.weights.get(f"{name}.bias")
        _, _, channels, side, _ = weight.shape
        groups = 1 if x.shape[1] == channels else self.members
        shift = None if bias is None else bias.flatten()
        return F.conv2d(
            x, weight.flatten(0, 1), shift, stride=stride, padding=side // 2, groups=groups
        )

    def gates(self, layer: str, names: Sequence[str], part: str) -> Tensor:
        """Return one part of several gates of a layer, side by side.

        Weights are [K, gates * out, in], and biases [K, gates * out].
        """
        parts = [self._connected(f"{layer}.{name}.{part}") for name in names]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def start_pass(self, noise: Noise | None, sampled: bool = False) -> None:
        """Begin a forward pass: with noise one of training, or a `sampled` one.

        A sampled pass is that of one network, drawn from the posterior for all rows alike.
        """
        self.backward = None
        self._sampled = sampled
        if noise is not self.noise:
            self.noise = noise
            self._masks: dict[str, list[Tensor]] = {}

    def mask(self, name: str, like: Tensor) -> Tensor | None:
        """Return what dropout multiplies the units of a layer by in this pass, [K, B, units].

        It is None where nothing is dropped. The shape is that of `like`; masks are made for several
        passes at once, since many small draws take longer than a large one.
        """
        if self.noise is None or not self._drops:
            return None
        members, batch, units = like.shape
        if not self._masks.get(name):
            rows = 1 if self._sampled else int(self.settings["batch_size"])
            shape = (rows, self.draw_shapes[f"{name}.weight"][0])
            most = max(1, _MASK_NUMBERS // (members * shape[0] * units))
            r = self.noise.bytes(name, shape, most)
            self._masks[name] = list(self._dropout.multipliers(r[..., :units]).unbind())[::-1]
        return self._masks[name].pop()[:, :batch]

    def _connected(self, name: str) -> Tensor:
        """Return a weight; in training with connections dropped, the same for all rows."""
        weight = self.weights[name]
        if self.noise is None or not self._disconnects or name.endswith(".bias"):
            return weight
        r = self.noise.bytes(name, self.draw_shapes[name], most=1)[0]
        for axis, side in enumerate(reversed(weight.shape[1:]), 1):
            r = r.narrow(-axis, 0, side)
        return weight * self._dropconnect.multipliers(r.flatten(2)).view(weight.shape)

    def norm(self, name: str, z: Tensor) -> Tensor:
        """Return `z` [K, B, units], or images, normalised as the settings say."""
        kind = self.settings["norm"]
        if kind == "none":
            return z
        if kind == "batch":
            return self._batch_norm(name, z)
        member = 0 if z.dim() == 3 else 1  # the members' axis; the units' axis is 2 either way
        grouped = z if member == 0 else z.view(z.shape[0], self.members, -1, *z.shape[2:])
        place = [
            self.members if axis == member else -1 if axis == 2 else 1
            for axis in range(grouped.dim())
        ]
        gain, shift = (self.weights[f"{name}.{part}"].view(place) for part in ("gain", "shift"))
        return torch.addcmul(shift, self._layer_norm(name, grouped, place), gain).view(z.shape)

    def _batch_norm(self, name: str, z: Tensor) -> Tensor:
        """Return batch norm (Ioffe & Szegedy 2015).

        In training it goes by the batch, in evaluation by running statistics.
        """
        if z.dim() == 3:  # the units of all members are taken for the channels of one image
            members, batch, units = z.shape
            channels = z.transpose(0, 1).reshape(batch, members * units)
            return self._batch_norm(name, channels).view(batch, members, units).transpose(0, 1)
        gain, shift = (self.weights[f"{name}.{part}"].flatten() for part in ("gain", "shift"))
        # autograd need not know that they change
        mean, variance = (
            self.weights[f"{name}.{part}"].detach().flatten() for part in ("mean", "variance")
        )
        trains = self.noise is not None and not self._sampled
        by_batch = trains and z.numel() > len(mean)  # a single number has no variance
        return F.batch_norm(z, mean, variance, gain, shift, by_batch, _MOMENTUM, _EPS)

    def _layer_norm(self, name: str, z: Tensor, place: Sequence[int]) -> Tensor:
        """Return layer norm (Ba, Kiros & Hinton 2016), without gain and shift.

        It is over a member's true units: padding is 0, and is not counted. `place` is the shape in
        which a slot [K, units] broadcasts over `z`.
        """
        over = list(range(2, z.dim()))
        units = self._widths[f"{name}.gain"] * math.prod(z.shape[3:])
        count = units.view([1 if side == -1 else side for side in place])
        mean = z.sum(over, keepdim=True) / count
        # E[z^2] - E[z]^2, since (z - mean) would not be 0 in padding
        var = z.square().sum(over, keepdim=True) / count - mean.square()
        return (z - mean) * torch.rsqrt(var.clamp_min(0.0) + _EPS)

    def activate(self, name: str, z: Tensor) -> Tensor:
        """Return each member's own non-linearity of `z` [K, B, units], or of images."""
        a = self._activated(name, z)
        if self.recorded is not None:
            self.recorded.setdefault(name, []).append(a.detach())
        return a

    def _activated(self, name: str, z: Tensor) -> Tensor:
        learned = self.weights.get(f"{name}.slope")
        slope = self._slope if learned is None else learned.flatten()
        if z.dim() == 3:
            return self._each(z, slope)
        if self._is_alike:
            return self._activations[0][0](z, slope[:1])
        grouped = z.view(z.shape[0], self.members, -1, *z.shape[2:]).transpose(0, 1)
        return self._each(grouped, slope).transpose(0, 1).reshape(z.shape)

    def _each(self, z: Tensor, slope: Tensor) -> Tensor:
        """Return each member's non-linearity of `z` [K, ...]."""
        slope = _per_member(slope, z)
        (first, _, _), *others = self._activations
        a = first(z, slope)
        for function, _, mine in others:
            a = torch.where(_per_member(mine, z), function(z, slope), a)
        return a

    def derive(self, d: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """Return the derivative by `z` [K, B, units], from the derivative `d` by `a` = activate(z).

        `d` may be written over.
        """
        slope = self._slope.view(-1, 1, 1)
        found: Tensor | None = None
        for _, derivative, mine in self._activations:
            assert derivative is not None
            # writing into d spares a buffer, which would have to go through the cache
            out = d if len(self._activations) == 1 else torch.empty_like(d)
            its = derivative(d, z, a, slope, out)
            found = its if found is None else torch.where(_per_member(mine, z), its, found)
        assert found is not None
        return found

    def drop(self, name: str, a: Tensor) -> Tensor:
        """Return `a` [K, B, units] after dropout, which keeps its mean (Srivastava et al. 2014)."""
        mask = self.mask(name, a)
        return a if mask is None else a * mask


def _dense_layers(weights: Mapping[str, Tensor]) -> list[tuple[str, Tensor, Tensor]]:
    """Return the name, weights [K, out, in] and biases [K, out] of each dense layer."""
    names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
    return [
        (name, weights[f"{name}.weight"], weights[f"{name}.bias"])
        for name in names
        if weights[f"{name}.weight"].dim() == 3 and f"{name}.bias" in weights
    ]


def _per_member(values: Tensor, z: Tensor) -> Tensor:
    """Return `values` [K] in a shape that broadcasts over `z` [K, ...]."""
    return values.view(-1, *(1 for _ in z.shape[1:]))


@dataclass(frozen=True, slots=True)
class _DropRates:
    """The members' rates of dropping.

    Of the 256 values of a random byte those below `levels` [K, 1, 1] drop; what is kept is
    multiplied by `scale` [K, 1, 1], so that the mean stays the same.
    """

    levels: Tensor
    scale: Tensor

    @classmethod
    def of(cls, rates: Tensor) -> _DropRates:
        levels = (rates * LEVELS).round().view(-1, 1, 1)
        return cls(levels, LEVELS / (LEVELS - levels))

    def multipliers(self, r: Tensor) -> Tensor:
        """Return 0 where a byte of `r` is below a member's level, else the member's scale.

        The shape is [..., K, rows, columns], for `r` of this shape or with 1 in place of K.
        """
        # arithmetic on whole numbers, since comparing and casting takes three times as long
        return (r.to(self.levels) - (self.levels - 1.0)).clamp_(0.0, 1.0).mul_(self.scale)


def _column(members: Sequence[Params], name: str, like: Tensor) -> Tensor:
    """Return one setting of all members, [K]; 0 where it does not apply."""
    return like.new_tensor([float(one.get(name, 0.0)) for one in members])

"""Greedy layer-wise pre-training: each hidden layer of an MLP learns to restore its spoilt inputs.

Notation
    h         what a layer is given, [K, B, in]: the inputs, or what the layers before make of them
    h~        h with a share of its numbers (`corruption`) set to 0
    W, b      the layer's weights and biases
    c         biases of the way back, which has the weights W': act(h~ W' + b) W + c is to be h

Source: Vincent, Larochelle, Bengio & Manzagol 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.engine.affine import dense
from hpsearch.engine.draws import LEVELS
from hpsearch.engine.feed import Feed
from hpsearch.engine.optimizers import Coefficients, adam
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.settings import PRETRAINING_EPOCHS

_LR = 1e-3


@dataclass(frozen=True, slots=True)
class LayerEpoch:
    """An epoch of a layer's pre-training, counted from 1.

    `losses` has each member's mean squared error of a restored number.
    """

    layer: int
    epoch: int
    losses: list[float]


Pretraining = Callable[[StackedCohort, Feed], Iterator[LayerEpoch]]
"""Trains the weights of a cohort in place before the first epoch of its task."""


def none(stacked: StackedCohort, feed: Feed) -> Iterator[LayerEpoch]:
    """Leave the weights as they are."""
    yield from ()


def layerwise(stacked: StackedCohort, feed: Feed) -> Iterator[LayerEpoch]:
    """Train the hidden layers one after the other, in place."""
    streams = [member.stream for member in stacked.members]
    batch_size = int(stacked.settings["batch_size"])
    for layer in range(int(stacked.settings["depth"])):
        coder = _Coder(stacked, layer)
        for epoch in range(1, PRETRAINING_EPOCHS + 1):
            stacked.net.start_pass(stacked.noise("corruption", layer, epoch))
            total = torch.zeros(len(stacked.members), device=feed.like.device, dtype=torch.float64)
            for x, y, _ in feed.epoch(epoch, batch_size, stacked.task.seed, streams):
                given = stacked.lookup(x).detach().flatten(-len(stacked.net.inputs))
                total += coder.step(given) * y.shape[-1]
            yield LayerEpoch(layer, epoch, (total / feed.n_train).tolist())


class _Coder:
    """One layer of all members as a denoising auto-encoder."""

    def __init__(self, stacked: StackedCohort, layer: int) -> None:
        self._stacked, self._layer = stacked, layer
        names = [slot.name for slot in stacked.layout]
        index = names.index(f"hidden{layer}.weight")
        self._W, self._b = stacked.leaves[index : index + 2]
        inside = stacked.inside
        self._inside = inside.views[index : index + 2] if inside is not None else None
        self._c = self._W.new_zeros(self._W.shape[0], self._W.shape[2]).requires_grad_()
        # the first layer restores no vectors of categories, which only the task itself teaches
        self._restored = self._W.shape[2] if layer else stacked.task.inputs.numbers
        # how many numbers each member restores: its true width, without padding
        widths = [int(m.settings["width"]) if layer else self._restored for m in stacked.members]
        self._inputs = self._W.new_tensor(widths)
        rates = self._W.new_tensor([float(m.settings["corruption"]) for m in stacked.members])
        self._levels = (rates * LEVELS).round().to(torch.uint8).view(-1, 1, 1)
        self._weights = [weight.detach() for weight in (self._W, self._b, self._c)]
        self._m, self._v = (
            [torch.zeros_like(weight) for weight in self._weights] for _ in range(2)
        )
        lr = [torch.full_like(weight, _LR) for weight in self._weights]
        self._coefficients = Coefficients(lr, lr, lr, beta1=0.9, beta2=0.999, eps=1e-8)
        self._steps = 0

    def step(self, x: Tensor) -> Tensor:
        """Take a step on the batch `x` [B, inputs] or [K, B, inputs]; return the losses [K]."""
        h = self._given(x)
        a = torch.baddbmm(self._b.unsqueeze(1), h * self._kept(h), self._W.transpose(1, 2))
        code = self._stacked.net.activate(f"hidden{self._layer}", a)
        restored = torch.baddbmm(self._c.unsqueeze(1), code, self._W)
        missed = (restored - h)[..., : self._restored]
        losses = missed.square().sum(2).mean(1) / self._inputs
        gradients = list(torch.autograd.grad(losses.sum(), (self._W, self._b, self._c)))
        if self._inside is not None:
            gradients[:2] = [
                g * inside for g, inside in zip(gradients[:2], self._inside, strict=True)
            ]
        self._steps += 1
        adam(self._weights, gradients, self._m, self._v, c=self._coefficients, t=self._steps)
        return losses.detach()

    def _kept(self, h: Tensor) -> Tensor:
        """Return which numbers of `h` [K, B, in] are not spoilt."""
        net, name = self._stacked.net, f"hidden{self._layer}"
        assert net.noise is not None
        # drawn for a full batch, as wide as the key allows, and so whatever the company is
        shape = (int(net.settings["batch_size"]), net.draw_shapes[f"{name}.weight"][1])
        return (
            net.noise.bytes(name, shape, most=1)[0, :, : h.shape[1], : h.shape[2]] >= self._levels
        )

    def _given(self, x: Tensor) -> Tensor:
        """Return h, what the layers before make of the inputs, [K, B, in]."""
        net = self._stacked.net
        with torch.no_grad():
            h = x if x.dim() == 3 else x.unsqueeze(0).expand(len(self._stacked.members), -1, -1)
            for layer in range(self._layer):
                name = f"hidden{layer}"
                # not `net.dense`: the layers before are whole, whatever the task's training drops
                h = net.activate(
                    name, dense(h, net.weights[f"{name}.weight"], net.weights[f"{name}.bias"])
                )
        return h

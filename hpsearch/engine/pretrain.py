"""Greedy layer-wise pre-training: each hidden layer of an MLP learns to restore what it was given spoilt.

Notation
    h         what a layer is given: the inputs, or what the layers before it make of them, [K, B, in]
    h~        h with a share of its numbers (`corruption`) set to 0
    W, b      the layer's weights and biases; the way back has the weights W' and biases of its own, c

Source: Vincent, Larochelle, Bengio & Manzagol 2008.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from hpsearch.engine.affine import dense
from hpsearch.engine.draws import LEVELS
from hpsearch.engine.feed import Feed
from hpsearch.engine.optimizers import Coefficients, adam
from hpsearch.engine.stacked_cohort import Array
from hpsearch.engine.structure.settings import PRETRAINING_EPOCHS

_LR = 1e-3

Restored = tuple[int, int, list[float]]
"""A layer, an epoch from 1, and each member's mean squared error per number."""


def none(array: Array, feed: Feed) -> Iterator[Restored]:
    """Nothing is learnt before the task."""
    yield from ()


def layerwise(array: Array, feed: Feed) -> Iterator[Restored]:
    """Train the hidden layers one after the other, in place."""
    streams = [member.stream for member in array.members]
    for layer in range(int(array.settings["depth"])):
        coder = _Coder(array, layer)
        for epoch in range(1, PRETRAINING_EPOCHS + 1):
            array.net.begin(array.noise("corruption", layer, epoch))
            total = torch.zeros(len(array.members), device=feed.like.device, dtype=torch.float64)
            for x, y in feed.epoch(
                epoch, int(array.settings["batch_size"]), array.problem.seed, streams
            ):
                total += coder.step(x.flatten(-len(feed.data.shape))) * y.shape[-1]
            yield layer, epoch, (total / feed.trained).tolist()


class _Coder:
    """One layer of all members as a denoising auto-encoder."""

    def __init__(self, array: Array, layer: int) -> None:
        self._array, self._layer = array, layer
        index = next(
            i for i, slot in enumerate(array.layout) if slot.name == f"hidden{layer}.weight"
        )
        self._W, self._b = array.leaves[index : index + 2]
        self._inside = array.inside.views[index : index + 2] if array.inside is not None else None
        self._c = self._W.new_zeros(self._W.shape[0], self._W.shape[2]).requires_grad_()
        widths = [int(m.settings["width"]) if layer else self._W.shape[2] for m in array.members]
        self._inputs = self._W.new_tensor(widths)
        rates = self._W.new_tensor([float(m.settings["corruption"]) for m in array.members])
        self._levels = (rates * LEVELS).round().to(torch.uint8).view(-1, 1, 1)
        trained = [weight.detach() for weight in (self._W, self._b, self._c)]
        self._weights = trained
        self._m, self._v = ([torch.zeros_like(weight) for weight in trained] for _ in range(2))
        lr = [torch.full_like(weight, _LR) for weight in trained]
        self._coefficients = Coefficients(lr, lr, lr, beta1=0.9, beta2=0.999, eps=1e-8)
        self._steps = 0

    def step(self, x: Tensor) -> Tensor:
        """One step on the batch `x` [B, inputs], or [K, B, inputs]; each member's loss, [K]."""
        h = self._given(x)
        a = torch.baddbmm(self._b.unsqueeze(1), h * self._kept(h), self._W.transpose(1, 2))
        code = self._array.net.activate(f"hidden{self._layer}", a)
        restored = torch.baddbmm(self._c.unsqueeze(1), code, self._W)
        losses = (restored - h).square().sum(2).mean(1) / self._inputs
        gradients = list(torch.autograd.grad(losses.sum(), (self._W, self._b, self._c)))
        if self._inside is not None:
            gradients[:2] = [
                g * inside for g, inside in zip(gradients[:2], self._inside, strict=True)
            ]
        self._steps += 1
        adam(self._weights, gradients, self._m, self._v, c=self._coefficients, t=self._steps)
        return losses.detach()

    def _kept(self, h: Tensor) -> Tensor:
        """Which numbers of `h` [K, B, in] are not spoilt."""
        net, name = self._array.net, f"hidden{self._layer}"
        assert net.noise is not None
        # drawn for a full batch, as wide as the key allows: it does not depend on the company
        shape = (int(net.settings["batch_size"]), net.drawn[f"{name}.weight"][1])
        return (
            net.noise.bytes(name, shape, most=1)[0, :, : h.shape[1], : h.shape[2]] >= self._levels
        )

    def _given(self, x: Tensor) -> Tensor:
        """What the layers before make of the inputs, [K, B, in]."""
        net = self._array.net
        with torch.no_grad():
            h = x if x.dim() == 3 else x.unsqueeze(0).expand(len(self._array.members), -1, -1)
            for layer in range(self._layer):
                name = f"hidden{layer}"
                # not `net.dense`: the layers before are whole, whatever the task's training drops
                h = net.activate(
                    name, dense(h, net.weights[f"{name}.weight"], net.weights[f"{name}.bias"])
                )
        return h

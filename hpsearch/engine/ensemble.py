"""A few small nets, trained as one array on a few rows, which are all in every step.

They are replicates of one setting: they differ in how they begin, and in how much each row weighs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.engine.stacked_cohort import Array, Problem
from hpsearch.engine.structure.cohorts import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.space.space import Params

_SETTINGS: Params = {
    "model": "mlp",
    "activation": "tanh",
    "skip": "none",
    "norm": "none",
    "bayesian": "none",
}
"""What `Ensemble.features` takes for granted."""
_EVERY = 10  # epochs between two looks at what is left out


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """M nets without their output layers: weights [M, out, in] and biases [M, 1, out] of each hidden layer."""

    layers: Sequence[tuple[Tensor, Tensor]]

    def features(self, x: Tensor) -> Tensor:
        """What the output layers would be given for `x` [n, D], with a 1 for their biases: [M, n, width + 1]."""
        weight, bias = self.layers[0]
        h = x.expand(len(weight), *x.shape)
        for weight, bias in self.layers:
            h = torch.tanh(torch.baddbmm(bias, h, weight.transpose(1, 2)))
        return torch.cat([h, h.new_ones(*h.shape[:2], 1)], 2)


def ensemble(
    x: Tensor, y: Tensor, weights: Tensor, settings: Params, seed: int, least: int
) -> Ensemble:
    """Fit M nets to targets `y` [n] of inputs `x` [n, D]: each net's loss is its mean squared error weighed by its
    row of `weights` [M, n], of which some but not all may be 0.

    They are as they were after the epoch, from number `least` on, where all of them together miss those rows of
    weight 0 by least: noise is learned late.
    """
    n, D = x.shape
    full = complete({**settings, **_SETTINGS, "batch_size": n})
    members = [Member(0, full, replicate) for replicate in range(len(weights))]
    array = Array(members, Problem((D,), 1, seed, rows=n), torch.empty(0))
    x, y = x.to(array.weights.flat), y.to(array.weights.flat).unsqueeze(1)
    share = (weights / weights.sum(1, keepdim=True)).to(x).unsqueeze(2)
    left_out = (weights == 0.0).to(x).unsqueeze(2)
    best, lowest = array.weights.flat.clone(), math.inf
    epochs = int(full["epochs"])
    for epoch in range(epochs + 1):
        outputs = array.outputs(x)
        missed = outputs.detach() - y
        if (
            epoch >= least
            and epoch % _EVERY == 0
            and (error := float((left_out * missed.square()).sum())) < lowest
        ):
            best.copy_(array.weights.flat)
            lowest = error
        if epoch < epochs:
            array.step(outputs, 2.0 * share * missed)
    array.weights.flat.copy_(best)
    return Ensemble(list(_hidden(array)))


def _hidden(array: Array) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights [M, out, in] and biases [M, 1, out] of each hidden layer."""
    for layer in range(int(array.settings["depth"])):
        weight, bias = (
            array.net.weights[f"hidden{layer}.{part}"].detach() for part in ("weight", "bias")
        )
        yield weight, bias.view(len(weight), 1, -1)

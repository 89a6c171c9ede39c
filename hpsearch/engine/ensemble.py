"""A few small networks, trained as one cohort on a few rows, all of which are in every step.

They are replicates of one setting: they differ in how they begin, and in how much each row weighs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.data.shape import InputShape
from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.structure.members import Member
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
_EVERY = 10  # epochs between two evaluations on the rows that are left out


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """M networks without their output layers.

    Each hidden layer is a pair of weights [M, out, in] and biases [M, 1, out].
    """

    layers: Sequence[tuple[Tensor, Tensor]]

    def features(self, x: Tensor) -> Tensor:
        """Return what the output layers would be given for `x` [n, D], [M, n, width + 1].

        The last number is a 1 for their biases.
        """
        weight, bias = self.layers[0]
        h = x.expand(len(weight), *x.shape)
        for weight, bias in self.layers:
            h = torch.tanh(torch.baddbmm(bias, h, weight.transpose(1, 2)))
        return torch.cat([h, h.new_ones(*h.shape[:2], 1)], 2)


def ensemble(
    x: Tensor, y: Tensor, weights: Tensor, settings: Params, seed: int, least: int
) -> Ensemble:
    """Return M networks that are fitted to few rows.

    They are as they were after the epoch at which they together missed the rows that they leave out
    by least, since noise is learned late.

    Args:
        x: inputs [n, D].
        y: targets [n].
        weights: [M, n], how much each row weighs in each network's mean squared error. Some weights
            of a network, but not all, may be 0: these rows are left out.
        settings: of the networks and of their training; `_SETTINGS` stand over them.
        seed: for the initial weights.
        least: the first epoch that may be the best one.
    """
    n, D = x.shape
    full = complete({**settings, **_SETTINGS, "batch_size": n})
    members = [Member(0, full, replicate) for replicate in range(len(weights))]
    task = TrainingTask(InputShape((D,)), 1, seed, rows=n)
    stacked = StackedCohort(members, task, torch.empty(0))
    x, y = x.to(stacked.weights.flat), y.to(stacked.weights.flat).unsqueeze(1)
    share = (weights / weights.sum(1, keepdim=True)).to(x).unsqueeze(2)
    left_out = (weights == 0.0).to(x).unsqueeze(2)
    best, lowest = stacked.weights.flat.clone(), math.inf
    epochs = int(full["epochs"])
    for epoch in range(epochs + 1):
        outputs = stacked.outputs(x)
        missed = outputs.detach() - y
        if (
            epoch >= least
            and epoch % _EVERY == 0
            and (error := float((left_out * missed.square()).sum())) < lowest
        ):
            best.copy_(stacked.weights.flat)
            lowest = error
        if epoch < epochs:
            stacked.step(outputs, 2.0 * share * missed)
    stacked.weights.flat.copy_(best)
    return Ensemble(list(_hidden(stacked)))


def _hidden(stacked: StackedCohort) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield weights [M, out, in] and biases [M, 1, out] of each hidden layer."""
    for layer in range(int(stacked.settings["depth"])):
        weight, bias = (
            stacked.net.weights[f"hidden{layer}.{part}"].detach() for part in ("weight", "bias")
        )
        yield weight, bias.view(len(weight), 1, -1)

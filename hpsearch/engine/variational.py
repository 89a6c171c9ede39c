"""Weights that have a distribution: Bayes by backprop, with noise in a layer's sums.

Notation
    q(w) = N(mu, sigma^2)   the posterior of each weight by itself; mu is in the weight's own slot
    p(w) = N(0, s^2)        its prior; s is `prior_scale` times the standard deviation that
                            an initialisation by the fans has
    rho = log(sigma / s)    what the slot of the weight's log scale holds
    N                       the number of training rows
    o, y, nu^2              outputs and targets of a regression, and the variance of the targets
                            around the outputs
    w                       the weights of rows, 1 where they have none
    eta = log(nu^2)         what the slot `output.noise` holds; it is learned, too

What is minimised is E_q[loss of a row] + KL(q, p) / N (Blundell et al. 2015, eq. 2). In place of
the weights the sums of a layer are drawn, from N(mu h, sigma^2 h^2) in each row (Kingma, Salimans
& Welling 2015, eq. 6; see `Net.dense`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hpsearch.engine.inits import prior_std
from hpsearch.engine.stacked_tensors import StackedTensors, corner
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.slots import NOISE, ParamSlot, log_scale_of


class Prior:
    """The prior of K members' weights.

    Attributes:
        stds: s of each variational weight, [K, *shape], by the weight's name; 0 in padding.
    """

    def __init__(
        self,
        members: Sequence[Member],
        own_layouts: Sequence[Sequence[ParamSlot]],
        weights: StackedTensors,
        rows: int,
    ) -> None:
        """Set up the prior.

        Args:
            members: those whose weights are stacked.
            own_layouts: each member's slots, of their true shapes.
            weights: the stacked weights.
            rows: N.
        """
        index = {slot.name: position for position, slot in enumerate(own_layouts[0])}
        self._rows = rows
        # the positions of mu and of rho, by the weight's name
        self._pairs = {
            slot.name: (index[slot.name], index[log_scale_of(slot)])
            for slot in own_layouts[0]
            if log_scale_of(slot) in index
        }
        self._noise = index.get(NOISE)
        self.stds: Mapping[str, Tensor] = {
            name: torch.zeros_like(weights.views[mu]) for name, (mu, _) in self._pairs.items()
        }
        for k, (member, slots) in enumerate(zip(members, own_layouts, strict=True)):
            for name, s in self.stds.items():
                slot = slots[index[name]]
                corner(s[k], slot.shape).fill_(prior_std(slot, member.settings))
        self._precisions = {
            name: torch.where(s > 0, s.pow(-2), 0.0) for name, s in self.stds.items()
        }

    def penalise(self, gradient: StackedTensors, weights: StackedTensors) -> None:
        """Add the derivatives of KL / N to the gradient; those of padding are 0.

        KL = sum((e^(2 rho) + mu^2 / s^2 - 1) / 2 - rho), so that its derivatives are mu / s^2 by mu
        and e^(2 rho) - 1 by rho.
        """
        for name, (mu, rho) in self._pairs.items():
            gradient.views[mu].addcmul_(
                weights.views[mu], self._precisions[name], value=1.0 / self._rows
            )
            gradient.views[rho].add_(torch.expm1(2.0 * weights.views[rho]), alpha=1.0 / self._rows)

    def with_noise(
        self,
        grad_outputs: Tensor,
        gradient: StackedTensors,
        weights: StackedTensors,
        row_weights: Tensor | None,
    ) -> Tensor:
        """Return the derivative by the outputs o of -log N(y; o, nu^2), from that of (y - o)^2.

        The derivative by eta is added to `gradient`. Classes have a likelihood already: their
        derivatives are returned as they are.
        """
        if self._noise is None:
            return grad_outputs
        eta = weights.views[self._noise]  # [K, 1]
        # grad_outputs is 2 w (o - y) / B, hence sum(w (o - y)^2) / B [K] is sum(grad^2 / w) B / 4
        missed, counted = grad_outputs, torch.ones_like(eta[:1])
        if row_weights is not None:
            missed = grad_outputs / row_weights.sqrt().unsqueeze(-1)
            counted = row_weights.mean(-1, keepdim=True)
        mse = missed.square().sum((1, 2)) * (grad_outputs.shape[1] / 4.0)
        gradient.views[self._noise].add_(0.5 * (counted - mse.unsqueeze(1) * torch.exp(-eta)))
        return grad_outputs * (0.5 * torch.exp(-eta)).unsqueeze(2)

"""Weights with a spread: Bayes by backprop, with the noise of a layer's sums instead of that of its weights.

Notation
    q(w) = N(mu, sigma^2)   the posterior of each weight by itself; mu is the weight's own slot
    p(w) = N(0, s^2)        its prior: s is `prior_scale` times the deviation that the fans ask for
    rho = log(sigma / s)    what the slot beside it, its spread, holds
    N                       training rows
    eta = log(nu^2)         of a regression: the variance of the targets around the outputs, learned too

What is descended is E_q[loss of a row] + KL(q, p) / N (Blundell et al. 2015, eq. 2), with the sums of a layer
drawn from N(mu h, sigma^2 h^2) in each row (Kingma, Salimans & Welling 2015, eq. 6; see `Net.dense`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hpsearch.engine.inits import prior_deviation
from hpsearch.engine.stacked_tensors import Stack, corner
from hpsearch.engine.structure.cohorts import Member
from hpsearch.engine.structure.slots import NOISE, Slot, spread_of


class Prior:
    """The prior of K members' weights: `deviations` has s for each number of a weight, [K, *shape], 0 in padding."""

    def __init__(
        self, members: Sequence[Member], own: Sequence[Sequence[Slot]], weights: Stack, rows: int
    ) -> None:
        """`own` has each member's slots, of its true shapes; `rows` is N."""
        index = {slot.name: position for position, slot in enumerate(own[0])}
        self._rows = rows
        self._pairs = {
            slot.name: (index[slot.name], index[spread_of(slot)])
            for slot in own[0]
            if spread_of(slot) in index
        }
        self._noise = index.get(NOISE)
        self.deviations: Mapping[str, Tensor] = {
            name: torch.zeros_like(weights.views[mu]) for name, (mu, _) in self._pairs.items()
        }
        for k, (member, slots) in enumerate(zip(members, own, strict=True)):
            for name, s in self.deviations.items():
                slot = slots[index[name]]
                corner(s[k], slot.shape).fill_(prior_deviation(slot, member.settings))
        self._precisions = {
            name: torch.where(s > 0, s.pow(-2), 0.0) for name, s in self.deviations.items()
        }

    def penalise(self, gradient: Stack, weights: Stack) -> None:
        """Add the derivatives of KL / N = sum((e^(2 rho) + mu^2 / s^2 - 1) / 2 - rho) / N. Padding's are 0."""
        for name, (mu, rho) in self._pairs.items():
            gradient.views[mu].addcmul_(
                weights.views[mu], self._precisions[name], value=1.0 / self._rows
            )
            gradient.views[rho].add_(torch.expm1(2.0 * weights.views[rho]), alpha=1.0 / self._rows)

    def weighed(self, slopes: Tensor, gradient: Stack, weights: Stack) -> Tensor:
        """The derivative by the outputs of -log N(y; o, nu^2), from that of (y - o)^2; eta's is left in `gradient`.

        Classes have a likelihood already: their slopes are returned as they are.
        """
        if self._noise is None:
            return slopes
        eta = weights.views[self._noise]  # [K, 1]
        missed = slopes.square().sum((1, 2)) * (
            slopes.shape[1] / 4.0
        )  # the mean squared error, [K]
        gradient.views[self._noise].add_(0.5 * (1.0 - missed.unsqueeze(1) * torch.exp(-eta)))
        return slopes * (0.5 * torch.exp(-eta)).unsqueeze(2)

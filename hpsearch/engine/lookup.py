"""What a model is given: numbers as they are, and for each place in a table the vector there.

Notation
    x         encoded rows, [K, B, features], or [B, features] that the members share
    E         the table of vectors of one feature, [K, places, length]
    h         what the model is given: the numbers of x, and then the vectors of all tables
    d         the derivative of the members' losses by h, and dE that by a table
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hpsearch.data.shape import InputShape


class Lookup:
    """The tables of all members, forwards and back; without tables, x is h.

    The way back is written out, since autograd would go over each table three times.
    """

    def __init__(self, inputs: InputShape, weights: Mapping[str, Tensor]) -> None:
        """Take the tables, and their gradients, from the members' weights by name."""
        tables = [weights[f"embedding{k}.weight"] for k in range(len(inputs.embedded))]
        self._tables = [table.detach() for table in tables]
        self._gradients = [table.grad for table in tables if table.grad is not None]
        self._positions = [one.position for one in inputs.embedded]
        numbers = [k for k in range(inputs.sides[0]) if k not in self._positions]
        device = next(iter(weights.values())).device
        self._numbers = torch.tensor(numbers, dtype=torch.long, device=device)
        self._places: list[Tensor] = []
        self._h = torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        """Return h [K, B, numbers and vectors]."""
        if not self._tables:
            return x
        members, batch = len(self._tables[0]), x.shape[-2]
        self._places = [
            x[..., position].long().unsqueeze(-1).expand(members, batch, E.shape[2])
            for position, E in zip(self._positions, self._tables, strict=True)
        ]
        vectors = [E.gather(1, at) for E, at in zip(self._tables, self._places, strict=True)]
        numbers = x.index_select(-1, self._numbers).expand(members, batch, -1)
        self._h = torch.cat([numbers, *vectors], -1).requires_grad_(torch.is_grad_enabled())
        return self._h

    def back(self) -> None:
        """Leave dE of each table in its gradient, from the `grad` d of what was last returned.

        The vector of all categories that are not told apart learns nothing, and so stays at 0.
        """
        end = len(self._numbers)
        for dE, at in zip(self._gradients, self._places, strict=True):
            assert self._h.grad is not None
            start, end = end, end + dE.shape[2]
            dE.zero_().scatter_add_(1, at, self._h.grad[..., start:end])
            dE[:, 0] = 0.0

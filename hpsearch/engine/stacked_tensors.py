"""Tensors of all members of a cohort, stacked by slot in one flat buffer.

An optimizer steps on the buffer as a whole, and a model reads the slots as views of it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor


class StackedTensors:
    """One number for each weight of each of K members, at first 0.

    Attributes:
        flat: all numbers, one slot after the other.
        views: slot i as [K, *shape], contiguous, sharing its memory with `flat`.
    """

    def __init__(self, members: int, shapes: Sequence[tuple[int, ...]], like: Tensor) -> None:
        self.members = members
        self.shapes = tuple(shapes)
        sizes = [members * math.prod(shape) for shape in self.shapes]
        self.flat = like.new_zeros(sum(sizes))
        self.views = [
            part.view(members, *shape)
            for part, shape in zip(torch.split(self.flat, sizes), self.shapes, strict=True)
        ]

    def zeros(self) -> StackedTensors:
        """Return zeros of the same layout."""
        return StackedTensors(self.members, self.shapes, self.flat)

    def filled(self, values: Tensor, slots: Collection[int] | None = None) -> StackedTensors:
        """Return tensors of the same layout that hold each member's one value of `values` [K].

        Where `slots` lists positions of slots, the other slots hold 0.
        """
        stack = self.zeros()
        for index, view in enumerate(stack.views):
            if slots is None or index in slots:
                view.copy_(values.view(-1, *(1 for _ in view.shape[1:])).expand_as(view))
        return stack

    def norms(self) -> Tensor:
        """Return each member's Euclidean norm, [K]."""
        squares = [view.flatten(1).square().sum(1) for view in self.views]
        return torch.stack(squares).sum(0).sqrt()

    def scale(self, factors: Tensor) -> None:
        """Multiply each member's numbers by its factor of `factors` [K], in place."""
        for view in self.views:
            view.mul_(factors.view(-1, *(1 for _ in view.shape[1:])))

    def select(self, keep: Tensor) -> StackedTensors:
        """Return a copy of the members at the positions `keep`, in that order."""
        stack = StackedTensors(len(keep), self.shapes, self.flat)
        for mine, its in zip(self.views, stack.views, strict=True):
            torch.index_select(mine, 0, keep, out=its)
        return stack

    def copy_from(self, other: StackedTensors, members: Tensor) -> None:
        """Copy the members at these positions from `other`, which has the same layout."""
        for mine, its in zip(self.views, other.views, strict=True):
            mine[members] = its[members]

    def slices(self, start: int, end: int) -> list[Tensor]:
        """Return the slots of members start..end, or one flat tensor where these are all."""
        if end - start == self.members:
            return [self.flat]
        return [view[start:end] for view in self.views]


def corner(stacked: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the part of a padded weight that a member of this true shape uses."""
    return stacked[tuple(slice(0, side) for side in shape)]

"""The weights of all members in one flat tensor: what an optimizer steps on, and what a model reads as views."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor


class Stack:
    """One number per weight of each of K members.

    `flat` holds everything; `views[i]` is slot i as [K, *shape], contiguous, sharing memory with `flat`.
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

    def empty(self) -> Stack:
        """Zeros of the same layout."""
        return Stack(self.members, self.shapes, self.flat)

    def filled(self, values: Tensor, slots: Collection[int] | None = None) -> Stack:
        """Of the same layout, each member's weights all equal to its value in `values` [K]; 0 in other slots."""
        stack = self.empty()
        for index, view in enumerate(stack.views):
            if slots is None or index in slots:
                view.copy_(values.view(-1, *(1 for _ in view.shape[1:])).expand_as(view))
        return stack

    def norms(self) -> Tensor:
        """Each member's Euclidean norm, [K]."""
        squares = [view.flatten(1).square().sum(1) for view in self.views]
        return torch.stack(squares).sum(0).sqrt()

    def scale(self, factors: Tensor) -> None:
        """Multiply each member's weights by its factor in `factors` [K]."""
        for view in self.views:
            view.mul_(factors.view(-1, *(1 for _ in view.shape[1:])))

    def select(self, keep: Tensor) -> Stack:
        """The members at the positions `keep`, in that order, as a stack of their own."""
        stack = Stack(len(keep), self.shapes, self.flat)
        for mine, its in zip(self.views, stack.views, strict=True):
            torch.index_select(mine, 0, keep, out=its)
        return stack

    def copy_from(self, other: Stack, members: Tensor) -> None:
        """Take over the weights of the members at these positions."""
        for mine, its in zip(self.views, other.views, strict=True):
            mine[members] = its[members]

    def slices(self, start: int, end: int) -> list[Tensor]:
        """The weights of members start..end: one flat tensor where these are all."""
        if end - start == self.members:
            return [self.flat]
        return [view[start:end] for view in self.views]


def corner(stacked: Tensor, shape: Sequence[int]) -> Tensor:
    """The part of a padded weight that a member of this true shape uses."""
    return stacked[tuple(slice(0, side) for side in shape)]

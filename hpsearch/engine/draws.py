"""Every random number of a training: a function of what it is for, never of who trains beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor

LEVELS = 256
"""A rate is thresholded against bytes: it counts to the nearest 256th."""
_BLOCK = 2**18  # bytes of noise drawn at once, for as many steps as they serve


def generator(device: torch.device | str, *purpose: int | str) -> torch.Generator:
    """A generator that belongs to this purpose alone, such as (seed, replicate, "order", epoch)."""
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)


class Noise:
    """The draws behind dropout and its kin in the passes of an epoch; a member's are those of its replicate.

    What a layer draws depends on (purpose, replicate, the layer's name, the pass, the shape, `passes`).
    """

    def __init__(
        self,
        device: torch.device | str,
        replicates: Sequence[int],
        passes: int,
        *purpose: int | str,
    ) -> None:
        self._device = device
        self._purpose = purpose
        self._passes = passes
        self._distinct = tuple(dict.fromkeys(replicates))
        self._index = torch.tensor([self._distinct.index(one) for one in replicates], device=device)
        self._done: dict[str, int] = {}
        self._blocks: dict[str, Tensor] = {}

    def bytes(self, name: str, shape: tuple[int, ...], most: int) -> Tensor:
        """The bytes of a layer's next passes, `most` or fewer: [passes, 1, *shape], with K for 1 where they differ."""
        done = self._done.get(name, 0)
        size = math.prod(shape)
        blocks = -(-self._passes * size // _BLOCK)
        per_block = -(-self._passes // blocks)
        at = done % per_block
        if at == 0:
            drawn = [
                self._drawn(name, one, done // per_block, per_block * size)
                for one in self._distinct
            ]
            self._blocks[name] = torch.stack([each.view(per_block, *shape) for each in drawn], 1)
        found = self._blocks[name][at : at + most]
        self._done[name] = done + len(found)
        return found if len(self._distinct) == 1 else found[:, self._index]

    def normal(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Standard normal numbers of a layer's next pass: [1, *shape], with K for 1 where they differ."""
        number = self._done.get(name, 0)
        self._done[name] = number + 1
        drawn = [
            torch.randn(
                shape, generator=self._of(name, one, number), device=like.device, dtype=like.dtype
            )
            for one in self._distinct
        ]
        return drawn[0].unsqueeze(0) if len(drawn) == 1 else torch.stack(drawn)[self._index]

    def _of(self, name: str, replicate: int, number: int) -> torch.Generator:
        return generator(self._device, *self._purpose, replicate, name, number)

    def _drawn(self, name: str, replicate: int, block: int, size: int) -> Tensor:
        # eight bytes a draw: from the smallest integer upwards means all of them
        words = torch.empty(-(-size // 8), dtype=torch.int64, device=self._device)
        words.random_(-(2**63), None, generator=self._of(name, replicate, block))
        return words.view(torch.uint8)[:size]

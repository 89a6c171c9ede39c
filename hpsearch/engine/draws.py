"""Every random number of a training, as a function of what it is for.

No number depends on which members are computed together, so that a member learns the same alone and
in any company.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor

LEVELS = 256
"""How many rates can be told apart: a rate is compared with random bytes."""
_BLOCK = 2**18  # bytes of noise that are drawn at once, for as many passes as they serve


def generator(device: torch.device | str, *purpose: int | str) -> torch.Generator:
    """Return a generator that belongs to one purpose, such as (seed, replicate, "order", epoch)."""
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)


class Noise:
    """The random numbers behind dropout and its kin, in the passes of an epoch.

    What a layer draws depends on the purpose, the member's seeds, the layer's name, the number of
    the pass, the shape and `passes`, and on nothing else.
    """

    def __init__(
        self,
        device: torch.device | str,
        seeds: Sequence[int],
        passes: int,
        *purpose: int | str,
    ) -> None:
        """Prepare to draw for members with these `seeds`, in so many passes."""
        self._device = device
        self._purpose = purpose
        self._passes = passes
        self._distinct = tuple(dict.fromkeys(seeds))
        self._index = torch.tensor([self._distinct.index(one) for one in seeds], device=device)
        self._done: dict[str, int] = {}
        self._blocks: dict[str, Tensor] = {}

    def bytes(self, name: str, shape: tuple[int, ...], most: int) -> Tensor:
        """Return the random bytes of a layer's next passes, of which there are at most `most`.

        The shape is [passes, K, *shape], or with 1 in place of K where all members share their
        seeds.
        """
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
        """Return standard normal numbers for a layer's next pass, in the dtype of `like`.

        The shape is [K, *shape], or with 1 in place of K where all members share their seeds.
        """
        number = self._done.get(name, 0)
        self._done[name] = number + 1
        drawn = [
            torch.randn(
                shape, generator=self._of(name, one, number), device=like.device, dtype=like.dtype
            )
            for one in self._distinct
        ]
        return drawn[0].unsqueeze(0) if len(drawn) == 1 else torch.stack(drawn)[self._index]

    def _of(self, name: str, seeds: int, number: int) -> torch.Generator:
        return generator(self._device, *self._purpose, seeds, name, number)

    def _drawn(self, name: str, seeds: int, block: int, size: int) -> Tensor:
        # eight bytes a draw: from the smallest integer upwards means all of them
        words = torch.empty(-(-size // 8), dtype=torch.int64, device=self._device)
        words.random_(-(2**63), None, generator=self._of(name, seeds, block))
        return words.view(torch.uint8)[:size]

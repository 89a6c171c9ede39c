"""Every random number of a training: a function of what it is for, never of who trains beside it."""

from __future__ import annotations

from hashlib import blake2b

import torch


def generator(device: torch.device | str, *purpose: int | str) -> torch.Generator:
    """A generator that belongs to this purpose alone, such as (seed, "order", epoch)."""
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)

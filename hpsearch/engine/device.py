"""How torch computes in a worker, and on which device."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = (
    -1,
    -3,
)  # as malloc.h has them: bytes at the end of the heap, and of one request


def set_up(threads: int) -> None:
    """Make this process's torch repeatable. Its results change with the number of threads, so that is fixed."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    # as use_deterministic_algorithms(True), which takes a second to import a compiler
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nobody reads it
    torch.set_flush_denormal(True)  # dead units would cost a hundred times as much
    if sys.platform == "linux":
        _keep_memory()


def _keep_memory() -> None:
    """Have glibc keep what is freed: the next step asks for as much again, and fresh pages take time to be had."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_TRIM_THRESHOLD, 2**30)
        libc.mallopt(_MMAP_THRESHOLD, 2**25)


def choose(wanted: str) -> Iterator[str]:
    """The device that `auto` means on this machine, or the wanted one.

    Raises:
        ValueError: it is not there.
    """
    if wanted == "auto":
        yield "cuda" if torch.cuda.is_available() else "cpu"
    elif wanted.startswith("cuda") and torch.device(wanted).index not in (
        None,
        *range(torch.cuda.device_count()),
    ):
        raise ValueError(
            f"there is no device {wanted}: this machine has {torch.cuda.device_count()} GPUs"
        )
    elif wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no device cuda: torch finds no GPU here")
    else:
        yield wanted

"""How torch computes in a worker, and on which device."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from hpsearch.engine.structure.device import Device
from hpsearch.slots import dealt

_CPUS = Path("/proc/cpuinfo")  # where Linux describes them

# cuBLAS gives the same products again only with workspaces of a fixed size
_REPEATABLE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

# parameters of mallopt(3), numbered as in malloc.h; both are sizes in bytes
_TRIM_THRESHOLD = -1  # of free memory at the end of the heap from which on it is given back
_MMAP_THRESHOLD = -3  # of a request that is served by pages of its own


def set_up(threads: int) -> None:
    """Make this process's torch repeatable, with a fixed number of threads.

    Results change with the number of threads.
    """
    os.environ.setdefault(*_REPEATABLE)  # before the first product on a GPU
    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:  # torch lets it be set once in a process
        torch.set_num_interop_threads(1)
    # use_deterministic_algorithms(True) does the same, and takes a second to import a compiler
    torch.set_deterministic_debug_mode("error")
    # nobody reads memory before it is written, so there is no need to fill it
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_flush_denormal(True)  # units that die out would cost a hundred times as much
    if sys.platform == "linux":
        _keep_memory()


def _keep_memory() -> None:
    """Have glibc keep the memory that is freed.

    The next step asks for as much again, and fresh pages take time to be had.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_TRIM_THRESHOLD, 2**30)
        libc.mallopt(_MMAP_THRESHOLD, 2**25)


def choose(wanted: str, artefacts: object) -> Iterator[Device]:
    """Yield the device that `auto` means on this machine, or else the wanted one.

    Raises:
        ValueError: this machine does not have it.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    elif wanted.startswith("cuda") and not _has_index(wanted):
        count = torch.cuda.device_count()
        raise ValueError(f"there is no device {wanted}: this machine has {count} GPUs")
    elif wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no device cuda: torch finds no GPU here")
    yield device(wanted)


def device(name: str) -> Device:
    """Return the record of a device of this machine."""
    if not name.startswith("cuda"):
        return Device(name, processor(name))
    return Device(name, processor(name), torch.cuda.get_device_properties(name).total_memory)


def own(name: str) -> str:
    """Return the device that this worker has of those of this name.

    Of several GPUs each worker has one, by its place among the workers, unless one is named.
    """
    if name != "cuda":
        return name
    first, *_ = dealt(range(torch.cuda.device_count()))
    return f"cuda:{first}"


def processor(device: str) -> str:
    """Return the name of what computes: results need not be the same on another one.

    A CPU's name is followed by the widest instructions that torch takes on it.
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_cpu()}, {torch.backends.cpu.get_cpu_capability()}"


def _cpu() -> str:
    """Return what the system calls the CPU."""
    with suppress(OSError):
        for line in _CPUS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _has_index(wanted: str) -> bool:
    """Return whether there is a GPU of the index that "cuda:INDEX" names, if it names one."""
    return torch.device(wanted).index in (None, *range(torch.cuda.device_count()))

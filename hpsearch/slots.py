"""The place of a worker among the workers, and the GPUs of this machine that it has by it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

SLOT, SLOTS = "HPSEARCH_TRIAL_SLOT", "HPSEARCH_TRIAL_SLOTS"
"""Variables of a worker's environment: which place it has among the workers, and of how many."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process may use."""

_LISTED = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_PATIENCE = 60.0  # seconds for the driver to say which GPUs there are

T = TypeVar("T")


def dealt(gpus: Sequence[T]) -> Sequence[T]:
    """Return those of some GPUs that this worker has.

    Where there are more GPUs than workers each has several, and where there are fewer they share.
    A process without a slot has them all: it is the only one that works.
    """
    if not gpus or SLOT not in os.environ:
        return gpus
    slot, slots = int(os.environ[SLOT]), int(os.environ[SLOTS])
    return gpus[slot::slots] or [gpus[slot % len(gpus)]]


def visible_gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that this process may use: those installed, unless told."""
    told = os.environ.get(VISIBLE)
    if told is None:
        return _installed()
    return tuple(name for name in told.split(",") if name and name != "-1")


def gpus_named(device: str) -> int:
    """Return how many of the GPUs here a device may be that is asked for, such as `cuda`.

    It is empty where a trainer of one's own decides where it trains.
    """
    if device in ("cpu", ""):
        return 0
    return 1 if ":" in device else len(visible_gpus())


@cache
def _installed() -> tuple[str, ...]:
    if shutil.which(_LISTED[0]) is None:
        return ()
    try:
        done = subprocess.run(
            _LISTED, capture_output=True, text=True, check=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())

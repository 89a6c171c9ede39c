"""The environment of a program: the user's, and what tells it of its trial and of its place."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache

from hpsearch.runners.worker import SLOT, SLOTS

NUMBER = "HPSEARCH_TRIAL_NUMBER"
SEED = "HPSEARCH_TRIAL_SEED"
EPOCHS = "HPSEARCH_TRIAL_EPOCHS"
FOLDER = "HPSEARCH_TRIAL_FOLDER"
RESULT = "HPSEARCH_TRIAL_RESULT"

_GPUS = "CUDA_VISIBLE_DEVICES"
_THREADS = "OMP_NUM_THREADS"
_UNBUFFERED = "PYTHONUNBUFFERED"  # else Python keeps reports to itself for a while
_LISTED = ("--query-gpu=uuid", "--format=csv,noheader")
_PATIENCE = 60.0  # seconds for the driver to say which GPUs there are


def environment(trial: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return all variables of a program that this process starts.

    Args:
        trial: what tells it of its trial.
        threads: how many threads it may have, unless the user's environment says so.
    """
    defaults = {_UNBUFFERED: "1", _THREADS: str(threads)}
    return {**defaults, **os.environ, **_own_gpus(os.environ), **trial}


def _own_gpus(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variable by which a worker's programs see GPUs of their own, where there are any.

    Where there are more GPUs than workers each has several, and where there are fewer they share.
    A runner without slots gives GPUs to its workers itself.
    """
    if SLOT not in environment:
        return {}
    slot, slots = int(environment[SLOT]), int(environment[SLOTS])
    visible = environment.get(_GPUS)
    gpus = _installed() if visible is None else tuple(filter(None, visible.split(",")))
    if not gpus:
        return {}
    return {_GPUS: ",".join(gpus[slot::slots] or [gpus[slot % len(gpus)]])}


@cache
def _installed() -> tuple[str, ...]:
    """Return the names of the GPUs of this machine."""
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        command = ["nvidia-smi", *_LISTED]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())

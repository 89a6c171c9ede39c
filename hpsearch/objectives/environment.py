"""The environment of a program: the user's, and what tells it of its trial and of its place."""

from __future__ import annotations

import os
from collections.abc import Mapping

from hpsearch.slots import SLOT, VISIBLE, dealt, visible_gpus

NUMBER = "HPSEARCH_TRIAL_NUMBER"
SEED = "HPSEARCH_TRIAL_SEED"
EPOCHS = "HPSEARCH_TRIAL_EPOCHS"
FOLDER = "HPSEARCH_TRIAL_FOLDER"
RESULT = "HPSEARCH_TRIAL_RESULT"

_THREADS = "OMP_NUM_THREADS"
_UNBUFFERED = "PYTHONUNBUFFERED"  # else Python keeps reports to itself for a while


def environment(trial: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return all variables of a program that this process starts.

    Args:
        trial: what tells it of its trial.
        threads: how many threads it may have, unless the user's environment says so.
    """
    defaults = {_UNBUFFERED: "1", _THREADS: str(threads)}
    return {**defaults, **os.environ, **_own_gpus(), **trial}


def _own_gpus() -> Mapping[str, str]:
    """Return the variable by which a worker's programs see GPUs of their own, where there are any.

    A process without a slot leaves it as it is.
    """
    if SLOT not in os.environ:
        return {}
    gpus = dealt(visible_gpus())
    return {VISIBLE: ",".join(gpus)} if gpus else {}

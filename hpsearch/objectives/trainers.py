"""Trainers of one's own, as a YAML describes them: functions in a module."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from hpsearch.objectives.reports import Reporting
from hpsearch.study.trial import Trial

LOG = "log.txt"
"""The name in a trial's folder of what it prints."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function that trains: `target` is "module:function", with the module in `folder`."""

    target: str
    folder: Path
    reporting: Reporting = field(default_factory=Reporting)


def trial_seed(seed: int, trial: Trial) -> int:
    """Return the seed of a trial: a number below 2^31, the same in all segments of its training.

    As with networks, trials of a seed group share it, and each replicate has another one.
    """
    purpose = (seed, trial.seed_group, trial.replicate)
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33

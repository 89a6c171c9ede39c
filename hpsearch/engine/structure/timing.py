"""The record of a training that was timed over a few steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """What a training takes on a machine, by a few of its steps.

    Attributes:
        seconds: those of a whole training, to its last epoch.
        before: the most bytes that the process had held before, in main memory.
        peak: the most bytes that it has held now.
        on_device: the most bytes that the training held on a GPU; 0 without one.
    """

    seconds: float
    before: int
    peak: int
    on_device: int = 0

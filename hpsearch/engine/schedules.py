"""Schedules of the learning rate: the factor on it, from how far the training is.

Notation
    e, E      epochs done (a fraction inside an epoch), epochs in all
    w         epochs of linear warm-up, from the first step's share of the rate to all of it
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hpsearch.space.space import Params

Schedule = Callable[[float, float, Params], float]
"""Gives the factor for (e, E, settings)."""


def constant(e: float, E: float, settings: Params) -> float:
    """Return 1."""
    return 1.0


def cosine(e: float, E: float, settings: Params) -> float:
    """Return (1 + cos(pi e / E)) / 2, from 1 to 0 (Loshchilov & Hutter 2017, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * min(e / E, 1.0)))


def step(e: float, E: float, settings: Params) -> float:
    """Return `step_factor` to the power of how often `step_every` epochs have gone by."""
    return float(settings["step_factor"]) ** math.floor(e / int(settings["step_every"]))


def warmed(factor: float, e: float, w: float, per_step: float) -> float:
    """Return a schedule's factor with warm-up, during which the schedule runs on.

    `per_step` is the part of an epoch that a step takes.
    """
    return factor * min(1.0, (e + per_step) / w) if w > 0 else factor

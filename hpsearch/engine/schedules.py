"""How the learning rate goes: a factor on it, from how far the training is.

Notation
    e, E      epochs done (a fraction inside an epoch), epochs in all
    w         epochs of linear warm-up, from the first step's share of the rate to all of it
"""

from __future__ import annotations

import math

from hpsearch.space.space import Params


def constant(e: float, E: float, settings: Params) -> float:
    """1."""
    return 1.0


def cosine(e: float, E: float, settings: Params) -> float:
    """(1 + cos(pi e / E)) / 2: from 1 to 0 (Loshchilov & Hutter 2017, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * min(e / E, 1.0)))


def step(e: float, E: float, settings: Params) -> float:
    """`step_factor` to the number of times that `step_every` epochs have gone by."""
    return float(settings["step_factor"]) ** math.floor(e / int(settings["step_every"]))


def warmed(factor: float, e: float, w: float, per_step: float) -> float:
    """The factor during warm-up: the schedule runs on beneath."""
    return factor * min(1.0, (e + per_step) / w) if w > 0 else factor

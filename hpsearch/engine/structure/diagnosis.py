"""The records of a diagnosis: what a training is like in each layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

_DIVERGED = 10.0


@dataclass(frozen=True, slots=True)
class Layer:
    """How signals and gradients fare in one layer, on the rows of a probe.

    Attributes:
        variance: the variance of a unit's outputs over the rows, in the mean over the units; None
            for a layer without a non-linearity.
        gradient: the norm of the loss's gradient by all of the layer's weights.
        update: the mean norm of an epoch's steps over the mean norm of those weights; None before
            the first step.
        dead: the share of units that are 0 for every row; for tanh and sigmoid the share of outputs
            that are saturated. None for a layer without a non-linearity.
    """

    name: str
    variance: float | None
    gradient: float
    update: float | None
    dead: float | None


@dataclass(frozen=True, slots=True)
class Probe:
    """How the network of a trial is after an epoch, where epoch 0 is before the first step.

    `loss` is the mean loss on the rows of the probe.
    """

    number: int
    epoch: int
    loss: float
    layers: tuple[Layer, ...]


def has_diverged(loss: float, reference: float) -> bool:
    """Return whether a loss is no finite number, or more than ten times a reference.

    The reference is a loss that can be had without learning.
    """
    return not isfinite(loss) or loss > _DIVERGED * reference

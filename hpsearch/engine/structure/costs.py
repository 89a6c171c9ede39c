"""What a training costs, known before it runs: floating-point operations and steps. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Self

from hpsearch.engine.structure.settings import NETWORKS, PRETRAINING_EPOCHS
from hpsearch.engine.structure.slots import flops_forward, slots
from hpsearch.space.space import Params
from hpsearch.study.trial import nominal_seconds

# Nominal seconds of a step: what it takes however many members an array has, and for each of them.
_OF_ARRAY, _OF_MEMBER = 5e-4, 4e-5
_LEARN = 3  # passes forward that a step costs: the way back is two


@dataclass(frozen=True, slots=True)
class Cost:
    """Of pre-training, and of each epoch after it."""

    flops_before: int
    steps_before: int
    flops: int
    steps: int

    @classmethod
    def of(
        cls, settings: Params, inputs: tuple[int, ...], outputs: int, trained: int, judged: int
    ) -> Self:
        """Of a training on so many rows that is judged on so many others."""
        steps = -(-trained // int(settings["batch_size"]))
        forward = flops_forward(slots(settings, inputs, outputs))
        rows = (
            _LEARN * trained
            + _answers(settings) * judged
            + trained * (settings["bayesian"] == "laplace")
        )
        layers = int(settings["depth"]) if settings.get("pretrain") == "layerwise" else 0
        before = trained * sum(
            _restored(layer, int(settings["width"]), math.prod(inputs)) for layer in range(layers)
        )
        return cls(
            PRETRAINING_EPOCHS * before, PRETRAINING_EPOCHS * steps * layers, rows * forward, steps
        )

    def flops_after(self, epochs: int, start: int = 0) -> float:
        """Of all up to this epoch; or of the epochs after `start` alone, when pre-training is past."""
        return float((epochs - start) * self.flops + (0 if start else self.flops_before))

    def steps_after(self, epochs: int, start: int = 0) -> int:
        """The optimizer's, likewise."""
        return (epochs - start) * self.steps + (0 if start else self.steps_before)


def _answers(settings: Params) -> int:
    """Passes that an answer takes: one for each net that it is the mean of."""
    return NETWORKS if settings["bayesian"] in ("variational", "mc_dropout") else 1


def _restored(layer: int, width: int, inputs: int) -> int:
    """Of a row and a layer in pre-training: forward to the layer, and a step of it, which goes there and back again."""
    below = 0 if layer == 0 else 2 * width * (inputs + (layer - 1) * width)
    return below + _LEARN * 2 * 2 * width * (width if layer else inputs)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a trial of so many `members` adds to a wave: `flops` of all, and `steps`, which they take together.

    Trials of the same `key` share arrays that have `room` for so many; where none has a place, an array opens.
    """

    key: Hashable
    room: int
    flops: float
    steps: int
    members: int

    def seconds(self, company: Mapping[Hashable, int]) -> float:
        """Nominal; `company` counts the trials of each key."""
        opens = company.get(self.key, 0) % self.room == 0
        return nominal_seconds(self.flops, 0) + self.steps * (
            self.members * _OF_MEMBER + opens * _OF_ARRAY
        )

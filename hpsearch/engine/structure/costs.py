"""What a training costs, known before it runs: floating-point operations and optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Self

from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.embeddings import looked_up
from hpsearch.engine.structure.models import param_slots
from hpsearch.engine.structure.settings import NETWORKS, PRETRAINING_EPOCHS
from hpsearch.engine.structure.slots import flops_forward, size
from hpsearch.space.space import Params
from hpsearch.study.trial import nominal_seconds

# Nominal seconds of a step: what it takes however many members are computed together, and for each.
_SECONDS_PER_COMPUTATION, _SECONDS_PER_MEMBER = 5e-4, 4e-5
_LEARN = 3  # forward passes that a row of a step costs: the way back takes two
# A step moves all numbers of a table, however few rows the batch has. Each is read and written
# several times, which takes as long as so many operations of a product.
_MOVE = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """Operations and steps of one member: of its pre-training, and of each epoch after it."""

    flops_before: int
    steps_before: int
    flops: int
    steps: int

    @classmethod
    def of(
        cls, settings: Params, inputs: InputShape, outputs: int, n_train: int, n_valid: int
    ) -> Self:
        """Return the cost of a training with these settings.

        Args:
            settings: all of them, with defaults filled in.
            inputs: the shape of one input.
            outputs: how many numbers the network gives for one row.
            n_train: the rows that it trains on in an epoch.
            n_valid: the rows that it is judged by after each epoch.
        """
        steps = -(-n_train // int(settings["batch_size"]))
        slots = param_slots(settings, inputs, outputs)
        forward = flops_forward(slots)
        tables = size([slot for slot in slots if slot.role == "embedding"])
        fitted = n_train if settings["bayesian"] == "laplace" else 0
        rows = _LEARN * n_train + _networks(settings) * n_valid + fitted
        layers = int(settings["depth"]) if settings.get("pretrain") == "layerwise" else 0
        before = n_train * sum(
            _pretraining_row(layer, int(settings["width"]), math.prod(looked_up(inputs)))
            for layer in range(layers)
        )
        return cls(
            PRETRAINING_EPOCHS * before,
            PRETRAINING_EPOCHS * steps * layers,
            rows * forward + _MOVE * tables * steps,
            steps,
        )

    def flops_after(self, epochs: int, start: int = 0) -> float:
        """Return the operations of the epochs after `start` up to `epochs`.

        Pre-training is counted where `start` is 0.
        """
        return float((epochs - start) * self.flops + (0 if start else self.flops_before))

    def steps_after(self, epochs: int, start: int = 0) -> int:
        """Return the optimizer steps of these epochs, likewise."""
        return (epochs - start) * self.steps + (0 if start else self.steps_before)


def _networks(settings: Params) -> int:
    """Return how many networks an answer is the mean of, each of which takes a forward pass."""
    return NETWORKS if settings["bayesian"] in ("variational", "mc_dropout") else 1


def _pretraining_row(layer: int, width: int, inputs: int) -> int:
    """Return the operations of one row when a layer is pre-trained.

    They are a forward pass up to the layer, and a step of its auto-encoder, which goes through the
    layer's weights on the way there and on the way back.
    """
    below = 0 if layer == 0 else 2 * width * (inputs + (layer - 1) * width)
    return below + _LEARN * 2 * 2 * width * (width if layer else inputs)


@dataclass(frozen=True, slots=True)
class WaveCost:
    """What one trial adds to the cost of a wave.

    Attributes:
        key: trials with equal keys can be computed together.
        capacity: how many such trials one computation takes; beyond that another one is opened.
        flops: the operations of all of the trial's members.
        steps: the steps that its members take together.
        members: how many members it has (folds times seeds).
    """

    key: Hashable
    capacity: int
    flops: float
    steps: int
    members: int

    def seconds(self, company: Mapping[Hashable, int]) -> float:
        """Return the nominal seconds that it adds to a wave with `company` trials of each key."""
        opens = company.get(self.key, 0) % self.capacity == 0
        return nominal_seconds(self.flops, 0) + self.steps * (
            self.members * _SECONDS_PER_MEMBER + opens * _SECONDS_PER_COMPUTATION
        )

"""The kinds of network: one record for each, and the table of them.

A new model takes one file and one line in `MODELS`. The file holds its record and may hold its
forward pass, too: it may import torch, since a record is loaded only after the YAML was accepted.
Choices that do not go with the model, such as a normalisation, are listed in `settings.EXCLUDES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hpsearch.data.shape import InputShape
from hpsearch.engine.structure.device import DeviceKind
from hpsearch.engine.structure.embeddings import embedding_slots, looked_up
from hpsearch.engine.structure.slots import ParamSlot, variational_slots
from hpsearch.registry import Registry
from hpsearch.space.space import Params

Layout = Callable[[Params, tuple[int, ...], int], tuple[ParamSlot, ...]]
"""Gives the slots of one member for (settings, shape of what it is given, number of outputs)."""

Capacity = Callable[[Params, int, DeviceKind], int]
"""Gives the number of members that gain from one computation, for (settings, weights, device)."""

GPU_WEIGHTS = 200_000_000
"""How many weights the members of one computation may have together on a GPU."""
_CPU_WEIGHTS = 2_000_000
_GPU_MEMBERS, _CPU_MEMBERS = 256, 32


def product_capacity(settings: Params, weights: int, device: DeviceKind) -> int:
    """Return how many members of a model that is made of matrix products train together."""
    if device == "cuda":
        return max(1, min(_GPU_MEMBERS, GPU_WEIGHTS // weights))
    return max(1, min(_CPU_MEMBERS, _CPU_WEIGHTS // weights))


@dataclass(frozen=True, slots=True)
class ModelType:
    """A kind of network.

    Attributes:
        forward: names the torch part as "module:function". It is loaded where trainings run, and
            called as `forward(net, x)` with the members' weights (a `hpsearch.engine.net.Net`) and
            a batch `x` [B, *inputs] or [K, B, *inputs]; it returns the outputs [K, B, outputs].
        layout: gives the slots of one member's weights, in a fixed order.
        structure: those of the model's own settings that must be equal within a cohort.
        padded: those that are widths. Members of a cohort may differ in them: narrower members are
            padded with zeros.
        input_ranks: how many axes one input may have: 1 for a row of a table, 3 for an image
            (channels, height, width).
        capacity: gives how many members gain from training together on a kind of device.
    """

    forward: str
    layout: Layout
    structure: tuple[str, ...] = ()
    padded: tuple[str, ...] = ()
    input_ranks: tuple[int, ...] = (1, 3)
    capacity: Capacity = product_capacity


MODELS: Registry[ModelType] = Registry(
    "model",
    {
        "mlp": "hpsearch.engine.structure.mlp:MLP(width, depth, skip, pretrain)",
        "resnet": "hpsearch.engine.structure.resnet:RESNET(channels, blocks)",
        "rnn": "hpsearch.engine.structure.rnn:RNN(width, depth, cell, init_constraint)",
    },
)


def model_type(settings: Params) -> ModelType:
    """Return the record of the model that the settings name."""
    return MODELS.load(str(settings["model"]))


def param_slots(settings: Params, inputs: InputShape, outputs: int) -> tuple[ParamSlot, ...]:
    """Return the weights of a member with these settings, for inputs of this shape."""
    own = model_type(settings).layout(settings, looked_up(inputs), outputs)
    slots = (*embedding_slots(inputs), *own)
    if settings["bayesian"] == "variational":
        return (*slots, *variational_slots(slots, outputs))
    return slots

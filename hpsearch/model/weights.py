"""The file of a trained model: its weights, and what they are the weights of.

The file is in safetensors' format. What the inputs are scaled by stands beside the weights as the
tensors `input/center`, `input/scale` and `input/fill`, and what was fitted to the training rows as
`posterior/...`; all else is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hpsearch.data import Exact
from hpsearch.space.parameters import Value

FORMAT = 2
"""The version of what stands in the metadata."""

_KEY = "hpsearch"
_INPUT = "input/"
_POSTERIOR = "posterior/"
_NO_MODEL = "this is not a model file of hpsearch"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file says of itself.

    Attributes:
        settings: all settings of the training.
        task: classification or regression.
        inputs: the shape of one input.
        columns: a table's columns in their order, as `hpsearch.data.columns.to_json` gives them.
        target: the name of what is predicted.
        classes: the names of the classes, in the order of the outputs; empty for a regression.
        target_center: added to the outputs of a regression after
        target_scale: they are multiplied by this: so they are in the target's own unit.
        data: the name of the data.
        data_digest: the SHA-256 of what was trained on.
        trial: the trial's number in its study.
        replicate: which of the trial's seeds this is.
        fold: which fold of the data it was trained on.
        seed: the study's; the networks of a Bayesian answer are drawn from it.
        seed_group: that of the trial, see `hpsearch.engine.structure.members.Member`.
        epochs: how many epochs these weights have seen.
        versions: the versions of what computed.
        format: see `FORMAT`.
    """

    settings: Mapping[str, Value]
    task: str
    inputs: tuple[int, ...]
    columns: tuple[Mapping[str, Any], ...]
    target: str
    classes: tuple[str, ...]
    target_center: float
    target_scale: float
    data: str
    data_digest: str
    trial: int
    replicate: int
    fold: int
    seed: int
    seed_group: int
    epochs: int
    versions: Mapping[str, str]
    format: int = FORMAT


class ModelScaling(NamedTuple):
    """How the features of an input are scaled: see `hpsearch.data.Fold`."""

    center: Exact
    scale: Exact
    fill: Exact


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A trained network, with all that it takes to predict.

    Attributes:
        info: what it is.
        weights: its weights by the names of their slots.
        scaling: how its inputs are scaled.
        posterior: what was fitted to the training rows beside the weights, by name, if anything.
    """

    info: ModelInfo
    weights: Mapping[str, Tensor]
    scaling: ModelScaling
    posterior: Mapping[str, Tensor] = field(default_factory=dict)


def to_bytes(model: TrainedModel) -> bytes:
    """Return a model as the bytes of a file; they are a function of the model alone."""
    scaling = model.scaling._asdict().items()
    parts = {f"{_INPUT}{name}": torch.from_numpy(part.copy()) for name, part in scaling}
    parts |= {f"{_POSTERIOR}{name}": part for name, part in model.posterior.items()}
    tensors = {name: tensor.contiguous() for name, tensor in {**model.weights, **parts}.items()}
    data: bytes = save(tensors, {_KEY: json.dumps(asdict(model.info), sort_keys=True)})
    return data


def model_from_bytes(data: bytes) -> TrainedModel:
    """Return the model of which `to_bytes` gave these bytes.

    Raises:
        ValueError: they are not the file of a model, or of one of a newer format.
    """
    info = info_from_bytes(data)
    try:
        tensors = load(data)
        parts = (tensors[f"{_INPUT}{name}"].numpy() for name in ModelScaling._fields)
        scaling = ModelScaling(*parts)
    except (SafetensorError, KeyError) as error:
        raise ValueError(_NO_MODEL) from error
    return TrainedModel(info, _weights(tensors), scaling, _part(tensors, _POSTERIOR))


def weights_from_bytes(data: bytes) -> Mapping[str, Tensor]:
    """Return the weights of a model by the names of their slots."""
    return _weights(load(data))


def _weights(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    beside = (_INPUT, _POSTERIOR)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(beside)}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    return {n.removeprefix(prefix): tensors[n] for n in tensors if n.startswith(prefix)}


def info_from_bytes(data: bytes) -> ModelInfo:
    """Return what a model file says of itself; no weight is looked at.

    Raises:
        ValueError: it is not the file of a model, or one of a newer format.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        known = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(_NO_MODEL) from error
    if known["format"] > FORMAT:
        raise ValueError(f"this model file is of format {known['format']}, newer than {FORMAT}")
    shapes = {name: tuple(known[name]) for name in ("inputs", "columns", "classes")}
    return ModelInfo(**{**known, **shapes})

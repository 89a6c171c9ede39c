"""The file of a trained model: its weights, and what they are the weights of.

The file is in safetensors' format. What the inputs are scaled by stands beside the weights as the
tensors `input/center`, `input/scale` and `input/fill`; all else is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from safetensors.torch import load, save
from torch import Tensor

from hpsearch.space.parameters import Value

FORMAT = 2
"""The version of what stands in the metadata."""

_KEY = "hpsearch"
_INPUT = "input/"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file says of itself.

    Attributes:
        settings: all settings of the training.
        task: classification or regression.
        inputs: the shape of one input.
        columns: a table's columns in their order, as `hpsearch.data.columns.to_json` gives them.
        classes: the names of the classes, in the order of the outputs; empty for a regression.
        target_center: added to the outputs of a regression after
        target_scale: they are multiplied by this: so they are in the target's own unit.
        data: the name of the data.
        data_digest: the SHA-256 of what was trained on.
        trial: the trial's number in its study.
        replicate: which of the trial's seeds this is.
        fold: which fold of the data it was trained on.
        epochs: how many epochs these weights have seen.
        versions: the versions of what computed.
        format: see `FORMAT`.
    """

    settings: Mapping[str, Value]
    task: str
    inputs: tuple[int, ...]
    columns: tuple[Mapping[str, Any], ...]
    classes: tuple[str, ...]
    target_center: float
    target_scale: float
    data: str
    data_digest: str
    trial: int
    replicate: int
    fold: int
    epochs: int
    versions: Mapping[str, str]
    format: int = FORMAT


class Scaling(NamedTuple):
    """How the features of an input are scaled: see `hpsearch.data.Fold`."""

    center: Tensor
    scale: Tensor
    fill: Tensor


def to_bytes(weights: Mapping[str, Tensor], scaling: Scaling, info: ModelInfo) -> bytes:
    """Return a model as the bytes of a file; they are a function of the arguments alone."""
    parts = {f"{_INPUT}{name}": part.contiguous() for name, part in scaling._asdict().items()}
    text = json.dumps(asdict(info), sort_keys=True)
    data: bytes = save({**weights, **parts}, {_KEY: text})
    return data


def weights_from_bytes(data: bytes) -> Mapping[str, Tensor]:
    """Return the weights of a model by the names of their slots."""
    tensors: Mapping[str, Tensor] = load(data)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_INPUT)}


def scaling_from_bytes(data: bytes) -> Scaling:
    """Return how a model's inputs are scaled."""
    tensors = load(data)
    return Scaling(*(tensors[f"{_INPUT}{name}"] for name in Scaling._fields))


def info_from_bytes(data: bytes) -> ModelInfo:
    """Return what a model file says of itself; no weight is looked at.

    Raises:
        ValueError: it is not the file of a model, or one of a newer format.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        known = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    except (ValueError, KeyError) as error:
        raise ValueError("this is not a model file of hpsearch") from error
    if known["format"] > FORMAT:
        raise ValueError(f"this model file is of format {known['format']}, newer than {FORMAT}")
    shapes = {name: tuple(known[name]) for name in ("inputs", "columns", "classes")}
    return ModelInfo(**{**known, **shapes})

"""The file of a trained model: the weights of its networks, and what they are the weights of.

A model has one network or several, the members, whose answers are averaged: those of a trial's
folds and seeds. The file is in safetensors' format. Tensors are named after the member, from 0:
`0/output.weight` is a weight, `0/input/center`, `0/input/scale` and `0/input/fill` are what the
inputs are scaled by, and `0/posterior/...` is what was fitted to the training rows. All else is
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hpsearch.data import Exact
from hpsearch.data.columns import from_json
from hpsearch.data.shape import InputShape, shape_of
from hpsearch.model.record import current
from hpsearch.space.parameters import Value

FORMAT = 3
"""The version of what stands in the metadata. Format 2 had one network, see `record.current`."""

_OLDEST = 2
_KEY = "hpsearch"
_INPUT = "input/"
_POSTERIOR = "posterior/"
_NO_MODEL = "this is not a model file of hpsearch"


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """Which training left a network.

    Attributes:
        settings: all settings of the training.
        trial: the trial's number in its study.
        replicate: which of the trial's seeds this is.
        fold: which fold of the data it was trained on.
        seed_group: that of the trial, see `hpsearch.engine.structure.members.Member`.
        epochs: how many epochs these weights have seen.
    """

    settings: Mapping[str, Value]
    trial: int
    replicate: int
    fold: int
    seed_group: int
    epochs: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file says of itself.

    Attributes:
        members: which trainings left its networks.
        task: classification or regression.
        inputs: the shape of one input.
        columns: a table's columns in their order, as `hpsearch.data.columns.to_json` gives them.
        target: the name of what is predicted.
        classes: the names of the classes, in the order of the outputs; empty for a regression.
        target_center: added to the outputs of a regression after
        target_scale: they are multiplied by this: so they are in the target's own unit.
        data: the name of the data.
        data_digest: the SHA-256 of what was trained on.
        seed: the study's; the networks of a Bayesian answer are drawn from it.
        versions: the versions of what computed.
        format: see `FORMAT`.
    """

    members: tuple[MemberInfo, ...]
    task: str
    inputs: tuple[int, ...]
    columns: tuple[Mapping[str, Any], ...]
    target: str
    classes: tuple[str, ...]
    target_center: float
    target_scale: float
    data: str
    data_digest: str
    seed: int
    versions: Mapping[str, str]
    format: int = FORMAT

    @property
    def shape(self) -> InputShape:
        """The shape of one input, and which of its features are looked up."""
        columns = [from_json(column) for column in self.columns]
        return shape_of(columns) if columns else InputShape(self.inputs)


class ModelScaling(NamedTuple):
    """How the features of an input are scaled: see `hpsearch.data.Fold`."""

    center: Exact
    scale: Exact
    fill: Exact


@dataclass(frozen=True, slots=True, eq=False)
class TrainedMember:
    """A trained network.

    Attributes:
        weights: its weights by the names of their slots.
        scaling: how its inputs are scaled.
        posterior: what was fitted to the training rows beside the weights, by name, if anything.
    """

    weights: Mapping[str, Tensor]
    scaling: ModelScaling
    posterior: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """Trained networks, with all that it takes to predict.

    Attributes:
        info: what they are.
        members: the networks, in the order of `info.members`.
    """

    info: ModelInfo
    members: tuple[TrainedMember, ...]

    def alone(self, position: int) -> TrainedModel:
        """Return the model that is one of the members alone."""
        info = replace(self.info, members=(self.info.members[position],))
        return TrainedModel(info, (self.members[position],))


def to_bytes(model: TrainedModel) -> bytes:
    """Return a model as the bytes of a file; they are a function of the model alone."""
    tensors = {
        f"{position}/{name}": tensor.contiguous()
        for position, member in enumerate(model.members)
        for name, tensor in _tensors(member).items()
    }
    data: bytes = save(tensors, {_KEY: json.dumps(asdict(model.info), sort_keys=True)})
    return data


def _tensors(member: TrainedMember) -> Mapping[str, Tensor]:
    """Return all tensors of a member by their names in a file."""
    scaling = member.scaling._asdict().items()
    parts = {f"{_INPUT}{name}": torch.from_numpy(part.copy()) for name, part in scaling}
    parts |= {f"{_POSTERIOR}{name}": part for name, part in member.posterior.items()}
    return {**member.weights, **parts}


def model_from_bytes(data: bytes) -> TrainedModel:
    """Return the model of which `to_bytes` gave these bytes.

    Raises:
        ValueError: they are not the file of a model, or of a format that is not read here.
    """
    info = info_from_bytes(data)
    try:
        tensors = load(data)
        if info.format < FORMAT:
            members = [_member(tensors)]
        else:
            members = [_member(_part(tensors, f"{k}/")) for k in range(len(info.members))]
    except (SafetensorError, KeyError) as error:
        raise ValueError(_NO_MODEL) from error
    return TrainedModel(info, tuple(members))


def _member(tensors: Mapping[str, Tensor]) -> TrainedMember:
    scaling = ModelScaling(*(tensors[f"{_INPUT}{name}"].numpy() for name in ModelScaling._fields))
    beside = (_INPUT, _POSTERIOR)
    weights = {name: tensors[name] for name in tensors if not name.startswith(beside)}
    return TrainedMember(weights, scaling, _part(tensors, _POSTERIOR))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    return {n.removeprefix(prefix): tensors[n] for n in tensors if n.startswith(prefix)}


def info_from_bytes(data: bytes) -> ModelInfo:
    """Return what a model file says of itself; no weight is looked at.

    Raises:
        ValueError: it is not the file of a model, or of a format that is not read here.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        known = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
        version = known["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(_NO_MODEL) from error
    if not _OLDEST <= version <= FORMAT:
        wanted = f"and {_OLDEST} to {FORMAT} are read here"
        raise ValueError(f"this model file is of format {version}, {wanted}")
    known = current(known)
    members = tuple(MemberInfo(**member) for member in known["members"])
    shapes = {name: tuple(known[name]) for name in ("inputs", "columns", "classes")}
    return ModelInfo(**{**known, **shapes, "members": members})

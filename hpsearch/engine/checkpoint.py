"""What a training leaves behind: a member's weights, and all that it takes to go on from a pause.

Nothing else is needed: batches, noise and schedules are functions of the epoch, and pre-training
comes before the first one. Weights are kept without the padding that the member's company gave
them, so that the company may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from hpsearch.engine.stacked_cohort import StackedCohort, TrainingTask
from hpsearch.engine.stacked_tensors import StackedTensors, corner
from hpsearch.engine.structure.members import Member
from hpsearch.study.trial import Epoch

_RUN = "run"  # the name in a file's metadata of what is no tensor


@dataclass(frozen=True, slots=True)
class Pause:
    """A member that has paused: what is known of its training, and its tensors.

    Attributes:
        epochs: the epochs that it has behind it.
        reference: the loss that it would have without learning, see `train.reference_losses`.
        best: what its best epoch was worth.
        at: that epoch.
        active: whether it goes on; one that has stopped for good has no tensors but its best
            weights.
        tensors: named `part/slot`, where the parts are `best` and those of `StackedCohort.parts`.
    """

    epochs: int
    reference: float
    best: float
    at: Epoch
    active: bool
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> Mapping[str, Tensor]:
        """Return the tensors of one part by the names of their slots."""
        mine = (key for key in self.tensors if key.startswith(f"{name}/"))
        return {key.removeprefix(f"{name}/"): self.tensors[key] for key in mine}

    def restore(self, stacked: StackedCohort, best: StackedTensors, position: int) -> None:
        """Bring the member at a position, and its best weights, to where they were."""
        for name, stack in {"best": best, **stacked.parts(position)}.items():
            load_member(stack, position, stacked, self.part(name))


def pause_tensors(
    stacked: StackedCohort, best: StackedTensors, position: int, active: bool
) -> Mapping[str, Tensor]:
    """Return the tensors of the pause of the member at a position."""
    stacks = {"best": best, **(stacked.parts(position) if active else {})}
    return {
        f"{part}/{name}": tensor
        for part, stack in stacks.items()
        for name, tensor in extract_member(stack, position, stacked).items()
    }


def extract_member(
    stack: StackedTensors, position: int, stacked: StackedCohort
) -> Mapping[str, Tensor]:
    """Return one member's part of a stack, by the names of its slots, without padding."""
    views = (view[position] for view in stack.views)
    return {
        slot.name: corner(view, slot.shape).detach().to("cpu", copy=True).contiguous()
        for slot, view in zip(stacked.own_layouts[position], views, strict=True)
    }


def load_member(
    stack: StackedTensors,
    position: int,
    stacked: StackedCohort,
    weights: Mapping[str, Tensor],
) -> None:
    """Put what `extract_member` gave in the place of one member's part of a stack."""
    for slot, view in zip(stacked.layout, stack.views, strict=True):
        corner(view[position], weights[slot.name].shape).copy_(weights[slot.name])


def with_weights(
    members: Sequence[Member],
    task: TrainingTask,
    weights: Sequence[Mapping[str, Tensor]],
    like: Tensor,
) -> StackedCohort:
    """Return a cohort of members of one shape, in the dtype and device of `like`, with weights.

    Raises:
        ValueError: they are the weights of other networks.
    """
    stacked = StackedCohort(members, task, like)
    shapes = {slot.name: slot.shape for slot in stacked.layout}
    if len(weights) != len(members):
        raise ValueError(f"these are the weights of {len(weights)} networks, not {len(members)}")
    for position, own in enumerate(weights):
        if shapes != {name: tuple(tensor.shape) for name, tensor in own.items()}:
            raise ValueError("these are the weights of another network")
        load_member(stacked.weights, position, stacked, own)
    return stacked


def pause_to_bytes(pause: Pause) -> bytes:
    """Return a pause as the bytes of a file; equal pauses give equal bytes."""
    known = {f.name: getattr(pause, f.name) for f in fields(pause) if f.name != "tensors"}
    run = json.dumps({**known, "at": asdict(pause.at)})
    data: bytes = save(dict(pause.tensors), {_RUN: run})
    return data


def pause_from_bytes(data: bytes) -> Pause:
    """Return the pause of which `pause_to_bytes` gave these bytes, to the last bit."""
    known = json.loads(metadata(data)[_RUN])
    return Pause(**{**known, "at": Epoch(**known["at"])}, tensors=load(data))


def metadata(data: bytes) -> Mapping[str, Any]:
    """Return what stands beside the tensors in the bytes of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    found: Mapping[str, Any] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return found

"""What a training leaves on disk: a member's weights, and where it pauses, all that it takes to go on.

Nothing else is needed: batches, noise and schedules are functions of the epoch, and pre-training comes before the
first. Weights are kept without the padding that the company gave them, so that the company may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from hpsearch.engine.array import Array
from hpsearch.engine.shapes import slots
from hpsearch.engine.stack import Stack, corner
from hpsearch.trial import Epoch

_RUN = "run"  # the name in a file's header of what is no tensor


@dataclass(frozen=True, slots=True)
class Pause:
    """A member after `epochs` epochs: what its run knows, and its tensors.

    `at` is the best epoch and `best` what it was worth, `first_loss` the loss before the first step. One that has
    stopped for good is not `active`, and has no tensors but the best weights. Tensors are named `part/slot`, the
    parts being `best` and those of `Array.parts`.
    """

    epochs: int
    first_loss: float
    best: float
    at: Epoch
    active: bool
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> Mapping[str, Tensor]:
        """The tensors of one part, by slot name."""
        return {key.removeprefix(f"{name}/"): t for key, t in self.tensors.items() if key.startswith(f"{name}/")}

    def restore(self, array: Array, best: Stack, position: int) -> None:
        """Bring a member of the array, and its best weights, to where they were."""
        for name, stack in {"best": best, **array.parts(position)}.items():
            fill(stack, position, array, self.part(name))


def parts(array: Array, best: Stack, position: int, active: bool) -> Mapping[str, Tensor]:
    """The tensors of a member's pause."""
    stacks = {"best": best, **(array.parts(position) if active else {})}
    return {f"{p}/{name}": t for p, stack in stacks.items() for name, t in trimmed(stack, position, array).items()}


def trimmed(stack: Stack, position: int, array: Array) -> Mapping[str, Tensor]:
    """A member's part of a stack of the array's layout, by slot name, without padding."""
    layout = slots(array.members[position].settings, array.problem.inputs, array.problem.outputs)
    views = (view[position] for view in stack.views)
    return {
        slot.name: corner(view, slot.shape).detach().to("cpu", copy=True).contiguous()
        for slot, view in zip(layout, views, strict=True)
    }


def fill(stack: Stack, position: int, array: Array, weights: Mapping[str, Tensor]) -> None:
    """The other way round: what `trimmed` gave becomes the member's part."""
    for slot, view in zip(array.layout, stack.views, strict=True):
        corner(view[position], weights[slot.name].shape).copy_(weights[slot.name])


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] | None = None) -> None:
    """Old or new, never half."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".tmp")
    half.write_bytes(save(dict(tensors), dict(header) if header else None))
    half.replace(path)


def write_pause(path: Path, pause: Pause) -> None:
    """All of it, in one file."""
    known = {field.name: getattr(pause, field.name) for field in fields(pause) if field.name != "tensors"}
    write(path, pause.tensors, {_RUN: json.dumps({**known, "at": asdict(pause.at)})})


def read_pause(path: Path) -> Pause:
    """What `write_pause` wrote, to the last bit."""
    with safe_open(path, framework="pt") as file:
        known = json.loads(file.metadata()[_RUN])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    return Pause(**{**known, "at": Epoch(**known["at"])}, tensors=tensors)

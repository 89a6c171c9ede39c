"""What a training leaves on disk: a member's weights, and where it pauses, all that it takes to go on.

Nothing else is needed: batches, noise and schedules are functions of the epoch, and pre-training comes before the
first. Weights are kept without the padding that the company gave them, so that the company may change.

A disk may change what is on it, and a person may remove it: whoever wrote weights keeps their digest, and a pause has
its own within it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from hpsearch.engine.stacked_cohort import Array
from hpsearch.engine.stacked_tensors import Stack, corner
from hpsearch.engine.structure.slots import slots
from hpsearch.study import files
from hpsearch.study.trial import Epoch

_RUN = "run"  # the name in a file's header of what is no tensor
_DIGEST = "sha256"  # and of what says whether all of it is as it was


class Lost(Exception):
    """A file of a training is gone, or is not what was written; says which in a few words."""


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
        return {
            key.removeprefix(f"{name}/"): t
            for key, t in self.tensors.items()
            if key.startswith(f"{name}/")
        }

    def restore(self, array: Array, best: Stack, position: int) -> None:
        """Bring a member of the array, and its best weights, to where they were."""
        for name, stack in {"best": best, **array.parts(position)}.items():
            fill(stack, position, array, self.part(name))


def parts(array: Array, best: Stack, position: int, active: bool) -> Mapping[str, Tensor]:
    """The tensors of a member's pause."""
    stacks = {"best": best, **(array.parts(position) if active else {})}
    return {
        f"{p}/{name}": t
        for p, stack in stacks.items()
        for name, t in trimmed(stack, position, array).items()
    }


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


def write(path: Path, weights: Mapping[str, Tensor]) -> str:
    """Write weights to a file; its SHA-256, in hex.

    Raises:
        DiskFull, CannotWrite: see `files.write`.
    """
    data = save(dict(weights))
    files.write(path, data, settled=False)
    return sha256(data).hexdigest()


def read(path: Path, digest: str) -> Mapping[str, Tensor]:
    """What `write` wrote and gave this digest.

    Raises:
        Lost: it is not there any more.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Lost(f"{path.name} cannot be read ({error.strerror})") from error
    if sha256(data).hexdigest() != digest:
        raise Lost(f"{path.name} has changed since it was written")
    return load(data)


def write_pause(path: Path, pause: Pause) -> None:
    """All of it, in one file."""
    known = {
        field.name: getattr(pause, field.name) for field in fields(pause) if field.name != "tensors"
    }
    run, tensors = json.dumps({**known, "at": asdict(pause.at)}), dict(pause.tensors)
    files.write(path, save(tensors, {_RUN: run, _DIGEST: _digest(run, tensors)}), settled=False)


def read_pause(path: Path) -> Pause:
    """What `write_pause` wrote, to the last bit.

    Raises:
        Lost: it is not there any more.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        right = header[_DIGEST] == _digest(header[_RUN], tensors)
    except OSError as error:
        raise Lost(f"{path.name} cannot be read ({error.strerror or 'it is not there'})") from error
    except (SafetensorError, KeyError, TypeError):
        right = False
    if not right:
        raise Lost(f"{path.name} has changed since it was written")
    known = json.loads(header[_RUN])
    return Pause(**{**known, "at": Epoch(**known["at"])}, tensors=tensors)


def _digest(run: str, tensors: dict[str, Tensor]) -> str:
    return sha256(run.encode() + save(tensors)).hexdigest()

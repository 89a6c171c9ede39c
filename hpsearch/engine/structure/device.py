"""What computes: the record of a device, which workers find and a study keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

DeviceKind = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Device:
    """What a worker computes on.

    Attributes:
        name: as torch calls it: "cpu", "cuda" or "cuda:1".
        processor: what its maker calls it; results need not be the same on another one.
        memory: the bytes that a training may take there, which limit how many members an array
            has; None where we set no limit, as on a CPU.
    """

    name: str
    processor: str = ""
    memory: int | None = None

    @property
    def kind(self) -> DeviceKind:
        """The kind of it; all that is no GPU counts as a CPU."""
        return "cuda" if self.name.startswith("cuda") else "cpu"

    def holding(self, taken: int) -> Device:
        """Return the device where so many bytes of its memory are taken already."""
        if self.memory is None:
            return self
        return replace(self, memory=max(0, self.memory - taken))


CPU = Device("cpu")
"""The processor of this machine."""

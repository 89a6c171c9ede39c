"""The members of a cohort: single trainings, by the settings and random numbers that they go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpsearch.space.parameters import Value

_REPLICATE_BITS = 20  # the bits above them hold the seed group


@dataclass(frozen=True, slots=True)
class Stream:
    """What says which rows a member sees in which order: the index of its seeds, and its fold.

    Members of one stream see the same batches.
    """

    seed_index: int = 0
    fold: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """One training in a cohort.

    A trial may be trained several times: in each `replicate` from seeds of its own, and on each
    `fold` of the data. A training may be cut into segments: this one goes on after `start_epoch`
    epochs and pauses after `until_epoch`. Schedules go by the setting `epochs` in every segment.

    Attributes:
        number: that of the trial.
        settings: all of the trial's settings, with defaults filled in.
        until_epoch: None for a segment that goes to the end of the training.
        seed_group: members of different groups have different seeds in all replicates.
    """

    number: int
    settings: Mapping[str, Value]
    replicate: int = 0
    fold: int = 0
    start_epoch: int = 0
    until_epoch: int | None = None
    seed_group: int = 0

    @property
    def seed_index(self) -> int:
        """The number that its random numbers go by, beside the study's seed."""
        return (self.seed_group << _REPLICATE_BITS) + self.replicate

    @property
    def stream(self) -> Stream:
        """The stream of batches that it sees."""
        return Stream(self.seed_index, self.fold)

    @property
    def name(self) -> str:
        """A name that no other member of the study has; it is the same in every segment."""
        return f"{self.number}.{self.replicate}.{self.fold}"

    @property
    def end(self) -> int:
        """The last epoch of this segment."""
        horizon = int(self.settings["epochs"])
        return horizon if self.until_epoch is None else min(self.until_epoch, horizon)

    @property
    def pauses(self) -> bool:
        """Whether the training has epochs after this segment."""
        return self.end < int(self.settings["epochs"])

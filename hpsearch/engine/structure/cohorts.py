"""Which trials train together: the cohort's key and size, from settings alone. Imports no torch.

Nothing here may look at a clock or at who is free: the cohorts are a function of the study.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from hpsearch.data import Dataset, DataSpec
from hpsearch.engine.structure.costs import Bill as Bill
from hpsearch.engine.structure.costs import Cost
from hpsearch.engine.structure.slots import size, slots
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params

T = TypeVar("T")
Objective = Literal["loss", "accuracy", "r2"]
_REPLICATE_BITS = 20  # what is above them says the lot


@dataclass(frozen=True, slots=True)
class Member:
    """One training of a cohort: the trial's number and all of its settings.

    A trial may be trained several times: in each `replicate` from seeds of its own, on each `fold` of the data. Members
    of another `lot` have other seeds in all replicates.
    It may be trained in legs: this one goes on after `start` epochs and pauses after `upto` (None: it goes to the
    end). Schedules go by the setting `epochs`, whatever the leg.
    """

    number: int
    settings: Mapping[str, Value]
    replicate: int = 0
    fold: int = 0
    start: int = 0
    upto: int | None = None
    lot: int = 0

    @property
    def draws(self) -> int:
        """What its random numbers go by, beside the study's seed."""
        return (self.lot << _REPLICATE_BITS) + self.replicate

    @property
    def stream(self) -> tuple[int, int]:
        """What says in which order it sees which rows."""
        return self.draws, self.fold

    @property
    def name(self) -> str:
        """Its own among all members of a study, in every leg."""
        return f"{self.number}.{self.replicate}.{self.fold}"

    @property
    def end(self) -> int:
        """The last epoch of this leg."""
        horizon = int(self.settings["epochs"])
        return horizon if self.upto is None else min(self.upto, horizon)

    @property
    def pauses(self) -> bool:
        """Whether the training has epochs after this leg."""
        return self.end < int(self.settings["epochs"])

    def pause_file(self, epoch: int) -> str:
        """The name of what it leaves where it pauses after this epoch.

        A leg reads one file and writes another: where it is broken off, it can be done again.
        """
        return f"{self.name}.{epoch}.pause.safetensors"


@dataclass(frozen=True, slots=True)
class Job:
    """A cohort as the engine takes it: members of one leg. Best weights are left in `folder` as `<number>.safetensors`.

    Of a trial of several members these are the first one's. A leg that pauses leaves each member's `pause_file`
    there, too, for the next one; who needs it no more removes it. `epochs` says for how many a winner is trained
    again, `weights` is the digest of those that it left.
    """

    members: tuple[Member, ...]
    data: DataSpec
    objective: Objective
    seed: int
    device: str
    folder: Path
    epochs: int = 0
    weights: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """Members of one key that are to be diagnosed over the first `epochs` of their training."""

    members: tuple[Member, ...]
    data: DataSpec
    seed: int
    device: str
    epochs: int


_STRUCTURE = (
    "model",
    "depth",
    "skip",
    "blocks",
    "cell",
    "norm",
    "pretrain",
    "bayesian",
    "batch_size",
    "epochs",
)
_PADDED = ("width", "channels")


def key(settings: Params) -> tuple[Value | None, ...]:
    """Members with the same key fit into one array."""
    buckets = (bucket(int(settings[name])) if name in settings else None for name in _PADDED)
    learns_slopes = settings["activation"] == "prelu"
    return (*(settings.get(name) for name in _STRUCTURE), learns_slopes, *buckets)


def bucket(width: int) -> int:
    """The width up to which a layer may be padded: powers of two from 64, and from 128 on the halves between.

    Wasted products cost more in wide layers, waiting for company costs more in narrow ones.
    """
    power = 1 << max(6, (width - 1).bit_length())
    return power * 3 // 4 if power > 128 and width <= power * 3 // 4 else power


def capacity(settings: Params, inputs: tuple[int, ...], outputs: int, device: str) -> int:
    """How many members an array takes: as many as still gain from company, on this kind of device."""
    weights = size(slots(settings, inputs, outputs))
    convolves = settings["model"] == "resnet"
    if device.startswith("cuda"):
        return max(1, min(64 if convolves else 256, 200_000_000 // weights))
    if convolves:  # on a CPU, grouped convolutions gain only while they are very narrow
        return 4 if int(settings["channels"]) <= 8 else 1
    return max(1, min(32, 2_000_000 // weights))


def cohorts(
    settings: Sequence[Mapping[str, Value]],
    inputs: tuple[int, ...],
    outputs: int,
    device: str,
    runs: int = 1,
    apart: Sequence[Hashable] | None = None,
) -> list[list[int]]:
    """Split a wave, given as each trial's complete settings, into cohorts (lists of positions in it).

    Trials with the same key train together in their order; where they are too many, in even shares. A trial's
    own members, `runs` of them, are never parted. `apart` has for each trial what else must be equal: its leg.
    """
    groups: dict[Hashable, list[int]] = {}
    for position, one in enumerate(settings):
        groups.setdefault((key(one), apart and apart[position]), []).append(position)
    split = []
    for positions in groups.values():
        most = capacity(padded([settings[p] for p in positions]), inputs, outputs, device)
        split += shared(positions, max(1, most // runs))
    return split


def arrays(
    members: Sequence[Member], inputs: tuple[int, ...], outputs: int, device: str
) -> list[list[Member]]:
    """Split a cohort into arrays to be trained one after the other: one, unless a single trial is too many."""
    return shared(
        members, capacity(padded([member.settings for member in members]), inputs, outputs, device)
    )


def shared(items: Sequence[T], most: int) -> list[list[T]]:
    """The items in order, in as few parts of at most `most` as there can be, which are as even as they can be."""
    parts = -(-len(items) // most)
    return [
        list(items[i * len(items) // parts : (i + 1) * len(items) // parts]) for i in range(parts)
    ]


def bill(settings: Params, data: Dataset, device: str, members: int) -> Bill:
    """What a trial of so many `members` adds to a wave."""
    fold = data.folds[0]
    cost = Cost.of(settings, data.shape, data.outputs, len(fold.train), len(fold.validation))
    epochs = int(settings["epochs"])
    room = capacity(bucketed(settings), data.shape, data.outputs, device)
    flops, steps = members * cost.flops_after(epochs), cost.steps_after(epochs)
    return Bill(key(settings), max(1, room // members), flops, steps, members)


def padded(settings: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """The settings whose shapes all members of an array fit into."""
    first = settings[0]
    return {
        **first,
        **{name: max(int(one[name]) for one in settings) for name in _PADDED if name in first},
    }


def bucketed(settings: Mapping[str, Value]) -> dict[str, Value]:
    """The settings of the widest member that the key allows."""
    return {
        **settings,
        **{name: bucket(int(settings[name])) for name in _PADDED if name in settings},
    }

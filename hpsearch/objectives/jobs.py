"""What is sent to a worker that trains networks: records without torch and without paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpsearch.engine.structure.device import Device
from hpsearch.engine.structure.members import Member
from hpsearch.study.artefacts import Held
from hpsearch.study.trial import Measured

if TYPE_CHECKING:  # what draws splits takes a while to load
    from hpsearch.data.splits.refit import RefitRows


def pause_name(member: Member) -> str:
    """Return the name, among the artefacts of a trial, of what a member paused with."""
    return f"pause {member.replicate}.{member.fold}"


@dataclass(frozen=True, slots=True)
class DataRef:
    """The data that a worker maps: their artefact, and which draw of the split."""

    held: Held
    resplit: int = 0


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Members of one segment that are trained as one cohort.

    Attributes:
        members: all members of all trials of the cohort.
        data: what they are trained on.
        metric: what decides about the best epoch: `loss`, or the name of a metric.
        seed: the study's.
        device: where to train.
        pauses: the digests of what members that go on had paused with, by the members' names.
    """

    members: tuple[Member, ...]
    data: DataRef
    metric: str
    seed: int
    device: Device
    pauses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TestJob:
    """The winner, to be judged on the test split.

    It is judged with the networks of the model of which `weights` is the digest. Where that is
    gone, or where it was trained on folds, it is trained once more, for so many `epochs`, on all
    rows but the test's. `members` are its seeds, whose answers are averaged.
    """

    __test__ = False  # pytest takes classes of such names for tests

    members: tuple[Member, ...]
    data: DataRef
    metric: str
    seed: int
    device: Device
    epochs: int
    weights: str | None


@dataclass(frozen=True, slots=True)
class RefitJob:
    """Seeds of one setting, to be trained for so many `epochs` on `rows`, and then scored.

    They are scored, as the model that answers with their mean, on the parts of the split that have
    rows left.
    """

    members: tuple[Member, ...]
    data: DataRef
    rows: RefitRows
    metric: str
    seed: int
    device: Device
    epochs: int


@dataclass(frozen=True, slots=True)
class Refit:
    """What a refit has come to.

    Attributes:
        weights: the digest of its model.
        seeds: how many networks that has.
        rows: how many rows they were trained on.
        scores: loss and metric on each part of the split that was left.
    """

    weights: str
    seeds: int
    rows: int
    scores: Mapping[str, tuple[Measured, Measured]]


@dataclass(frozen=True, slots=True)
class DiagnosisJob:
    """Members with equal cohort keys, to be diagnosed over the first `epochs` of their training."""

    members: tuple[Member, ...]
    data: DataRef
    seed: int
    device: Device
    epochs: int


@dataclass(frozen=True, slots=True)
class TimingJob:
    """Members that train as one cohort, of which a few steps are timed."""

    members: tuple[Member, ...]
    data: DataRef
    seed: int
    device: Device

"""What the coordinator, its driver and the nodes say to one another. Nothing here imports Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.runners import Resources, SetUp, WorkKey
from hpsearch.runners.ray.cluster import Demand


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the coordinator stands, for workers that import what it has imported.

    Attributes:
        main: what names its main module, see `call.import_main`.
        path: where it imports from.
        folder: its working directory.
    """

    main: Mapping[str, object]
    path: Sequence[str]
    folder: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a driver is told first.

    Attributes:
        address: that of a cluster; None starts Ray on this machine.
        demand: what a node must have for each piece of work.
        resources: how many pieces of work are with Ray at once, and their threads and memory.
        origin: where the coordinator stands.
        folder: where a Ray that is started keeps its files; None leaves that to Ray.
    """

    address: str | None
    demand: Demand
    resources: Resources
    origin: Origin
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The driver has found the cluster fit for the search."""


@dataclass(frozen=True, slots=True)
class Need:
    """An artefact that work reads, and where the driver reads it.

    `stays` says whether later work will read it, too: it is kept on the nodes.
    """

    digest: str
    path: Path
    stays: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """A piece of work, packed, with all that others must know of it."""

    key: WorkKey
    packed: bytes
    seconds: float
    set_up: SetUp
    needs: Sequence[Need]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The coordinator takes back what has not begun."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The driver has done so; this is what runs."""

    running: Sequence[WorkKey]


@dataclass(frozen=True, slots=True)
class Site:
    """What all work of a search has in common where it is done.

    Attributes:
        token: names the search on a node.
        threads: of each worker.
        memory: how many bytes a worker may hold.
        sees_gpus: whether Ray gives it a GPU; else it sees none.
        origin: where the coordinator stands.
    """

    token: str
    threads: int
    memory: int | None
    sees_gpus: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Errand:
    """What a task of Ray is told: the work, and references to what it reads, by digest.

    `site` is packed, and equal for all tasks of a search.
    """

    site: bytes
    work: Submission
    objects: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Begun:
    """A task has begun, on a node of this name, this id of Ray's, and these versions."""

    node: str
    id: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Given:
    """Events, the artefacts that were written before them, and whether these are the last."""

    events: Sequence[object]
    artefacts: Sequence[bytes] = ()
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What the driver tells of a piece of work."""

    key: WorkKey
    given: Given

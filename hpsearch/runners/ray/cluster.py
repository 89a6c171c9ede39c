"""What a cluster has, held against what is asked of it. Nothing here imports Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpsearch.errors import Problem, SpecError
from hpsearch.versions import versions

PACKAGES = ("torch", "hpsearch")
"""The packages that must be the same on all nodes, as Python must be."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a node must have free for one piece of work; `memory` is in bytes."""

    cpus: float
    gpus: float = 0.0
    memory: int = 0

    @property
    def resources(self) -> Mapping[str, float]:
        """The demand by Ray's names of resources."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory)}
        return {name: amount for name, amount in asked.items() if amount}

    def times(self, node: Mapping[str, float]) -> int:
        """Return how many such pieces of work a node has room for at once."""
        return min(
            int(node.get(name, 0.0) / amount + 1e-9) for name, amount in self.resources.items()
        )

    def __str__(self) -> str:
        return described(self.resources)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node of a cluster: its name, what it has in all, and its versions."""

    name: str
    resources: Mapping[str, float]
    versions: Mapping[str, str]


def described(resources: Mapping[str, float]) -> str:
    """Return resources in words.

    >>> described({"CPU": 1.0, "GPU": 0.5, "memory": 4e9, "node:10.0.0.5": 1.0})
    '1 CPU, 0.5 GPU, 4 GB'
    """
    words = [f"{resources.get(name, 0.0):g} {name}" for name in ("CPU", "GPU")]
    words = [word for word in words if not word.startswith("0 ")]
    if resources.get("memory"):
        words.append(f"{resources['memory'] / 1e9:.3g} GB")
    return ", ".join(words) or "nothing"


def versions_here() -> Mapping[str, str]:
    """Return the versions that are compared, as they are in this process."""
    return {name: versions()[name] for name in ("python", *PACKAGES)}


def refuse_versions(here: Mapping[str, str], nodes: Sequence[NodeFacts]) -> None:
    """Refuse a cluster of which a node has other versions than the coordinator.

    Raises:
        SpecError: with a table of all nodes.
    """
    if all(node.versions == here for node in nodes):
        return
    rows = [("node", *here), ("this process", *here.values())]
    rows += [(node.name, *(node.versions[name] for name in here)) for node in nodes]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    message = "the nodes of the cluster do not all have the versions of this process"
    help = "install the same ones everywhere; their results would differ"
    raise SpecError(Problem("E121", message, help=help, table=table))


def refuse_demand(demand: Demand, nodes: Sequence[NodeFacts]) -> None:
    """Refuse a demand that no node could ever meet.

    Raises:
        SpecError: with a table of what there is.
    """
    if any(demand.times(node.resources) for node in nodes):
        return
    width = max((len(node.name) for node in nodes), default=0)
    table = tuple(f"{node.name.ljust(width)}  {described(node.resources)}" for node in nodes)
    message = f"no node of the cluster has what each trial is to get: {demand}"
    help = "ask for less with  runner: {cpus: 1, gpus: 0, memory: 1GB},  or add a node"
    raise SpecError(Problem("E122", message, help=help, table=table))

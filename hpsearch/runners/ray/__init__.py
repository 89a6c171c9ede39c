"""Work that is done by Ray, on one machine or many, and the options of this runner.

Ray decides where a piece of work is done. There, the local runner does it, so that time, memory and
death mean the same as without Ray. Four processes have a part in it:

- the coordinator (`runner`), which is the only one that writes, and never imports Ray;
- its driver (`driver`), a process of its own that speaks to Ray, whose talk goes into a file;
- a task of Ray for each piece of work (`node`), which hands it to a worker and gives its events;
- the worker, forked from a server as the local runner's are (`packed` is what it calls).
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from hpsearch.errors import Problem, SpecError
from hpsearch.options import size
from hpsearch.runners import Resources, Runner
from hpsearch.runners.options import RunnerOptions
from hpsearch.runners.ray.cluster import Demand
from hpsearch.runners.ray.runner import Ray
from hpsearch.study.artefacts import Artefacts

_ADDRESS = re.compile(r"auto|[\w.-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")


class RayOptions(RunnerOptions):
    """The keys of the Ray runner: which cluster, and what each piece of work needs of a node."""

    address: str | None = Field(
        None, description="the address of a cluster, such as 10.0.0.5:6379, or auto"
    )
    cpus: float | None = Field(
        None, gt=0, le=100_000, description="a number of CPUs, above 0, such as 2 or 0.5"
    )
    gpus: float = Field(
        0.0, ge=0, le=1_000, description="a number of GPUs, 0 or more, such as 1 or 0.5"
    )
    memory: Annotated[int, BeforeValidator(size)] | None = Field(
        None, description="a size such as 4GB or 800MB, of at most 1000000GB"
    )
    shared: bool = Field(False, description="true or false")

    @field_validator("address")
    @classmethod
    def _is_one(cls, address: str | None) -> str | None:
        if address is not None and not _ADDRESS.fullmatch(address):
            raise ValueError("no address")  # ray://... is that of a client, which gets no streams
        return address

    @property
    def shares_files(self) -> bool:
        """Whether all workers see the files that the coordinator sees."""
        return self.address is None or self.shared

    def default_workers(self, threads: int, device: str) -> int:
        """Return how many pieces of work are with Ray at once where nobody says.

        Raises:
            SpecError: that is for a person to say, since the cluster is not this machine.
        """
        if self.address is None:
            return super().default_workers(threads, "")  # Ray gives out GPUs itself
        message = f"nothing says how many trials run at once on the cluster at {self.address}"
        help = "such as  --workers 32,  about as many as it has CPUs"
        raise SpecError(Problem("E123", message, help=help))

    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return a runner of so many pieces of work at once.

        Raises:
            SpecError: Ray is not installed.
        """
        if find_spec("ray") is None:
            message = "the runner 'ray' needs the package ray, which is not installed"
            raise SpecError(Problem("E120", message, help="pip install 'hpsearch[ray]'"))
        cpus = float(resources.threads) if self.cpus is None else self.cpus
        memory = self.memory or resources.memory or 0
        return Ray(self.address, Demand(cpus, self.gpus, memory), resources, artefacts)

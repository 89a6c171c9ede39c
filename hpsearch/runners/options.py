"""The keys that a runner has of its own, from which it is built."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import ClassVar

from hpsearch.errors import Problem, SpecError
from hpsearch.options import Options
from hpsearch.runners import Resources, Runner
from hpsearch.slots import gpus_named
from hpsearch.study.artefacts import Artefacts


class RunnerOptions(Options):
    """The keys of `runner:` that a runner has of its own.

    Attributes:
        works_alone: whether it has one worker, whatever the resources say.
        ignored: the keys of `search:` that have no effect on this runner; to give one is a mistake.
    """

    works_alone: ClassVar[bool] = False
    ignored: ClassVar[frozenset[str]] = frozenset()

    @property
    def shares_files(self) -> bool:
        """Whether all workers see the files that the coordinator sees."""
        return True

    def default_workers(self, threads: int, device: str) -> int:
        """Return how many workers there are where nobody says.

        It is one for each GPU that may be the device that is asked for, or else one for each core.
        """
        return gpus_named(device) or max(1, len(os.sched_getaffinity(0)) // threads)

    @abstractmethod
    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return the runner, which has not started anything yet."""


def refuse_unshared(runner: RunnerOptions, what: str) -> None:
    """Refuse what needs files that all workers see, where nobody says that they see them.

    Raises:
        SpecError: the workers are on other machines; `what` says what cannot be done then.
    """
    if not runner.shares_files:
        message = f"{what} needs a folder that all machines of the cluster see"
        help = "runner: {shared: true}  where the study lies on a file system that they share"
        raise SpecError(Problem("E124", message, help=help))

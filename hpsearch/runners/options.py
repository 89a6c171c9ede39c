"""The keys that a runner has of its own, from which it is built."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import ClassVar

from hpsearch.options import Options
from hpsearch.runners import Resources, Runner
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

    def default_workers(self, threads: int) -> int:
        """Return how many workers there are where nobody says: one for each core."""
        return max(1, len(os.sched_getaffinity(0)) // threads)

    @abstractmethod
    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return the runner, which has not started anything yet."""

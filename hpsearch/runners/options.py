"""The keys that a runner has of its own, from which it is built."""

from __future__ import annotations

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

    @abstractmethod
    def build(self, resources: Resources, artefacts: Artefacts) -> Runner:
        """Return the runner, which has not started anything yet."""

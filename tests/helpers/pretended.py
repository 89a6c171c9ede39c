"""A pretended device of little memory: arrays that are too large for it run out of memory."""

from __future__ import annotations

import resource
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.memory import member_bytes
from hpsearch.objectives.jobs import TrainingJob
from hpsearch.objectives.training import train_cohort
from hpsearch.study.artefacts import Artefacts


class Pretended:
    """A device whose memory trainings on the CPU go by.

    Attributes:
        memory: how many bytes the members of an array may take.
        until: the epochs in which an array may take more, as where memory is used up later.
        one_at_a_time: whether an array is an error that is begun while another one is held.
        arrays: the numbers of members of the arrays that were begun, in their order.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        memory: int,
        until: int = 0,
        one_at_a_time: bool = True,
    ) -> None:
        self.memory, self.until, self.one_at_a_time = memory, until, one_at_a_time
        self.arrays: list[int] = []
        self._begun: list[tuple[weakref.ref[StackedCohort], weakref.ref[Tensor]]] = []
        step = StackedCohort.step

        def stepping(stacked: StackedCohort, *arguments: Any) -> None:
            self._check(stacked)
            step(stacked, *arguments)

        patch.setattr(StackedCohort, "step", stepping)

    def _check(self, stacked: StackedCohort) -> None:
        task = stacked.task
        if not any(begun() is stacked for begun, _ in self._begun):
            is_held = any(weight() is not None for _, weight in self._begun)
            assert not (self.one_at_a_time and is_held), "an earlier array is still held"
            self._begun.append((weakref.ref(stacked), weakref.ref(stacked.leaves[0])))
            self.arrays.append(len(stacked.members))
        takes = member_bytes(stacked.settings, task.inputs, task.outputs) * len(stacked.members)
        if takes > self.memory and stacked.step_number >= self.until * task.steps:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def train_tightly(work: tuple[TrainingJob, int], artefacts: Artefacts) -> Iterator[object]:
    """Train a cohort in a process that may have so many bytes more than when it begins."""
    job, more = work
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmData:"))
    most = int(kilobytes) * 1024 + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    yield from train_cohort(job, artefacts)

"""What workers compute with torch while runners are checked."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from hpsearch.study.artefacts import Artefacts


def threads(nothing: None, artefacts: Artefacts) -> Iterator[int]:
    """Give the number of threads with which torch computes."""
    yield torch.get_num_threads()


def allocate(megabytes: int, artefacts: Artefacts) -> Iterator[int]:
    """Give how many bytes torch was given."""
    yield torch.ones(megabytes << 18).nbytes

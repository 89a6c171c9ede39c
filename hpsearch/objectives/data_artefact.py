"""The data of a search as an artefact, which is written once and mapped by whoever trains.

The coordinator holds it open without a name (see `Artefacts.held`): a search never reads a source
twice, and nothing that becomes of a file by its name reaches what is mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from hpsearch.data import Dataset
from hpsearch.data.stored import mapped, write
from hpsearch.errors import DataGone, Problem
from hpsearch.study.artefacts import Artefacts, Held, Lost


@contextmanager
def stored_data(data: Dataset, artefacts: Artefacts) -> Iterator[tuple[Dataset, Held]]:
    """Keep the data for workers to map; give them as they are mapped, and their artefact.

    Raises:
        DiskFull, CannotWrite: they cannot be kept.
    """
    with artefacts.held(partial(write, data)) as held:
        yield mapped_data(held, artefacts), held


def mapped_data(held: Held, artefacts: Artefacts) -> Dataset:
    """Return the data, mapped, after a look at all of them.

    Raises:
        DataGone: they are not there, or are not what was written.
    """
    try:
        return mapped(artefacts.locate(held))
    except (Lost, ValueError, OSError) as error:
        message = f"the data of this search can be read no more: {error}"
        help = "read them again, and go on:  hpsearch resume STUDY"
        raise DataGone(Problem("E166", message, help=help)) from error

"""Work and events as bytes, which travel through processes that could not read them.

Work may name functions of the script that a person has started. Only the worker imports that.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial

from hpsearch.errors import HpsearchError
from hpsearch.registry import resolve
from hpsearch.runners import Work, WorkStarted
from hpsearch.runners.call import attempt
from hpsearch.study.artefacts import Artefacts

CALL = "hpsearch.runners.ray.packed:events_of"
"""What a worker calls."""


def events_of(sent: bytes, artefacts: Artefacts) -> Iterator[WorkStarted | bytes]:
    """Do work that was packed, and give its events packed; who does it must know when it starts."""
    read: Callable[[], Work] = partial(pickle.loads, sent)
    work = attempt(read)
    if isinstance(work, HpsearchError):
        yield pickle.dumps(work)
        return
    for event in resolve(work.call)(work.argument, artefacts):
        yield event if isinstance(event, WorkStarted) else pickle.dumps(event)


def unpacked(event: object) -> object:
    """Return the event of a piece of work; what others say of the work is not packed."""
    return pickle.loads(event) if isinstance(event, bytes) else event

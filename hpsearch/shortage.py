"""A lack of memory: how it is told from other errors, and what is said of it."""

from __future__ import annotations

import errno
import resource
from contextlib import suppress
from pathlib import Path

# how Python and C++, and torch and the system's loader in errors of other kinds, say so
_WORDS = (
    "MemoryError",
    "std::bad_alloc",
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "failed to map segment",
)
_NEARLY = 1 << 24  # bytes of address space of which no module can be read


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error means that there is too little memory.

    Where a process has used up the address space that it may have, reading a module fails in any
    way: Python's parser then finds mistakes in files that have none.
    """
    if isinstance(error, SyntaxError | SystemError):
        return _is_used_up()
    is_named = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or is_named or tells_of_lack(str(error))


def tells_of_lack(said: str) -> bool:
    """Return whether this is how a program says that it gets no more memory.

    >>> tells_of_lack("RuntimeError: CUDA out of memory"), tells_of_lack("ValueError: lr")
    (True, False)
    """
    return any(words in said for words in _WORDS)


def too_much(most: int | None, holder: str = "a worker") -> str:
    """Return in words that something takes more memory than its holder may have.

    `most` is how many bytes that is; None where nothing but the machine limits it.

    >>> too_much(800_000_000), too_much(None)
    ('it takes more than the 0.8 GB that a worker may hold', 'it takes more than there is')
    """
    if most is None:
        return "it takes more than there is"
    return f"it takes more than the {most / 1e9:.3g} GB that {holder} may hold"


def _is_used_up() -> bool:
    """Return whether this process has used up the address space that it may have, if it is limited.

    Only Linux says how much it has.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return most != resource.RLIM_INFINITY and pages * resource.getpagesize() > most - _NEARLY
    return False

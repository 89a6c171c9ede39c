"""A lack of memory, as Python, torch and the system say it, told from other errors."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys

import pytest
import torch

from hpsearch.errors import NoResources, SpecError
from hpsearch.runners.call import attempt, crash
from hpsearch.shortage import lacks_memory, too_much


def raised(error: Exception) -> Exception:
    """Return what a call gives that raises this, as a worker would tell of it."""

    def call() -> None:
        raise error

    found = attempt(call)
    assert isinstance(found, Exception)
    return found


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory", "/a/module"),
        ImportError("libtorch.so: failed to map segment from shared object"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lack_of_memory_is_known_however_it_is_said(error: Exception) -> None:
    assert lacks_memory(error)
    assert crash(error, None, 0.0).reason == "memory: it takes more than there is"
    assert isinstance(raised(error), NoResources)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "no such file"), SyntaxError("expected ':'"), ValueError("no")]
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not lacks_memory(error)
    assert crash(error, None, 0.0).kind == "error"
    assert isinstance(raised(error), SpecError)


_USED_UP = """
import resource, mmap
from hpsearch.shortage import lacks_memory
most = {megabytes} << 20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
held, part = [], 64 << 20
while part >= 1 << 20:
    try:
        held.append(mmap.mmap(-1, part))
    except OSError:
        part >>= 1
print(lacks_memory(SyntaxError("expected ':'")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has")
def test_where_all_memory_is_used_up_any_mistake_in_a_module_is_for_lack_of_it() -> None:
    command = [sys.executable, "-c", _USED_UP.format(megabytes=400)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_it_is_said_how_much_was_too_little() -> None:
    assert too_much(80 * 10**9, "the GPU") == "it takes more than the 80 GB that the GPU may hold"

"""Other processes: which there are, and how they are ended and stopped."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hpsearch.testing.runners import PATIENCE, is_alive


def descendants(pid: int) -> set[int]:
    """Return all processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def children(pid: int) -> set[int]:
    """Return the processes that this one has started itself."""
    return {one for one in descendants(pid) if _parent(one) == pid}


def _parent(pid: int) -> int:
    """Return the parent of a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def server_of(pid: int) -> int:
    """Return the process that the workers of a coordinator are forked from, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for child in sorted(descendants(pid)):
            try:
                if b"fork_server" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
            except OSError:  # it has ended
                continue
    raise TimeoutError


def workers_of(pid: int) -> set[int]:
    """Return the workers of a coordinator, at least one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := descendants(server_of(pid)):
            return found
    raise TimeoutError


def kill(pid: int) -> None:
    """Kill a process, and wait until it is dead."""
    os.kill(pid, signal.SIGKILL)
    is_gone(pid)


def is_gone(pid: int) -> bool:
    """Return whether a process is dead, or dies soon."""
    deadline = time.monotonic() + PATIENCE
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def stop(pid: int) -> None:
    """Have a process wait for SIGCONT."""
    os.kill(pid, signal.SIGSTOP)

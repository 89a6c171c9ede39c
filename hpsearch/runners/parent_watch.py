"""Imported first by the process that starts the workers: it ends at once when the coordinator does.

It would notice by itself, but not before it has imported what workers begin with.
"""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of prctl(2); what the server starts does not inherit it

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

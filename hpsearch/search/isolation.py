"""What a process has set for its own computations, and what a strategy computes with instead."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np


@contextmanager
def own_state() -> Iterator[None]:
    """Compute with the usual state of numpy and torch, and leave the process's own as it was.

    A function that is searched may have set how numpy treats errors, what is warned of, and torch's
    gradients, data type, device and precision; neither may a strategy change these for it.
    """
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        torch: Any = sys.modules.get("torch")  # where it is not loaded, nothing is set
        if hasattr(torch, "inference_mode"):  # else it is just being loaded by another thread
            stack.enter_context(_torch_state(torch))
        yield


@contextmanager
def _torch_state(torch: Any) -> Iterator[None]:
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    # `use_deterministic_algorithms` does the same, and takes seconds to import a compiler
    strictness = torch.get_deterministic_debug_mode()
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    torch.set_deterministic_debug_mode("default")
    try:
        with torch.device("cpu"), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)
        torch.set_deterministic_debug_mode(strictness)

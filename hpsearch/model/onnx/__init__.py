"""A trained model as a file of ONNX, which other programs run without hpsearch and torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpsearch.errors import Problem, SpecError
from hpsearch.registry import resolve

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


def save(path: Path, data: bytes, facts: Mapping[str, Any], force: bool = False) -> None:
    """Write a model as a file of ONNX: see `hpsearch.model.onnx.file`.

    Raises:
        SpecError: what ONNX needs is not installed, or the model cannot be written so.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        fault = f"a file of ONNX needs {', '.join(missing)}, which is not installed"
        raise SpecError(Problem("E194", fault, help="pip install 'hpsearch[onnx]'"))
    resolve("hpsearch.model.onnx.file:save")(path, data, facts, force)

"""The middle of a model's graph, as torch writes it: from features or images to answers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from hpsearch.data.columns.encode import scaled
from hpsearch.errors import Problem, SpecError
from hpsearch.model.predictor import Predictor
from hpsearch.model.weights import ModelScaling

OPSET = 20
"""The version of the operators: that of ONNX 1.15 (2023)."""


class _Networks(nn.Module):
    """What a predictor does with features, or with images, in torch."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self._columns = predictor.columns
        self._members = [(member, _tensors(member.scaling)) for member in predictor.members]

    def forward(self, features: Any) -> Tensor:
        """Return the answers (rows, outputs) to features that are neither filled in nor scaled."""
        answers = []
        for member, scaling in self._members:
            rows: Any = scaled(features, self._columns, scaling, torch)
            answers.append(member.of_encoded(rows))
        return torch.stack(answers).mean(0)


def _tensors(scaling: ModelScaling) -> ModelScaling:
    found: Any = [torch.from_numpy(part) for part in scaling]
    return ModelScaling(*found)


def traced(predictor: Predictor) -> onnx.ModelProto:
    """Return the graph that gives what a predictor answers to any number of rows.

    Its one input is features as `hpsearch.data.columns.encode.expanded` gives them, or images, in
    float64.

    Raises:
        SpecError: torch cannot write it, which may be a model of a person's own.
    """
    # of 0 or 1 rows a graph would be a special case
    features = torch.zeros(2, *predictor.info.inputs, dtype=torch.float64)
    rows = torch.export.Dim("rows")
    networks = _Networks(predictor)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(networks, (features,), dynamic_shapes=({0: rows},))
            found = torch.onnx.export(program, opset_version=OPSET, verbose=False)
    except RuntimeError as error:
        model = predictor.info.members[0].settings["model"]
        said = str(error).strip().partition("\n")[0]
        fault = f"torch cannot write this {model} as ONNX: {said}"
        raise SpecError(Problem("E194", fault)) from error
    assert found is not None
    return found.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from a person what torch says of its own parts, and of others that are not installed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

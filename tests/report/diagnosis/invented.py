"""Probes made up for tests, as if a network had been trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hpsearch.engine.structure.diagnosis import Layer, Probe
from hpsearch.engine.structure.settings import complete
from hpsearch.report.diagnosis.view import Diagnosis


def invented(
    *gradients: float, update: float = 1e-3, loss: float = 1.0, **settings: Any
) -> Diagnosis:
    """Return the diagnosis of one epoch that takes the loss from 2 to `loss`.

    `gradients` are those of the layers from the input to the output, the same in both probes.
    """
    layers = tuple(
        Layer(f"layer{n}", 1.0, gradient, None, 0.0) for n, gradient in enumerate(gradients)
    )
    after = tuple(replace(layer, update=update) for layer in layers)
    return Diagnosis(
        "mine", complete(settings), (Probe(0, 0, 2.0, layers), Probe(0, 1, loss, after))
    )

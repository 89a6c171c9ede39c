"""Write a model as a file of ONNX, after onnxruntime has answered as torch does.

What the model is stands in the file's metadata: the version of hpsearch, the format, the target,
the classes, the SHA-256 of the weights, and the facts of the trial.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper

from hpsearch import __version__
from hpsearch.engine.bayesian import SAMPLED
from hpsearch.engine.structure.settings import BAYESIAN, NETWORKS
from hpsearch.errors import Problem, SpecError
from hpsearch.model.folder import AGREEMENT, reference_inputs
from hpsearch.model.onnx.graph import PREDICTION, PROBABILITIES, class_array, feeds, model_of
from hpsearch.model.predictor import Predictor
from hpsearch.model.weights import model_from_bytes
from hpsearch.study import files

FORMAT = 1
"""The version of what the graph takes and gives, and of what stands in the metadata."""

_ERRORS = 3  # the level at which onnxruntime speaks


def save(path: Path, data: bytes, facts: Mapping[str, Any], force: bool = False) -> None:
    """Write a model as a file of ONNX, all of it or nothing.

    Args:
        path: where; nothing may be there unless `force` says so.
        data: the bytes of a trained network, as a study keeps them.
        facts: what else there is to know, as JSON: `metrics`, `command` and so on.
        force: whether another file is replaced.

    Raises:
        ValueError: these are not the bytes of a model.
        SpecError: the model cannot be written as ONNX.
        CannotWrite: something is there, or the file system says why.
        DiskFull: so it says.
    """
    files.check_free(path, force)
    model = model_from_bytes(data)
    predictor = Predictor(model)
    found = graph_of(predictor, {"weights": hashlib.sha256(data).hexdigest(), **facts})
    check_answers(found, predictor, reference_inputs(model))
    files.write(path, found)


def graph_of(predictor: Predictor, facts: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file that answers as a predictor does.

    Raises:
        SpecError: the model cannot be written as ONNX.
    """
    info = predictor.info
    kinds = {str(member.settings["bayesian"]) for member in info.members}
    for kind in (one for one in kinds if BAYESIAN.load(one) is SAMPLED):
        fault = f"'bayesian: {kind}' answers with {NETWORKS} networks that are drawn at random"
        help = "an ONNX graph holds one: take another trial, or --format folder"
        raise SpecError(Problem("E194", fault, help=help))
    known = {"hpsearch": __version__, "format": FORMAT, "target": info.target}
    known |= {"classes": info.classes, **facts}
    found = model_of(predictor)
    found.producer_name, found.producer_version = "hpsearch", __version__
    said = {k: v if isinstance(v, str) else json.dumps(v) for k, v in known.items()}
    helper.set_model_props(found, said)
    written: bytes = found.SerializeToString()
    return written


def check_answers(graph: bytes, predictor: Predictor, inputs: np.ndarray[Any, Any]) -> None:
    """Refuse a graph that does not answer as a predictor does.

    Raises:
        SpecError: it answers otherwise.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    given = session.run(names, dict(feeds(inputs, predictor.columns)))
    found = dict(zip(names, given, strict=True))
    classes = predictor.info.classes
    answers = predictor.answers(inputs)
    if classes:
        agrees = np.allclose(found[PROBABILITIES], answers, rtol=AGREEMENT, atol=AGREEMENT)
        best = class_array(classes)[found[PROBABILITIES].argmax(1)]
        agrees = agrees and np.array_equal(found[PREDICTION], best)
    else:
        least = AGREEMENT * predictor.info.target_scale
        agrees = np.allclose(found[PREDICTION], answers[:, 0], rtol=AGREEMENT, atol=least)
    if not agrees:
        fault = "onnxruntime does not answer the reference inputs as the network does"
        help = "--format folder, which is not affected; please report this"
        raise SpecError(Problem("E194", fault, help=help))

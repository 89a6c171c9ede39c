"""A trained model as a folder that can be moved anywhere: no study and no data are needed.

- `model.safetensors`: the weights, the scaling of the inputs, and what they are.
- `model.json`: what a person or a program should know of it, and the digest of the weights.
- `reference.json`: a few made-up inputs, and what the model answered to them when it was written.
- `README.md`: the model in words.

Nothing in it is unpickled or executed. Whoever loads it compares the digest, and lets the model
answer the reference inputs again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.data import Exact
from hpsearch.data.columns import UNSEEN, CategoryColumn, Column, DateColumn, from_json
from hpsearch.data.columns.calendar import YEAR
from hpsearch.model.card import card
from hpsearch.model.predictor import Predictor
from hpsearch.model.record import (
    CARD,
    FORMAT,
    RECORD,
    REFERENCE,
    WEIGHTS,
    check_free,
    damaged,
    read_json,
    read_model,
)
from hpsearch.model.weights import TrainedModel, model_from_bytes
from hpsearch.study import files

_LEVELS = (-1.0, 0.0, 1.0)  # standard deviations from the mean at which reference inputs lie
AGREEMENT = 1e-5
"""How far, relatively, answers to the reference inputs may be from what they were."""


def save(folder: Path, data: bytes, facts: Mapping[str, Any], force: bool = False) -> None:
    """Write a model as a folder, all of it or nothing.

    Args:
        folder: where; nothing may be there, unless it is a model and `force` says so.
        data: the bytes of a trained network, as a study keeps them.
        facts: what else there is to know, as JSON: `metrics`, `command` and so on.
        force: whether another model is replaced.

    Raises:
        ValueError: these are not the bytes of a model.
        CannotWrite: something is there, or the file system says why.
        DiskFull: so it says.
    """
    check_free(folder, force)
    model = model_from_bytes(data)
    record = {
        "format": FORMAT,
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(data).hexdigest()},
        "model": asdict(model.info),
        **facts,
    }
    inputs = reference_inputs(model)
    answers = Predictor(model).answers(inputs)
    reference = {"inputs": _with_nulls(inputs), "answers": answers.tolist()}
    half = files.unfinished(folder)
    try:
        half.mkdir(parents=True)
        (half / WEIGHTS).write_bytes(data)
        for name, content in ((RECORD, record), (REFERENCE, reference)):
            (half / name).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
        (half / CARD).write_text(card(record), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        half.rename(folder)
    except OSError as error:
        shutil.rmtree(half, ignore_errors=True)
        raise files.unwritable(folder, error) from error


def load(folder: Path) -> Predictor:
    """Return the model of a folder, ready to predict.

    Raises:
        SpecError: there is no model.
        DamagedModel: it is damaged, of a newer format, or does not answer as it did when it was
            written.
    """
    record, weights = read_model(folder)
    try:
        predictor = predictor_of(weights)
    except ValueError as error:
        raise damaged(folder, str(error)) from error
    if json.loads(json.dumps(asdict(predictor.info))) != record.get("model"):
        raise damaged(folder, f"{RECORD} and {WEIGHTS} tell of different models")
    _check_answers(folder, predictor)
    return predictor


def predictor_of(data: bytes) -> Predictor:
    """Return the model of these bytes, as a study keeps them, ready to predict.

    Raises:
        ValueError: they are not those of a model.
    """
    return Predictor(model_from_bytes(data))


def _check_answers(folder: Path, predictor: Predictor) -> None:
    """Refuse a model that does not answer the reference inputs as it did."""
    known = read_json(folder, REFERENCE)
    try:
        inputs = np.array(known["inputs"], dtype=np.float64)  # null is NaN
        answers = np.array(known["answers"], dtype=np.float64)
        found = predictor.answers(inputs)
        agrees = np.allclose(found, answers, rtol=AGREEMENT, atol=AGREEMENT)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder, f"{REFERENCE} does not fit the model") from error
    if not agrees:
        raise damaged(folder, "it does not answer the reference inputs as it did")


def reference_inputs(model: TrainedModel) -> Exact:
    """Return made-up inputs around the mean of the training rows.

    Of a table they go through its categories, and in the last two rows nothing is known: there each
    number is missing, and each category one that training has not seen.
    """
    info, scaling = model.info, model.members[0].scaling
    if len(info.inputs) > 1:
        return np.stack(
            [
                np.broadcast_to(scaling.center + level * scaling.scale, info.inputs)
                for level in _LEVELS
            ]
        )
    columns = [from_json(known) for known in info.columns]
    at, found = 0, []
    for column in columns:
        own = slice(at, at + len(column.features))
        found.append(_examples(column, scaling.fill[own], scaling.scale[own]))
        at = own.stop
    return np.stack(found, axis=1)


def _examples(column: Column, fill: Exact, scale: Exact) -> Exact:
    """Return numbers of a column: usual ones, one that is missing, and one that is unknown.

    Args:
        column: the column.
        fill: the means of its features.
        scale: their scales.
    """
    if isinstance(column, CategoryColumn):
        codes = [k % len(column.categories) for k in range(3)] if column.categories else [0] * 3
        return np.array([*codes, np.nan, UNSEEN], dtype=np.float64)
    usual = np.array([fill[0] + level * scale[0] for level in _LEVELS])
    if isinstance(column, DateColumn):
        usual = np.round(usual * YEAR)
    return np.array([*usual, np.nan, np.nan])


def _with_nulls(inputs: Exact) -> Any:
    found = inputs.astype(object)
    found[np.isnan(inputs)] = None
    return found.tolist()

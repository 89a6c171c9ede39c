"""What the folder of a trained model says of it; nothing here needs torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from hpsearch.errors import CannotWrite, DamagedModel, Problem, SpecError
from hpsearch.study import files
from hpsearch.study.trial import Measured

FORMAT = 2
"""The version of what stands in the folder. Format 1 had one network, see `current`."""

WEIGHTS, RECORD, REFERENCE, CARD = "model.safetensors", "model.json", "reference.json", "README.md"
"""The files of the folder."""


_MEMBER = ("settings", "trial", "replicate", "fold", "seed_group", "epochs")


def read_record(folder: Path) -> Mapping[str, Any]:
    """Return what `model.json` says, after a look at the digest of the weights.

    Raises:
        SpecError: there is no model.
        DamagedModel: it is damaged, or of a newer format.
    """
    return read_model(folder)[0]


def read_model(folder: Path) -> tuple[Mapping[str, Any], bytes]:
    """Return what `model.json` says, and the bytes of the weights that it tells of.

    Raises:
        SpecError: there is no model.
        DamagedModel: it is damaged, or of a newer format.
    """
    record = read_json(folder, RECORD)
    if not isinstance(record.get("format"), int) or not isinstance(record.get("weights"), dict):
        raise damaged(folder, f"{RECORD} does not say what it is")
    if record["format"] > FORMAT:
        fault = f"the model in {folder} is of format {record['format']}, and {FORMAT} is the newest"
        raise DamagedModel(Problem("E191", f"{fault} that is read here", help="update hpsearch"))
    weights = read_file(folder, WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != record["weights"].get("sha256"):
        raise damaged(folder, f"{WEIGHTS} is not the file that {RECORD} tells of")
    return {**record, "model": current(record.get("model"))}, weights


def current(known: Any) -> Any:
    """Return what a model says of itself as it is written now.

    Of a model that was written when there was one network in each, its training stands among the
    rest.
    """
    if not isinstance(known, dict) or "members" in known or not known.keys() >= {*_MEMBER}:
        return known
    rest = {name: known[name] for name in known if name not in _MEMBER}
    return {**rest, "members": [{name: known[name] for name in _MEMBER}]}


def figures(measured: Mapping[str, Measured]) -> dict[str, float]:
    """Return figures as a record has them: by name, the ends of an interval as NAME_low and _high.

    Those that are not defined are left out.

    >>> from math import nan
    >>> from hpsearch.study.trial import Interval
    >>> figures({"loss": Measured(0.25, Interval(0.2, 0.3)), "auc": Measured(nan)})
    {'loss': 0.25, 'loss_low': 0.2, 'loss_high': 0.3}
    """
    found: dict[str, float] = {}
    for name, one in measured.items():
        if isfinite(one.value):
            found[name] = one.value
            if one.interval is not None:
                found |= {f"{name}_low": one.interval.low, f"{name}_high": one.interval.high}
    return found


def read_file(folder: Path, name: str) -> bytes:
    """Return the bytes of a file of the folder.

    Raises:
        SpecError: it is not there, so that this is no model.
    """
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        help = "a model is written by  hpsearch export -o FOLDER"
        raise SpecError(Problem("E190", f"there is no {name} in {folder}", help=help)) from error
    except OSError as error:
        raise files.unreadable(folder / name, error) from error


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return what a file of the folder holds.

    Raises:
        SpecError: it is not there.
        DamagedModel: it is no mapping in JSON.
    """
    try:
        found = json.loads(read_file(folder, name))
    except (ValueError, RecursionError) as error:
        raise damaged(folder, f"{name} is no JSON") from error
    if not isinstance(found, dict):
        raise damaged(folder, f"{name} does not say what it is")
    return found


def check_free(folder: Path, force: bool) -> None:
    """See that a model can be written to a folder: nothing is there, or a model that may go.

    Raises:
        CannotWrite: something else is there, or a model and `force` does not say that it may go.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if force and (folder / RECORD).is_file() and not folder.is_symlink():
        return
    help = "--force replaces it" if (folder / RECORD).is_file() else "-o FOLDER, a new one"
    raise CannotWrite(Problem("E173", f"{folder} is there already", help=help))


def damaged(folder: Path, why: str) -> DamagedModel:
    """Return the error for a model that is damaged."""
    help = "export it again, or take a copy that is whole"
    return DamagedModel(Problem("E191", f"the model in {folder} is damaged: {why}", help=help))

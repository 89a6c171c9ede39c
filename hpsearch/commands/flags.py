"""What the command line says, as overrides of the YAML: flags and keys are the same words."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpsearch.document import read, scalar
from hpsearch.errors import Problem, SpecError
from hpsearch.schema import Keys
from hpsearch.spec import Override

_SEARCH = ("time", "seed", "time_weight", "points", "rounds", "guided", "surrogate")
SMOKE_ROWS = 256
_SMOKE_TRIALS = 3


def overrides(given: Mapping[str, Any]) -> Iterator[Override]:
    """The flags of a search, in the order in which they stand over one another."""
    for text in given["settings"]:
        yield _set(text)
    if given.get("trials"):
        yield ("trials",), _trials(Path(given["trials"])), f"--trials {given['trials']}"
    for name in _SEARCH:
        if given.get(name) is not None:
            yield ("search", name), given[name], f"--{name.replace('_', '-')} {given[name]}"
    budget = given["budget"]
    if given["smoke"]:
        budget = min(budget or _SMOKE_TRIALS, _SMOKE_TRIALS)
        yield ("train", "epochs"), 1, "--smoke"
    elif given["epochs"] is not None:
        yield ("train", "epochs"), given["epochs"], f"--epochs {given['epochs']}"
    if budget is not None:
        yield ("search", "budget"), budget, f"--budget {budget}"


def _set(text: str) -> Override:
    """`lr=0.01` fixes a setting; `search.budget=10` and `data.split={validation: 0.3}` set any other key."""
    name, equals, value = text.partition("=")
    source = f"--set {text}"
    if not equals or not name:
        raise SpecError(
            Problem("E010", f"{source} is not KEY=VALUE", help="such as  --set lr=0.01  or  --set search.wave=8")
        )
    path = tuple(name.split("."))
    if path[0] not in Keys.model_fields:
        path = ("train", *path)
    read_value = read(f"value: {value}", source).value["value"] if value[:1] in "[{'\"" else scalar(value)
    return path, read_value, source


def _trials(path: Path) -> list[object]:
    """Hand-picked trials from a CSV (a column per setting, an empty cell for none), JSON or YAML file."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            rows = list(csv.DictReader(text.splitlines(), strict=True))
            return [{name: scalar(cell) for name, cell in row.items() if name and cell} for row in rows]
        found = json.loads(text) if path.suffix == ".json" else read(text, str(path)).value
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise SpecError(Problem("E011", f"--trials {path} cannot be read: {error}")) from error
    if isinstance(found, dict):
        found = found.get("trials")
    if not isinstance(found, list):
        help = "a list of mappings, such as [{lr: 0.01}], by itself or under 'trials:'"
        raise SpecError(Problem("E011", f"--trials {path} holds no list of trials", help=help))
    return found

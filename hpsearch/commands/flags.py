"""What the command line says, as overrides of the YAML: flags and keys are the same words."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hpsearch.config.document import Document, read, scalar
from hpsearch.config.schema import Keys
from hpsearch.config.spec import Override
from hpsearch.errors import Place, Problem, SpecError

OPERATIONAL = ("time", "trial_timeout", "memory", "grace")
"""The keys of `search:` that change how it is run, and not what it finds; flags of `resume`, too."""
_SEARCH = (
    "seed",
    "seeds",
    "time_weight",
    "points",
    "rounds",
    "guided",
    "surrogate",
    "halving",
    "pareto",
    "until_converged",
    "confirm",
    *OPERATIONAL,
)
SMOKE_ROWS = 256
_SMOKE_TRIALS = 3


def overrides(given: Mapping[str, Any]) -> Iterator[Override]:
    """The flags of a search, in the order in which they stand over one another.

    Raises:
        SpecError: some cannot be read; with all that cannot.
    """
    problems: list[Problem] = []
    for text in given["settings"]:
        try:
            yield _set(text)
        except SpecError as error:
            problems += error.problems
    if given.get("trials"):
        try:
            yield ("trials",), _trials(Path(given["trials"])), f"--trials {given['trials']}"
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    yield from searching(given, _SEARCH)
    budget = given["budget"]
    if given["smoke"]:
        budget = min(budget or _SMOKE_TRIALS, _SMOKE_TRIALS)
        yield ("train", "epochs"), 1, "--smoke"
        yield ("search", "halving"), False, "--smoke"
    elif given["epochs"] is not None:
        yield ("train", "epochs"), given["epochs"], f"--epochs {given['epochs']}"
    if budget is not None:
        yield ("search", "budget"), budget, f"--budget {budget}"


def searching(given: Mapping[str, Any], names: Iterable[str]) -> Iterator[Override]:
    """Those of the flags that are given, as keys of `search:`."""
    for name in names:
        if given.get(name) is not None:
            yield ("search", name), given[name], _flag(name, given[name])


def _flag(name: str, value: object) -> str:
    flag = name.replace("_", "-")
    return f"--{'' if value else 'no-'}{flag}" if isinstance(value, bool) else f"--{flag} {value}"


def _set(text: str) -> Override:
    """`lr=0.01` fixes a setting; `search.budget=10` and `data.split={validation: 0.3}` set any other key."""
    name, equals, value = text.partition("=")
    source = f"--set {text}"
    path = tuple(name.strip().split("."))
    if not equals or not all(path):
        help = "such as  --set lr=0.01  or  --set search.wave=8"
        raise SpecError(
            Problem("E010", f"'{text}' is not KEY=VALUE", Place(source, 0, 0), help=help)
        )
    if len(path) == 1 and path[0] not in Keys.model_fields:
        path = ("train", *path)
    return path, _value(value.strip(), source), source


def _value(text: str, source: str) -> object:
    if text[:1] not in ("[", "{", "'", '"'):
        return scalar(text)
    try:
        return _sound(read(f"value: {text}", source)).value["value"]
    except SpecError as error:  # its line and column are of a text that nobody has written
        problems = [
            Problem("E010", one.message, Place(source, 0, 0), help=one.help)
            for one in error.problems
        ]
        raise SpecError(*problems) from error


def _sound(document: Document) -> Document:
    if document.problems:
        raise SpecError(*document.problems)
    return document


def _trials(path: Path) -> list[object]:
    """Hand-picked trials from a CSV (a column per setting, an empty cell for none), JSON or YAML file."""
    place = Place(f"--trials {path}", 0, 0)
    try:
        found = _READERS.get(path.suffix, _yaml)(path)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise SpecError(Problem("E011", f"{path} cannot be read: {_why(error)}", place)) from error
    if isinstance(found, dict):
        found = found.get("trials")
    if not isinstance(found, list) or not found:
        help = "a list of mappings, such as [{lr: 0.01}], by itself or under 'trials:'"
        raise SpecError(Problem("E011", f"{path} holds no trials", place, help=help))
    return found


def _why(error: Exception) -> object:
    match error:
        case OSError():
            return error.strerror or error
        case UnicodeDecodeError():
            return "it is not UTF-8 text"
        case RecursionError():
            return "it is nested too deep"
    return error


def _yaml(path: Path) -> Any:
    return _sound(read(path.read_bytes(), str(path))).value


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _csv(path: Path) -> list[object]:
    rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)
    names = [name.strip() for name in next(rows, [])]
    if not all(names) or len(set(names)) < len(names):
        message = "the first row must name each column, none twice"
        raise SpecError(
            Problem("E011", message, Place(str(path), 1, 1), help="such as  lr,width,optimizer")
        )
    trials: list[object] = []
    for row in rows:
        if not row:
            continue
        if len(row) != len(names):
            message = f"this row has {len(row)} cells, and there are {len(names)} columns"
            raise SpecError(Problem("E011", message, Place(str(path), rows.line_num, 1)))
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
        trials.append({name: scalar(cell) for name, cell in cells.items() if cell})
    return trials


_READERS: Mapping[str, Callable[[Path], Any]] = {".csv": _csv, ".json": _json}

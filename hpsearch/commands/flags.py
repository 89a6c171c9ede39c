"""What the command line says, as overrides of the YAML: flags and keys are the same words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from hpsearch.config.document import Document, read, scalar
from hpsearch.config.schema import ConfigFile, search_model
from hpsearch.config.spec import Override
from hpsearch.errors import Place, Problem, SpecError

SMOKE_ROWS = 256
"""The rows of a smoke run."""

_SMOKE_TRIALS = 3
_DEVICE = re.compile("auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFlags:
    """What the command line says of a search; None stands for a flag that was not given.

    `own` has the flags that are keys of `search:`, by their names, those of the strategy included.
    """

    config: str | None
    settings: tuple[str, ...] = ()
    trials: str | None = None
    budget: int | None = None
    epochs: int | None = None
    smoke: bool = False
    all: bool = False
    study: str | None = None
    runner: str | None = None
    workers: int | None = None
    threads: int = 1
    device: str = "auto"
    json: bool = False
    quiet: bool = False
    no_color: bool = False
    own: Mapping[str, object]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return the flags as click gives them.

        Raises:
            SpecError: the device is none.
        """
        mine = {field.name for field in fields(cls)} - {"own"}
        known = {name: value for name, value in given.items() if name in mine}
        _check_device(known.get("device", "auto"))
        own = {name: value for name, value in given.items() if name not in mine}
        return cls(**known, own=own)


def _check_device(text: str) -> None:
    if not _DEVICE.fullmatch(text):
        place, help = Place(f"--device {text}", 0, 0), "auto, cpu, cuda or cuda:i, such as cuda:1"
        raise SpecError(Problem("E020", f"'{text}' is no device", place, help=help))


def overrides(flags: SearchFlags, strategy: str | None) -> Iterator[Override]:
    """Give the flags of a search as overrides, in the order in which they stand over one another.

    Raises:
        SpecError: some cannot be read; it has all that cannot.
    """
    problems: list[Problem] = []
    for text in flags.settings:
        try:
            yield _set(text)
        except SpecError as error:
            problems += error.problems
    if flags.trials:
        try:
            yield ("trials",), _trials(Path(flags.trials)), f"--trials {flags.trials}"
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    yield from search_overrides(flags.own)
    yield from runner_override(flags.runner)
    budget = flags.budget
    if flags.smoke:
        budget = min(budget or _SMOKE_TRIALS, _SMOKE_TRIALS)
        yield ("train", "epochs"), 1, "--smoke"
        if "halving" in search_model(strategy).model_fields:
            yield ("search", "halving"), False, "--smoke"
    elif flags.epochs is not None:
        yield ("train", "epochs"), flags.epochs, f"--epochs {flags.epochs}"
    if budget is not None:
        yield ("search", "budget"), budget, f"--budget {budget}"


def search_overrides(given: Mapping[str, object]) -> Iterator[Override]:
    """Give the flags that are keys of `search:` and were given."""
    for name, value in given.items():
        if value is not None:
            flag = name.replace("_", "-")
            text = f"--{flag} {value}"
            if isinstance(value, bool):
                text = f"--{'' if value else 'no-'}{flag}"
            yield ("search", name), value, text


def runner_override(name: str | None) -> Iterator[Override]:
    """Give the flag that chooses a runner, where it was given."""
    if name is not None:
        yield ("runner", "name"), name, f"--runner {name}"


def _set(text: str) -> Override:
    """Return what a `--set` says.

    `lr=0.01` fixes a setting; `search.budget=10` and `data.split={validation: 0.3}` set other keys.
    """
    name, equals, value = text.partition("=")
    source = f"--set {text}"
    path = tuple(name.strip().split("."))
    if not equals or not all(path):
        help = "such as  --set lr=0.01  or  --set search.wave=8"
        raise SpecError(
            Problem("E010", f"'{text}' is not KEY=VALUE", Place(source, 0, 0), help=help)
        )
    if len(path) == 1 and path[0] not in ConfigFile.model_fields:
        path = ("train", *path)
    return path, _value(value.strip(), source), source


def _value(text: str, source: str) -> object:
    if text[:1] not in ("[", "{", "'", '"'):
        return scalar(text)
    try:
        return _without_problems(read(f"value: {text}", source)).value["value"]
    except SpecError as error:  # its line and column are of a text that nobody has written
        place = Place(source, 0, 0)
        problems = [Problem("E010", one.message, place, help=one.help) for one in error.problems]
        raise SpecError(*problems) from error


def _without_problems(document: Document) -> Document:
    if document.problems:
        raise SpecError(*document.problems)
    return document


def _trials(path: Path) -> list[object]:
    """Return hand-picked trials from a CSV, JSON or YAML file.

    A CSV has a column for each setting, and an empty cell for none.
    """
    place = Place(f"--trials {path}", 0, 0)
    try:
        found = _READERS.get(path.suffix, _yaml)(path)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        message = f"{path} cannot be read: {_why(error)}"
        raise SpecError(Problem("E011", message, place)) from error
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
    return _without_problems(read(path.read_bytes(), str(path))).value


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _csv(path: Path) -> list[object]:
    rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)
    names = [name.strip() for name in next(rows, [])]
    if not all(names) or len(set(names)) < len(names):
        message = "the first row must name each column, none twice"
        help = "such as  lr,width,optimizer"
        raise SpecError(Problem("E011", message, Place(str(path), 1, 1), help=help))
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

"""Trials that a person has picked, in a file: CSV, JSON or YAML, or what a leaderboard exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.commands.inputs import read_input
from hpsearch.config.document import LARGEST, Document, read, scalar
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.report.board.text import EXPORTED, FIGURES, PARAMS

_LARGEST = 16 * 2**20  # bytes of a table
_MOST = 100_000  # trials


@dataclass(frozen=True, slots=True)
class Picks:
    """The settings of trials, and the figures beside them, which are none and were passed over."""

    trials: Sequence[object]
    figures: Sequence[str] = ()


def read_picks(path: Path) -> Picks:
    """Return the trials in a file.

    A CSV has a column for each setting, and an empty cell for none.

    Raises:
        SpecError: it cannot be read, or holds no trials.
    """
    place = Place(f"--trials {path}", 0, 0)
    try:
        found = _READERS.get(path.suffix, _yaml)(path)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        message = f"{path} cannot be read: {_why(error)}"
        raise SpecError(Problem("E011", message, place)) from error
    if not found.trials:
        help = "a list of mappings, such as [{lr: 0.01}], by itself or under 'trials:'"
        raise SpecError(Problem("E011", f"{path} holds no trials", place, help=help))
    if len(found.trials) > _MOST:
        raise SpecError(Problem("E011", f"{path} holds more than {_MOST:,} trials", place))
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


def _read(path: Path) -> bytes:
    data = read_input(path, _LARGEST)
    if len(data) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST // 2**20} MiB")
    return data


def _yaml(path: Path) -> Picks:
    return _listed(without_problems(read(read_input(path, LARGEST), str(path))).value)


def _json(path: Path) -> Picks:
    # a whole number that is too long is a text, as in YAML
    return _listed(json.loads(_read(path), parse_int=scalar))


def _listed(found: Any) -> Picks:
    """Return the trials of a list, or of the record of a study, where each has its `params`."""
    if isinstance(found, dict):
        found = found.get("trials")
    if not isinstance(found, list):
        return Picks(())
    trials: list[object] = []
    figures: dict[str, None] = {}
    for entry in found:
        params = entry.get("params") if isinstance(entry, dict) else None
        trials.append(params if isinstance(params, dict) else entry)
        if isinstance(params, dict):
            figures |= dict.fromkeys(name for name in entry if name != "params")
    return Picks(trials, [*figures])


def _csv(path: Path) -> Picks:
    text = io.StringIO(_read(path).decode("utf-8-sig"), newline="")
    rows = csv.reader(text, strict=True)
    names = [name.strip() for name in next(rows, [])]
    if problem := _header_problem(names, path):
        raise SpecError(problem)
    settings = _settings(names)
    trials: list[object] = []
    for row in rows:
        if not row:
            continue
        if len(row) != len(names):
            message = f"this row has {len(row)} cells, and there are {len(names)} columns"
            raise SpecError(Problem("E011", message, Place(str(path), rows.line_num, 1)))
        cells = dict(zip(names, map(str.strip, row), strict=True))
        picked = {setting: cells[name] for name, setting in settings.items()}
        trials.append({setting: scalar(cell) for setting, cell in picked.items() if cell})
        if len(trials) > _MOST:
            break
    return Picks(trials, [name for name in names if name not in settings])


def _header_problem(names: Sequence[str], path: Path) -> Problem | None:
    """Return what is wrong with the names of the columns, if anything is."""
    place, help = Place(str(path), 1, 1), "such as  lr,width,optimizer"
    if len(names) == 1 and (mark := next((sign for sign in ";\t|" if sign in names[0]), "")):
        called = {";": "';'", "\t": "tabs", "|": "'|'"}[mark]
        message = f"columns are separated by commas, and here by {called}"
        return Problem("E011", message, place, help=help)
    if not all(names) or len(set(names)) < len(names):
        return Problem("E011", "the first row must name each column, none twice", place, help=help)
    return None


def _settings(names: Sequence[str]) -> Mapping[str, str]:
    """Return which columns are settings, and of which; the others are figures of an export.

    Where a leaderboard was exported, `epochs` are those that a trial has had; the setting of that
    name is `params.epochs`.
    """
    is_export = "number" in names or any(name.startswith(PARAMS) for name in names)
    figures = EXPORTED if is_export else {*FIGURES} - {*SETTINGS}
    return {name: name.removeprefix(PARAMS) for name in names if name not in figures}


def without_problems(document: Document) -> Document:
    """Return a document that is sound.

    Raises:
        SpecError: it is not.
    """
    if document.problems:
        raise SpecError(*document.problems)
    return document


_READERS: Mapping[str, Callable[[Path], Picks]] = {".csv": _csv, ".json": _json}

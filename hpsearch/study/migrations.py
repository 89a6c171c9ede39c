"""Files of earlier versions: every one from version 6 on is read, and becomes one of this version.

A migration is a function from the rows of one version to those of the next. A reader migrates in
memory and leaves the file as it is; a writer puts a migrated file in its place.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor
from typing import Any

from hpsearch.study.layout import TABLES
from hpsearch.study.seal import Contents, Execute, OtherRows, TableRow, digest_of_text, sealed


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of an earlier version and their columns, in the order in which its seal goes.

    Rows of the tables in `trials` belong to the trial that their first column names, whose own row
    stands in the first table; `study` has all other tables.
    """

    trials: Mapping[str, tuple[str, ...]]
    study: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Earlier:
    """All rows of such a file: of each trial a list for each of its tables, and those of others."""

    trials: Mapping[int, Sequence[list[TableRow]]]
    study: Mapping[str, list[TableRow]]


_LAYOUT_6 = Layout(
    trials={
        "trial": (
            *("number", "params", "why", "wave", "cohort", "of", "replicate", "promise"),
            *("start", "upto", "lot", "state", "reason", "loss", "metric", "seconds", "flops"),
            *("steps", "epochs", "best_epoch", "loss_se", "paused", "weights"),
        ),
        "epoch": ("number", "epoch", "train_loss", "loss", "metric"),
        "replicate": ("number", "replicate", "fold", "loss", "metric", "best_epoch"),
    },
    study={
        "sqlite_master": ("type", "name", "sql"),
        "study": (
            *("id", "name", "strategy", "seed", "time_weight", "config", "file", "folder"),
            *("overrides", "rows", "budget", "threads", "device", "data", "baseline_loss"),
            *("baseline_metric", "created", "versions"),
        ),
        "look": ("id", "number", "loss", "metric", "weights"),
        "session": ("id", "wall_seconds", "exit"),
    },
)

_LAYOUT_8 = Layout(
    trials={
        "trial": (
            *("number", "params", "reason", "wave", "cohort", "parent", "replicate"),
            *("expected_improvement", "start_epoch", "until_epoch", "seed_group", "origin"),
            *("state", "failure_kind", "failure_message", "loss", "metric", "seconds", "flops"),
            *("steps", "epochs", "best_epoch", "loss_se", "paused"),
        ),
        "epoch": ("number", "epoch", "train_loss", "loss", "metric"),
        "replicate": ("number", "replicate", "fold", "loss", "metric", "best_epoch"),
        "artefact": ("number", "name", "digest"),
    },
    study={
        "sqlite_master": ("type", "name", "sql"),
        "study": (
            *("id", "name", "objective", "strategy", "seed", "time_weight", "config", "file"),
            *("folder", "overrides", "rows", "budget", "threads", "device", "metric", "has_cost"),
            *("baseline_loss", "baseline_metric", "data", "created", "versions", "semantics"),
        ),
        "test_evaluation": TABLES["test_evaluation"],
        "session": TABLES["session"],
    },
)

_LAYOUT_7 = replace(
    _LAYOUT_8,
    study={**_LAYOUT_8.study, "test_evaluation": ("id", "number", "loss", "metric", "weights")},
)

LAYOUTS: Mapping[int, Layout] = {6: _LAYOUT_6, 7: _LAYOUT_7, 8: _LAYOUT_8}
"""The layout of each earlier version that can be read."""

_ORIGINS = {
    "default": "default",
    "hand-picked": "picked",
    "random": "random",
    "grid": "grid",
    "near": "guided",
    "expected": "model",
    "confirm,": "repeat",
    "one": "promoted",
}
"""In version 6 only the words that said why a trial was asked for told where it came from: the
first word of each, and the origin that it stands for."""


def migrated(execute: Execute, version: int) -> Contents:
    """Return the rows of a file of an earlier version as those of the present one.

    Raises:
        OtherRows: the seal does not fit them, so they are not what was written.
    """
    found = rows_of(execute, LAYOUTS[version])
    if sealed(execute) != seal_of(found) or [*found.trials] != [*range(len(found.trials))]:
        raise OtherRows
    for step in range(version, max(LAYOUTS)):
        found = _MIGRATIONS[step](found)
    return _from_8(found)


def rows_of(execute: Execute, layout: Layout) -> Earlier:
    """Return all rows of a file of this layout."""
    trials: dict[int, list[list[TableRow]]] = {}
    for position, (table, columns) in enumerate(layout.trials.items()):
        for row in _rows(execute, table, columns):
            trials.setdefault(row[0], [[] for _ in layout.trials])[position].append(row)
    study = {table: [*_rows(execute, table, columns)] for table, columns in layout.study.items()}
    return Earlier(trials, study)


def seal_of(found: Earlier) -> int:
    """Return the seal of these rows, which goes over all that belongs to a trial at once."""
    parts = [*found.trials.values(), [*found.study.values()]]
    return reduce(xor, (digest_of_text(json.dumps(part)) for part in parts))


def _rows(execute: Execute, table: str, columns: Sequence[str]) -> sqlite3.Cursor:
    return execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2, 3")


def _named(table: str, row: TableRow, layout: Layout) -> dict[str, Any]:
    columns = {**layout.trials, **layout.study}[table]
    return dict(zip(columns, row, strict=True))


def _ordered(table: str, values: Mapping[str, Any]) -> TableRow:
    columns = {**_LAYOUT_8.trials, **_LAYOUT_8.study}[table]
    return tuple(values[name] for name in columns)


def _from_6(found: Earlier) -> Earlier:
    """Version 7: words, origins, kinds of failure, artefacts by digest, objectives."""
    trials = {}
    for number, ((row,), epochs, replicates) in found.trials.items():
        old = _named("trial", row, _LAYOUT_6)
        kind, _, message = (old["reason"] or "").partition(": ")
        new = old | {
            "reason": old["why"],
            "parent": old["of"],
            "expected_improvement": old["promise"],
            "start_epoch": old["start"],
            "until_epoch": old["upto"],
            "seed_group": old["lot"],
            "origin": _ORIGINS.get(old["why"].partition(" ")[0], "strategy"),
            "failure_kind": kind or None,
            "failure_message": message if kind else None,
        }
        artefacts = [(number, "weights", old["weights"])] if old["weights"] else []
        trials[number] = [[_ordered("trial", new)], epochs, replicates, artefacts]
    (row,) = found.study["study"]
    study = _named("study", row, _LAYOUT_6)
    task = json.loads(study["data"]).get("task")
    metric = "accuracy" if task == "classification" else "r2"
    study |= {"objective": "networks", "metric": metric, "has_cost": 1, "semantics": 1}
    return Earlier(
        trials,
        {
            "sqlite_master": [],
            "study": [_ordered("study", study)],
            "test_evaluation": found.study["look"],
            "session": found.study["session"],
        },
    )


def _from_7(found: Earlier) -> Earlier:
    """Version 8: which model was scored on the test rows, and intervals of what it came to.

    Until then it was the trial's own, and nobody had measured intervals.
    """
    more = (*(None,) * 4, "own")
    evaluations = [(*row, *more) for row in found.study["test_evaluation"]]
    return Earlier(found.trials, {**found.study, "test_evaluation": evaluations})


_MIGRATIONS: Mapping[int, Callable[[Earlier], Earlier]] = {6: _from_6, 7: _from_7}


def _from_8(found: Earlier) -> Contents:
    """Version 9: what was a row for each epoch, replicate and artefact is JSON.

    Until then nothing was said of costs that were reported, of other numbers, and of halved arrays,
    nor was the memory of a device kept. The epochs of a failed trial were counted.
    """
    trials, curves = [], {}
    for number, ((row,), epochs, replicates, artefacts) in found.trials.items():
        values = _named("trial", row, _LAYOUT_8)
        if epochs:
            curves[number] = json.dumps([at for _, *at in epochs])
        if values["state"] == "failed":
            values["epochs"] = epochs[-1][1] if epochs else 0
        values |= {
            "replicates": json.dumps([one for _, *one in replicates]) if replicates else None,
            "artefacts": json.dumps(dict(row[1:] for row in artefacts)) if artefacts else None,
            "reported_cost": None,
            "measures": None,
            "halved": 0 if values["state"] == "done" else None,
            "curve_digest": digest_of_text(curves[number]) if epochs else None,
        }
        trials.append(tuple(values[name] for name in TABLES["trial"]))
    study = {**found.study, "study": [(*row, None) for row in found.study["study"]]}
    return Contents(trials, study, curves)

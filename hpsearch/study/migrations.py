"""Files of earlier versions: every one from version 6 on is read, and becomes one of this version.

A migration is a function from the rows of one version to those of the next. A reader migrates in
memory and leaves the file as it is; a writer puts a migrated file in its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hpsearch.study.layout import LAYOUT, VERSION, Contents, Layout, TableRow

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

_LAYOUT_7 = replace(
    LAYOUT,
    study={**LAYOUT.study, "test_evaluation": ("id", "number", "loss", "metric", "weights")},
)

LAYOUTS: Mapping[int, Layout] = {6: _LAYOUT_6, 7: _LAYOUT_7, VERSION: LAYOUT}
"""The layout of each version that can be read."""

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


def migrate(found: Contents, version: int) -> Contents:
    """Return the rows of a file of this version as rows of the present one."""
    for step in range(version, VERSION):
        found = _MIGRATIONS[step](found)
    return found


def _named(table: str, row: TableRow, layout: Layout) -> dict[str, Any]:
    columns = {**layout.trials, **layout.study}[table]
    return dict(zip(columns, row, strict=True))


def _ordered(table: str, values: Mapping[str, Any]) -> TableRow:
    columns = {**LAYOUT.trials, **LAYOUT.study}[table]
    return tuple(values[name] for name in columns)


def _from_6(found: Contents) -> Contents:
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
    return Contents(
        trials,
        {
            "sqlite_master": [],
            "study": [_ordered("study", study)],
            "test_evaluation": found.study["look"],
            "session": found.study["session"],
        },
    )


def _from_7(found: Contents) -> Contents:
    """Version 8: which model was scored on the test rows, and intervals of what it came to.

    Until then it was the trial's own, and nobody had measured intervals.
    """
    more = (*(None,) * 4, "own")
    evaluations = [(*row, *more) for row in found.study["test_evaluation"]]
    return Contents(found.trials, {**found.study, "test_evaluation": evaluations})


_MIGRATIONS: Mapping[int, Callable[[Contents], Contents]] = {6: _from_6, 7: _from_7}

"""Studies as version 6 of the file had them (see `tests.helpers.earlier` for stored ones)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Done, Failed, Result, Trial
from tests.helpers.earlier import STORED, opened, seal

_APPLICATION = 0x68707331
_LOOK = ("number", "loss", "metric", "weights")
_TOLD = ("loss", "seconds", "flops", "steps", "epochs", "best_epoch", "loss_se", "paused")


def write(folder: Path, study: StudyRecord) -> None:
    """Write the file of a study as version 6 did."""
    folder.mkdir()
    with closing(sqlite3.connect(STORED / "6-finished.db")) as old:
        schema = [sql for (sql,) in old.execute("SELECT sql FROM sqlite_master WHERE sql != ''")]
    with closing(opened(folder)) as connection:
        for statement in [f"PRAGMA application_id = {_APPLICATION}", *schema]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 6")
        new = ("objective", "metric", "has_cost", "semantics", "device_memory")
        meta = {name: value for name, value in asdict(study.meta).items() if name not in new}
        _insert(connection, "study", {"id": 1, **meta})
        for trial in study.history.trials:
            _write_trial(connection, trial, study.history.results.get(trial.number))
        for evaluation in study.evaluations:
            look = {name: getattr(evaluation, name) for name in _LOOK}
            _insert(connection, "look", look)
        for session in study.sessions:
            _insert(connection, "session", asdict(session))
        connection.execute("INSERT INTO seal VALUES (0)")
        seal(connection)


def _write_trial(connection: sqlite3.Connection, trial: Trial, result: Result | None) -> None:
    number = trial.number
    values: dict[str, Any] = {
        "number": number,
        "params": json.dumps(dict(trial.params)),
        "why": trial.reason,
        "wave": trial.wave,
        "cohort": trial.cohort,
        "of": trial.parent,
        "replicate": trial.replicate,
        "promise": trial.expected_improvement,
        "start": trial.start_epoch,
        "upto": trial.until_epoch,
        "lot": trial.seed_group,
        "state": "pending",
    }
    if isinstance(result, Done):
        values |= {"state": "done", "metric": _number(result.metric), "weights": result.weights}
        values |= {name: getattr(result, name) for name in _TOLD}
    elif isinstance(result, Failed):
        values |= {"state": "failed", "reason": result.reason, "seconds": result.seconds}
    _insert(connection, "trial", values)
    for at in result.curve if result else ():
        losses = {name: _number(getattr(at, name)) for name in ("train_loss", "loss", "metric")}
        _insert(connection, "epoch", {"number": number, "epoch": at.epoch, **losses})
    for one in result.replicates if isinstance(result, Done) else ():
        known = {"number": number, **asdict(one)}
        _insert(connection, "replicate", known | {"metric": _number(one.metric)})


def _insert(connection: sqlite3.Connection, table: str, values: Mapping[str, object]) -> None:
    names, marks = ", ".join(values), ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", (*values.values(),))


def _number(value: float) -> float | None:
    return None if value != value else value

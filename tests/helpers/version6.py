"""Studies as version 6 of the file had them: those that are stored, and others written like them.

The stored ones were made by commit 2ed286d in `/tmp/v6`, from the space of the board
`bayes-halving` (see `tests.helpers.boards`), by

    hpsearch bayes space.yaml --budget 9 --halving --confirm --epochs 9 --device cpu

`6-finished` ran to its end, and `6-interrupted` was killed when its first wave was complete.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

from hpsearch.study import layout
from hpsearch.study.folder import FILE
from hpsearch.study.migrations import LAYOUTS
from hpsearch.study.store import StudyRecord
from hpsearch.study.trial import Done, Failed, Result, Trial

STORED = Path(__file__).parent.parent / "golden" / "studies"
_APPLICATION = 0x68707331
_TOLD = ("loss", "seconds", "flops", "steps", "epochs", "best_epoch", "loss_se", "paused")


def stored(name: str, folder: Path) -> Path:
    """Put a copy of a stored study into a folder, which is made; return the folder."""
    folder.mkdir()
    shutil.copy(STORED / f"{name}.db", folder / FILE)
    return folder


def write(folder: Path, study: StudyRecord) -> None:
    """Write the file of a study as version 6 did."""
    folder.mkdir()
    with closing(sqlite3.connect(STORED / "6-finished.db")) as old:
        schema = [sql for (sql,) in old.execute("SELECT sql FROM sqlite_master WHERE sql != ''")]
    with closing(opened(folder)) as connection:
        for statement in [f"PRAGMA application_id = {_APPLICATION}", *schema]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 6")
        new = ("objective", "metric", "has_cost", "semantics")
        meta = {name: value for name, value in asdict(study.meta).items() if name not in new}
        _insert(connection, "study", {"id": 1, **meta})
        for trial in study.history.trials:
            _write_trial(connection, trial, study.history.results.get(trial.number))
        for evaluation in study.evaluations:
            look = {name: value for name, value in asdict(evaluation).items() if name != "model"}
            _insert(connection, "look", look)
        for session in study.sessions:
            _insert(connection, "session", asdict(session))
        connection.execute("INSERT INTO seal VALUES (0)")
        _seal(connection)


def opened(folder: Path) -> sqlite3.Connection:
    """Return a connection to a study's file that commits each statement."""
    return sqlite3.connect(folder / FILE, isolation_level=None)


def change(folder: Path, statement: str, *values: object) -> None:
    """Change a file of version 6 as if it had been written so."""
    with closing(opened(folder)) as connection:
        connection.execute(statement, values)
        _seal(connection)


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


def _seal(connection: sqlite3.Connection) -> None:
    """Let the seal fit what stands in the file."""
    execute, old = connection.execute, LAYOUTS[6]
    trials, study = layout._of_trials(execute, old), layout._of_study(execute, old)
    digests = map(layout._digest, [*trials.values(), [*study.values()]])
    execute("UPDATE seal SET digest = ?", (reduce(xor, digests),))

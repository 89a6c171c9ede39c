"""What stands where in a study's file, and the seal over all of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from hashlib import blake2b
from operator import xor
from typing import Any

from hpsearch.errors import ConfigDiffers, Problem
from hpsearch.study.trial import Done, Trial

Execute = Callable[..., sqlite3.Cursor]
TableRow = tuple[Any, ...]

VERSION = 8
"""The version of the file's layout."""

SEMANTICS = 3
"""The version of what a study asks and trains: another one would, from the same config, ask other
questions, draw other random numbers, or train otherwise. A study is resumed by its own version
only."""


@dataclass(frozen=True, slots=True)
class StudyMeta:
    """What a study is: its config, the flags over it, and what its results rest on.

    Attributes:
        name: the study's, for people.
        objective: the name of what is trained and judged (`networks`, `function`).
        strategy: the name of the strategy that searches.
        config: the YAML as it was given; of a function its space as JSON.
        file: the name of the YAML, for messages.
        folder: what paths in it are relative to.
        overrides: JSON of what flags say (see `config.spec.Override`).
        rows: keep only so many rows of the data (the smoke run).
        budget: the total of trials, or of whole trainings; None for all that there are.
        metric: the name of what is measured beside the loss; None where nothing is.
        has_cost: whether FLOPs and steps are counted; else only seconds say what a trial took.
        baseline_loss: the loss of the constant predictor; None where there is none.
        baseline_metric: its metric.
        data: JSON of what is trained on, with its digest; with `minimized` where what is minimised
            is no loss, and with `notes` on what makes results worth less.
        versions: JSON of what computes: versions, and of networks the processor.
        semantics: see `SEMANTICS`.
    """

    name: str
    objective: str
    strategy: str
    seed: int
    time_weight: float
    config: str
    file: str
    folder: str
    overrides: str
    rows: int | None
    budget: int | None
    threads: int
    device: str
    metric: str | None
    has_cost: bool
    baseline_loss: float | None
    baseline_metric: float | None
    data: str
    created: str
    versions: str
    semantics: int = SEMANTICS

    @property
    def minimized(self) -> str:
        """The name of what trials are compared by: `loss`, or such as `1 - accuracy` or `rmse`."""
        name: str = (json.loads(self.data) or {}).get("minimized", "loss")
        return name

    @property
    def shown_beside(self) -> str | None:
        """The name of what is shown beside that: the metric, unless that is what is minimised."""
        return None if self.metric == self.minimized else self.metric


SCHEMA = """
CREATE TABLE study (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL, objective TEXT NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL,
    time_weight REAL NOT NULL, config TEXT NOT NULL, file TEXT NOT NULL, folder TEXT NOT NULL,
    overrides TEXT NOT NULL, rows INTEGER, budget INTEGER, threads INTEGER NOT NULL,
    device TEXT NOT NULL, metric TEXT, has_cost INTEGER NOT NULL CHECK (has_cost IN (0, 1)),
    baseline_loss REAL, baseline_metric REAL, data TEXT NOT NULL, created TEXT NOT NULL,
    versions TEXT NOT NULL, semantics INTEGER NOT NULL
) STRICT;
CREATE TABLE trial (
    number INTEGER PRIMARY KEY CHECK (number >= 0),
    params TEXT NOT NULL, reason TEXT NOT NULL, wave INTEGER NOT NULL, cohort INTEGER NOT NULL,
    parent INTEGER REFERENCES trial CHECK (parent < number), replicate INTEGER NOT NULL,
    expected_improvement REAL, start_epoch INTEGER NOT NULL CHECK (start_epoch >= 0),
    until_epoch INTEGER CHECK (until_epoch > start_epoch),
    seed_group INTEGER NOT NULL CHECK (seed_group >= 0), origin TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    failure_kind TEXT
        CHECK (failure_kind IN ('diverged', 'error', 'timeout', 'memory', 'killed')),
    failure_message TEXT,
    loss REAL CHECK (abs(loss) <= 1.7976931348623157e308), metric REAL,
    seconds REAL CHECK (seconds >= 0), flops REAL, steps INTEGER, epochs INTEGER,
    best_epoch INTEGER, loss_se REAL, paused INTEGER,
    CHECK ((state = 'done') = (loss IS NOT NULL AND flops IS NOT NULL AND paused IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_kind IS NOT NULL AND failure_message IS NOT NULL)),
    CHECK ((state = 'pending') = (seconds IS NULL)),
    CHECK ((parent IS NULL) = (replicate = 0 AND start_epoch = 0))
) STRICT;
CREATE TABLE epoch (
    number INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL,
    train_loss REAL, loss REAL, metric REAL,
    PRIMARY KEY (number, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE replicate (
    number INTEGER NOT NULL REFERENCES trial, replicate INTEGER NOT NULL, fold INTEGER NOT NULL,
    loss REAL NOT NULL, metric REAL, best_epoch INTEGER NOT NULL,
    PRIMARY KEY (number, replicate, fold)
) STRICT, WITHOUT ROWID;
CREATE TABLE artefact (
    number INTEGER NOT NULL REFERENCES trial, name TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (number, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE test_evaluation (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL REFERENCES trial,
    loss REAL, metric REAL, weights TEXT,
    loss_low REAL, loss_high REAL, metric_low REAL, metric_high REAL,
    model TEXT NOT NULL CHECK (model IN ('own', 'retrained')),
    CHECK ((loss_low IS NULL) = (loss_high IS NULL)),
    CHECK ((metric_low IS NULL) = (metric_high IS NULL))
) STRICT;
CREATE TABLE session (
    id INTEGER PRIMARY KEY, wall_seconds REAL NOT NULL, exit INTEGER NOT NULL
) STRICT;
CREATE TABLE seal (digest INTEGER NOT NULL) STRICT;
"""

ASKED = tuple(field.name for field in fields(Trial))
"""The columns of a trial that are fields of `Trial`."""

FIGURES = tuple(
    field.name
    for field in fields(Done)
    if field.name not in ("curve", "replicates", "artefacts", "reported_cost", "measures", "halved")
)
"""The columns of a trial that are fields of `Done`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of a version and their columns, in the order in which the seal goes over them.

    Rows of the tables in `trials` belong to the trial that their first column names, whose own row
    stands in the first table; `study` has all other tables.
    """

    trials: Mapping[str, tuple[str, ...]]
    study: Mapping[str, tuple[str, ...]]


def check_semantics(meta: StudyMeta) -> None:
    """Refuse to go on with a study whose results rest on other questions than are asked now.

    Raises:
        ConfigDiffers: it was begun by such a version.
    """
    if meta.semantics != SEMANTICS:
        begun = json.loads(meta.versions).get("hpsearch", "another version")
        message = f"{meta.name} was begun by hpsearch {begun}, which asked other questions"
        help = f"it is finished by hpsearch {begun}; here it can be shown and exported"
        raise ConfigDiffers(Problem("E178", message, help=help))


LAYOUT = Layout(
    trials={
        "trial": (*ASKED, "state", "failure_kind", "failure_message", *FIGURES),
        "epoch": ("number", "epoch", "train_loss", "loss", "metric"),
        "replicate": ("number", "replicate", "fold", "loss", "metric", "best_epoch"),
        "artefact": ("number", "name", "digest"),
    },
    study={
        "sqlite_master": ("type", "name", "sql"),
        "study": ("id", *(field.name for field in fields(StudyMeta))),
        "test_evaluation": (
            *("id", "number", "loss", "metric", "weights"),
            *("loss_low", "loss_high", "metric_low", "metric_high", "model"),
        ),
        "session": ("id", "wall_seconds", "exit"),
    },
)


@dataclass(frozen=True, slots=True)
class Contents:
    """All rows of a file: of each trial a list for each of its tables, and those of others."""

    trials: Mapping[int, Sequence[list[TableRow]]]
    study: Mapping[str, list[TableRow]]


def contents(execute: Execute, layout: Layout) -> Contents:
    """Return all rows of a file.

    Raises:
        ValueError: the seal does not fit them, so they are not what was written.
    """
    found = Contents(_of_trials(execute, layout), _of_study(execute, layout))
    (seal,) = execute("SELECT digest FROM seal").fetchone()
    parts = [*found.trials.values(), [*found.study.values()]]
    if seal != reduce(xor, map(_digest, parts)) or [*found.trials] != [*range(len(found.trials))]:
        raise ValueError("it is not what was written there")
    return found


def digest_of_trials(execute: Execute, numbers: Iterable[int]) -> int:
    """Return what the rows of these trials contribute to the seal as they stand."""
    parts = (rows for number in numbers for rows in _of_trials(execute, LAYOUT, number).values())
    return reduce(xor, map(_digest, parts), 0)


def digest_of_study(execute: Execute) -> int:
    """Return what all rows that belong to no trial contribute to the seal as they stand."""
    return _digest([*_of_study(execute, LAYOUT).values()])


def _of_trials(
    execute: Execute, layout: Layout, number: int | None = None
) -> Mapping[int, Sequence[list[TableRow]]]:
    """Return the rows of each trial, or of one."""
    found: dict[int, list[list[TableRow]]] = {}
    for position, (table, columns) in enumerate(layout.trials.items()):
        where = "" if number is None else f"WHERE number = {number}"
        for row in _rows(execute, table, columns, where):
            found.setdefault(row[0], [[] for _ in layout.trials])[position].append(row)
    return found


def _of_study(execute: Execute, layout: Layout) -> Mapping[str, list[TableRow]]:
    return {
        table: _rows(execute, table, columns).fetchall() for table, columns in layout.study.items()
    }


def _rows(execute: Execute, table: str, columns: Sequence[str], where: str = "") -> sqlite3.Cursor:
    return execute(f"SELECT {', '.join(columns)} FROM {table} {where} ORDER BY 1, 2, 3")


def _digest(rows: object) -> int:
    # JSON says the same in every version of Python, to the last bit of a float
    text = json.dumps(rows).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)

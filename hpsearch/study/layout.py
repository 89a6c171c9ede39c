"""What stands where in a study's file.

A trial is one row, and what is a list or a mapping in its result stands there as JSON. Its learning
curve, which few commands show, stands in a table of its own as one text of JSON; the trial's row
has the digest of that text, so that who does not show it need not read it (decision 37).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from hpsearch.errors import ConfigDiffers, Problem
from hpsearch.study.trial import Done, Trial

VERSION = 9
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
        objective: the name of what is trained and judged (`networks`, `function`, `module`,
            `command`).
        strategy: the name of the strategy that searches.
        config: the YAML as it was given; of a function its space as JSON.
        file: the name of the YAML, for messages.
        folder: what paths in it are relative to.
        overrides: JSON of what flags say (see `config.spec.Override`).
        rows: keep only so many rows of the data (the smoke run).
        budget: the total of trials, or of whole trainings; None for all that there are.
        metric: the name of what is measured beside the loss; None where nothing is.
        has_cost: whether FLOPs and steps are counted, see `ObjectiveInfo`.
        baseline_loss: the loss of the constant predictor; None where there is none.
        baseline_metric: its metric.
        data: JSON of what is trained on, with its digest; with `minimized` where what is minimised
            is no loss, and with `notes` on what makes results worth less.
        versions: JSON of what computes: versions, and of networks the processor.
        semantics: see `SEMANTICS`.
        device_memory: the bytes of memory of the device by which arrays were sized; None where
            nothing was sized by it.
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
    device_memory: int | None = None

    @property
    def minimized(self) -> str:
        """The name of what trials are compared by: `loss`, or such as `1 - accuracy` or `rmse`.

        Where a trainer's own metric is maximised, it is that name with a "-" before it.
        """
        name: str = (json.loads(self.data) or {}).get("minimized", "loss")
        return name

    @property
    def shown_beside(self) -> str | None:
        """The name of what is shown beside that: the metric, unless that is what is optimised."""
        return None if self.metric == self.minimized.removeprefix("-") else self.metric

    @property
    def curve(self) -> str:
        """The name of what trials have at each epoch: the loss of networks, else `minimized`."""
        return "loss" if self.objective == "networks" else self.minimized


SCHEMA = """
CREATE TABLE study (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL, objective TEXT NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL,
    time_weight REAL NOT NULL, config TEXT NOT NULL, file TEXT NOT NULL, folder TEXT NOT NULL,
    overrides TEXT NOT NULL, rows INTEGER, budget INTEGER, threads INTEGER NOT NULL,
    device TEXT NOT NULL, metric TEXT, has_cost INTEGER NOT NULL CHECK (has_cost IN (0, 1)),
    baseline_loss REAL, baseline_metric REAL, data TEXT NOT NULL, created TEXT NOT NULL,
    versions TEXT NOT NULL, semantics INTEGER NOT NULL,
    device_memory INTEGER CHECK (device_memory > 0)
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
    best_epoch INTEGER, loss_se REAL, replicates TEXT, paused INTEGER, artefacts TEXT,
    reported_cost REAL CHECK (reported_cost BETWEEN 0 AND 1.7976931348623157e308), measures TEXT,
    halved INTEGER CHECK (halved IN (0, 1)), curve_digest INTEGER,
    CHECK ((state = 'done') = (loss IS NOT NULL AND flops IS NOT NULL AND paused IS NOT NULL)),
    CHECK ((state = 'done') = (halved IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_kind IS NOT NULL AND failure_message IS NOT NULL)),
    CHECK ((state = 'pending') = (seconds IS NULL)),
    CHECK ((state = 'pending') = (epochs IS NULL)),
    CHECK ((parent IS NULL) = (replicate = 0 AND start_epoch = 0))
) STRICT;
CREATE TABLE curve (number INTEGER PRIMARY KEY REFERENCES trial, epochs TEXT NOT NULL) STRICT;
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

FIGURES = tuple(field.name for field in fields(Done) if field.name != "curve")
"""The columns of a trial that are fields of `Done`."""


TABLES: Mapping[str, tuple[str, ...]] = {
    "trial": (*ASKED, "state", "failure_kind", "failure_message", *FIGURES, "curve_digest"),
    "curve": ("number", "epochs"),
    "sqlite_master": ("type", "name", "sql"),
    "study": ("id", *(field.name for field in fields(StudyMeta))),
    "test_evaluation": (
        *("id", "number", "loss", "metric", "weights"),
        *("loss_low", "loss_high", "metric_low", "metric_high", "model"),
    ),
    "session": ("id", "wall_seconds", "exit"),
}
"""The tables and their columns in the order in which they are read."""


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

"""Studies for tests of the store, the loop and the report, without any training."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from hpsearch.study.history import History
from hpsearch.study.layout import VERSION, StudyMeta
from hpsearch.study.reading import contents_of, look
from hpsearch.study.record import StudyRecord, record_of, with_curves
from hpsearch.study.seal import Execute, curves
from hpsearch.study.store import Store

META = StudyMeta(
    name="digits-random",
    objective="networks",
    strategy="random",
    seed=0,
    time_weight=0.0,
    config="data: {source: digits}",
    file="search.yaml",
    folder="/data",
    overrides="[]",
    rows=None,
    budget=10,
    threads=1,
    device="cpu",
    metric="accuracy",
    has_cost=True,
    baseline_loss=2.3,
    baseline_metric=0.1,
    data=json.dumps({"source": "digits", "task": "classification", "digest": "0"}),
    created="2024-01-01T00:00:00+00:00",
    versions="{}",
)


def said(study: StudyRecord) -> str:
    """Return all that a study says, with equal texts for equal floats, NaN included."""
    history = study.history
    plain = History(tuple(history.trials), dict(history.results))
    return repr(asdict(replace(study, history=plain)))


def create(folder: Path, **changes: object) -> Store:
    """Begin a study that is like META but for the changes."""
    return Store.create(folder, replace(META, **changes))  # type: ignore[arg-type]


def whole(folder: Path) -> StudyRecord:
    """Return all that a study's file says, the curves of all trials included."""

    def take(version: int, execute: Execute) -> StudyRecord:
        found = contents_of(version, execute)
        study = record_of(found)
        texts = curves(execute, found.trials) if version == VERSION else found.curves
        return replace(study, history=with_curves(study.history, texts))

    return look(folder, take)

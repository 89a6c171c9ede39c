"""What a study's file says, as records; and the rows that stand for them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

from hpsearch.study.history import History
from hpsearch.study.layout import ASKED, FIGURES, TABLES, StudyMeta
from hpsearch.study.seal import Contents, TableRow, digest_of_text
from hpsearch.study.trial import Done, Epoch, Failed, Interval, Replicate, Result, Trial

_NO_INTERVAL = (None, None)
_decoded = json.JSONDecoder().decode  # with fewer questions than `json.loads` asks
_ASKED = len(ASKED)
_JSON = [*map(TABLES["trial"].index, ("params", "replicates", "artefacts", "measures"))]


@dataclass(frozen=True, slots=True)
class TestEvaluation:
    """One evaluation on the test split.

    Attributes:
        number: that of the trial.
        loss: what was found.
        metric: likewise; NaN where it is not defined.
        weights: the digest of the model that was scored.
        loss_interval: None where too few rows were tested, or by a version that measured none.
        metric_interval: likewise.
        model: the trial's `own`, or one that was `retrained` with its settings.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of such names for tests

    number: int
    loss: float
    metric: float
    weights: str | None = None
    loss_interval: Interval | None = None
    metric_interval: Interval | None = None
    model: Literal["own", "retrained"] = "own"


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the search: how long it took, and its exit code."""

    wall_seconds: float
    exit: int


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """All that a study's file says, less the curves that nobody asked for."""

    meta: StudyMeta
    history: History
    evaluations: tuple[TestEvaluation, ...]
    sessions: tuple[Session, ...]


def record_of(found: Contents) -> StudyRecord:
    """Return what the rows of a file say."""
    return StudyRecord(
        _meta(found.study),
        with_rows(History(), found.trials),
        tuple(map(_evaluation, found.study["test_evaluation"])),
        tuple(Session(*values) for _, *values in found.study["session"]),
    )


def _meta(study: Mapping[str, Sequence[TableRow]]) -> StudyMeta:
    """Return what a study is."""
    ((_, *meta),) = study["study"]
    named = dict(zip((field.name for field in fields(StudyMeta)), meta, strict=True))
    return StudyMeta(**{**named, "has_cost": bool(named["has_cost"])})


def with_rows(history: History, rows: Iterable[TableRow]) -> History:
    """Return the history with what these rows say of trials, in the order of their numbers."""
    columns = _columns(rows)
    if not columns:
        return history
    trials, results = list(history.trials), dict(history.results)
    found = zip(map(Trial, *columns[:_ASKED]), map(_result, *columns[_ASKED:]), strict=True)
    for trial, result in found:
        if trial.number == len(trials):
            trials.append(trial)
        if result:
            results[trial.number] = result
    return History(tuple(trials), results)


def _columns(rows: Iterable[TableRow]) -> Sequence[Sequence[Any]]:
    """Return the columns of the rows of trials, those of JSON as what it says.

    JSON is read a column at a time: so all trials share the names of their parameters.
    """
    columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
    for at in _JSON if columns else ():
        columns[at] = _decoded(f"[{','.join(text or 'null' for text in columns[at])}]")
        if len(columns[at]) != len(columns[0]):
            raise ValueError("a text of JSON is not one value")
    return columns


def with_curves(history: History, curves: Mapping[int, str]) -> History:
    """Return the history with these curves, given as JSON by the numbers of their trials."""
    found = {
        number: replace(
            history.results[number],
            curve=tuple(Epoch(number, epoch, *map(_number, at)) for epoch, *at in _decoded(text)),
        )
        for number, text in curves.items()
    }
    return history.with_results(found)


def _result(
    state: str,
    kind: Any,
    message: Any,
    loss: float,
    metric: float | None,
    seconds: float,
    flops: float,
    steps: int,
    epochs: int,
    best_epoch: int,
    loss_se: float | None,
    replicates: Sequence[Sequence[Any]] | None,
    paused: int,
    artefacts: Mapping[str, str] | None,
    reported_cost: float | None,
    measures: Mapping[str, float] | None,
    halved: int,
    _: int | None,
) -> Result | None:
    """Return what the columns of a trial after those that were asked for say, without the curve."""
    if state == "pending":
        return None
    if state == "failed":
        return Failed(kind, message, seconds, epochs=epochs)
    return Done(
        loss,
        _number(metric),
        seconds,
        flops,
        steps,
        epochs,
        best_epoch,
        (),
        loss_se,
        tuple(map(_replicate, replicates or ())),
        bool(paused),
        artefacts or {},
        reported_cost,
        measures or {},
        bool(halved),
    )


def _replicate(values: Sequence[Any]) -> Replicate:
    replicate, fold, loss, metric, best_epoch = values
    return Replicate(replicate, fold, loss, _number(metric), best_epoch)


def _evaluation(row: TableRow) -> TestEvaluation:
    _, number, loss, metric, weights, *ends, model = row
    of_loss, of_metric = (
        None if ends[at] is None else Interval(*ends[at : at + 2]) for at in (0, 2)
    )
    figures = _number(loss), _number(metric)
    return TestEvaluation(number, *figures, weights, of_loss, of_metric, model)


def trial_columns(trial: Trial) -> Mapping[str, object]:
    """Return the columns of a trial that has no result."""
    columns = {name: getattr(trial, name) for name in ASKED}
    return columns | {"params": json.dumps(dict(trial.params))}


def result_columns(result: Result) -> Mapping[str, object]:
    """Return the columns that say what a trial has come to, with the digest of its curve."""
    curve = curve_text(result.curve)
    digest = None if curve is None else digest_of_text(curve)
    if isinstance(result, Failed):
        return {
            "state": "failed",
            "failure_kind": result.kind,
            "failure_message": result.message,
            "seconds": result.seconds,
            "epochs": result.epochs,
            "curve_digest": digest,
        }
    runs = [
        (one.replicate, one.fold, one.loss, _finite(one.metric), one.best_epoch)
        for one in result.replicates
    ]
    return {name: getattr(result, name) for name in FIGURES} | {
        "state": "done",
        "metric": _finite(result.metric),
        "replicates": _text(runs),
        "artefacts": _text(result.artefacts),
        "measures": _text(result.measures),
        "curve_digest": digest,
    }


def curve_text(curve: Sequence[Epoch]) -> str | None:
    """Return a curve as JSON: a list for each epoch; None where there are none."""
    return _text([(at.epoch, *map(_finite, (at.train_loss, at.loss, at.metric))) for at in curve])


def evaluation_row(one: TestEvaluation) -> TableRow:
    """Return the row of an evaluation, whose `id` is left to SQLite."""
    ends = (*(one.loss_interval or _NO_INTERVAL), *(one.metric_interval or _NO_INTERVAL))
    figures = (_finite(one.loss), _finite(one.metric))
    return (None, one.number, *figures, one.weights, *ends, one.model)


def _text(values: Collection[Any]) -> str | None:
    """Return a list or a mapping as JSON; None where it is empty."""
    return json.dumps(values, allow_nan=False) if values else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value

"""A study as what is shown: rows, the best, the winner, the default, the baseline. Every figure is made here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from hpsearch.space.space import Params
from hpsearch.study.history import together
from hpsearch.study.store import Look, Meta, Study
from hpsearch.study.trial import Done, Failed, Replicate, Trial

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. `score` orders the board (the loss, unless time has a weight); `star`: on the Pareto front.

    `state` is pending, done, failed, or stopped: dropped at a rung, with what it was worth there.

    `loss_se` is the standard error of the loss, which one training does not have; `first_loss` is what the first run
    of a trial promised that was run again.
    """

    number: int
    state: str
    params: Params
    why: str
    cohort: int
    loss: float | None = None
    first_loss: float | None = None
    metric: float | None = None
    loss_se: float | None = None
    score: float | None = None
    seconds: float | None = None
    flops: float | None = None
    cost: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    reason: str | None = None
    star: bool = False
    replicates: tuple[Replicate, ...] = ()

    @property
    def early(self) -> str:
        """What is said behind a loss that is not that of a whole training; empty for the others."""
        return ", stopped at a rung" if self.state == "stopped" else ""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that a leaderboard says. `rows` are in order of score; those without one come last."""

    meta: Meta
    data: Mapping[str, Any]
    time_weight: float
    rows: tuple[Row, ...]
    best: Row | None
    winner: Row | None
    default: Row | None
    looks: tuple[Look, ...]
    wall_seconds: float
    exit: int | None

    @property
    def metric(self) -> str:
        """What `metric` is."""
        return metric_name(self.data["task"])

    @property
    def test(self) -> Look | None:
        """The winner's look at the test split, if it has had one."""
        return next(
            (look for look in self.looks if self.winner and look.number == self.winner.number), None
        )


def metric_name(task: str) -> str:
    """What is measured beside the loss."""
    return "accuracy" if task == "classification" else "r2"


def board(study: Study, time_weight: float | None = None, by: str = "cost") -> Board:
    """Put a study's figures together.

    `time_weight` is the study's own where it is None. `by` is what stands for the price of a trial: `cost`,
    the same everywhere, or the `seconds` that it took.
    """
    weight = study.meta.time_weight if time_weight is None else time_weight
    scores = {t.number: r.loss for t, r in study.history.weighed(weight, by).done}
    stars = pareto((r.loss, getattr(r, by), t.number) for t, r in study.history.whole)
    runs = study.history.runs
    contenders = {trial.number for trial, _ in study.history.contenders}
    rows = [
        _row(runs[trial.number], study, scores, stars)
        for trial in study.history.trials
        if trial.of is None
    ]
    ended = sorted(
        (row for row in rows if row.score is not None), key=lambda row: (row.score, row.number)
    )
    rest = [row for row in rows if row.score is None]
    return Board(
        meta=study.meta,
        data=json.loads(study.meta.data),
        time_weight=weight,
        rows=(*ended, *rest),
        best=min(
            (row for row in ended if row.number in contenders),
            key=lambda row: (row.loss, row.number),
            default=None,
        ),
        winner=_winner([row for row in ended if row.number in contenders], by),
        default=next((row for row in rows if row.why == "default"), None),
        looks=study.looks,
        wall_seconds=sum(session.wall_seconds for session in study.sessions),
        exit=study.sessions[-1].exit if study.sessions else None,
    )


def _winner(ended: Sequence[Row], by: str) -> Row | None:
    """The cheapest whose score is within one standard error of the best one's; the best where it has none."""
    if not ended:
        return None
    best = ended[0]
    margin = (best.score or 0.0) + (best.loss_se or 0.0)
    close = (
        [row for row in ended if row.score is not None and row.score <= margin]
        if best.loss_se
        else [best]
    )
    return min(close, key=lambda row: (getattr(row, by), row.score, row.number))


def pareto(points: Iterable[tuple[float, float, int]]) -> frozenset[int]:
    """Of (loss, price, number): the numbers of those that no other beats in the one without losing in the other."""
    front, cheapest = [], float("inf")
    for _, price, number in sorted(points):
        if price < cheapest:
            front.append(number)
            cheapest = price
    return frozenset(front)


def _row(
    runs: Sequence[Trial], study: Study, scores: Mapping[int, float], stars: frozenset[int]
) -> Row:
    trial = runs[0]
    row = Row(trial.number, "pending", trial.params, trial.why, trial.cohort)
    first = study.history.ended.get(trial.number)
    match together(runs, study.history.ended):
        case Done() as done:
            return replace(
                row,
                state="stopped" if done.paused else "done",
                loss=done.loss,
                first_loss=first.loss
                if isinstance(first, Done) and first.paused == done.paused
                else None,
                metric=figure(done.metric),
                loss_se=done.loss_se,
                score=scores[trial.number],
                seconds=done.seconds,
                flops=done.flops,
                cost=done.cost,
                epochs=done.epochs,
                best_epoch=done.best_epoch,
                star=trial.number in stars,
                replicates=done.replicates,
            )
        case Failed() as failed:
            return replace(
                row,
                state="failed",
                seconds=failed.seconds,
                epochs=len(failed.curve),
                reason=failed.reason,
            )
        case _:
            return row


def figure(value: float) -> float | None:
    """A number that can be printed; None for one that is none."""
    return value if isfinite(value) else None


_TRAINED = ("number", "params", "loss", "loss_se", "metric", "seconds", "flops")
_TRIAL = (
    "number",
    "state",
    "params",
    "loss",
    "loss_se",
    "metric",
    "seconds",
    "flops",
    "epochs",
    "reason",
    "cohort",
)


def record(board: Board) -> dict[str, Any]:
    """The board as `--json` prints it: the trials that ended, in full precision, null where there is no number."""
    meta, test = board.meta, board.test
    return {
        "schema_version": SCHEMA_VERSION,
        "study": meta.name,
        "strategy": meta.strategy,
        "seed": meta.seed,
        "data": dict(board.data),
        "best": _pick(board.best, *_TRAINED),
        "winner": _pick(board.winner, *_TRAINED),
        "default": _pick(board.default, "number", "loss"),
        "baseline": {"loss": meta.baseline_loss, "metric": meta.baseline_metric},
        "test": test
        and {"loss": figure(test.loss), "metric": figure(test.metric), "looks": len(board.looks)},
        "trials": [_pick(row, *_TRIAL) for row in board.rows if row.state != "pending"],
        "replicates": [
            {"number": row.number, "replicate": run.replicate, "fold": run.fold, "loss": run.loss}
            for row in board.rows
            for run in row.replicates
        ],
        "wall_seconds": board.wall_seconds,
        "exit": board.exit,
    }


def _pick(row: Row | None, *names: str) -> dict[str, Any] | None:
    if row is None:
        return None
    return {name: dict(row.params) if name == "params" else getattr(row, name) for name in names}


def canonical(study: Study) -> str:
    """The rows that are the same for any number of workers and any interruption, one a line.

    Number and replicate, params, state, epochs, loss (as hex), FLOPs, ordered by loss, then number.
    """
    lines = []
    for trial in study.history.trials:
        result = study.history.results.get(trial.number)
        params = json.dumps(dict(trial.params), sort_keys=True)
        name = f"{trial.number if trial.of is None else trial.of}.{trial.replicate} {params}"
        if isinstance(result, Done):
            facts = f"done {result.epochs} {result.loss.hex()} {result.flops.hex()}"
            lines.append((result.loss, trial.number, f"{name} {facts}"))
        else:
            state = "pending" if result is None else "failed"
            lines.append((float("inf"), trial.number, f"{name} {state}"))
    return "\n".join(line for _, _, line in sorted(lines))

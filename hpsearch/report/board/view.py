"""The leaderboard of a study as records: rows, the best, the winner, the default, the baseline.

All figures that are shown anywhere are computed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from hpsearch.metrics import LOSS, METRICS
from hpsearch.report.board.choice import Candidate, chosen
from hpsearch.report.board.doubts import doubts
from hpsearch.report.board.worth import Expectation, expectation
from hpsearch.report.render import figures
from hpsearch.report.render.records import SCHEMA_VERSION, finite
from hpsearch.space.space import Params
from hpsearch.study.history import Price
from hpsearch.study.layout import StudyMeta
from hpsearch.study.record import StudyRecord, TestEvaluation
from hpsearch.study.sums import merge_repeats
from hpsearch.study.trial import Done, Failed, Interval, Replicate, Result, Trial


class Row(NamedTuple):
    """One trial of a board: a tuple, since a study may have many, and a dataclass takes long.

    Attributes:
        state: pending, done, failed, or pruned: dropped at a rung, with the figures that it had
            there.
        loss: the mean over all its runs.
        loss_se: the standard error of the loss; None for a single training.
        first_loss: the loss of its first run.
        metric: what is measured beside the loss; None where there is nothing.
        score: what orders the board: the loss, and the price as far as time has a weight.
        flops: None where no FLOPs are counted.
        cost: None where nobody knows it: it is neither counted nor reported.
        failure: kind and message, of a failed trial.
        halved: whether it was trained in a smaller array than planned, for lack of memory.
        pareto_optimal: no other trial is better in loss or price without being worse in the other.
        measures: all other numbers that a trainer of one's own has reported.
    """

    number: int
    state: str
    params: Params
    reason: str
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
    failure: str | None = None
    halved: bool = False
    pareto_optimal: bool = False
    replicates: tuple[Replicate, ...] = ()
    measures: Mapping[str, float] = MappingProxyType({})

    @property
    def early(self) -> str:
        """What follows a loss that is not that of a whole training; empty for the others."""
        return ", pruned at a rung" if self.state == "pruned" else ""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that a leaderboard says.

    Attributes:
        data: what the study says of its data.
        time_weight: the loss that one would pay for a training that is ten times shorter.
        price: what trials are paid in: `cost`, or `seconds`.
        has_cost: whether the cost of each trial is known: counted, or reported by its trainer.
        rows: in the order of their scores, of equals the cheapest first where cost is counted;
            those without one come last.
        parameters: the names of all that was searched.
        measures: the names of all other numbers that a trainer of one's own has reported.
        best: the trial with the lowest loss, of those that were run most often.
        winner: the cheapest that cannot be told from the best by score.
        default: the trial of the default settings.
        expected: what is to be expected of the winner; None where the trials do not tell it.
        notes: what makes the results worth less than they look.
        evaluations: all that were made at the test split.
        wall_seconds: how long all sessions took together.
        exit: the exit code of the last session; None where none has ended.
        settings: gives all settings of a trial from its params, also fixed and default ones.
    """

    meta: StudyMeta
    data: Any
    time_weight: float
    price: Price
    has_cost: bool
    rows: tuple[Row, ...]
    parameters: tuple[str, ...]
    measures: tuple[str, ...]
    best: Row | None
    winner: Row | None
    default: Row | None
    expected: Expectation | None
    notes: tuple[str, ...]
    evaluations: tuple[TestEvaluation, ...]
    wall_seconds: float
    exit: int | None
    settings: Callable[[Params], Params] = dict

    @property
    def metric(self) -> str | None:
        """The name of what is shown beside what is minimised; None where there is nothing."""
        return self.meta.shown_beside

    @property
    def minimized(self) -> str:
        """The name of what stands as a row's `loss`: that, or such as `1 - accuracy` or `rmse`."""
        return self.meta.minimized

    @property
    def label(self) -> str:
        """The name of what is shown of it: of a metric that is maximised, its own."""
        return figures.label(self.minimized)

    @property
    def test_minimized(self) -> float | None:
        """What the winner has of `minimized` at the test split."""
        test, metric = self.test, self.meta.metric
        if test is None:
            return None
        if metric is None or self.minimized == LOSS:
            return finite(test.loss)
        return finite(METRICS[metric].minimized(test.metric))

    @property
    def test_interval(self) -> Interval | None:
        """The interval of that; None where there is none."""
        test, metric = self.test, self.meta.metric
        if test is None:
            return None
        if metric is None or self.minimized == LOSS:
            return test.loss_interval
        ends = sorted(map(METRICS[metric].minimized, test.metric_interval or ()))
        return Interval(*ends) if ends else None

    @property
    def ended(self) -> int:
        """How many trials have a loss."""
        return sum(row.loss is not None for row in self.rows)

    @property
    def test(self) -> TestEvaluation | None:
        """The evaluation of the winner's own model at the test split, if it has had one."""
        if self.winner is None:
            return None
        own = (self.winner.number, "own")
        return next((one for one in self.evaluations if (one.number, one.model) == own), None)


def board(study: StudyRecord, time_weight: float | None = None, by: Price = "cost") -> Board:
    """Return the board of a study.

    Args:
        study: is only read.
        time_weight: stands over that of the study; None keeps it.
        by: what the price of a trial is: `cost`, the same on every machine, or the `seconds` that
            it took. Where costs are not known, the price is always seconds, which mark trials as
            Pareto-optimal only where they are asked for.
    """
    meta, history = study.meta, study.history
    has_cost = history.price(meta.has_cost) == "cost"
    price: Price = by if has_cost else "seconds"
    weight = meta.time_weight if time_weight is None else time_weight
    scores = {t.number: r.loss for t, r in history.with_time_weight(weight, price).done}
    contenders = {trial.number for trial, _ in history.contenders}
    rows = [_row(runs, study, scores, has_cost) for runs in history.runs.values()]
    if price == by:
        rows = _marked(rows, price)
    then = (price, "number") if has_cost else ("number",)  # by which equals are told apart
    ranked = sorted((r for r in rows if r.score is not None), key=attrgetter("score", *then))
    compared = [row for row in ranked if row.number in contenders]
    # by a price that nobody has asked for, and that no study has, nothing is decided
    candidates = [_candidate(row, price, has_cost, price == by) for row in compared]
    winner = chosen(candidates).number if candidates else None
    default = next((trial.number for trial in history.trials if trial.origin == "default"), None)
    found = Board(
        meta=meta,
        data=json.loads(meta.data),
        time_weight=weight,
        price=price,
        has_cost=has_cost,
        rows=(*ranked, *(row for row in rows if row.score is None)),
        parameters=tuple(dict.fromkeys(chain.from_iterable(row.params for row in rows))),
        measures=tuple(dict.fromkeys(chain.from_iterable(row.measures for row in rows))),
        best=min(compared, key=attrgetter("loss", *then), default=None),
        winner=next((row for row in compared if row.number == winner), None),
        default=next((row for row in rows if row.number == default), None),
        expected=None if winner is None else expectation(history, candidates, winner),
        notes=(),
        evaluations=study.evaluations,
        wall_seconds=sum(session.wall_seconds for session in study.sessions),
        exit=study.sessions[-1].exit if study.sessions else None,
    )
    return replace(found, notes=(*doubts(found, history), *(found.data or {}).get("notes", ())))


def _candidate(row: Row, price: str, has_cost: bool, has_price: bool) -> Candidate:
    paid = getattr(row, price)
    costs = (paid if has_price else 0.0, paid if has_cost else 0.0)
    return Candidate(row.number, row.score or 0.0, row.loss_se, *costs)


def row_of(study: StudyRecord, number: int) -> Row:
    """Return the row of a trial, or of the one that the trial of this number belongs to."""
    asked = study.history.trials[number]
    first = asked.number if asked.parent is None else asked.parent
    return next(row for row in board(study).rows if row.number == first)


def _marked(rows: Sequence[Row], price: str) -> list[Row]:
    """Return the rows with the Pareto-optimal ones marked: of whole trainings, if there are any."""
    whole = [row for row in rows if row.state == "done"]
    trained = whole or [row for row in rows if row.state == "pruned"]
    front = pareto_front(map(attrgetter("loss", price, "number"), trained))
    return [row._replace(pareto_optimal=True) if row.number in front else row for row in rows]


def pareto_front(points: Iterable[tuple[float, float, int]]) -> frozenset[int]:
    """Return the numbers of the Pareto-optimal points among (loss, price, number)."""
    front, cheapest = [], float("inf")
    for _, price, number in sorted(points):
        if price < cheapest:
            front.append(number)
            cheapest = price
    return frozenset(front)


def _row(
    runs: Sequence[Trial],
    study: StudyRecord,
    scores: Mapping[int, float],
    has_cost: bool,
) -> Row:
    """Return the row of a trial.

    Args:
        runs: the trial and its repetitions.
        study: what it is part of.
        scores: of the trials that have a loss, by number.
        has_cost: whether costs are known.
    """
    trial, ended = runs[0], study.history.ended
    row = partial(
        Row,
        number=trial.number,
        params=trial.params,
        reason=trial.reason,
        cohort=trial.cohort,
    )
    match merge_repeats(runs, ended):
        case Done() as done:
            first = ended.get(trial.number)
            return row(
                state="pruned" if done.paused else "done",
                loss=done.loss,
                first_loss=_loss_of(first, done.paused),
                metric=finite(done.metric) if study.meta.metric else None,
                loss_se=done.loss_se,
                score=scores[trial.number],
                seconds=done.seconds,
                flops=done.flops if study.meta.has_cost else None,
                cost=done.cost if has_cost else None,
                epochs=done.epochs,
                best_epoch=done.best_epoch,
                halved=done.halved,
                replicates=done.replicates,
                measures=done.measures,
            )
        case Failed() as failed:
            return row(
                state="failed",
                seconds=failed.seconds,
                epochs=failed.epochs,
                failure=failed.reason,
            )
        case _:
            return row(state="pending")


def _loss_of(result: Result | None, paused: bool) -> float | None:
    """Return a run's loss, if it came as far as the merged result that it is shown beside."""
    return result.loss if isinstance(result, Done) and result.paused == paused else None


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
    "failure",
    "cohort",
    "halved",
)


def record(board: Board) -> dict[str, Any]:
    """Return what `--json` prints: the trials that ended, in full precision.

    None stands where there is no number.
    """
    meta, test, name = board.meta, board.test, board.minimized
    return {
        "schema_version": SCHEMA_VERSION,
        "study": meta.name,
        "strategy": meta.strategy,
        "seed": meta.seed,
        "data": board.data,
        "minimized": name,
        "metric_name": meta.metric,
        "best": _pick(board.best, name, *_TRAINED),
        "winner": _pick(board.winner, name, *_TRAINED),
        "default": _pick(board.default, name, "number", "loss"),
        "baseline": {name: meta.baseline_loss, "metric": meta.baseline_metric},
        "expected": _expected(board),
        "test": test
        and {
            "loss": finite(test.loss),
            name: board.test_minimized,
            "metric": finite(test.metric) if meta.metric else None,
            "interval": {
                "loss": test.loss_interval,
                name: board.test_interval,
                "metric": test.metric_interval,
            },
            "evaluations": len(board.evaluations),
        },
        "notes": list(board.notes),
        "trials": [_trial(row, board) for row in board.rows if row.state != "pending"],
        "replicates": [
            {"number": row.number, "replicate": run.replicate, "fold": run.fold, name: run.loss}
            for row in board.rows
            for run in row.replicates
        ],
        "wall_seconds": board.wall_seconds,
        "exit": board.exit,
    }


def _trial(row: Row, board: Board) -> dict[str, Any]:
    """Return a trial; that of a trainer of one's own has all that was reported."""
    found = _pick(row, board.minimized, *_TRIAL) or {}
    if board.meta.objective == "networks":
        return found
    return {**found, "cost": row.cost, "measures": dict(row.measures)}


def _expected(board: Board) -> dict[str, Any] | None:
    if board.expected is None:
        return None
    name, one = board.minimized, board.expected
    return {
        name: one.loss.value,
        named("loss_se", name): one.loss.error,
        "flattery": one.flattery.value,
        "flattery_se": one.flattery.error,
        "by": one.by,
    }


def named(figure: str, minimized: str) -> str:
    """Return what a figure of a row is called where this is minimised.

    >>> named("loss_se", "loss"), named("loss_se", "1 - accuracy"), named("loss", "rmse")
    ('loss_se', '1 - accuracy_se', 'rmse')
    """
    return figure.replace("loss", minimized) if figure in _MINIMIZED else figure


_MINIMIZED = ("loss", "loss_se", "first_loss")


def _pick(row: Row | None, minimized: str, *names: str) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        named(name, minimized): dict(row.params) if name == "params" else getattr(row, name)
        for name in names
    }


def canonical(study: StudyRecord) -> str:
    """Return the rows that are the same for any number of workers and any interruption.

    Each line has number and replicate, params, state, epochs, loss and FLOPs (as hex); they are in
    the order of loss, then number.
    """
    lines = []
    for trial in study.history.trials:
        result = study.history.results.get(trial.number)
        params = json.dumps(dict(trial.params), sort_keys=True)
        run = trial.number if trial.parent is None else trial.parent
        name = f"{run}.{trial.replicate} {params}"
        if isinstance(result, Done):
            facts = f"done {result.epochs} {result.loss.hex()} {result.flops.hex()}"
            lines.append((result.loss, trial.number, f"{name} {facts}"))
        else:
            state = "pending" if result is None else "failed"
            lines.append((float("inf"), trial.number, f"{name} {state}"))
    return "\n".join(line for _, _, line in sorted(lines))

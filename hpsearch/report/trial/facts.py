"""One trial in words: what it came to, how it compares with others, and why it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from statistics import median

from hpsearch.report.board.verdict import optimal
from hpsearch.report.board.view import Board, Row
from hpsearch.report.render import figures
from hpsearch.report.trial.view import TrialReport
from hpsearch.study.trial import Origin, Trial

_DIGITS = 4
_LISTED = 8  # losses of single runs


def facts(report: TrialReport) -> Iterator[tuple[str, str]]:
    """Yield what a trial came to in words, each with its title."""
    row, now = report.row, report.board
    if report.asked is not report.trial:
        repeats = not report.asked.start_epoch
        run = f"run {report.asked.replicate + 1} of" if repeats else "a later part of"
        yield "", f"trial {report.asked.number} is {run} this one"
    if row.state == "pruned":
        yield (
            "state",
            f"pruned at epoch {row.epochs}: its {now.label} is that of the epochs that it ran",
        )
    if row.loss is None:
        yield "state", f"{row.state}: {row.failure}" if row.failure else row.state
    else:
        yield "place", _place(report)
        yield now.label, _loss(row, now)
        if now.time_weight:
            (score,) = figures.metrics(now.minimized, [row.score], _DIGITS)
            formula = (
                f"{now.minimized} + {now.time_weight:g} log10({now.price} / median {now.price})"
            )
            yield "score", f"{score} ({formula})"
        if row.measures:
            yield "measures", ", ".join(f"{name} {one:.6g}" for name, one in row.measures.items())
        if now.metric is not None:
            text = figures.measured(now.metric, row.metric, _DIGITS)
            yield now.metric, text.removeprefix(f"{now.metric} ")
        yield "price", _price(row)
        if (row.epochs or 0) > 1:
            yield "epochs", f"{row.epochs}, of which {row.best_epoch} was the best"
        yield "compared", "; ".join(_compared(report)) or "there is no other trial with a loss"
    if report.log:
        yield "log", report.log
    for position, line in enumerate(report.printed):
        yield "" if position else "printed", line
    yield "asked", _asked(report.trial)


def _place(report: TrialReport) -> str:
    row, now = report.row, report.board
    roles = [name for name in ("winner", "best", "default") if row is getattr(now, name)]
    by = "score" if now.time_weight else now.label
    rank = f"{_nth(report.rank or 0)} of {now.ended} by {by}"
    if row is now.best and report.rank != 1:
        rank += " (those before it ran fewer times and were lucky)"
    place = ", ".join([*(f"the {role}" for role in roles), rank])
    return f"{place}; * {optimal(now)}" if row.pareto_optimal else place


def _nth(rank: int) -> str:
    ending = (
        "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    )
    return f"{rank}{ending}"


def _loss(row: Row, now: Board) -> str:
    (loss,) = figures.losses(now.minimized, [row.loss], _DIGITS)
    if row.loss_se is None:
        return loss
    count = len(row.replicates)
    runs = [run.loss for run in row.replicates[:_LISTED]]
    listed = figures.losses(now.minimized, runs, _DIGITS)
    more = ", ..." if count > _LISTED else ""
    error = figures.metrics(now.minimized, [row.loss_se], 2)[0]
    text = f"{loss} ± {error}, the mean of {count} runs ({', '.join(listed)}{more})"
    if row.first_loss is not None and row.first_loss != row.loss:
        luck = figures.as_shown(now.minimized, (row.loss or 0.0) - row.first_loss)
        (size,) = figures.metrics(now.minimized, [abs(luck)], 2)
        text += f"; its first run was {size} too {'low' if luck > 0 else 'high'}"
    return text


def _price(row: Row) -> str:
    here = figures.duration(row.seconds or 0.0)
    if row.cost is None:
        return here
    if row.flops is None:
        return f"{here} here; cost {row.cost:.6g}, as it was reported"
    (flops,), (cost,) = figures.prefixed([row.flops]), figures.seconds([row.cost])
    return f"{here} here; cost {cost} s ({flops}FLOPs)"


def _compared(report: TrialReport) -> Iterator[str]:
    """Yield how its loss compares with others that a person would ask about."""
    row, now = report.row, report.board
    others = [other.loss for other in now.rows if other is not row and other.loss is not None]
    named = [
        (f"the {name} (trial {one.number}{one.early})", one.loss) for name, one in _others(row, now)
    ]
    named += [("the median of the others", median(others))] if others else []
    named += [("the constant predictor", now.meta.baseline_loss)]
    for name, loss in named:
        if row.loss is not None and loss is not None and isfinite(loss):
            difference = figures.as_shown(now.minimized, row.loss - loss)
            (size,) = figures.metrics(now.minimized, [abs(difference)], 3)
            yield (
                f"{size} {'above' if difference > 0 else 'below'} {name}"
                if difference
                else f"equal to {name}"
            )


def _others(row: Row, now: Board) -> Iterator[tuple[str, Row]]:
    seen = {row.number}
    for name, one in (("winner", now.winner), ("best", now.best), ("default", now.default)):
        if one is not None and one.number not in seen:
            seen.add(one.number)
            yield name, one


def _asked(trial: Trial) -> str:
    why = _ORIGINS.get(trial.origin, trial.reason)
    text = f"{why}; wave {trial.wave}, cohort {trial.cohort}"
    if trial.expected_improvement is not None:
        text += (
            f"; its expected improvement was {trial.expected_improvement:.2g} "
            "standard deviations of a run's noise"
        )
    return text


_ORIGINS: dict[Origin, str] = {
    "default": "the default settings come first",
    "picked": "somebody has picked it by hand",
    "random": "drawn at random",
    "grid": "the next point of the grid",
}
"""Why trials are asked for whose reason says no more than where they come from."""

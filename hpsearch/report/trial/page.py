"""The report of one trial as an HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isfinite

from hpsearch.report.render import figures
from hpsearch.report.render.chart import Axis, Chart, axis_ticks
from hpsearch.report.render.html import page
from hpsearch.report.trial.facts import facts
from hpsearch.report.trial.view import TrialReport
from hpsearch.study.trial import Epoch


def as_page(report: TrialReport) -> str:
    """Return the facts, the learning curves of all runs, and the settings as one page."""
    groups = {
        "searched": [
            (one.name, figures.word(one.value), f"{one.low} to {one.high}" if one.high else "")
            for one in report.searched
        ],
        "fixed": [(name, figures.word(value), "") for name, value in report.fixed.items()],
        "defaults": [(name, figures.word(value), "") for name, value in report.defaults.items()],
    }
    return page(
        "trial/page.html",
        title=report.title,
        facts=list(facts(report)),
        settings=[(title, rows) for title, rows in groups.items() if rows],
        charts=list(_charts(report)),
        is_trained=_is_trained(report),
        runs=len(report.curves),
    )


def _is_trained(report: TrialReport) -> bool:
    """Return whether losses on what is trained on are known."""
    return any(isfinite(at.train_loss) for _, curve in report.curves for at in curve)


def _charts(report: TrialReport) -> Iterator[Chart]:
    """Yield a chart of the losses by epoch, and one of the metric, where there is one."""
    runs = [curve for _, curve in report.curves if curve]
    if not runs:
        return
    best = report.row.best_epoch if len(runs) == 1 else None
    name, metric = report.board.meta.curve, report.board.meta.metric
    if name == figures.label(name):  # what is maximised is drawn as itself, below
        kinds = {**({"train_loss": "train"} if _is_trained(report) else {}), "loss": "mean"}
        yield _chart(name, kinds, runs, best, log=None)
    if metric is not None:
        yield _chart(metric, {"metric": "mean"}, runs, best, log=False)


def _chart(
    title: str,
    kinds: dict[str, str],
    runs: Sequence[Sequence[Epoch]],
    best: int | None,
    log: bool | None,
) -> Chart:
    """Return a chart of what a training reached, by epoch.

    Args:
        title: the name of what is drawn.
        kinds: the figures of an epoch that are drawn, each with its CSS class; the last one is the
            validation split's.
        runs: the curves; the first run is drawn in full, the others are faint.
        best: the epoch that is marked.
        log: whether the axis is logarithmic; None decides it by the values.
    """
    axis = Axis.over((getattr(at, name) for curve in runs for at in curve for name in kinds), log)
    epochs = Axis(1, max(2, *(curve[-1].epoch for curve in runs)))
    chart = Chart(f"{title} by epoch", 520, 300, bottom=36)
    whole = [tick for tick in epochs.ticks(8) if tick == int(tick)]
    chart.ticks([(epochs.at(tick), f"{tick:g}") for tick in whole], axis_ticks(axis))
    for position, curve in reversed(list(enumerate(runs))):
        for name, kind in kinds.items():
            points = [(at.epoch, getattr(at, name)) for at in curve]
            for is_number, part in groupby(points, key=lambda point: isfinite(point[1])):
                if is_number:
                    drawn = [(epochs.at(epoch), axis.at(value)) for epoch, value in part]
                    chart.line(kind if position == 0 else f"{kind} repeat", drawn)
    marked = next((at for at in runs[0] if at.epoch == best), None)
    value = getattr(marked, [*kinds][-1]) if marked is not None else None
    if marked is not None and value is not None and isfinite(value):
        text = f"epoch {marked.epoch}: {title} {figures.brief(title, value, 4)}"
        chart.dot("winner", epochs.at(marked.epoch), axis.at(value), text)
    return chart

"""Diagnoses for the terminal: verdicts, and a table of the layers with a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log10
from typing import TypeVar

from rich.text import Text

from hpsearch.engine.structure.diagnosis import Layer
from hpsearch.report.diagnosis.remedies import SATURATING
from hpsearch.report.diagnosis.view import Diagnosis, findings, verdict
from hpsearch.report.render import figures
from hpsearch.report.render.heat import ColourScale, style
from hpsearch.report.render.tables import GAP, PrintedColumn, aligned, folded
from hpsearch.space.space import Params
from hpsearch.text import one_line

T = TypeVar("T")

_CELL = 6  # columns of a cell of the heat map
_ROWS, _EPOCHS = 24, 16  # of a heat map at most


def as_text(title: str, diagnoses: Sequence[Diagnosis], width: int) -> Text:
    """Return all configurations, one below the other, in lines of at most `width`.

    Each has its verdict, its layers at the end of the training, and their gradients in each epoch.
    """
    scale = ColourScale.over(
        layer.gradient for one in diagnoses for probe in one.probes for layer in probe.layers
    )
    parts = [Text(one_line(title), "bold"), *([_overview(diagnoses)] if len(diagnoses) > 1 else [])]
    for one in diagnoses:
        lines = [
            Text(one_line(one.name), "bold"),
            _words(one, width),
            Text(),
            _map(one, scale, width),
        ]
        parts.append(Text("\n").join(lines))
    return Text("\n\n").join([*parts, Text(folded("", _LEGEND, width, indent=0), "dim")])


_LEGEND = (
    "variance: of a unit's outputs over the rows; update: a step's norm over that of the weights; "
    "then the gradient's norm after each epoch (0: before the first step) as a power of ten, such "
    "as -3 for 0.001; -- is exactly 0, ! no number"
)


def _overview(diagnoses: Sequence[Diagnosis]) -> Text:
    """Return the configurations side by side: what each has come to."""
    first, last = ([one.probes[at].loss for one in diagnoses] for at in (0, -1))
    table = [
        PrintedColumn("configuration", [one.name for one in diagnoses], left=True),
        PrintedColumn("loss at 0", figures.decimals(first, 3)),
        PrintedColumn("at the end", figures.decimals(last, 3)),
        PrintedColumn("verdict", [verdict(one) for one in diagnoses], left=True),
    ]
    return Text("\n".join(aligned(table)))


def _words(diagnosis: Diagnosis, width: int) -> Text:
    """Return what is wrong, and what helps."""
    found = findings(diagnosis)
    if not found:
        return Text("healthy: signals and gradients reach every layer, and the loss falls", "green")
    lines = []
    for finding in found:
        lines.append(Text(folded(f"{finding.kind}:", finding.text, width, indent=17), "bold red"))
        lines.append(Text(folded("  what helps", "; ".join(finding.advice), width, indent=17)))
    return Text("\n").join(lines)


def _map(diagnosis: Diagnosis, scale: ColourScale, width: int) -> Text:
    """Return a row for each layer: its figures at the end, and its gradient in each epoch."""
    last = diagnosis.probes[-1]
    rows = thinned(range(len(last.layers)), _ROWS)
    table = _table([last.layers[row] for row in rows], diagnosis.settings)
    room = (width - sum(column.width + len(GAP) for column in table)) // _CELL
    shown = thinned(diagnosis.probes, max(2, min(room, _EPOCHS)))
    cells = [Text("".join(f"{probe.epoch:>{_CELL}}" for probe in shown))]
    cells += [Text().join(_cell(probe.layers[row], scale) for probe in shown) for row in rows]
    lines = [
        Text(GAP.join((*texts, "")))
        for texts in zip(*(column.texts() for column in table), strict=True)
    ]
    return Text("\n").join(line.append_text(heat) for line, heat in zip(lines, cells, strict=True))


def _table(layers: Sequence[Layer], settings: Params) -> list[PrintedColumn]:
    dead = "saturated" if settings["activation"] in SATURATING else "dead"
    return [
        PrintedColumn("layer", [layer.name for layer in layers], left=True),
        PrintedColumn("variance", figures.decimals([layer.variance for layer in layers], 2)),
        PrintedColumn("gradient", figures.decimals([layer.gradient for layer in layers], 2)),
        PrintedColumn("update", figures.decimals([layer.update for layer in layers], 2)),
        PrintedColumn(dead, figures.percentages([layer.dead for layer in layers], 2)),
    ]


def _cell(layer: Layer, scale: ColourScale) -> Text:
    value = layer.gradient
    if not isfinite(value):
        power = "!"
    elif not value:
        power = "--"
    else:
        power = f"{round(log10(value), 1) + 0.0:.1f}"  # the sum makes 0.0 of -0.0
    return Text(f"{power:>{_CELL}}", style(scale.level(value)))


def thinned(items: Sequence[T], most: int) -> list[T]:
    """Return all items, or `most` of them: the first, the last, and some evenly between them."""
    if len(items) <= most:
        return list(items)
    return [items[round(at * (len(items) - 1) / (most - 1))] for at in range(most)]

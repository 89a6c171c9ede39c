"""Probes of networks as a table with a heat map for the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log10
from typing import Any, TypeVar

from rich.text import Text

from hpsearch.report.board.text import Column, folded
from hpsearch.report.board.view import SCHEMA_VERSION, figure
from hpsearch.report.diagnosis.view import Checked, findings, verdict
from hpsearch.report.render import figures
from hpsearch.report.render.heat import Scale, style
from hpsearch.space.space import Params
from hpsearch.study.trial import Layer, Probe

T = TypeVar("T")

_GAP = "  "
_CELL = 6  # columns of a cell of the heat map
_ROWS, _EPOCHS = 24, 16  # of a heat map on a terminal, at most


def as_text(title: str, checked: Sequence[Checked], width: int) -> Text:
    """All configurations, one below the other: the verdict, the layers at the end, the gradients of all epochs."""
    scale = Scale.over(
        layer.gradient for one in checked for probe in one.probes for layer in probe.layers
    )
    parts = [Text(title, "bold"), *([_overview(checked)] if len(checked) > 1 else [])]
    for one in checked:
        words = _words(one, width)
        parts.append(
            Text("\n").join([Text(one.name, "bold"), words, Text(), _map(one, scale, width)])
        )
    return Text("\n\n").join([*parts, Text(folded("", _LEGEND, width, indent=0), "dim")])


_LEGEND = (
    "variance: of a unit's outputs over the rows; update: a step's norm over that of the weights; "
    "then the gradient's norm after each epoch (0: before the first step) as a power of ten, such as -3 for 0.001; "
    "-- is exactly 0, ! no number"
)


def _overview(checked: Sequence[Checked]) -> Text:
    """The configurations side by side: what each has come to."""
    losses = [[one.probes[place].loss for one in checked] for place in (0, -1)]
    table = [
        Column("configuration", [one.name for one in checked], left=True),
        Column("loss at 0", figures.decimals(losses[0], 3)),
        Column("at the end", figures.decimals(losses[1], 3)),
        Column("verdict", [verdict(one) for one in checked], left=True),
    ]
    return Text("\n").join(
        Text(_GAP.join(cells).rstrip())
        for cells in zip(*(column.texts() for column in table), strict=True)
    )


def _words(checked: Checked, width: int) -> Text:
    found = findings(checked)
    if not found:
        return Text("healthy: signals and gradients reach every layer, and the loss falls", "green")
    lines = []
    for finding in found:
        lines.append(Text(folded(f"{finding.kind}:", finding.text, width, indent=17), "bold red"))
        lines.append(Text(folded("  what helps", "; ".join(finding.advice), width, indent=17)))
    return Text("\n").join(lines)


def _map(checked: Checked, scale: Scale, width: int) -> Text:
    """A row for each layer: how it is at the end, and a cell for its gradient in each epoch."""
    last = checked.probes[-1]
    rows = thinned(range(len(last.layers)), _ROWS)
    table = _table([last.layers[row] for row in rows], checked.settings)
    room = (width - sum(column.width + len(_GAP) for column in table)) // _CELL
    shown = thinned(checked.probes, max(2, min(room, _EPOCHS)))
    cells = [Text("".join(f"{probe.epoch:>{_CELL}}" for probe in shown))]
    cells += [Text().join(_cell(probe.layers[row], scale) for probe in shown) for row in rows]
    lines = [
        Text(_GAP.join((*texts, "")))
        for texts in zip(*(column.texts() for column in table), strict=True)
    ]
    return Text("\n").join(line.append_text(heat) for line, heat in zip(lines, cells, strict=True))


def _table(layers: Sequence[Layer], settings: Params) -> list[Column]:
    dead = "saturated" if settings["activation"] in ("tanh", "sigmoid") else "dead"
    return [
        Column("layer", [layer.name for layer in layers], left=True),
        Column("variance", figures.decimals([layer.variance for layer in layers], 2)),
        Column("gradient", figures.decimals([layer.gradient for layer in layers], 2)),
        Column("update", figures.decimals([layer.update for layer in layers], 2)),
        Column(dead, figures.shares([layer.dead for layer in layers], 2)),
    ]


def _cell(layer: Layer, scale: Scale) -> Text:
    value = layer.gradient
    power = (
        "!" if not isfinite(value) else f"{round(log10(value), 1) + 0.0:.1f}" if value else "--"
    )  # never -0.0
    return Text(f"{power:>{_CELL}}", style(scale.level(value)))


def thinned(items: Sequence[T], most: int) -> list[T]:
    """All of them, or so many, the first and the last among them, as evenly as can be."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def record(name: str, seed: int, checked: Sequence[Checked]) -> dict[str, Any]:
    """The object of `--json`: null where there is no number."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "seed": seed,
        "configurations": [
            {
                "name": one.name,
                "settings": dict(one.settings),
                "verdict": verdict(one),
                "findings": [
                    {"kind": f.kind, "text": f.text, "advice": list(f.advice)}
                    for f in findings(one)
                ],
                "epochs": [_probe(probe) for probe in one.probes],
            }
            for one in checked
        ],
    }


def _probe(probe: Probe) -> dict[str, Any]:
    names = ("variance", "gradient", "update", "dead")
    layers = [
        {"name": layer.name, **{name: _figure(getattr(layer, name)) for name in names}}
        for layer in probe.layers
    ]
    return {"epoch": probe.epoch, "loss": figure(probe.loss), "layers": layers}


def _figure(value: float | None) -> float | None:
    return None if value is None else figure(value)

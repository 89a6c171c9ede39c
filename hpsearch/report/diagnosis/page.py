"""Diagnoses as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from hpsearch.engine.structure.diagnosis import Layer, Probe
from hpsearch.report.diagnosis.view import Diagnosis, Finding, findings
from hpsearch.report.render import figures
from hpsearch.report.render.heat import BROKEN, DARK, PALETTE, ColourScale
from hpsearch.report.render.html import page

_MEASURES: Mapping[str, Callable[[Layer], float | None]] = {
    "gradient": lambda layer: layer.gradient,
    "variance": lambda layer: layer.variance,
    "update": lambda layer: layer.update,
    "dead": lambda layer: layer.dead,
}
_TITLES = {
    "gradient": "Gradient norm",
    "variance": "Activation variance",
    "update": "Update / weights",
    "dead": "Dead or saturated",
}
_SHARE = ColourScale(-3.0, 0.0)  # of a share that is dead: from a thousandth to all


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as it is written, and the CSS class of its colour."""

    text: str
    shade: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A row of cells for each layer, by its name, with a column for each epoch."""

    title: str
    epochs: Sequence[int]
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says of one configuration; `losses` are the first and the last one."""

    name: str
    losses: tuple[str, str]
    findings: tuple[Finding, ...]
    maps: Sequence[HeatMap]
    settings: str


def as_page(title: str, diagnoses: Sequence[Diagnosis]) -> str:
    """Return the page. Colours mean the same for all configurations."""
    scales = {name: _SHARE if name == "dead" else _scale(name, diagnoses) for name in _MEASURES}
    return page(
        "diagnosis/page.html",
        title=title,
        sections=[_section(one, scales) for one in diagnoses],
        palette=list(enumerate(PALETTE)),
        dark=DARK,
        broken=BROKEN,
    )


def _scale(name: str, diagnoses: Sequence[Diagnosis]) -> ColourScale:
    measure = _MEASURES[name]
    return ColourScale.over(
        measure(layer) for one in diagnoses for probe in one.probes for layer in probe.layers
    )


def _section(diagnosis: Diagnosis, scales: Mapping[str, ColourScale]) -> Section:
    first, last = (figures.word(diagnosis.probes[at].loss) for at in (0, -1))
    maps = [_map(diagnosis.probes, name, scale) for name, scale in scales.items()]
    settings = figures.settings(diagnosis.settings, 4)
    return Section(diagnosis.name, (first, last), findings(diagnosis), maps, settings)


def _map(probes: Sequence[Probe], name: str, scale: ColourScale) -> HeatMap:
    """Return the map of a measure, for the epochs and the layers that have it."""
    measure = _MEASURES[name]
    # there are no updates before the first step
    shown = [probe for probe in probes if any(measure(layer) is not None for layer in probe.layers)]
    rows = []
    for layers in zip(*(probe.layers for probe in shown), strict=True):
        values = [value for layer in layers if (value := measure(layer)) is not None]
        if len(values) == len(layers):
            rows.append((layers[0].name, [_cell(value, name, scale) for value in values]))
    return HeatMap(_TITLES[name], [probe.epoch for probe in shown], rows)


def _cell(value: float, name: str, scale: ColourScale) -> Cell:
    if value == 0:
        text = "0"
    elif name == "dead" and isfinite(value):
        text = f"{100 * value:.0f} %"
    else:
        text = f"{value:.0e}"
    level = scale.level(value)
    return Cell(text, "broken" if level is None else f"c{level}")

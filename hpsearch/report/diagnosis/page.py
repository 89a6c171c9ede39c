"""Probes of networks as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from hpsearch.report.diagnosis.view import Checked, Finding, findings
from hpsearch.report.render import figures
from hpsearch.report.render.heat import BROKEN, DARK, PALETTE, Scale
from hpsearch.report.render.html import page
from hpsearch.study.trial import Layer

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
_SHARE = Scale(-3.0, 0.0)  # of a share that is dead: from a thousandth to all


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as it is written, and the class of its colour."""

    text: str
    shade: str


@dataclass(frozen=True, slots=True)
class Map:
    """A heat map: a row of cells for each layer, a column for each epoch."""

    title: str
    epochs: Sequence[int]
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says of one configuration."""

    name: str
    losses: tuple[str, str]
    findings: tuple[Finding, ...]
    maps: Sequence[Map]
    settings: str


def as_page(title: str, checked: Sequence[Checked]) -> str:
    """The whole page. Colours mean the same for all configurations."""
    scales = {name: _SHARE if name == "dead" else _scale(name, checked) for name in _MEASURES}
    return page(
        "health.html",
        title=title,
        sections=[_section(one, scales) for one in checked],
        palette=list(enumerate(PALETTE)),
        dark=DARK,
        broken=BROKEN,
    )


def _scale(name: str, checked: Sequence[Checked]) -> Scale:
    measure = _MEASURES[name]
    return Scale.over(
        measure(layer) for one in checked for probe in one.probes for layer in probe.layers
    )


def _section(checked: Checked, scales: Mapping[str, Scale]) -> Section:
    first, last = (figures.word(checked.probes[place].loss) for place in (0, -1))
    maps = [_map(checked, name, scale) for name, scale in scales.items()]
    return Section(
        checked.name, (first, last), findings(checked), maps, figures.settings(checked.settings, 4)
    )


def _map(checked: Checked, name: str, scale: Scale) -> Map:
    """Epochs and layers that have the measure: there are no updates before the first epoch."""
    measure = _MEASURES[name]
    probes = [
        probe
        for probe in checked.probes
        if any(measure(layer) is not None for layer in probe.layers)
    ]

    def rows() -> Iterator[tuple[str, Sequence[Cell]]]:
        for layers in zip(*(probe.layers for probe in probes), strict=True):
            values = [measure(layer) for layer in layers]
            if None not in values:
                yield (
                    layers[0].name,
                    [_cell(value, name, scale) for value in values if value is not None],
                )

    return Map(_TITLES[name], [probe.epoch for probe in probes], list(rows()))


def _cell(value: float, name: str, scale: Scale) -> Cell:
    level = scale.level(value)
    text = (
        "0"
        if value == 0
        else f"{100 * value:.0f} %"
        if name == "dead" and isfinite(value)
        else f"{value:.0e}"
    )
    return Cell(text, "broken" if level is None else f"c{level}")

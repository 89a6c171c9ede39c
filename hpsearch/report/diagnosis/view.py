"""What is wrong with how a network trains, in words, from the probes of its layers.

The gradient of a layer is compared with that of the output layer, which has no depth above it
(Glorot & Bengio 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import isfinite
from statistics import median
from typing import Any

from hpsearch.engine.structure.diagnosis import Layer, Probe, has_diverged
from hpsearch.report.diagnosis.remedies import SATURATING, remedies
from hpsearch.report.render.figures import word
from hpsearch.report.render.records import SCHEMA_VERSION, finite
from hpsearch.space.space import Params

# A gradient below this share of the output's: plain descent moves the layer a thousandth as far,
# and adam steps on noise.
_GRADIENT = 1e-3
# A variance below this share of the first layer's, which is a thousandth of its standard deviation:
# all rows look alike.
_SIGNAL = 1e-6
# A gradient's norm above this; clipping usually begins at 1 to 10 (Pascanu, Mikolov & Bengio 2013).
_STEEP = 1e3
# Of the loss before the first step: what has fallen by less cannot be told from noise.
_LEARNT = 0.99
# Of a layer's units: a too large rate does it to ReLUs (Karpathy's notes for CS231n).
_DEAD = 0.4
# Of the outputs of tanh or sigmoid: the typical one passes no gradient on.
_SATURATED = 0.5
# Of the weights' norm in a step: about 1e-3 is usual (CS231n), a hundred times more or less is not.
_LARGE, _SMALL = 1e-1, 1e-5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One configuration: its name, all of its settings, and its probes from epoch 0 on."""

    name: str
    settings: Params
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: its kind, a sentence about it, and what usually helps."""

    kind: str
    text: str
    advice: tuple[str, ...]


def findings(diagnosis: Diagnosis) -> tuple[Finding, ...]:
    """Return all that is wrong, the gravest first; nothing where the training is healthy."""
    texts = {kind: judge(diagnosis) for kind, judge in _JUDGES.items()}
    return tuple(
        Finding(kind, text, remedies(kind, diagnosis.settings))
        for kind, text in texts.items()
        if text
    )


def verdict(diagnosis: Diagnosis) -> str:
    """Return the kinds of all findings, or "healthy"."""
    return ", ".join(finding.kind for finding in findings(diagnosis)) or "healthy"


def _diverged(diagnosis: Diagnosis) -> str:
    """Return a sentence where the loss is no finite number in the end, or has always been huge."""
    first, *later = diagnosis.probes
    if not isfinite(first.loss):
        return f"the loss is {word(first.loss, 3)} before the first step"
    least = min((probe.loss for probe in later if isfinite(probe.loss)), default=first.loss)
    last = diagnosis.probes[-1]
    if isfinite(last.loss) and not has_diverged(least, first.loss):
        return ""
    return (
        f"the loss is {word(last.loss, 3)} {when(last)}, and was {word(first.loss, 3)} "
        "before the first step"
    )


def _exploding(probe: Probe) -> str:
    first, last = _active(probe)
    if _variance(last) > _variance(first) / _SIGNAL:
        growth = _power(_variance(last) / _variance(first))
        return f"the activations' variance grows {growth}-fold from {first.name} to {last.name}"
    steepest = max(probe.layers, key=lambda layer: layer.gradient)
    if steepest.gradient > _STEEP:
        return f"gradients explode: their norm is {_power(steepest.gradient)} at {steepest.name}"
    return ""


def _vanishing(probe: Probe) -> str:
    *hidden, output = probe.layers
    shares = [layer.gradient / output.gradient if output.gradient else 1.0 for layer in hidden]
    low = hidden[: len(list(takewhile(lambda share: share < _GRADIENT, shares)))]
    if not low:
        return ""
    below = f"from {low[-1].name} down" if len(low) > 1 else f"at {low[0].name}"
    share = _power(shares[0])
    return f"gradients vanish {below}: the norm at {low[0].name} is {share} of that at the output"


def _fading(probe: Probe) -> str:
    first, _ = _active(probe)
    active = (layer for layer in probe.layers if layer.variance is not None)
    layer = next((layer for layer in active if _variance(layer) < _SIGNAL * _variance(first)), None)
    if layer is None:
        return ""
    share = _power(_variance(layer) / _variance(first))
    return f"the signal fades: the variance at {layer.name} is {share} of that at {first.name}"


def _dead(probe: Probe) -> str:
    return _worst(probe, _DEAD, "of the units are 0 for every row")


def _saturated(probe: Probe) -> str:
    return _worst(probe, _SATURATED, "of the outputs are saturated")


def _worst(probe: Probe, limit: float, what: str) -> str:
    """Return a sentence about the layer with the largest dead share, if that is above the limit."""
    dead = [layer for layer in probe.layers if (layer.dead or 0.0) > limit]
    if not dead:
        return ""
    worst = max(dead, key=lambda layer: layer.dead or 0.0)
    more = f" (and above {100 * limit:.0f} % in {len(dead) - 1} more)" if len(dead) > 1 else ""
    return f"{100 * (worst.dead or 0.0):.0f} % {what} in {worst.name}{more}"


def _at_both_ends(judge: Callable[[Probe], str]) -> Callable[[Diagnosis], str]:
    """Return the judgement of a training's beginning and end, from that of one probe.

    The ends are the first and the last probe in which all gradients are finite.
    """

    def both(diagnosis: Diagnosis) -> str:
        sound = [
            probe
            for probe in diagnosis.probes
            if all(isfinite(layer.gradient) for layer in probe.layers)
        ]
        if not sound:
            return ""
        begin, end = judge(sound[0]), judge(sound[-1])
        if begin:
            passed = "" if end else f"; it has passed {when(sound[-1])}"
            return f"{begin}, {when(sound[0])}{passed}"
        return f"{end}, {when(sound[-1])}" if end else ""

    return both


def _overflown(diagnosis: Diagnosis) -> str:
    first = diagnosis.probes[0]
    broken = (
        layer.name for layer in first.layers if not isfinite(_variance(layer) + layer.gradient)
    )
    name = next(broken, None)
    return f"numbers overflow at {name}, {when(first)}" if name else ""


def _large(diagnosis: Diagnosis) -> str:
    update, probe = _update(diagnosis)
    return _moved(update, probe) if update > _LARGE else ""


def _small(diagnosis: Diagnosis) -> str:
    update, probe = _update(diagnosis)
    return _moved(update, probe) if update < _SMALL else ""


def _moved(update: float, probe: Probe) -> str:
    return f"in epoch {probe.epoch} a step moves the weights by {_power(update)} of their norm"


def _stuck(diagnosis: Diagnosis) -> str:
    first, last = diagnosis.probes[0], diagnosis.probes[-1]
    if last.loss > _LEARNT * first.loss and not _diverged(diagnosis):
        return (
            f"the loss has not fallen: {word(first.loss, 4)} before the first step, "
            f"{word(last.loss, 4)} {when(last)}"
        )
    return ""


_JUDGES: Mapping[str, Callable[[Diagnosis], str]] = {
    "diverged": _diverged,
    "exploding": lambda one: _overflown(one) or _at_both_ends(_exploding)(one),
    "vanishing": _at_both_ends(_vanishing),
    "fading": _at_both_ends(_fading),
    "dead units": lambda one: "" if _saturates(one) else _at_both_ends(_dead)(one),
    "saturated units": lambda one: _at_both_ends(_saturated)(one) if _saturates(one) else "",
    "large updates": _large,
    "small updates": _small,
    "stuck": _stuck,
}
"""By kind of finding: what says in a sentence that it is there; empty where it is not."""


def _saturates(diagnosis: Diagnosis) -> bool:
    return diagnosis.settings["activation"] in SATURATING


def _active(probe: Probe) -> tuple[Layer, Layer]:
    """Return the first and the last layer with a non-linearity."""
    active = [layer for layer in probe.layers if layer.variance is not None]
    return active[0], active[-1]


def _variance(layer: Layer) -> float:
    return layer.variance or 0.0


def _update(diagnosis: Diagnosis) -> tuple[float, Probe]:
    """Return the median layer's update in the epoch in which it was largest, and the probe.

    The largest one counts, since weights that have grown move by less.
    """
    found = []
    for probe in diagnosis.probes:
        known = [layer.update for layer in probe.layers if layer.update is not None]
        updates = [update for update in known if isfinite(update)]
        found += [(median(updates), probe)] if updates else []
    return max(found, key=lambda one: one[0], default=(_SMALL, diagnosis.probes[0]))


def _power(value: float) -> str:
    return f"{value:.0e}" if value else "0"


def when(probe: Probe) -> str:
    """Return at which point of the training a probe was taken."""
    return f"after epoch {probe.epoch}" if probe.epoch else "at initialisation"


def record(name: str, seed: int, diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """Return what `--json` prints; None stands where there is no number."""
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
            for one in diagnoses
        ],
    }


def _probe(probe: Probe) -> dict[str, Any]:
    names = ("variance", "gradient", "update", "dead")
    layers = [
        {"name": layer.name, **{name: finite(getattr(layer, name)) for name in names}}
        for layer in probe.layers
    ]
    return {"epoch": probe.epoch, "loss": finite(probe.loss), "layers": layers}

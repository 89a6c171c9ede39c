"""What is wrong with how a network trains, in words, from the probes of its layers; and what usually helps.

The gradient of a layer is held against the output layer's, which no depth stands before (Glorot & Bengio 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import isfinite
from statistics import median

from hpsearch.report.render.figures import word
from hpsearch.space.space import Params
from hpsearch.study.trial import Layer, Probe

_GRADIENT = 1e-3  # of the output's: plain descent moves the layer a thousandth as far, and adam steps on noise
_SIGNAL = (
    1e-6  # of the first layer's variance, a thousandth of its deviation: the rows look all alike
)
_STEEP = (
    1e3  # a gradient's norm; clipping usually begins at 1 to 10 (Pascanu, Mikolov & Bengio 2013)
)
_DIVERGED = 10.0  # times the loss before the first step, as where a search gives up on a trial
_LEARNT = 0.99  # of that loss: less has not been learnt that can be told from noise
_DEAD = 0.4  # of a layer's units: what a too large rate does to ReLUs (Karpathy's notes for CS231n)
_SATURATED = 0.5  # of tanh's or sigmoid's outputs: the typical one passes no gradient on
_LARGE, _SMALL = (
    1e-1,
    1e-5,
)  # of the weights in a step; about 1e-3 is usual (CS231n), a hundred times off is not


@dataclass(frozen=True, slots=True)
class Checked:
    """One configuration: its name, all of its settings, and its probes from epoch 0 on."""

    name: str
    settings: Params
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong in a word (`kind`), in a sentence, and what usually helps."""

    kind: str
    text: str
    advice: tuple[str, ...]


def findings(checked: Checked) -> tuple[Finding, ...]:
    """All that is wrong, the gravest first; nothing where it is healthy."""
    found = []
    for kind, judge in _JUDGES.items():
        text = judge(checked)
        if text:
            remedies = (_REMEDIES[name](checked.settings) for name in _HELP[kind])
            found.append(Finding(kind, text, tuple(remedy for remedy in remedies if remedy)))
    return tuple(found)


def verdict(checked: Checked) -> str:
    """The kinds of what is wrong, or healthy."""
    return ", ".join(finding.kind for finding in findings(checked)) or "healthy"


def _diverged(checked: Checked) -> str:
    first, *later = checked.probes
    for probe in later:
        if not isfinite(probe.loss) or probe.loss > _DIVERGED * first.loss:
            return f"the loss is {word(probe.loss, 3)} {when(probe)}, and was {word(first.loss, 3)} before the first step"
    return (
        "" if isfinite(first.loss) else f"the loss is {word(first.loss, 3)} before the first step"
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
    return f"gradients vanish {below}: the norm at {low[0].name} is {_power(shares[0])} of that at the output"


def _fading(probe: Probe) -> str:
    first, _ = _active(probe)
    faded = (layer for layer in probe.layers if layer.variance is not None)
    layer = next((layer for layer in faded if _variance(layer) < _SIGNAL * _variance(first)), None)
    if layer is None:
        return ""
    share = _power(_variance(layer) / _variance(first))
    return f"the signal fades: the variance at {layer.name} is {share} of that at {first.name}"


def _dead(probe: Probe) -> str:
    return _worst(probe, _DEAD, "of the units are 0 for every row")


def _saturated(probe: Probe) -> str:
    return _worst(probe, _SATURATED, "of the outputs are saturated")


def _worst(probe: Probe, limit: float, what: str) -> str:
    """The layer in which the largest share is dead, where that is above the limit."""
    dead = [layer for layer in probe.layers if (layer.dead or 0.0) > limit]
    if not dead:
        return ""
    worst = max(dead, key=lambda layer: layer.dead or 0.0)
    more = f" (and above {100 * limit:.0f} % in {len(dead) - 1} more)" if len(dead) > 1 else ""
    return f"{100 * (worst.dead or 0.0):.0f} % {what} in {worst.name}{more}"


def _at_the_ends(judge: Callable[[Probe], str]) -> Callable[[Checked], str]:
    """The judgement before anything is learnt, and after: of the first and the last probe that hold numbers only."""

    def told(checked: Checked) -> str:
        sound = [
            probe
            for probe in checked.probes
            if all(isfinite(layer.gradient) for layer in probe.layers)
        ]
        if not sound:
            return ""
        begin, end = judge(sound[0]), judge(sound[-1])
        if begin:
            return f"{begin}, {when(sound[0])}" + (
                "" if end else f"; it has passed {when(sound[-1])}"
            )
        return f"{end}, {when(sound[-1])}" if end else ""

    return told


def _overflown(checked: Checked) -> str:
    first = checked.probes[0]
    broken = (
        layer.name for layer in first.layers if not isfinite(_variance(layer) + layer.gradient)
    )
    name = next(broken, None)
    return f"numbers overflow at {name}, {when(first)}" if name else ""


def _large(checked: Checked) -> str:
    typical, probe = _update(checked)
    return _moved(typical, probe) if typical > _LARGE else ""


def _small(checked: Checked) -> str:
    typical, probe = _update(checked)
    return _moved(typical, probe) if typical < _SMALL else ""


def _moved(typical: float, probe: Probe) -> str:
    return f"in epoch {probe.epoch} a step moves the weights by {_power(typical)} of their norm"


def _stuck(checked: Checked) -> str:
    first, last = checked.probes[0], checked.probes[-1]
    if last.loss > _LEARNT * first.loss and not _diverged(checked):
        return f"the loss has not fallen: {word(first.loss, 4)} before the first step, {word(last.loss, 4)} {when(last)}"
    return ""


_JUDGES: Mapping[str, Callable[[Checked], str]] = {
    "diverged": _diverged,
    "exploding": lambda checked: _overflown(checked) or _at_the_ends(_exploding)(checked),
    "vanishing": _at_the_ends(_vanishing),
    "fading": _at_the_ends(_fading),
    "dead units": lambda checked: "" if _saturates(checked) else _at_the_ends(_dead)(checked),
    "saturated units": lambda checked: (
        _at_the_ends(_saturated)(checked) if _saturates(checked) else ""
    ),
    "large updates": _large,
    "small updates": _small,
    "stuck": _stuck,
}

_HELP: Mapping[str, Sequence[str]] = {
    "diverged": ("lr", "clip", "init", "norm"),
    "exploding": ("init", "norm", "clip", "lr"),
    "vanishing": ("activation", "init", "norm", "skip", "cell"),
    "fading": ("activation", "init", "norm", "skip"),
    "dead units": ("lr", "leaky", "init", "norm"),
    "saturated units": ("init", "norm", "activation", "lr"),
    "large updates": ("lr", "warmup"),
    "small updates": ("more", "init"),
    "stuck": ("more", "activation", "skip"),
}

_FLAT = ("tanh", "sigmoid")

_REMEDIES: Mapping[str, Callable[[Params], str]] = {
    "lr": lambda s: f"a smaller lr (now {word(s['lr'])})",
    "more": lambda s: f"a larger lr (now {word(s['lr'])}), more epochs",
    "clip": lambda s: "" if s["clip_norm"] else "clip_norm: 1",
    "warmup": lambda s: "" if s["warmup"] else "warmup: 1",
    "init": lambda s: "" if _scaled(s) else "init: fan_normal or orthogonal, at init_scale: 1",
    "norm": lambda s: (
        ""
        if s["norm"] != "none"
        else "norm: layer"
        if s["model"] == "rnn"
        else "norm: batch or layer"
    ),
    "skip": lambda s: "skip: residual or highway" if s.get("skip") == "none" else "",
    "cell": lambda s: "cell: gru or lstm" if s.get("cell") == "elman" else "",
    "activation": lambda s: "activation: relu" if s["activation"] in _FLAT else "",
    "leaky": lambda s: "activation: leaky_relu",
}
"""What there is to try, if it is not what is used already."""


def _scaled(settings: Params) -> bool:
    """Whether the initial weights keep the size of a signal from layer to layer."""
    return (
        settings["init"] in ("fan_normal", "fan_uniform", "orthogonal")
        and settings["init_scale"] == 1
    )


def _saturates(checked: Checked) -> bool:
    return checked.settings["activation"] in _FLAT


def _active(probe: Probe) -> tuple[Layer, Layer]:
    """The first and the last layer with a non-linearity."""
    active = [layer for layer in probe.layers if layer.variance is not None]
    return active[0], active[-1]


def _variance(layer: Layer) -> float:
    return layer.variance or 0.0


def _update(checked: Checked) -> tuple[float, Probe]:
    """The typical layer's update in the epoch in which it was largest: weights that have grown move by less."""
    found = []
    for probe in checked.probes:
        updates = [
            layer.update
            for layer in probe.layers
            if layer.update is not None and isfinite(layer.update)
        ]
        found += [(median(updates), probe)] if updates else []
    return max(found, key=lambda one: one[0], default=(_SMALL, checked.probes[0]))


def _power(value: float) -> str:
    return f"{value:.0e}" if value else "0"


def when(probe: Probe) -> str:
    """In which state of the training a probe was taken."""
    return f"after epoch {probe.epoch}" if probe.epoch else "at initialisation"

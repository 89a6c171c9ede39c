"""What usually helps where a training goes wrong, as far as it is not in use already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hpsearch.engine.structure.settings import EXCLUDES
from hpsearch.report.render.figures import word
from hpsearch.space.space import Params

SATURATING = ("tanh", "sigmoid")
"""The activations whose outputs saturate."""


def remedies(kind: str, settings: Params) -> tuple[str, ...]:
    """Return what to try against a kind of finding, the most promising first."""
    texts = (_REMEDIES[name](settings) for name in _HELP[kind])
    return tuple(text for text in texts if text)


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


def _norm(settings: Params) -> str:
    """Return the norms that go with the settings; nothing where one is in use, or none does."""
    if settings["norm"] != "none":
        return ""
    excluded = {other for (name, value), other in EXCLUDES if settings.get(name) == value}
    fitting = [norm for norm in ("batch", "layer") if ("norm", norm) not in excluded]
    return f"norm: {' or '.join(fitting)}" if fitting else ""


def _keeps_scale(settings: Params) -> bool:
    """Return whether the initial weights keep the size of a signal from layer to layer."""
    inits = ("fan_normal", "fan_uniform", "orthogonal")
    return settings["init"] in inits and settings["init_scale"] == 1


_REMEDIES: Mapping[str, Callable[[Params], str]] = {
    "lr": lambda s: f"a smaller lr (now {word(s['lr'])})",
    "more": lambda s: f"a larger lr (now {word(s['lr'])}), more epochs",
    "clip": lambda s: "" if s["clip_norm"] else "clip_norm: 1",
    "warmup": lambda s: "" if s["warmup"] else "warmup: 1",
    "init": lambda s: "" if _keeps_scale(s) else "init: fan_normal or orthogonal, at init_scale: 1",
    "norm": _norm,
    "skip": lambda s: "skip: residual or highway" if s.get("skip") == "none" else "",
    "cell": lambda s: "cell: gru or lstm" if s.get("cell") == "elman" else "",
    "activation": lambda s: "activation: relu" if s["activation"] in SATURATING else "",
    "leaky": lambda s: "activation: leaky_relu",
}
"""What to try, in words; empty where it is in use already."""

"""Every setting of a training: its range, its default, and with which other choices it has a meaning.

Imports no torch, so that a wrong YAML is refused at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpsearch.registry import Registry
from hpsearch.space.parameters import Choice, Integer, Parameter, Real, Value
from hpsearch.space.space import By, Params, resolved

MODELS = Registry(
    "model",
    {
        "mlp": "hpsearch.engine.models.mlp:forward(width, depth, skip, pretrain)",
        "resnet": "hpsearch.engine.models.resnet:forward(channels, blocks)",
        "rnn": "hpsearch.engine.models.rnn:forward(width, depth, cell, init_constraint)",
    },
)
OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": "hpsearch.engine.optimizers:sgd",
        "momentum": "hpsearch.engine.optimizers:momentum(momentum)",
        "nesterov": "hpsearch.engine.optimizers:nesterov(momentum)",
        "adagrad": "hpsearch.engine.optimizers:adagrad(eps)",
        "rmsprop": "hpsearch.engine.optimizers:rmsprop(beta2, eps)",
        "adam": "hpsearch.engine.optimizers:adam(beta1, beta2, eps)",
        "adamw": "hpsearch.engine.optimizers:adamw(beta1, beta2, eps)",
    },
)
PRETRAINING = Registry(
    "pretrain",
    {
        "none": "hpsearch.engine.pretrain:none",
        "layerwise": "hpsearch.engine.pretrain:layerwise(corruption)",
    },
)
SCHEDULES = Registry(
    "schedule",
    {
        "constant": "hpsearch.engine.schedules:constant",
        "cosine": "hpsearch.engine.schedules:cosine",
        "step": "hpsearch.engine.schedules:step(step_every, step_factor)",
    },
)
INITS = Registry(
    "init",
    {
        "fan_normal": "hpsearch.engine.inits:fan_normal",
        "fan_uniform": "hpsearch.engine.inits:fan_uniform",
        "normal": "hpsearch.engine.inits:normal",
        "uniform": "hpsearch.engine.inits:uniform",
        "orthogonal": "hpsearch.engine.inits:orthogonal",
        "identity": "hpsearch.engine.inits:identity",
    },
)
BAYESIAN = Registry(
    "bayesian",
    {
        "none": "hpsearch.engine.bayesian:point",
        "variational": "hpsearch.engine.bayesian:sampled(prior_scale)",
        "mc_dropout": "hpsearch.engine.bayesian:sampled",
        "laplace": "hpsearch.engine.bayesian:laplace(prior_scale)",
    },
)
ACTIVATIONS = Registry(
    "activation",
    {
        "relu": "hpsearch.engine.activations:relu",
        "leaky_relu": "hpsearch.engine.activations:leaky_relu(slope)",
        "prelu": "hpsearch.engine.activations:prelu(slope)",
        "tanh": "hpsearch.engine.activations:tanh",
        "sigmoid": "hpsearch.engine.activations:sigmoid",
        "gelu": "hpsearch.engine.activations:gelu",
    },
)


PRETRAINING_EPOCHS = 20
"""Passes over the training rows for each layer."""
NETWORKS = 32
"""How many nets a sampled posterior answers with."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what it may be, what it is when nothing is said, and what it does (for the help)."""

    domain: Parameter
    default: Value | By
    about: str


_TINY, _HUGE = 1e-30, 1e30
_MANY = 2**31 - 1

SETTINGS: Mapping[str, Setting] = {
    "model": Setting(Choice(tuple(MODELS)), "mlp", "the kind of network"),
    "width": Setting(Integer(1, 65_536), 64, "units in each hidden layer"),
    "depth": Setting(Integer(1, 1_000), 2, "hidden layers"),
    "skip": Setting(
        Choice(("none", "residual", "highway")),
        "none",
        "what runs around each hidden layer after the first",
    ),
    "channels": Setting(
        Integer(1, 4_096), 16, "channels of the first stage; each later stage has twice as many"
    ),
    "blocks": Setting(Integer(1, 100), 1, "residual blocks in each stage"),
    "cell": Setting(Choice(("elman", "gru", "lstm")), "elman", "what a recurrent layer is made of"),
    "activation": Setting(Choice(tuple(ACTIVATIONS)), "relu", "the non-linearity"),
    "slope": Setting(
        Real(0.0, 1.0),
        By("activation", {"leaky_relu": 0.01, "prelu": 0.25}),
        "below zero; prelu learns on from it",
    ),
    "norm": Setting(
        Choice(("none", "batch", "layer")), "none", "the normalisation before each non-linearity"
    ),
    "init": Setting(Choice(tuple(INITS)), "fan_normal", "how the weights begin"),
    "init_scale": Setting(
        Real(_TINY, _HUGE),
        By("init", {**dict.fromkeys(INITS, 1.0), "normal": 0.05, "uniform": 0.05}),
        "multiplies the initial weights; of normal the deviation, of uniform half the range",
    ),
    "init_constraint": Setting(
        Real(0.0, _HUGE),
        0.0,
        "draws recurrent weights back to where they began: adds it times (w - w0) to the gradient",
    ),
    "pretrain": Setting(
        Choice(tuple(PRETRAINING)), "none", "what the hidden layers learn before the task"
    ),
    "corruption": Setting(Real(0.0, 0.99), 0.3, "the share of numbers that pre-training spoils"),
    "bayesian": Setting(
        Choice(tuple(BAYESIAN)),
        "none",
        "whether one net answers, or the mean over a distribution of nets",
    ),
    "prior_scale": Setting(
        Real(_TINY, _HUGE),
        1.0,
        "deviation of the weights' prior, in units of what the fans ask for",
    ),
    "dropout": Setting(
        Real(0.0, 0.99),
        By("bayesian", {**dict.fromkeys(BAYESIAN, 0.0), "mc_dropout": 0.2}),
        "the share of hidden units dropped in a step; of mc_dropout in its answers too",
    ),
    "dropconnect": Setting(Real(0.0, 0.99), 0.0, "the share of weights dropped in a step"),
    "l1": Setting(Real(0.0, _HUGE), 0.0, "draws each weight towards exactly 0, by lr * l1 a step"),
    "l2": Setting(
        Real(0.0, _HUGE), 0.0, "adds l2 * w to the gradient of each weight; adamw decouples it"
    ),
    "optimizer": Setting(Choice(tuple(OPTIMIZERS)), "adam", "the rule of a step"),
    "lr": Setting(
        Real(_TINY, _HUGE),
        By(
            "optimizer",
            {
                "sgd": 0.1,
                "momentum": 0.03,
                "nesterov": 0.03,
                "adagrad": 0.03,
                "rmsprop": 1e-3,
                "adam": 1e-3,
                "adamw": 1e-3,
            },
        ),
        "learning rate",
    ),
    "momentum": Setting(Real(0.0, 0.9999), 0.9, "the share of the last step kept"),
    "beta1": Setting(Real(0.0, 0.9999), 0.9, "decay of the mean gradient"),
    "beta2": Setting(
        Real(0.0, 0.999999),
        By("optimizer", {"rmsprop": 0.99, "adam": 0.999, "adamw": 0.999}),
        "decay of the mean squared gradient",
    ),
    "eps": Setting(Real(_TINY, 1.0), 1e-8, "added to the root of the mean squared gradient"),
    "clip_norm": Setting(
        Real(0.0, _HUGE), 0.0, "the most that the norm of a member's gradient may be; 0: no limit"
    ),
    "schedule": Setting(Choice(tuple(SCHEDULES)), "constant", "how the learning rate goes"),
    "step_every": Setting(
        Integer(1, 1_000_000), 10, "epochs between two steps of the learning rate"
    ),
    "step_factor": Setting(Real(_TINY, 1.0), 0.1, "what a step multiplies the learning rate by"),
    "warmup": Setting(Real(0.0, 1_000_000), 0.0, "epochs in which the learning rate rises from 0"),
    "batch_size": Setting(Integer(1, _MANY), 64, "rows in a step"),
    "epochs": Setting(Integer(1, 1_000_000), 30, "passes over the training rows, at most"),
    "patience": Setting(
        Integer(0, 1_000_000), 8, "epochs without a better loss before a trial ends; 0: never"
    ),
}

_TABLES = {
    "model": MODELS,
    "pretrain": PRETRAINING,
    "bayesian": BAYESIAN,
    "optimizer": OPTIMIZERS,
    "activation": ACTIVATIONS,
    "schedule": SCHEDULES,
}

_ADAPTIVE = ("rmsprop", "adam", "adamw")
_WAY = 2.5  # how far such an optimizer moves a weight in a good training, by about its rate in each step
_SLOWEST = 3e-4  # its usual rate in the longest trainings
_DROPPED = 0.25  # of the hidden units


def usual(steps: int) -> Mapping[str, Value | By]:
    """Near which values good trainings of so many steps are likely, whatever the data.

    Wide nets with some dropout; the rate by the optimizer: its default, or what lets an adaptive one come far enough.
    """
    defaults = SETTINGS["lr"].default
    assert isinstance(defaults, By)
    adaptive: Mapping[Value, Value] = dict.fromkeys(_ADAPTIVE, max(_WAY / steps, _SLOWEST))
    return {
        "lr": By(defaults.name, {**defaults.table, **adaptive}),
        "width": 65_536,
        "dropout": _DROPPED,
    }


NEEDS: Mapping[str, Mapping[str, tuple[Value, ...]]] = {
    option: {parent: table.users(option)}
    for parent, table in _TABLES.items()
    for option in sorted(table.options)
}
"""For each setting that only some choices use: the parent setting, and its choices that do."""

EXCLUDES: tuple[tuple[tuple[str, Value], tuple[str, Value]], ...] = (
    (
        ("model", "rnn"),
        ("norm", "batch"),
    ),  # statistics of a batch differ from step to step of a sequence
    (("pretrain", "layerwise"), ("norm", "batch")),
    (("pretrain", "layerwise"), ("norm", "layer")),
    (("pretrain", "layerwise"), ("bayesian", "variational")),
    (("model", "resnet"), ("bayesian", "variational")),
    (("model", "rnn"), ("bayesian", "variational")),
    (("bayesian", "mc_dropout"), ("dropout", 0.0)),
)
"""Pairs of choices that do not go together: a space that has both leaves out the points with both."""


def complete(given: Params) -> dict[str, Value]:
    """All settings that apply, in the table's order, with defaults for what is not given.

    Given settings that have no meaning with the others (a momentum beside adam) are left out.
    """
    full: dict[str, Value] = {}
    for name in _PARENTS_FIRST:
        if all(full.get(parent) in allowed for parent, allowed in NEEDS.get(name, {}).items()):
            full[name] = given[name] if name in given else default(name, full)
    return {name: full[name] for name in SETTINGS if name in full}


def default(name: str, others: Params) -> Value:
    """The default of one setting; `others` holds those it may depend on."""
    return resolved(SETTINGS[name].default, others)


_PARENTS_FIRST = sorted(SETTINGS, key=lambda name: name not in _TABLES)

"""The settings of a training: their ranges and defaults, and the choices that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpsearch.engine.structure.models import MODELS
from hpsearch.registry import Registry
from hpsearch.space.parameters import Choice, Integer, Parameter, Real, Value
from hpsearch.space.space import DependentValue, Params, resolve_value

if TYPE_CHECKING:  # these modules import torch
    from hpsearch.engine.activations import Activation
    from hpsearch.engine.bayesian import Inference
    from hpsearch.engine.inits import Init
    from hpsearch.engine.optimizers import Rule
    from hpsearch.engine.pretrain import Pretraining
    from hpsearch.engine.schedules import Schedule

OPTIMIZERS: Registry[Rule] = Registry(
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
PRETRAINING: Registry[Pretraining] = Registry(
    "pretrain",
    {
        "none": "hpsearch.engine.pretrain:none",
        "layerwise": "hpsearch.engine.pretrain:layerwise(corruption)",
    },
)
SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    {
        "constant": "hpsearch.engine.schedules:constant",
        "cosine": "hpsearch.engine.schedules:cosine",
        "step": "hpsearch.engine.schedules:step(step_every, step_factor)",
    },
)
INITS: Registry[Init] = Registry(
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
BAYESIAN: Registry[Inference] = Registry(
    "bayesian",
    {
        "none": "hpsearch.engine.bayesian:POINT",
        "variational": "hpsearch.engine.bayesian:SAMPLED(prior_scale)",
        "mc_dropout": "hpsearch.engine.bayesian:SAMPLED",
        "laplace": "hpsearch.engine.bayesian:LAPLACE(prior_scale)",
    },
)
ACTIVATIONS: Registry[Activation] = Registry(
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
"""How many times pre-training passes over the training rows, for each layer."""

NETWORKS = 32
"""How many networks, drawn from the posterior, an answer is the mean of."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: what it may be, its default, and what it does, in the words of the help."""

    domain: Parameter
    default: Value | DependentValue
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
        "the path around each hidden layer after the first",
    ),
    "channels": Setting(
        Integer(1, 4_096),
        16,
        "channels of the first stage; each later stage has twice as many as the one before",
    ),
    "blocks": Setting(Integer(1, 100), 1, "residual blocks in each stage"),
    "cell": Setting(Choice(("elman", "gru", "lstm")), "elman", "what a recurrent layer is made of"),
    "activation": Setting(Choice(tuple(ACTIVATIONS)), "relu", "the non-linearity"),
    "slope": Setting(
        Real(0.0, 1.0),
        DependentValue("activation", {"leaky_relu": 0.01, "prelu": 0.25}),
        "the slope below zero; with prelu the one that learning begins from",
    ),
    "norm": Setting(
        Choice(("none", "batch", "layer")), "none", "the normalisation before each non-linearity"
    ),
    "init": Setting(Choice(tuple(INITS)), "fan_normal", "the distribution of the initial weights"),
    "init_scale": Setting(
        Real(_TINY, _HUGE),
        DependentValue("init", {**dict.fromkeys(INITS, 1.0), "normal": 0.05, "uniform": 0.05}),
        "multiplies the initial weights: the standard deviation of normal, half the range of "
        "uniform",
    ),
    "init_constraint": Setting(
        Real(0.0, _HUGE),
        0.0,
        "draws recurrent weights w back to their initial values w0, by adding it times (w - w0) "
        "to the gradient",
    ),
    "pretrain": Setting(
        Choice(tuple(PRETRAINING)), "none", "what the hidden layers learn before the task itself"
    ),
    "corruption": Setting(
        Real(0.0, 0.99), 0.3, "the share of each layer's inputs that pre-training sets to 0"
    ),
    "bayesian": Setting(
        Choice(tuple(BAYESIAN)),
        "none",
        "whether one network answers, or the mean over a distribution of networks",
    ),
    "prior_scale": Setting(
        Real(_TINY, _HUGE),
        1.0,
        "standard deviation of the weights' prior, in units of that of fan_normal",
    ),
    "dropout": Setting(
        Real(0.0, 0.99),
        DependentValue("bayesian", {**dict.fromkeys(BAYESIAN, 0.0), "mc_dropout": 0.2}),
        "the share of hidden units dropped in a step; with mc_dropout in the answers as well",
    ),
    "dropconnect": Setting(Real(0.0, 0.99), 0.0, "the share of weights dropped in a step"),
    "l1": Setting(
        Real(0.0, _HUGE), 0.0, "moves each weight towards 0 by lr * l1 in each step, and not beyond"
    ),
    "l2": Setting(
        Real(0.0, _HUGE),
        0.0,
        "adds l2 * w to the gradient of each weight w; adamw applies it apart from the gradient",
    ),
    "optimizer": Setting(
        Choice(tuple(OPTIMIZERS)), "adam", "the rule by which a step changes the weights"
    ),
    "lr": Setting(
        Real(_TINY, _HUGE),
        DependentValue(
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
    "momentum": Setting(Real(0.0, 0.9999), 0.9, "the share of the last step that is kept"),
    "beta1": Setting(Real(0.0, 0.9999), 0.9, "decay of the running mean of the gradient"),
    "beta2": Setting(
        Real(0.0, 0.999999),
        DependentValue("optimizer", {"rmsprop": 0.99, "adam": 0.999, "adamw": 0.999}),
        "decay of the running mean of the squared gradient",
    ),
    "eps": Setting(
        Real(_TINY, 1.0),
        1e-8,
        "added to the root of the mean squared gradient, which divides the step",
    ),
    "clip_norm": Setting(
        Real(0.0, _HUGE), 0.0, "the largest norm that the gradient may have; 0: no limit"
    ),
    "schedule": Setting(
        Choice(tuple(SCHEDULES)), "constant", "how the learning rate changes during the training"
    ),
    "step_every": Setting(
        Integer(1, 1_000_000), 10, "epochs between two reductions of the learning rate"
    ),
    "step_factor": Setting(
        Real(_TINY, 1.0), 0.1, "the factor by which each of them multiplies the learning rate"
    ),
    "warmup": Setting(
        Real(0.0, 1_000_000), 0.0, "epochs during which the learning rate rises from 0"
    ),
    "batch_size": Setting(Integer(1, _MANY), 64, "rows in a step"),
    "epochs": Setting(Integer(1, 1_000_000), 30, "passes over the training rows at most"),
    "patience": Setting(
        Integer(0, 1_000_000),
        8,
        "epochs without a better loss after which a trial ends; 0: none ends so",
    ),
}

_TABLES: Mapping[str, Registry[Any]] = {
    "model": MODELS,
    "pretrain": PRETRAINING,
    "bayesian": BAYESIAN,
    "optimizer": OPTIMIZERS,
    "activation": ACTIVATIONS,
    "schedule": SCHEDULES,
}

# Adaptive rules move a weight by about the learning rate in each step. A good training moves it by
# about `_TOTAL_MOVE` in all; in the longest trainings the usual rate is `_SMALLEST_LR`.
_ADAPTIVE = ("rmsprop", "adam", "adamw")
_TOTAL_MOVE = 2.5
_SMALLEST_LR = 3e-4
_TYPICAL_DROPOUT = 0.25


def typical_values(steps: int) -> Mapping[str, Value | DependentValue]:
    """Return the values near which good trainings of so many steps are likely, whatever the data.

    They describe wide networks with some dropout. The learning rate depends on the optimizer: it is
    the default, or for an adaptive rule the rate that moves the weights far enough in these steps.
    """
    defaults = SETTINGS["lr"].default
    assert isinstance(defaults, DependentValue)
    lr: Mapping[Value, Value] = dict.fromkeys(_ADAPTIVE, max(_TOTAL_MOVE / steps, _SMALLEST_LR))
    return {
        "lr": DependentValue(defaults.name, {**defaults.table, **lr}),
        "width": 65_536,
        "dropout": _TYPICAL_DROPOUT,
    }


NEEDS: Mapping[str, Mapping[str, tuple[Value, ...]]] = {
    option: {parent: table.users(option)}
    for parent, table in _TABLES.items()
    for option in sorted(table.options)
}
"""For each setting that only some choices use: its parent setting, and the choices that use it."""

EXCLUDES: tuple[tuple[tuple[str, Value], tuple[str, Value]], ...] = (
    # the statistics of a batch differ from step to step of a sequence
    (("model", "rnn"), ("norm", "batch")),
    # a pre-trained layer is an auto-encoder of plain weights
    (("pretrain", "layerwise"), ("norm", "batch")),
    (("pretrain", "layerwise"), ("norm", "layer")),
    (("pretrain", "layerwise"), ("bayesian", "variational")),
    # only dense layers draw their sums from a posterior
    (("model", "resnet"), ("bayesian", "variational")),
    (("model", "rnn"), ("bayesian", "variational")),
    # without dropout all of its networks are the same one
    (("bayesian", "mc_dropout"), ("dropout", 0.0)),
)
"""Pairs of choices that do not go together: a space leaves out the points that have both."""


def complete(given: Params) -> dict[str, Value]:
    """Return all settings that apply, in the table's order, with defaults for what is not given.

    Given settings that have no meaning with the others, as a momentum beside adam, are left out.

    >>> complete({"optimizer": "sgd", "momentum": 0.5, "width": 8})["lr"]
    0.1
    """
    full: dict[str, Value] = {}
    for name in _PARENTS_FIRST:
        if all(full.get(parent) in allowed for parent, allowed in NEEDS.get(name, {}).items()):
            full[name] = given[name] if name in given else default(name, full)
    return {name: full[name] for name in SETTINGS if name in full}


def default(name: str, others: Params) -> Value:
    """Return the default of one setting; `others` holds the settings that it may depend on."""
    return resolve_value(SETTINGS[name].default, others)


_PARENTS_FIRST = sorted(SETTINGS, key=lambda name: name not in _TABLES)

"""Which initial weights suit deep networks? Vanishing and exploding gradients, and what is learned.

    python -m experiments.compare_inits        (about 140 s of one core; no network)

Networks of 5 to 50 layers of 64 units learn the digits by plain gradient descent, for 10 epochs in
batches of 64. Before the first step, the norm of the gradient in every layer is measured. Each
network has the better one of two learning rates, chosen on 2 seeds and measured on 5 others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.comparison import (
    COLOURS,
    MARKERS,
    Numbers,
    Row,
    Runs,
    at_their_best,
    canvas,
    digits,
    guessing,
    legend,
    line,
    mean_error,
    plain_numbers,
    present,
    probed,
    said,
)
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.diagnosis import Probe
from hpsearch.space.parameters import Value

Kind = tuple[str, str, int]
"""A kind of network: its activation, its initialisation and its depth."""

WIDTH = 64
INITS: dict[str, dict[str, Value]] = {
    "normal, std 0.01": {"init": "normal", "init_scale": 0.01},
    "uniform, up to 1/√width": {"init": "uniform", "init_scale": WIDTH**-0.5},
    "fan_normal": {"init": "fan_normal"},
    "fan_uniform": {"init": "fan_uniform"},
    "orthogonal": {"init": "orthogonal"},
    "normal, std 0.3": {"init": "normal", "init_scale": 0.3},
}
ACTIVATIONS = ("tanh", "relu")
DEPTHS = (5, 10, 20, 50)
RATES = (0.01, 0.1)
TUNING, SEEDS = range(5, 7), range(5)
NET: dict[str, Value] = {"width": WIDTH, "optimizer": "sgd", "batch_size": 64, "patience": 0}


@dataclass(frozen=True, slots=True)
class Nets:
    """Trainings, and the gradients' norms in each layer before the first step: [seeds, layers]."""

    gradients: dict[Kind, Numbers]
    runs: dict[Kind, Runs]


def measure(
    activations: Sequence[str] = ACTIVATIONS,
    depths: Sequence[int] = DEPTHS,
    tuning: Sequence[int] = TUNING,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 10,
) -> Nets:
    """Probe and train every kind of network."""
    feed = Feed(digits(), "cpu")
    nets: dict[Kind, dict[str, Value]] = {
        (activation, name, depth): {
            **NET,
            **init,
            "activation": activation,
            "depth": depth,
            "epochs": epochs,
        }
        for depth in depths
        for activation in activations
        for name, init in INITS.items()
    }
    gradients = {kind: _norms(found) for kind, found in probed(feed, nets, seeds).items()}
    grids = {kind: [{**net, "lr": rate} for rate in RATES] for kind, net in nets.items()}
    return Nets(gradients, at_their_best(feed, grids, tuning, seeds))


def _norms(found: Sequence[Probe]) -> Numbers:
    return np.array([[layer.gradient for layer in probe.layers] for probe in found])


def rows(nets: Nets) -> list[Row]:
    """Return a row for each kind of network: its gradients, and its training loss in the end.

    The gradients are that of the first layer, and its ratio to that of the output layer.
    """
    table: list[Row] = [
        ("activation", "init", "depth", "first gradient", "over the last", "training loss", "lr")
    ]
    for kind, runs in nets.runs.items():
        activation, name, depth = kind
        norms = nets.gradients[kind]
        sizes = (_power(norms[:, 0]), _power(norms[:, 0] / norms[:, -1]))
        table.append(
            (
                activation,
                name,
                str(depth),
                *sizes,
                said(runs.train_loss[:, -1]),
                str(runs.settings["lr"]),
            )
        )
    return table


def _power(numbers: Numbers) -> str:
    """Format the geometric mean as a power of ten with the standard error of the exponent."""
    return f"10^({said(np.log10(numbers), 1)})" if numbers.all() else "0 in float32"


def draw(nets: Nets) -> Figure:
    """Draw the gradients through the deepest networks, and the training losses at each depth."""
    activations = list(dict.fromkeys(activation for activation, _, _ in nets.runs))
    depths = sorted({depth for _, _, depth in nets.runs})
    figure, axes = canvas(len(activations), 2, height=4.3)
    for column, activation in enumerate(activations):
        above, below = axes[0, column], axes[1, column]
        for number, name in enumerate(INITS):
            _draw_gradient(above, nets.gradients[activation, name, depths[-1]], number, name)
            ends = np.stack(
                [nets.runs[activation, name, depth].train_loss[:, -1] for depth in depths], 1
            )
            _draw_losses(below, depths, ends, number, name)
        above.set(
            title=f"{activation}, {depths[-1]} layers, before the first step",
            xlabel="layer (0: next to the inputs)",
            ylabel="norm of the gradient",
            yscale="log",
            ylim=(1e-15, 1e15),
        )
        guessing(below)
        below.set(
            title=f"{activation}, after training",
            xlabel="hidden layers",
            ylabel="training loss",
            xscale="log",
            ylim=(-0.1, 3.0),
        )
        plain_numbers(below.xaxis, depths)
    legend(figure, axes[0, 0], 3)
    return figure


def _draw_gradient(axes: Axes, norms: Numbers, number: int, name: str) -> None:
    """Draw the geometric mean over the seeds, in a band of one standard error."""
    with np.errstate(divide="ignore"):
        mean, error = mean_error(np.log10(norms))
    layers = range(len(mean))
    axes.plot(
        layers,
        10**mean,
        color=COLOURS[number],
        label=name,
        marker=MARKERS[number],
        markevery=(2 * number, 12),
    )
    axes.fill_between(
        layers,
        10 ** (mean - error),
        10 ** (mean + error),
        color=COLOURS[number],
        alpha=0.2,
        linewidth=0,
    )


def _draw_losses(
    axes: Axes, depths: Sequence[int], losses: Numbers, number: int, name: str
) -> None:
    """Draw the losses at each depth, with a marker at the top where a seed has diverged."""
    line(axes, depths, losses, number, name, marked=True)
    for depth in np.array(depths)[~np.isfinite(losses).all(0)]:
        axes.plot(depth, 2.6, color=COLOURS[number], marker=MARKERS[number])
        axes.annotate(
            "diverges", (depth, 2.6), (0, 8), textcoords="offset points", ha="center", fontsize=10
        )


if __name__ == "__main__":
    present("inits", measure, rows, draw)

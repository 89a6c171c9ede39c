"""Do networks of 50 layers learn: plain ones, residual ones, and highway networks?

    python -m experiments.compare_skips        (about 50 s of one core; no network)

Tanh networks of 5 to 50 layers of 32 units learn the digits with Adam, for 10 epochs in batches of
64. At each depth each kind has the best of three learning rates and two scales of the initial
weights, chosen on 2 seeds and measured on 8 others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.comparison import (
    Row,
    Runs,
    at_their_best,
    canvas,
    digits,
    guessing,
    legend,
    line,
    percent,
    plain_numbers,
    present,
    said,
)
from hpsearch.engine.feed import Feed
from hpsearch.space.parameters import Value

Nets = dict[tuple[str, int], Runs]
"""The trainings by the kind of network and its depth."""

SKIPS = {"plain": "none", "residual": "residual", "highway": "highway"}
DEPTHS = (5, 10, 20, 50)
RATES = (0.001, 0.003, 0.01)
SCALES = (0.3, 1.0)
TUNING, SEEDS = range(8, 10), range(8)
NET: dict[str, Value] = {
    "width": 32,
    "activation": "tanh",
    "optimizer": "adam",
    "batch_size": 64,
    "patience": 0,
}


def measure(
    depths: Sequence[int] = DEPTHS,
    rates: Sequence[float] = RATES,
    tuning: Sequence[int] = TUNING,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 10,
) -> Nets:
    """Train networks of every kind and depth."""
    grids: dict[tuple[str, int], list[dict[str, Value]]] = {
        (name, depth): [
            {**NET, "skip": skip, "depth": depth, "epochs": epochs, "lr": rate, "init_scale": scale}
            for rate in rates
            for scale in SCALES
        ]
        for name, skip in SKIPS.items()
        for depth in depths
    }
    return at_their_best(Feed(digits(), "cpu"), grids, tuning, seeds)


def rows(nets: Nets) -> list[Row]:
    """Return a row for each kind and depth: its loss and accuracy, and its settings."""
    table: list[Row] = [
        ("net", "depth", "training loss", "validation accuracy", "lr", "init_scale")
    ]
    for (name, depth), runs in nets.items():
        numbers = (said(runs.train_loss[:, -1]), percent(runs.accuracy[:, -1]))
        table.append(
            (name, str(depth), *numbers, *(str(runs.settings[key]) for key in ("lr", "init_scale")))
        )
    return table


def draw(nets: Nets) -> Figure:
    """Draw the training losses of the deepest networks, and the last ones of each depth."""
    depths = sorted({depth for _, depth in nets})
    figure, axes = canvas(2)
    left, right = axes[0]
    for number, name in enumerate(SKIPS):
        deepest = nets[name, depths[-1]].train_loss
        line(left, range(1, deepest.shape[1] + 1), deepest, number, name, marked=True)
        ends = np.stack([nets[name, depth].train_loss[:, -1] for depth in depths], 1)
        line(right, depths, ends, number, name, marked=True)
    left.set(
        title=f"{depths[-1]} layers learn", xlabel="epoch", ylabel="training loss", ylim=(0, 2.5)
    )
    guessing(left)
    right.set(
        title="What each depth comes to",
        xlabel="hidden layers",
        ylabel="training loss after the last epoch",
    )
    right.set(xscale="log", yscale="log")
    plain_numbers(right.xaxis, depths)
    plain_numbers(right.yaxis)
    legend(figure, left, len(SKIPS))
    return figure


if __name__ == "__main__":
    present("skips", measure, rows, draw)

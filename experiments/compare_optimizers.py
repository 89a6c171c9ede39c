"""Which optimizer is fastest at the learning rate that suits it, and after a poor initialisation?

    python -m experiments.compare_optimizers        (about 90 s of one core; no network)

Tanh networks of 10 layers of 64 units learn the digits for 12 epochs in batches of 64. They have a
good initialisation (fan_normal), or a poor one with which gradients vanish towards the inputs
(uniform, up to 1/√width). Each optimizer has the one of nine learning rates, half a decade apart,
with the lowest training loss on 2 seeds; then it is measured on 10 others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from experiments.comparison import (
    Row,
    Runs,
    best,
    canvas,
    digits,
    guessing,
    legend,
    line,
    percent,
    plain_numbers,
    present,
    said,
    trained,
)
from hpsearch.engine.feed import Feed
from hpsearch.space.parameters import Value

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
INITS: dict[str, dict[str, Value]] = {
    "good initialisation": {"init": "fan_normal"},
    "poor initialisation": {"init": "uniform", "init_scale": 64**-0.5},
}
TUNING, SEEDS = range(10, 12), range(10)
NET: dict[str, Value] = {
    "depth": 10,
    "width": 64,
    "activation": "tanh",
    "batch_size": 64,
    "patience": 0,
}
DECAY = 0.01  # of adamw, which is adam without it
GOAL = 0.1


@dataclass(frozen=True, slots=True)
class Races:
    """The trainings by initialisation and optimizer.

    Attributes:
        tuning: at each learning rate, from the seeds that choose it.
        best: at the best learning rate, from other seeds.
    """

    tuning: dict[tuple[str, str], dict[float, Runs]]
    best: dict[tuple[str, str], Runs]


def measure(
    optimizers: Sequence[str] = OPTIMIZERS,
    rates: Sequence[float] = RATES,
    tuning: Sequence[int] = TUNING,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 12,
) -> Races:
    """Choose the learning rates, then measure."""
    feed = Feed(digits(), "cpu")
    contestants: dict[tuple[str, str], dict[str, Value]] = {
        (initialisation, name): {
            **NET,
            **init,
            "epochs": epochs,
            "optimizer": name,
            "l2": DECAY * (name == "adamw"),
        }
        for initialisation, init in INITS.items()
        for name in optimizers
    }
    points = {
        (key, rate): {**one, "lr": rate} for key, one in contestants.items() for rate in rates
    }
    tried = trained(feed, points, tuning)
    by_rate = {key: {rate: tried[key, rate] for rate in rates} for key in contestants}
    chosen = {key: best(runs.values()) for key, runs in by_rate.items()}
    return Races(by_rate, trained(feed, chosen, seeds))


def rows(races: Races) -> list[Row]:
    """Return a row for each optimizer: its learning rate, loss, speed and validation accuracy."""
    table: list[Row] = [
        ("net", "optimizer", "lr", "training loss", f"epochs to {GOAL}", "validation accuracy")
    ]
    for (initialisation, name), runs in races.best.items():
        reached = runs.train_loss <= GOAL
        there = said(1.0 + reached.argmax(1), 1) if reached.any(1).all() else "not all there"
        loss, accuracy = said(runs.train_loss[:, -1], 4), percent(runs.accuracy[:, -1])
        table.append((initialisation, name, str(runs.settings["lr"]), loss, there, accuracy))
    return table


def draw(races: Races) -> Figure:
    """Draw the training losses at the best learning rates, and beside them those at other rates."""
    initialisations = list(dict.fromkeys(initialisation for initialisation, _ in races.best))
    optimizers = list(dict.fromkeys(name for _, name in races.best))
    figure, axes = canvas(2, len(initialisations), height=4.3)
    for (left, right), initialisation in zip(axes, initialisations, strict=True):
        for number, name in enumerate(optimizers):
            runs, tuning = races.best[initialisation, name], races.tuning[initialisation, name]
            line(
                left,
                range(1, runs.train_loss.shape[1] + 1),
                runs.train_loss,
                number,
                name,
                marked=True,
            )
            ends = np.stack([tried.train_loss[:, -1] for tried in tuning.values()], 1)
            line(right, list(tuning), ends, number, name, marked=True)
        left.set(
            title=f"{initialisation.capitalize()}: each at its best rate",
            xlabel="epoch",
            ylabel="training loss",
        )
        right.set(
            title=f"{initialisation.capitalize()}: at other rates",
            xlabel="learning rate (a line ends where it diverges)",
        )
        right.set(ylabel="training loss in the end", xscale="log")
        for axes_of in (left, right):
            axes_of.set_yscale("log")
            plain_numbers(axes_of.yaxis)
            guessing(axes_of)
    legend(figure, axes[0, 0], len(optimizers))
    return figure


if __name__ == "__main__":
    present("optimizers", measure, rows, draw)

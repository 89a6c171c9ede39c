"""Which optimizer is fastest, when each has the learning rate that suits it? And when the net has begun badly?

    python -m experiments.compare_optimizers        (about 90 s of one core; no network)

Tanh nets of 10 layers of 64 units learn the digits for 12 epochs in batches of 64: one that begins well (fan_normal),
one whose gradients fade towards the inputs (uniform, up to 1/√width). Of nine learning rates, half a decade apart,
each optimizer is given the one with the lowest training loss on 2 seeds; then it races on 10 others.
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
BEGINNINGS: dict[str, dict[str, Value]] = {
    "begun well": {"init": "fan_normal"},
    "begun badly": {"init": "uniform", "init_scale": 64**-0.5},
}
TUNING, SEEDS = range(10, 12), range(10)
NET: dict[str, Value] = {
    "depth": 10,
    "width": 64,
    "activation": "tanh",
    "batch_size": 64,
    "patience": 0,
}
DECAY = 0.01  # adamw's: without it, it is adam
GOAL = 0.1


@dataclass(frozen=True, slots=True)
class Races:
    """By (beginning, optimizer): its runs at each learning rate, and those at its best from seeds of their own."""

    tuning: dict[tuple[str, str], dict[float, Runs]]
    best: dict[tuple[str, str], Runs]


def measure(
    optimizers: Sequence[str] = OPTIMIZERS,
    rates: Sequence[float] = RATES,
    tuning: Sequence[int] = TUNING,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 12,
) -> Races:
    """Tune, then race."""
    feed = Feed(digits(), "cpu")
    contestants: dict[tuple[str, str], dict[str, Value]] = {
        (beginning, name): {
            **NET,
            **init,
            "epochs": epochs,
            "optimizer": name,
            "l2": DECAY * (name == "adamw"),
        }
        for beginning, init in BEGINNINGS.items()
        for name in optimizers
    }
    points = {
        (place, rate): {**one, "lr": rate} for place, one in contestants.items() for rate in rates
    }
    tried = trained(feed, points, tuning)
    by_rate = {place: {rate: tried[place, rate] for rate in rates} for place in contestants}
    return Races(
        by_rate,
        trained(feed, {place: best(runs.values()) for place, runs in by_rate.items()}, seeds),
    )


def rows(races: Races) -> list[Row]:
    """For each optimizer: its best learning rate, its loss, how soon it was there, and its worth on other rows."""
    table: list[Row] = [
        ("net", "optimizer", "lr", "training loss", f"epochs to {GOAL}", "validation accuracy")
    ]
    for (beginning, name), runs in races.best.items():
        reached = runs.train_loss <= GOAL
        there = said(1.0 + reached.argmax(1), 1) if reached.any(1).all() else "not all there"
        loss, accuracy = said(runs.train_loss[:, -1], 4), percent(runs.accuracy[:, -1])
        table.append((beginning, name, str(runs.settings["lr"]), loss, there, accuracy))
    return table


def draw(races: Races) -> Figure:
    """Each race itself, and beside it what other learning rates come to."""
    beginnings = list(dict.fromkeys(beginning for beginning, _ in races.best))
    optimizers = list(dict.fromkeys(name for _, name in races.best))
    figure, axes = canvas(2, len(beginnings), height=4.3)
    for (left, right), beginning in zip(axes, beginnings, strict=True):
        for number, name in enumerate(optimizers):
            runs, tuning = races.best[beginning, name], races.tuning[beginning, name]
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
            title=f"{beginning.capitalize()}: each at its best rate",
            xlabel="epoch",
            ylabel="training loss",
        )
        right.set(
            title=f"{beginning.capitalize()}: at other rates",
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

"""Does a recurrent network remember longer if its recurrent weights start as the identity?

    python -m experiments.compare_rnn        (about 260 s of one core; no network)

The same digits are read in 8 steps (row by row), in 16, in 32, or in 64 (pixel by pixel), so that
what matters lies ever further back. Networks of 32 units learn them with Adam, gradients clipped at
norm 1, for 15 epochs in batches of 64. Each has the better of two learning rates (the one with
normal weights also of two standard deviations), chosen on 2 seeds and measured on 5 others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
"""The trainings by the kind of network and the number of steps in which it reads a digit."""

STEPS = (8, 16, 32, 64)
NET: dict[str, Value] = {
    "model": "rnn",
    "depth": 1,
    "width": 32,
    "optimizer": "adam",
    "clip_norm": 1.0,
    "batch_size": 64,
    "patience": 0,
}
ELMAN: dict[str, Value] = {"cell": "elman", "activation": "relu"}
GRIDS: dict[str, list[dict[str, Value]]] = {
    "relu, normal": [
        {**ELMAN, "init": "normal", "init_scale": std, "lr": rate}
        for std in (0.05, 0.2)
        for rate in (0.003, 0.01)
    ],
    "relu, identity": [{**ELMAN, "init": "identity", "lr": rate} for rate in (0.001, 0.003)],
    "tanh, orthogonal": [
        {"cell": "elman", "activation": "tanh", "init": "orthogonal", "lr": rate}
        for rate in (0.003, 0.01)
    ],
    "LSTM": [{"cell": "lstm", "activation": "tanh", "lr": rate} for rate in (0.003, 0.01)],
}
TUNING, SEEDS = range(5, 7), range(5)


def measure(
    names: Sequence[str] = tuple(GRIDS),
    steps: Sequence[int] = STEPS,
    tuning: Sequence[int] = TUNING,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 15,
) -> Nets:
    """Train every kind of network on sequences of every length."""
    grids = {name: [{**NET, **point, "epochs": epochs} for point in GRIDS[name]] for name in names}
    nets: Nets = {}
    for length in steps:
        for name, runs in at_their_best(read_in(length), grids, tuning, seeds).items():
            nets[name, length] = runs
    return nets


def read_in(steps: int) -> Feed:
    """Return the digits, pixel after pixel, as images whose rows are the steps."""
    data = digits()
    return Feed(replace(data, inputs=data.inputs.reshape(len(data.inputs), 1, steps, -1)), "cpu")


def rows(nets: Nets) -> list[Row]:
    """Return a row for each length and kind of network: loss, accuracy and settings."""
    table: list[Row] = [
        ("steps", "net", "training loss", "validation accuracy", "lr", "init_scale")
    ]
    for (name, length), runs in nets.items():
        numbers = (said(runs.train_loss[:, -1]), percent(runs.accuracy[:, -1]))
        table.append(
            (
                str(length),
                name,
                *numbers,
                str(runs.settings["lr"]),
                str(runs.settings.get("init_scale", "-")),
            )
        )
    return table


def draw(nets: Nets) -> Figure:
    """Draw the training losses on the longest sequences, and the accuracies for each length."""
    lengths = sorted({length for _, length in nets})
    figure, axes = canvas(2)
    left, right = axes[0]
    for number, name in enumerate(dict.fromkeys(name for name, _ in nets)):
        longest = nets[name, lengths[-1]].train_loss
        line(left, range(1, longest.shape[1] + 1), longest, number, name, marked=True)
        ends = np.stack([100 * nets[name, length].accuracy[:, -1] for length in lengths], 1)
        line(right, lengths, ends, number, name, marked=True)
    left.set(
        title=f"A digit in {lengths[-1]} steps",
        xlabel="epoch",
        ylabel="training loss",
        ylim=(0, 2.5),
    )
    guessing(left)
    right.set(
        title="The longer the sequence",
        xlabel="steps in which a digit is read",
        ylabel="validation accuracy, %",
    )
    right.set(xscale="log")
    plain_numbers(right.xaxis, lengths)
    legend(figure, left, 4)
    return figure


if __name__ == "__main__":
    present("rnn", measure, rows, draw)

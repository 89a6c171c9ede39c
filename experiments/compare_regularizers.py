"""With 100 labels only, what helps a net to be right about rows that it has not seen?

    python -m experiments.compare_regularizers        (about 80 s of one core; no network)

A net of 2 layers of 128 units learns 100 digits, a hundred times over. Each technique has the strength with the lowest
validation loss (300 rows), and is judged once on 797 test rows that chose nothing. That is done on 12 draws of the 100
and the 300; techniques are compared on the same draw, from the same initial weights, in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    best,
    canvas,
    few,
    legend,
    mean_error,
    on_test_rows,
    percent,
    present,
    said,
    trained,
)
from hpsearch.engine.feed import Feed
from hpsearch.space.parameters import Value

LABELS, DRAWS = 100, 12
PLAIN, EARLY = "none", "early stopping"
TECHNIQUES: dict[str, list[dict[str, Value]]] = {
    PLAIN: [{}],
    "L2": [{"l2": strength} for strength in (0.001, 0.003, 0.01, 0.03)],
    "L1": [{"l1": strength} for strength in (0.001, 0.003, 0.01, 0.03)],
    "dropout": [{"dropout": rate} for rate in (0.1, 0.2, 0.35, 0.5)],
    "drop-connect": [{"dropconnect": rate} for rate in (0.05, 0.1, 0.2, 0.35, 0.5)],
    "batch norm": [{"norm": "batch"}],
}
NET: dict[str, Value] = {
    "depth": 2,
    "width": 128,
    "optimizer": "momentum",
    "lr": 0.01,
    "batch_size": 20,
    "patience": 0,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A technique at its best strength: how it does on the test rows after each epoch, and when its training ends."""

    runs: Runs
    stops: Sequence[int]  # for each draw, the index of an epoch

    @property
    def loss(self) -> Numbers:
        """On the test rows at the end, of each draw."""
        return self.runs.loss[range(len(self.stops)), self.stops]

    @property
    def accuracy(self) -> Numbers:
        """On the test rows at the end, of each draw."""
        return self.runs.accuracy[range(len(self.stops)), self.stops]


def measure(
    techniques: Mapping[str, Sequence[dict[str, Value]]] = TECHNIQUES,
    draws: int = DRAWS,
    epochs: int = 100,
) -> dict[str, Judged]:
    """Tune the strengths on validation rows, judge the best on test rows; read the plain net where it is best, too."""
    data, seeds = few(LABELS, draws), range(draws)
    points = {
        (name, i): {**NET, "epochs": epochs, **point}
        for name, grid in techniques.items()
        for i, point in enumerate(grid)
    }
    tried = trained(Feed(data, "cpu"), points, seeds)
    chosen = {
        name: best((tried[name, i] for i in range(len(grid))), _final)
        for name, grid in techniques.items()
    }
    tested = trained(Feed(on_test_rows(data), "cpu"), chosen, seeds)
    judged = {name: Judged(runs, [epochs - 1] * draws) for name, runs in tested.items()}
    return {**judged, EARLY: Judged(tested[PLAIN], tried[PLAIN, 0].loss.argmin(1).tolist())}


def _final(runs: Runs) -> float:
    """The mean loss on rows that are not trained on."""
    return float(runs.loss[:, -1].mean())


def rows(judged: Mapping[str, Judged]) -> list[Row]:
    """For each technique: its strength, its test loss and accuracy, and how they differ from the plain net's."""
    table: list[Row] = [
        ("technique", "strength", "test loss", "- plain", "test accuracy", "- plain")
    ]
    plain = judged[PLAIN]
    for name, one in judged.items():
        strength = ", ".join(
            str(value)
            for key, value in one.runs.settings.items()
            if key not in {*NET, "epochs", "norm"}
        )
        against = (said(one.loss - plain.loss), percent(one.accuracy - plain.accuracy))
        own = ("", "") if one is plain else against
        table.append((name, strength or "-", said(one.loss), own[0], percent(one.accuracy), own[1]))
    return table


def draw(judged: Mapping[str, Judged]) -> Figure:
    """The test loss as the nets learn, and what each technique gains over the plain net."""
    figure, axes = canvas(3, height=5.0)
    curves, losses, accuracies = axes[0]
    plain = judged[PLAIN]
    for number, (name, one) in enumerate(judged.items()):
        if name == EARLY:
            at, style = (
                [1.0 + np.mean(one.stops)],
                {"marker": MARKERS[number], "markersize": 11, "linestyle": ""},
            )
            curves.plot(at, one.loss.mean(), color=COLOURS[number], label=name, **style)
        else:
            mean = one.runs.loss.mean(0)
            curves.plot(range(1, 1 + len(mean)), mean, color=COLOURS[number], label=name)
        if one is not plain:
            _draw_gain(losses, one.loss - plain.loss, number)
            _draw_gain(accuracies, 100 * (one.accuracy - plain.accuracy), number)
    end = float(plain.loss.mean())
    curves.set(
        title="Learning 100 digits",
        xlabel="epoch",
        ylabel="test loss",
        ylim=(0.85 * end, 1.25 * end),
    )
    losses.set(title="Test loss\nagainst the plain net", xlabel="difference (left is better)")
    accuracies.set(
        title="Test accuracy\nagainst the plain net",
        xlabel="difference in points (right is better)",
    )
    names = [name for name in judged if name != PLAIN]
    for axes_of, shown in ((losses, names), (accuracies, [""] * len(names))):
        axes_of.set_yticks(range(1, 1 + len(names)), shown)
        axes_of.invert_yaxis()
        axes_of.axvline(0.0, color="grey", linestyle=":", zorder=0)
    legend(figure, curves, 4)
    return figure


def _draw_gain(axes: Axes, differences: Numbers, number: int) -> None:
    """Every draw as a dot, and their mean with its standard error."""
    mean, error = mean_error(differences)
    axes.plot(
        differences,
        np.full(len(differences), number + 0.25),
        ".",
        color=COLOURS[number],
        alpha=0.4,
        markersize=5,
    )
    axes.errorbar(mean, number, xerr=error, fmt=MARKERS[number], color=COLOURS[number], capsize=4)


if __name__ == "__main__":
    present("regularizers", measure, rows, draw)

"""With 100 labels only, what helps a network to be right about rows that it has not seen?

    python -m experiments.compare_regularizers        (about 80 s of one core; no network)

A network of 2 layers of 128 units learns 100 digits for 100 epochs. Each technique has the strength
with the lowest validation loss (on 300 rows), and is judged once on 797 test rows that chose
nothing. That is done on 12 draws of the 100 and the 300 rows; techniques are compared in pairs, on
the same draw and from the same initial weights.
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
class TestedTechnique:
    """A technique at its best strength, on the test rows.

    Attributes:
        runs: its trainings after each epoch.
        stops: for each draw the index of the epoch at which the training ends.
    """

    runs: Runs
    stops: Sequence[int]

    @property
    def loss(self) -> Numbers:
        """The loss on the test rows at the end, of each draw."""
        return self.runs.loss[range(len(self.stops)), self.stops]

    @property
    def accuracy(self) -> Numbers:
        """The accuracy on the test rows at the end, of each draw."""
        return self.runs.accuracy[range(len(self.stops)), self.stops]


def measure(
    techniques: Mapping[str, Sequence[dict[str, Value]]] = TECHNIQUES,
    draws: int = DRAWS,
    epochs: int = 100,
) -> dict[str, TestedTechnique]:
    """Tune the strengths on validation rows, and judge the best on test rows.

    Early stopping is the plain network, judged at the epoch where its validation loss is lowest.
    """
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
    judged = {name: TestedTechnique(runs, [epochs - 1] * draws) for name, runs in tested.items()}
    early = TestedTechnique(tested[PLAIN], tried[PLAIN, 0].loss.argmin(1).tolist())
    return {**judged, EARLY: early}


def _final(runs: Runs) -> float:
    """Return the mean loss after the last epoch on rows that are not trained on."""
    return float(runs.loss[:, -1].mean())


def rows(judged: Mapping[str, TestedTechnique]) -> list[Row]:
    """Return a row for each technique: its strength, and test loss and accuracy.

    Beside each stands its difference from the plain network.
    """
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


def draw(judged: Mapping[str, TestedTechnique]) -> Figure:
    """Draw the test losses by epoch, and what each technique gains over the plain network."""
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
    """Draw every draw's difference as a dot, and their mean with its standard error."""
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

"""What the comparisons share: training contestants from several seeds, tables, pictures.

A comparison is a module with a question at its head, contestants, and the functions `measure`,
`rows` (of its table) and `draw`; `compare_optimizers.py` is a short one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator
from numpy.typing import NDArray

from hpsearch.data import Dataset, DataSpec, Fold
from hpsearch.data.prepare import prepare
from hpsearch.data.scale import scaling
from hpsearch.data.splits.split import split
from hpsearch.engine.feed import Feed
from hpsearch.engine.probes import probes
from hpsearch.engine.structure.cohorts import cohorts
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.diagnosis import Probe
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import MemberEpoch, train
from hpsearch.space.space import Params
from hpsearch.study.trial import Epoch

torch.set_num_threads(1)  # nets as small as these gain nothing from more

Label = TypeVar("Label")
Result = TypeVar("Result")
Numbers = NDArray[np.float64]
Row = Sequence[str]

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colours of Okabe and Ito, which colour-blind people can tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CHANCE = math.log(10)
"""The cross-entropy of guessing one of ten digits."""


# --- measuring


@dataclass(frozen=True, slots=True)
class Runs:
    """A contestant's settings, and its trainings after each epoch: [seeds, epochs].

    `loss` and `accuracy` are those of the rows that the feed validates on. Once a training has
    diverged, its losses are infinite.
    """

    settings: Params
    train_loss: Numbers
    loss: Numbers
    accuracy: Numbers


def digits() -> Dataset:
    """Return scikit-learn's digits, 8x8 images: four fifths to train on, one to validate."""
    return prepare(DataSpec("digits", test=0.0))


def few(labels: int, draws: int) -> Dataset:
    """Return the digits with a few labelled rows, and one test split of 797 rows for all.

    Args:
        labels: how many rows there are to train on; 300 others validate.
        draws: how many draws of them there are; each is a fold of the data.
    """
    data = digits()
    classes = data.targets.astype(np.int64)
    rest, _, test = split(classes, 0, 797, seed=0)
    folds = []
    for draw in range(draws):
        found, judging, _ = split(classes[rest], 300, len(rest) - labels - 300, seed=draw)
        folds.append(
            Fold(rest[found], rest[judging], *scaling(data.inputs, rest[found], "standard"))
        )
    return replace(data, folds=tuple(folds), test=test)


def on_test_rows(data: Dataset) -> Dataset:
    """Return the same data, in which the test rows validate."""
    return replace(data, folds=tuple(replace(fold, validation=data.test) for fold in data.folds))


def trained(
    feed: Feed, contestants: Mapping[Label, Params], seeds: Sequence[int]
) -> dict[Label, Runs]:
    """Train every contestant from every seed, in cohorts where they can share one.

    Where the data have several folds, seed k has the k-th.
    """
    curves: dict[tuple[Label, int], list[Epoch]] = {}
    for members, labels in _cohorts(feed, contestants, seeds):
        for event in train(feed, members, "loss", seed=0):
            if isinstance(event, MemberEpoch):
                label, seed = labels[event.member.number], event.member.replicate
                curves.setdefault((label, seed), []).append(event.epoch)
    return {
        label: _runs(settings, [curves[label, seed] for seed in seeds])
        for label, settings in contestants.items()
    }


def probed(
    feed: Feed, contestants: Mapping[Label, Params], seeds: Sequence[int]
) -> dict[Label, list[Probe]]:
    """Probe every contestant's layers before the first step, from each seed."""
    found: dict[Label, list[Probe]] = {label: [] for label in contestants}
    for members, labels in _cohorts(feed, contestants, seeds):
        for probe in probes(feed, members, seed=0, epochs=0):
            found[labels[probe.number]].append(probe)
    return found


def final_loss(runs: Runs) -> float:
    """Return the mean training loss after the last epoch."""
    return float(runs.train_loss[:, -1].mean())


def best(tried: Iterable[Runs], score: Callable[[Runs], float] = final_loss) -> Params:
    """Return the settings with the lowest score."""
    return min(tried, key=score).settings


def at_their_best(
    feed: Feed, grids: Mapping[Label, Sequence[Params]], tuning: Sequence[int], seeds: Sequence[int]
) -> dict[Label, Runs]:
    """Train every contestant with the settings of its grid that reach the lowest training loss.

    The `tuning` seeds choose them, and the other `seeds` are measured, so that the same luck does
    not both choose and judge.
    """
    points = {(label, i): point for label, grid in grids.items() for i, point in enumerate(grid)}
    tried = trained(feed, points, tuning)
    chosen = {
        label: best(tried[label, i] for i in range(len(grid))) for label, grid in grids.items()
    }
    return trained(feed, chosen, seeds)


def _cohorts(
    feed: Feed, contestants: Mapping[Label, Params], seeds: Sequence[int]
) -> Iterator[tuple[list[Member], list[Label]]]:
    """Yield members that train together, and the labels that their numbers stand for."""
    labels, full = list(contestants), [complete(settings) for settings in contestants.values()]
    folds = len(feed.data.folds)
    for positions in cohorts(full, feed.data.shape, feed.data.outputs, CPU, len(seeds)):
        yield [Member(p, full[p], seed, seed % folds) for p in positions for seed in seeds], labels


def _runs(settings: Params, curves: Sequence[Sequence[Epoch]]) -> Runs:
    epochs = int(complete(settings)["epochs"])
    diverged = Epoch(0, 0, math.inf, math.inf, 0.0)
    rows = [[*curve, *[diverged] * (epochs - len(curve))] for curve in curves]
    found = (
        np.array([[getattr(at, name) for at in row] for row in rows])
        for name in ("train_loss", "loss", "metric")
    )
    return Runs(settings, *(np.nan_to_num(values, nan=np.inf, posinf=np.inf) for values in found))


# --- saying


def mean_error(values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the mean over the first axis, the seeds, and its standard error."""
    with np.errstate(invalid="ignore"):  # of infinite losses
        return values.mean(0), values.std(0, ddof=1) / math.sqrt(len(values))


def said(values: Numbers, places: int = 3) -> str:
    """Format mean ± standard error of one number per seed."""
    mean, error = mean_error(values)
    return f"{mean:.{places}f} ± {error:.{places}f}" if np.isfinite(mean) else "diverges"


def percent(values: Numbers) -> str:
    """Format mean ± standard error of one share per seed, in per cent."""
    return f"{said(100 * values, 1)} %"


def table(rows: Sequence[Row]) -> str:
    """Format a table with aligned columns; the first row has their heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


# --- drawing

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 14,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.use": True,
    "figure.titlesize": 16,
    "font.size": 12,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 7.0,
    "svg.hashsalt": "hpsearch",  # the same numbers give the same file
}


def canvas(columns: int, rows: int = 1, height: float = 4.6) -> tuple[Figure, NDArray[np.object_]]:
    """Return an empty figure, and its panels [rows, columns]."""
    mpl.use("Agg")
    plt.style.use(_STYLE)
    figure, axes = plt.subplots(rows, columns, figsize=(11.0, height * rows), squeeze=False)
    return figure, axes


def line(
    axes: Axes,
    x: Sequence[float],
    values: Numbers,
    number: int,
    label: str,
    *,
    marked: bool = False,
) -> None:
    """Draw the mean over the seeds of `values` [seeds, len(x)], in a band of one standard error.

    `number` is the contestant's, for its colour and its marker.
    """
    mean, error = mean_error(values)
    colour = COLOURS[number]
    axes.plot(x, mean, color=colour, label=label, marker=MARKERS[number] if marked else "")
    axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)


def guessing(axes: Axes) -> None:
    """Draw a dotted line at the loss of guessing."""
    axes.axhline(CHANCE, color="grey", linestyle=":", zorder=0)


def plain_numbers(axis: Axis, ticks: Sequence[float] = ()) -> None:
    """Label a logarithmic axis with plain numbers: these ticks, or 1, 2 and 5 of each decade."""
    axis.set_major_locator(FixedLocator(ticks) if ticks else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """Draw one legend for all panels, below them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def save(figure: Figure, path: Path) -> None:
    """Write a figure so that the same figure always gives the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def present(
    name: str,
    measure: Callable[[], Result],
    rows: Callable[[Result], Sequence[Row]],
    draw: Callable[[Result], Figure],
    clock: Callable[[], float] = time.process_time,
) -> None:
    """Measure, print the table, and draw the picture for the docs.

    Args:
        name: of the picture.
        measure: makes the result.
        rows: makes the table's rows of it.
        draw: makes the picture of it.
        clock: counts the seconds, also those of other processes that compute.
    """
    start = clock()
    result = measure()
    print(table(rows(result)))
    save(draw(result), PICTURES / f"{name}.svg")
    print(f"\n{clock() - start:.0f} s of one core; docs/pictures/{name}.svg is drawn")

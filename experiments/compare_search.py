"""Where do a grid, a random, a guided and a Bayesian search look, and what do they find?

    python -m experiments.compare_search        (about 60 s of one core; no network)

Coverage: there are two parameters, of which the first matters and the second hardly does. The loss
has one narrow valley, at a different place for each of 40 seeds; a search has 9 or 25 trials.
Regret is the loss of its best trial: 0 at the bottom of the valley, about 1 far from it.

Front: the Pareto front of loss and cost among 60 trials of a random search on scikit-learn's
digits, the built-in example.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hpsearch
from experiments.comparison import (
    COLOURS,
    Numbers,
    Row,
    canvas,
    legend,
    plain_numbers,
    present,
    said,
)
from hpsearch.report.board.view import Board, board
from hpsearch.report.board.view import Row as Trial
from hpsearch.space.space import Params
from hpsearch.study.store import read

SPACE: Mapping[str, object] = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}
SIDES = (3, 5)  # points along each side of the grid; a guided search has as many rounds
WIDTH = 0.08  # standard deviation of the valley
SEEDS = range(40)
SEARCHES = ("grid", "random", "guided", "bayes")


# --- coverage


@dataclass(frozen=True, slots=True)
class Searched:
    """A search on every seed's valley: the points of the first seed, and all regrets [seeds]."""

    points: Sequence[tuple[float, float]]
    regret: Numbers


Coverage = dict[tuple[str, int], Searched]
"""The searches by their kind and number of trials."""


def valley(seed: int) -> tuple[float, float]:
    """Return the place where the loss is least."""
    rng = Random(f"valley {seed}")
    return rng.random(), rng.random()


def loss(params: Params, least: tuple[float, float]) -> float:
    """Return the loss at a point, which nearly all depends on x."""
    x, y = float(params["x"]), float(params["y"])
    return 1.0 - math.exp(-0.5 * ((x - least[0]) / WIDTH) ** 2) + 0.05 * (y - least[1]) ** 2


def cover(sides: Sequence[int] = SIDES, seeds: Sequence[int] = SEEDS) -> Coverage:
    """Search every valley in every way."""
    found: Coverage = {}
    for side in sides:
        for name in SEARCHES:
            runs = [_search(name, side, seed) for seed in seeds]
            points = [(float(one.params["x"]), float(one.params["y"])) for one in runs[0].trials]
            regret = np.array([min(one.loss for one in run.trials) for run in runs])
            found[name, side * side] = Searched(points, regret)
    return found


def _search(name: str, side: int, seed: int) -> hpsearch.Minimum:
    least, strategy = valley(seed), "random" if name == "guided" else name
    options: dict[str, Any] = {"points": side} if name == "grid" else {"confirm": False}
    if name == "guided":
        options["rounds"] = side
    return hpsearch.minimize(
        lambda params: loss(params, least), SPACE, strategy, side * side, seed, **options
    )


def coverage_rows(coverage: Coverage) -> list[Row]:
    """Return a row for each search: how many values of x it tried, and its regret."""
    table: list[Row] = [("trials", "search", "values of x", "regret", "within 0.1")]
    for (name, trials), one in coverage.items():
        near = f"{100 * float((one.regret < 0.1).mean()):.0f} %"
        table.append(
            (str(trials), name, str(len({x for x, _ in one.points})), said(one.regret), near)
        )
    return table


def draw_coverage(coverage: Coverage) -> Figure:
    """Draw the points of each search in the first seed's valley."""
    budgets = sorted({trials for _, trials in coverage})
    figure, axes = canvas(len(SEARCHES), len(budgets), height=3.0)
    least = valley(SEEDS[0])
    ticks = np.linspace(0, 1, 200)
    floor = np.array([[loss({"x": x, "y": y}, least) for x in ticks] for y in ticks])
    for row, trials in zip(axes, budgets, strict=True):
        for panel, name in zip(row, SEARCHES, strict=True):
            _points(panel, coverage[name, trials].points, floor, SEARCHES.index(name))
            panel.set_title(f"{name}, {trials} trials")
        row[0].set_ylabel("hardly matters")
    for panel in axes[-1]:
        panel.set_xlabel("matters")
    return figure


def _points(axes: Axes, points: Sequence[tuple[float, float]], floor: Numbers, number: int) -> None:
    """Draw the trials in the valley, and at the edges their values of each parameter."""
    colour, (x, y) = COLOURS[number], zip(*points, strict=True)
    axes.imshow(floor, origin="lower", extent=(0, 1, 0, 1), cmap="Greys_r", vmin=-1.6, vmax=1.15)
    axes.scatter(
        x, y, s=30, color=colour, edgecolors="white", linewidths=0.7, zorder=3, clip_on=False
    )
    axes.vlines(x, 1.06, 1.15, color=colour, linewidth=1.3)
    axes.hlines(y, 1.06, 1.15, color=colour, linewidth=1.3)
    axes.set(xlim=(-0.03, 1.17), ylim=(-0.03, 1.17), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


# --- the Pareto front of loss and cost


def study(budget: int = 60, *flags: str) -> Board:
    """Search the digits at random by the command line, and return the leaderboard."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "hpsearch",
            "random",
            "--budget",
            str(budget),
            "--quiet",
            "--study",
            "study",
        ]
        subprocess.run(
            [*command, "--workers", "1", *flags], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        return board(read(Path(folder) / "study"))


def front_rows(found: Board) -> list[Row]:
    """Return a row for each Pareto-optimal trial, the cheapest first, the default, a constant."""
    table: list[Row] = [
        ("trial", "cost, s", "validation loss", "accuracy", "optimizer", "depth x width")
    ]
    front = _front(found.rows)
    default = [found.default] if found.default and not found.default.pareto_optimal else []
    for row in [*front, *default]:
        role = " (winner)" if row is found.winner else " (default)" if row is found.default else ""
        error = f" ± {row.loss_se:.3f}" if row.loss_se is not None else ""
        layers = f"{row.params['depth']} x {row.params['width']}"
        numbers = (
            f"{row.cost:.3f}",
            f"{row.loss:.3f}{error}",
            f"{100 * (row.metric or 0.0):.1f} %",
        )
        table.append((f"{row.number}{role}", *numbers, str(row.params["optimizer"]), layers))
    return [*table, ("constant", "-", f"{found.meta.baseline_loss:.3f}", "-", "-", "-")]


def draw_front(found: Board) -> Figure:
    """Draw all trials by loss and cost, and the lowest loss so far."""
    figure, axes = canvas(2)
    left, right = axes[0]
    done = [row for row in found.rows if row.loss is not None and row.cost is not None]
    front = _front(done)
    others = [row for row in done if not row.pareto_optimal]
    _scatter(left, others, "cost", "o", COLOURS[5], "a trial", 30)
    left.step(*_line(front, done), where="post", color=COLOURS[1], linewidth=1.2, zorder=2)
    label = "Pareto-optimal: none has both a lower loss and a lower cost"
    _scatter(left, front, "cost", "*", COLOURS[1], label, 150)
    later = sorted(done, key=lambda row: row.number)
    _scatter(right, later, "number", "o", COLOURS[5], "", 30)
    best = list(accumulate((_first(row) for row in later), min))
    right.step(
        [row.number for row in later],
        best,
        where="post",
        color=COLOURS[0],
        label="the lowest loss so far",
    )
    for panel, across in ((left, "cost"), (right, "number")):
        for row, number, label in ((found.winner, 2, "winner"), (found.default, 4, "default")):
            if row is not None:
                error = None if row.loss_se is None else [row.loss_se]
                x, y = [float(getattr(row, across))], [float(row.loss or 0.0)]
                panel.errorbar(
                    x,
                    y,
                    error,
                    marker="D",
                    markersize=9,
                    color=COLOURS[number],
                    label=label,
                    zorder=4,
                )
        panel.set(yscale="log")
        plain_numbers(panel.yaxis)
    left.set(
        title="Between loss and cost",
        xlabel="cost, seconds of a nominal core",
        ylabel="validation loss",
    )
    left.set(xscale="log")
    plain_numbers(left.xaxis)
    right.set(title="One after the other", xlabel="trial")
    handles = dict(zip(*reversed(right.get_legend_handles_labels()), strict=True))
    left.plot(
        [],
        [],
        color=handles["the lowest loss so far"].get_color(),
        label="the lowest loss so far (first runs)",
    )
    legend(figure, left, 3)
    return figure


def _scatter(
    axes: Axes,
    rows: Sequence[Trial],
    across: str,
    marker: str,
    colour: str,
    label: str,
    size: float,
) -> None:
    x, y = [getattr(row, across) for row in rows], [float(row.loss or 0.0) for row in rows]
    axes.scatter(x, y, s=size, marker=marker, color=colour, label=label or None, zorder=3)


def _front(rows: Sequence[Trial]) -> list[Trial]:
    """Return the Pareto-optimal trials, the cheapest first."""
    return sorted((row for row in rows if row.pareto_optimal), key=lambda row: row.cost or 0.0)


def _line(front: Sequence[Trial], done: Sequence[Trial]) -> tuple[list[float], list[float]]:
    """Return the front as steps, from the cheapest trial to the most expensive of all."""
    end = max(float(row.cost or 0.0) for row in done)
    x = [*(float(row.cost or 0.0) for row in front), end]
    return x, [*(float(row.loss or 0.0) for row in front), float(front[-1].loss or 0.0)]


def _first(row: Trial) -> float:
    return float(row.first_loss if row.first_loss is not None else math.inf)


if __name__ == "__main__":
    present("coverage", cover, coverage_rows, draw_coverage)
    present("front", study, front_rows, draw_front, time.perf_counter)  # workers train

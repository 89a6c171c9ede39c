"""Where do a grid, a random, a guided and a Bayesian search look, and what does a search find between loss and cost?

    python -m experiments.compare_search        (about 60 s of one core; no network)

Coverage: two parameters, of which the first matters and the second hardly does. The loss has one narrow valley, which
lies elsewhere for each of 40 seeds; a search has 9 or 25 trials. Regret is the loss of its best trial: 0 at the floor
of the valley, about 1 far away from it.

Front: 60 trials of a random search on scikit-learn's digits, the built-in example.
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
SIDES = (
    3,
    5,
)  # points along each side of the grid: the others have as many trials, in as many rounds
WIDTH = 0.08  # of the valley
SEEDS = range(40)
SEARCHES = ("grid", "random", "guided", "bayes")


# --- coverage


@dataclass(frozen=True, slots=True)
class Searched:
    """A search on every seed's valley: the points of the first seed, and all regrets [seeds]."""

    points: Sequence[tuple[float, float]]
    regret: Numbers


Coverage = dict[tuple[str, int], Searched]
"""By the kind of search and its number of trials."""


def valley(seed: int) -> tuple[float, float]:
    """Where the loss is least."""
    rng = Random(f"valley {seed}")
    return rng.random(), rng.random()


def loss(params: Params, least: tuple[float, float]) -> float:
    """Nearly all depends on x."""
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
    given: dict[str, Any] = {
        "points": side,
        "rounds": side if name == "guided" else 1,
        "confirm": False,
    }
    return hpsearch.minimize(
        lambda params: loss(params, least), SPACE, strategy, side * side, seed, **given
    )


def coverage_rows(coverage: Coverage) -> list[Row]:
    """For each search: how many values of x it has seen, and how near it came to the valley's floor."""
    table: list[Row] = [("trials", "search", "values of x", "regret", "within 0.1")]
    for (name, trials), one in coverage.items():
        near = f"{100 * float((one.regret < 0.1).mean()):.0f} %"
        table.append(
            (str(trials), name, str(len({x for x, _ in one.points})), said(one.regret), near)
        )
    return table


def draw_coverage(coverage: Coverage) -> Figure:
    """The points of each search in the first seed's valley, with what they are to each parameter alone."""
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
    """The trials above the valley; along the upper and the right edge, what is left of them on each axis alone."""
    colour, (x, y) = COLOURS[number], zip(*points, strict=True)
    axes.imshow(floor, origin="lower", extent=(0, 1, 0, 1), cmap="Greys_r", vmin=-1.6, vmax=1.15)
    axes.scatter(
        x, y, s=30, color=colour, edgecolors="white", linewidths=0.7, zorder=3, clip_on=False
    )
    axes.vlines(x, 1.06, 1.15, color=colour, linewidth=1.3)
    axes.hlines(y, 1.06, 1.15, color=colour, linewidth=1.3)
    axes.set(xlim=(-0.03, 1.17), ylim=(-0.03, 1.17), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


# --- the front of loss and cost


def study(budget: int = 60, *flags: str) -> Board:
    """A random search on the digits, by the command line."""
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
    """What has a star, the cheapest first; then the default and the constant predictor."""
    table: list[Row] = [
        ("trial", "cost, s", "validation loss", "accuracy", "optimizer", "depth x width")
    ]
    stars = sorted((row for row in found.rows if row.star), key=lambda row: row.cost or 0.0)
    for row in [*stars, *([found.default] if found.default and not found.default.star else [])]:
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
    """All trials by loss and cost, and the lowest loss so far."""
    figure, axes = canvas(2)
    left, right = axes[0]
    done = [row for row in found.rows if row.loss is not None and row.cost is not None]
    stars = sorted((row for row in done if row.star), key=lambda row: row.cost or 0.0)
    _scatter(left, [row for row in done if not row.star], "cost", "o", COLOURS[5], "a trial", 30)
    left.step(*_line(stars, done), where="post", color=COLOURS[1], linewidth=1.2, zorder=2)
    _scatter(
        left,
        stars,
        "cost",
        "*",
        COLOURS[1],
        "star: none has both a lower loss and a lower cost",
        150,
    )
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


def _line(stars: Sequence[Trial], done: Sequence[Trial]) -> tuple[list[float], list[float]]:
    """The front as steps, from the cheapest trial to the dearest of all."""
    end = max(float(row.cost or 0.0) for row in done)
    x = [*(float(row.cost or 0.0) for row in stars), end]
    return x, [*(float(row.loss or 0.0) for row in stars), float(stars[-1].loss or 0.0)]


def _first(row: Trial) -> float:
    return float(row.first_loss if row.first_loss is not None else math.inf)


if __name__ == "__main__":
    present("coverage", cover, coverage_rows, draw_coverage)
    present("front", study, front_rows, draw_front, time.perf_counter)  # workers train

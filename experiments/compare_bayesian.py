"""With 100, 200 or 400 labels, is a distribution of networks worth more than one network?

    python -m experiments.compare_bayesian        (400 s on one core; no network)

On each of 10 draws of the labelled digits, every kind of network is searched for in the same way:
the same 8 random configurations (Bayesian networks also have the scale of their prior) are judged
by cross-validation over 5 folds of the labelled rows. The best one is trained once more on all of
them, for the median of its best epochs, and judged once on 797 test rows. Kinds are compared in
pairs, on the same draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean, median

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import ttest_rel
from torch import Tensor

from experiments.comparison import (
    COLOURS,
    MARKERS,
    Numbers,
    Row,
    canvas,
    few,
    legend,
    mean_error,
    on_test_rows,
    present,
    said,
)
from hpsearch.data import Dataset, Fold
from hpsearch.data.scale import scaling
from hpsearch.data.splits.split import folded
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.cohorts import cohorts
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import BAYESIAN, complete
from hpsearch.engine.train import MemberEnded, build_cohort, learn, train
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params
from hpsearch.study.trial import Done

LABELS = (100, 200, 400)
DRAWS, CONFIGURATIONS, FOLDS = 10, 8, 5
EPOCHS = 50
KINDS = {
    "none": "one net",
    "mc_dropout": "MC dropout",
    "variational": "variational",
    "laplace": "Laplace",
}
_BINS = 15  # of confidence, for the calibration error


@dataclass(frozen=True, slots=True)
class TestScores:
    """Mean negative log-likelihood, calibration error and accuracy on test rows: [draws] each."""

    nll: Numbers
    ece: Numbers
    accuracy: Numbers


Found = Mapping[tuple[str, int], TestScores]
"""The scores by kind of network and number of labels."""


def configurations(kind: str, number: int) -> list[Params]:
    """Draw configurations: for every kind the same, except for settings that it alone has."""
    draw, own = Random(0), Random(1)
    found: list[Params] = []
    for _ in range(number):
        point: dict[str, Value] = {
            "lr": 10 ** draw.uniform(-3, -1.7),
            "depth": draw.choice([1, 2]),
            "activation": draw.choice(["relu", "tanh"]),
            "dropout": draw.uniform(0.05, 0.5),
            "l2": 10 ** draw.uniform(-5, -2),
            "prior_scale": 10 ** own.uniform(-1, 1),
            "bayesian": kind,
            "width": 64,
            "batch_size": 20,
            "epochs": EPOCHS,
            "patience": 20,
        }
        found.append(complete(point))
    return found


def measure(
    sizes: Sequence[int] = LABELS, draws: int = DRAWS, number: int = CONFIGURATIONS
) -> Found:
    """Search for each kind of network with each number of labels, and judge the winners."""
    return {
        (kind, labels): searched(few(labels, draws), configurations(kind, number))
        for labels in sizes
        for kind in BAYESIAN
    }


def searched(data: Dataset, points: Sequence[Params]) -> TestScores:
    """Choose the best point of each draw by cross-validation, and judge it on the test rows."""
    classes, draws = data.targets.astype(np.int64), len(data.folds)
    inner = [
        Fold(*parts, *scaling(data.inputs, parts[0], "standard"))
        for draw in data.folds
        for parts in folded(draw.train, classes, FOLDS, seed=0)
    ]
    feed = Feed(replace(data, folds=tuple(inner)), "cpu")
    results: dict[tuple[int, int], list[Done]] = {}
    for members in _cohorts(
        feed, points, [(p, 0, f) for p in range(len(points)) for f in range(len(inner))]
    ):
        for event in train(feed, members, "loss", seed=0):
            if isinstance(event, MemberEnded) and isinstance(event.result, Done):
                results.setdefault((event.member.fold // FOLDS, event.member.number), []).append(
                    event.result
                )
    winners, epochs = [], []
    for draw in range(draws):
        whole = {p: ended for (d, p), ended in results.items() if d == draw and len(ended) == FOLDS}
        winner = min(whole, key=lambda p: fmean(result.loss for result in whole[p]))
        winners.append((winner, 0, draw))
        epochs.append(round(median(result.best_epoch for result in whole[winner])))
    outer = Feed(on_test_rows(data), "cpu")
    answers = {
        fold: answer
        for members in _cohorts(outer, points, winners)
        for fold, answer in _refitted(outer, members, epochs)
    }
    y = torch.from_numpy(classes[data.test])
    return TestScores(
        *(
            np.array(each)
            for each in zip(*(_scores(answers[draw], y) for draw in range(draws)), strict=True)
        )
    )


def _cohorts(
    feed: Feed, points: Sequence[Params], wanted: Sequence[tuple[int, int, int]]
) -> Iterator[list[Member]]:
    """Yield members that train together, of those wanted: (point, replicate, fold)."""
    settings = [points[p] for p, _, _ in wanted]
    for positions in cohorts(settings, feed.data.shape, feed.data.outputs, CPU):
        yield [Member(wanted[k][0], settings[k], *wanted[k][1:]) for k in positions]


def _refitted(
    feed: Feed, members: Sequence[Member], epochs: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """Train each member for as many epochs as its fold is to have.

    Yields:
        Its fold, and the log-probabilities of the test rows: [rows, classes].
    """
    cohort = build_cohort(feed, members, seed=0)
    for epoch in range(1, 1 + max(epochs[member.fold] for member in members)):
        learn(cohort, feed, epoch)
        ready = [k for k, member in enumerate(cohort.members) if epochs[member.fold] == epoch]
        if ready:
            with torch.inference_mode():
                predict = BAYESIAN.load(str(cohort.settings["bayesian"]))(cohort, feed)
                said = torch.cat(
                    [outputs for outputs, *_ in feed.answers(cohort, "test", predict)], 1
                )
            for k in ready:
                yield cohort.members[k].fold, said[k].double().log_softmax(1)


def _scores(answer: Tensor, y: Tensor) -> tuple[float, float, float]:
    """Return negative log-likelihood, expected calibration error and accuracy.

    Args:
        answer: log-probabilities [rows, classes].
        y: the classes [rows].
    """
    confidence, guess = answer.exp().max(1)
    right = (guess == y).double()
    bins = (confidence * _BINS).long().clamp_max(_BINS - 1)
    gaps = torch.zeros(_BINS, dtype=torch.float64).scatter_add_(0, bins, right - confidence)
    nll = -answer.gather(1, y.unsqueeze(1)).mean()
    return float(nll), float(gaps.abs().sum() / len(y)), float(right.mean())


def rows(found: Found) -> list[Row]:
    """Return a row for each number of labels and kind: its scores and differences to one network.

    p is that of a paired t test.
    """
    table: list[Row] = [
        ("labels", "net", "test NLL", "- one net", "p", "ECE", "- one net", "p", "accuracy")
    ]
    for (kind, labels), scores in found.items():
        one = found["none", labels]
        cells = [str(labels), KINDS[kind]]
        for mine, its in ((scores.nll, one.nll), (scores.ece, one.ece)):
            cells += [
                said(mine),
                *(
                    ("", "")
                    if kind == "none"
                    else (said(mine - its), f"{ttest_rel(mine, its).pvalue:.3f}")
                ),
            ]
        table.append((*cells, said(scores.accuracy)))
    return table


def draw(found: Found) -> Figure:
    """Draw how each kind differs from one network, by the number of labels."""
    figure, axes = canvas(2)
    sizes = sorted({labels for _, labels in found})
    for axis, name, title in zip(
        axes[0], ("nll", "ece"), ("Negative log-likelihood", "Calibration error"), strict=True
    ):
        axis.axhline(0.0, color="grey", linestyle=":")
        for number, (kind, label) in enumerate(KINDS.items()):
            if kind == "none":
                continue
            gains = [
                mean_error(getattr(found[kind, n], name) - getattr(found["none", n], name))
                for n in sizes
            ]
            x = [k + 0.12 * (number - 2) for k in range(len(sizes))]
            axis.errorbar(
                x, [g[0] for g in gains], yerr=[g[1] for g in gains],
                fmt=MARKERS[number], color=COLOURS[number], capsize=4, label=label,
            )  # fmt: skip
        axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        axis.set(
            title=f"{title} on test rows",
            xlabel="labels",
            ylabel="difference to one net (lower is better)",
        )
    legend(figure, axes[0][0], 3)
    return figure


if __name__ == "__main__":
    present("bayesian", measure, rows, draw)

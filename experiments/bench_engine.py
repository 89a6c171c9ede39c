"""How fast is the engine on one core, compared with what a person would write without it?

    make bench-engine
    python experiments/bench_engine.py [--repeats 3] [mixed small mnist ...]

Each comparison runs its sides in turn, and gives the ratio of their medians, so that a busy machine
slows both.

- `mixed`, `small`: a search of 50 configurations on the digits, as a command, against Optuna with a
  plain PyTorch loop (peers/peer_optuna.py) on the same configurations and rows. Only the search is
  timed: hpsearch's `wall_seconds` and the peer's `seconds`, both without imports. Losses are
  compared pair by pair.
- `mnist`, `resnet`: one training against the same network in a hand-written loop with the data in
  memory; both validate after each epoch.
- `members`: five folds, and twenty seeds, of one configuration against one training of it.
- `cohorts`: trainings of one shape, as one cohort, against the hand-written loop, per training.
- `profile`: which operations the time of the searches' steps and of the ResNet's goes into, by
  torch's profiler.

MNIST is found where `hpsearch` finds it: in $HPSEARCH_DATA/mnist, in the cache, or else it is
downloaded.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import hpsearch
from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.device import set_up
from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.cohorts import cohorts as planned
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.resnet import STAGES
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import build_cohort, learn, train
from hpsearch.space.space import Params

Side = Callable[[], float]
"""Runs once, and returns the seconds that count."""


def medians(sides: Mapping[str, Side], repeats: int) -> dict[str, float]:
    """Run the sides in turn, and return the median seconds of each."""
    times = [{name: side() for name, side in sides.items()} for _ in range(repeats)]
    return {name: statistics.median(each[name] for each in times) for name in sides}


def say(*lines: str) -> None:
    """Print lines at once."""
    print(*lines, sep="\n", flush=True)


# Searches, as commands

PEER = Path(__file__).parent / "peers" / "peer_optuna.py"
PEER_WIDTHS = "[32, 64, 128]"  # that the peer allows, as they stand in its source
PEER_NAMES = {"wd": "l2", "batch": "batch_size"}  # the peer's names, where hpsearch has others
HPSEARCH = "hpsearch manual study.yaml --trials trials.json --workers 1 --threads 1 --json --quiet"
OPTUNA = "peer.py --configs peer.json"
STUDY = """\
data: {source: digits.npz, scale: none, split: {column: part}}
train: {model: mlp, optimizer: adam, epochs: 30, patience: 0}
"""


def searches(widths: Sequence[int], repeats: int) -> None:
    """Search by both sides, in turn, and once by the peer with its tensors in memory."""
    with tempfile.TemporaryDirectory() as folder:
        contest = Contest(Path(folder))
        contest.write(list(configurations(50, widths, random.Random(0))), widths)
        found = medians({"hpsearch": contest.hpsearch, "peer": contest.optuna}, repeats)
        resident = contest.optuna("--resident")
    mine, its = found["hpsearch"], found["peer"]
    ratio, error = compared(contest.losses["hpsearch"], contest.losses["peer"])
    width = ", ".join(map(str, widths))
    say(
        f"50 configurations of width {width}; depth 1-2, batch 32 or 64, 30 epochs",
        f"    {HPSEARCH}   {mine:.2f} s",
        f"    {OPTUNA}   {its:.2f} s: hpsearch is {its / mine:.1f} times as fast",
        f"    {OPTUNA} --resident   {resident:.2f} s: {resident / mine:.1f} times",
        f"    mean log ratio of the losses, hpsearch's to the peer's: {ratio:+.3f} ± {error:.3f}",
    )


def configurations(number: int, widths: Sequence[int], draw: random.Random) -> Iterator[Params]:
    """Draw points of the peer's space, with the peer's names."""
    for _ in range(number):
        yield {
            "lr": 10 ** draw.uniform(-4, -1),
            "wd": 10 ** draw.uniform(-6, -2),
            "width": draw.choice(widths),
            "depth": draw.choice([1, 2]),
            "dropout": draw.uniform(0.0, 0.5),
            "batch": draw.choice([32, 64]),
        }


def translated(drawn: Params) -> Params:
    """Return one of the peer's configurations with hpsearch's names."""
    return {PEER_NAMES.get(name, name): value for name, value in drawn.items()}


def compared(mine: Sequence[float], its: Sequence[float]) -> tuple[float, float]:
    """Return the mean log ratio over pairs, and its standard error."""
    ratios = [math.log(a / b) for a, b in zip(mine, its, strict=True)]
    return statistics.fmean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))


@dataclass(frozen=True)
class Contest:
    """A folder with what both sides read, and the losses that each found, in the trials' order."""

    folder: Path
    losses: dict[str, list[float]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def write(self, drawn: Sequence[Params], widths: Sequence[int]) -> None:
        """Write the configurations, the digits in the peer's split, and the peer."""
        named = [translated(one) for one in drawn]
        x, y = load_digits(return_X_y=True)
        part = np.full(len(x), "validation")
        part[np.random.default_rng(0).permutation(len(x))[: int(0.8 * len(x))]] = "train"
        np.savez(self.folder / "digits.npz", X=(x / 16).astype(np.float32), y=y, part=part)
        texts = {
            "peer.json": json.dumps(drawn),
            "trials.json": json.dumps(named),
            "study.yaml": STUDY,
            "peer.py": PEER.read_text(encoding="utf-8").replace(PEER_WIDTHS, str(list(widths))),
        }
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def hpsearch(self) -> float:
        """Search once by hpsearch, and return the seconds."""
        found = self._run(f"-m {HPSEARCH} --study {next(self._numbers)}")
        self.losses["hpsearch"] = [
            row["loss"] for row in sorted(found["trials"], key=lambda row: row["number"])
        ]
        return float(found["wall_seconds"])

    def optuna(self, flags: str = "") -> float:
        """Search once by the peer, and return the seconds."""
        found = self._run(f"{OPTUNA} {flags}")
        if not flags:
            self.losses["peer"] = found["losses"]
        return float(found["seconds"])

    def _run(self, command: str) -> Any:
        """Run a Python command, and return the JSON that it prints.

        It imports the same `hpsearch` as this process.
        """
        path = {"PYTHONPATH": str(Path(hpsearch.__file__).parents[1])}
        run = [sys.executable, *command.split()]
        done = subprocess.run(
            run, cwd=self.folder, env=os.environ | path, check=True, stdout=subprocess.PIPE
        )
        return json.loads(done.stdout)


# Trainings, in this process


def cohort(feed: Feed, members: Sequence[Member]) -> float:
    """Train the members as one cohort, and return the seconds."""
    start = time.perf_counter()
    for _ in train(feed, members, "loss", seed=0):
        pass
    return time.perf_counter() - start


def by_hand(feed: Feed, network: Callable[[], nn.Module], settings: Params) -> float:
    """Train one network in a hand-written loop on the same scaled rows, and return the seconds."""
    fold, batch_size = feed.data.folds[0], int(settings["batch_size"])
    x, y, _ = feed.batch(feed.rows(fold.train, 0), [0])
    x_val, y_val, _ = feed.batch(feed.rows(fold.validation, 0), [0])
    with nondeterministic():
        model, criterion = network(), nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=float(settings["lr"]))
        start = time.perf_counter()
        for _ in range(int(settings["epochs"])):
            order = torch.randperm(len(y))
            model.train()
            for i in range(0, len(y), batch_size):
                rows = order[i : i + batch_size]
                optimizer.zero_grad()
                criterion(model(x[rows]), y[rows]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                for x_part, y_part in zip(
                    torch.split(x_val, 1024), torch.split(y_val, 1024), strict=True
                ):
                    criterion(model(x_part), y_part).item()
        return time.perf_counter() - start


@contextmanager
def nondeterministic() -> Iterator[None]:
    """Let torch choose algorithms that are not deterministic, as it does by default."""
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(True)


def mlp(inputs: int, width: int, depth: int) -> nn.Module:
    """Return a network of ReLU layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before in [inputs, *[width] * (depth - 1)]:
        layers += [nn.Linear(before, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Block(nn.Module):
    """A residual block; the first of a stage has a convolution as its skip connection."""

    def __init__(self, before: int, after: int, normed: bool) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1, stride)
        self.first = convolution(before, after, stride, normed)
        self.second = convolution(after, after, 1, normed)

    def forward(self, h: Tensor) -> Tensor:
        """Return relu(skip(h) + second(relu(first(h))))."""
        return torch.relu(self.skip(h) + self.second(torch.relu(self.first(h))))


def convolution(before: int, after: int, stride: int, normed: bool) -> nn.Module:
    """Return a 3x3 convolution with batch norm or with a bias."""
    layer = nn.Conv2d(before, after, 3, stride, padding=1, bias=not normed)
    return nn.Sequential(layer, nn.BatchNorm2d(after)) if normed else layer


def resnet(channels: int, normed: bool) -> nn.Module:
    """Return the engine's ResNet with one block per stage, for images of 28 x 28."""
    widths = [channels * 2**stage for stage in range(STAGES)]
    blocks = [
        Block(before, after, normed)
        for before, after in zip([channels, *widths], widths, strict=False)
    ]
    stem = [convolution(1, channels, 2, normed), nn.ReLU()]
    return nn.Sequential(
        *stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10)
    )


def solo(
    name: str, feed: Feed, network: Callable[[], nn.Module], given: Params, repeats: int
) -> None:
    """Compare one training with the same in a hand-written loop, and print the result.

    Args:
        name: of the data and the network.
        feed: the data.
        network: makes the network of the hand-written loop.
        given: the settings.
        repeats: how many times each side runs.
    """
    settings = complete({**given, "patience": 0})
    sides = {
        "hpsearch": partial(cohort, feed, [Member(0, settings)]),
        "by hand": partial(by_hand, feed, network, settings),
    }
    found = medians(sides, repeats)
    mine, its = found["hpsearch"], found["by hand"]
    size, epochs = settings["batch_size"], settings["epochs"]
    rows = f"{feed.n_train:,} rows, batches of {size}, {epochs} epochs"
    factor = f"hpsearch is {its / mine:.2f} times as fast"
    say(f"{name}, {rows}:   {mine:.2f} s, by hand {its:.2f} s: {factor}")


def solo_mlp(repeats: int) -> None:
    """Compare one training of a network of 784-256-256-10 units on MNIST."""
    given = {"width": 256, "depth": 2, "batch_size": 64, "epochs": 2}
    solo("MNIST, 784-256-256", loaded("mnist"), partial(mlp, 784, 256, 2), given, repeats)


def solo_resnet(repeats: int) -> None:
    """Compare one training of a ResNet on MNIST's first rows, with and without batch norm."""
    feed = loaded("mnist", rows=12_000)
    for norm in ("none", "batch"):
        given: Params = {
            "model": "resnet",
            "channels": 16,
            "norm": norm,
            "batch_size": 64,
            "epochs": 1,
        }
        solo(
            f"MNIST, ResNet of 16 channels, norm: {norm}",
            feed,
            partial(resnet, 16, norm == "batch"),
            given,
            repeats,
        )


def members(repeats: int) -> None:
    """Compare folds and seeds of one configuration on the digits with one training of it."""
    settings = complete({"width": 64, "depth": 2, "batch_size": 32, "epochs": 30, "patience": 0})
    held_out, folded = loaded("digits", test=0.0), loaded("digits", test=0.0, folds=5)
    sides = {
        "one": partial(cohort, held_out, [Member(0, settings)]),
        "five folds": partial(
            cohort, folded, [Member(0, settings, fold=fold) for fold in range(5)]
        ),
        "twenty seeds": partial(
            cohort, held_out, [Member(0, settings, replicate) for replicate in range(20)]
        ),
    }
    found = medians(sides, 3 * repeats)  # they are short
    costs = ", ".join(
        f"{name} {found[name]:.2f} s ({found[name] / found['one']:.2f} times)"
        for name in [*sides][1:]
    )
    say(f"digits, 2 x 64, batches of 32, 30 epochs:   one training {found['one']:.2f} s, {costs}")


def cohorts(repeats: int) -> None:
    """Print a table: one row for each shape, one column for each size of the cohort."""
    feed, companies = loaded("digits", test=0.0), (1, 4, 16, 32)
    say("digits, batches of 32, 10 epochs: times as fast per training as by hand, K in a cohort")
    say("network    by hand, s" + "".join(f"{f'K = {k}':>9}" for k in companies))
    for width, depth in ((32, 1), (64, 2), (128, 2), (256, 2)):
        settings = complete(
            {"width": width, "depth": depth, "batch_size": 32, "epochs": 10, "patience": 0}
        )
        sides = {
            "by hand": partial(
                by_hand, feed, partial(mlp, feed.data.features, width, depth), settings
            )
        }
        for k in companies:
            rates = ({"lr": 1e-3 * (1 + one / k)} for one in range(k))
            sides[f"{k}"] = partial(
                cohort, feed, [Member(n, settings | rate) for n, rate in enumerate(rates)]
            )
        found = medians(sides, repeats)
        gains = "".join(f"{k * found['by hand'] / found[f'{k}']:9.1f}" for k in companies)
        say(f"{depth} x {width:<6} {found['by hand']:10.3f}{gains}")


KINDS: Mapping[str, Sequence[str]] = {
    "matrix products": ("mm", "bmm", "addmm", "baddbmm"),
    "convolutions": ("mkldnn_convolution", "convolution_backward"),
    "optimizer and l2": ("_fused_adam_", "addcmul_", "zeros_like", "zero_"),
}


def profiles(repeats: int) -> None:
    """Profile the searches' cohorts and the ResNet for as many epochs as repeats."""
    digits = loaded("digits", test=0.0)
    for widths in ((32, 64, 128), (16, 32)):
        trials = [complete(translated(one)) for one in configurations(50, widths, random.Random(0))]
        groups = planned(trials, digits.data.shape, digits.data.outputs, CPU)
        built = [
            build_cohort(digits, [Member(position, trials[position]) for position in group], 0)
            for group in groups
        ]
        profiled(
            f"50 configurations of width {', '.join(map(str, widths))}", built, digits, repeats
        )
    mnist = loaded("mnist", rows=3_000)
    resnet_trial = complete({"model": "resnet", "channels": 16, "batch_size": 64})
    profiled(
        "ResNet of 16 channels", [build_cohort(mnist, [Member(0, resnet_trial)], 0)], mnist, repeats
    )


def profiled(name: str, stacked: Sequence[StackedCohort], feed: Feed, epochs: int) -> None:
    """Print what kinds of operations the time goes into, in the epochs after the first one."""
    for each in stacked:
        learn(each, feed, 1)
    before = sum(each.step_number for each in stacked)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for each in stacked:
            for epoch in range(epochs):
                learn(each, feed, 2 + epoch)
    steps = sum(each.step_number for each in stacked) - before
    operations = {one.key.removeprefix("aten::"): one for one in profile.key_averages()}
    total = sum(one.self_cpu_time_total for one in operations.values())
    shares = {
        kind: sum(operations[key].self_cpu_time_total for key in names if key in operations) / total
        for kind, names in KINDS.items()
    }
    shown = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items() if share > 0.01)
    calls = sum(one.count for one in operations.values()) / steps
    rest = 1 - sum(shares.values())
    say(f"profile of {name}: {shown}, all else {rest:.0%}; {calls:.0f} operations a step")


def loaded(source: str, **options: Any) -> Feed:
    """Load data into memory as the engine takes them."""
    return Feed(prepare(DataSpec(source, **options)), "cpu")


MEASURES: Mapping[str, Callable[[int], None]] = {
    "mixed": partial(searches, (32, 64, 128)),
    "small": partial(searches, (16, 32)),
    "mnist": solo_mlp,
    "resnet": solo_resnet,
    "members": members,
    "cohorts": cohorts,
    "profile": profiles,
}


def main() -> None:
    """Run the comparisons that are named, or all, on one core."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    arguments.add_argument("--repeats", type=int, default=3)
    given = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    set_up(threads=1)
    for name in given.measures or MEASURES:
        MEASURES[name](given.repeats)


if __name__ == "__main__":
    main()

"""What a cohort gains: seconds per trial, trained together, against a plain PyTorch loop with the data in memory.

    make bench          (or: python experiments/bench_engine.py --repeats 5)

One core, digits (1,437 training rows), batches of 32, Adam, 10 epochs. The two sides alternate, and the ratio
is that of their medians, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.feed import Feed
from hpsearch.engine.plan import Member
from hpsearch.engine.settings import complete
from hpsearch.engine.train import train

EPOCHS = 10
SHAPES = ((32, 1), (64, 2), (128, 2), (256, 2))
COMPANIES = (1, 4, 16, 32)


def cohort(feed: Feed, width: int, depth: int, members: int) -> float:
    """Seconds per trial of `members` trials with learning rates of their own."""
    common = {"width": width, "depth": depth, "batch_size": 32, "epochs": EPOCHS, "patience": 0}
    all_members = [Member(k, complete({**common, "lr": 1e-3 * (1 + k / members)})) for k in range(members)]
    start = time.perf_counter()
    for _ in train(feed, all_members, "loss", seed=0):
        pass
    return (time.perf_counter() - start) / members


def loop(feed: Feed, width: int, depth: int) -> float:
    """Seconds of one trial as a person would write it, validation after each epoch included."""
    fold = feed.data.folds[0]
    split = [feed.batch(feed.rows(rows, 0), [0]) for rows in (fold.train, fold.validation)]
    (x, y), (x_val, y_val) = ((inputs.flatten(1), targets) for inputs, targets in split)
    layers: list[nn.Module] = []
    for inputs in [x.shape[1], *[width] * (depth - 1)]:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    start = time.perf_counter()
    for _ in range(EPOCHS):
        order = torch.randperm(len(y))
        for i in range(0, len(y), 32):
            rows = order[i : i + 32]
            optimizer.zero_grad()
            criterion(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            criterion(model(x_val), y_val).item()
    return time.perf_counter() - start


def main() -> None:
    """Print a table: one row per shape, one column per size of the cohort."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=3)
    repeats = arguments.parse_args().repeats
    torch.set_num_threads(1)
    feed = Feed(prepare(DataSpec("digits", test=0.0)), "cpu")
    print("network    loop, s   " + "".join(f"{f'K = {k}':>9}" for k in COMPANIES) + "   (times as fast per trial)")
    for width, depth in SHAPES:
        times: dict[int, list[float]] = {k: [] for k in (0, *COMPANIES)}
        for _ in range(repeats):
            times[0].append(loop(feed, width, depth))
            for k in COMPANIES:
                times[k].append(cohort(feed, width, depth, k))
        base = statistics.median(times[0])
        gains = "".join(f"{base / statistics.median(times[k]):9.1f}" for k in COMPANIES)
        print(f"{depth} x {width:<6} {base:7.3f}   {gains}", flush=True)


if __name__ == "__main__":
    main()

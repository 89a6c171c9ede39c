"""How well does `hpsearch check --probe` forecast what a search takes?

    python -m experiments.bench_forecast [NAME ...] [--times 1]

Each search is forecast and then run, in this process with one worker, and both are timed in seconds
of the processor, so that other programs on the machine do not count. `least` and `most` are what
`check` says; `took` is the whole search, with its choosing and its writing; the ratio is that of
`most` to it. HPSEARCH_DATA names the folder of MNIST.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from hpsearch.cli import cli

RESNET = """train: {model: resnet}
parameters:
  lr:         {min: 1e-4, max: 1e-1, log: true}
  channels:   {min: 4, max: 16, log: true}
  norm:       {values: [none, batch]}
  batch_size: {values: [64, 128, 256]}
"""


@dataclass(frozen=True)
class Case:
    """A search: its name, strategy and budget, what it learns from, and its space."""

    name: str
    strategy: str
    budget: int
    data: str
    epochs: int
    space: str = "basic"


CASES = (
    Case("digits", "random", 50, "digits", 30),
    Case("digits", "bayes", 50, "digits", 30),
    Case("folds", "random", 30, "breast_cancer", 20),  # of 569 rows, for which init writes folds
    Case("folds", "bayes", 30, "breast_cancer", 20),
    Case("mnist-mlp", "random", 12, "mnist", 2),
    Case("mnist-resnet", "random", 4, "mnist", 1, RESNET),
)


def measured(case: Case, patience: int) -> tuple[float, float, float]:
    """Return what was forecast, at least and at most, and what it took, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder, space = Path(name), case.space
        if "\n" in space:
            (folder / "space.yaml").write_text(space)
            space = str(folder / "space.yaml")
        config = str(folder / "search.yaml")
        hpsearch("init", case.data, "--space", space, "-o", config, "--quiet")
        flags = [config, "--budget", str(case.budget), "--device", "cpu", "--quiet", "--json"]
        for setting in ("runner.name=inline", f"patience={patience}", f"epochs={case.epochs}"):
            flags += ["--set", setting]
        least, most = json.loads(hpsearch("check", "--probe", *flags))["forecast"]["seconds"]
        start = time.process_time()
        hpsearch(case.strategy, *flags, "--study", str(folder / "study"))
        return least, most, time.process_time() - start


def hpsearch(*arguments: str) -> str:
    """Return what a command prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        cli.main([*arguments], standalone_mode=False)
    return printed.getvalue()


def rows(names: Sequence[str], times: int) -> Iterator[Sequence[str]]:
    """Give a row for each search, with and without early stopping."""
    for case in CASES:
        for patience in (0, 8) if not names or case.name in names else ():
            for _ in range(times):
                least, most, took = measured(case, patience)
                what = f"{case.strategy}, {case.budget} trials, patience {patience}"
                seconds = [f"{one:.1f}" for one in (least, most, took)]
                yield case.name, what, *seconds, f"{most / took:.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--times", type=int, default=1)
    given = parser.parse_args()
    print("search | what | least | most | took | ratio")
    with patch("time.perf_counter", time.process_time):
        for row in rows(given.names, given.times):
            print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()

"""What does a search find in a minute on one core: hpsearch, and Optuna's TPE with a plain loop?

    make bench-time
    python -m experiments.bench_time [digits breast_cancer] [--seeds 10] [--seconds 60]

`hpsearch` is the command `hpsearch bayes --time 60s --seeds 2`: a trial is trained from two seeds
in one cohort, and its loss is their mean. `one seed` is the same without --seeds. The peer is the
loop of peers/peer_optuna.py with Optuna's default sampler, which is told to stop after the same
time; `in memory` it has no DataLoader. Its clock starts with the first trial; that of hpsearch
starts with the command, so that starting Python and imports count as well.

Same for all: rows and split (the peer's: a permutation by numpy's generator 0, four fifths to train
on), space, network, He's initialisation, Adam with L2, 30 epochs without early stopping, one core.
The loss of a trial is that of its best epoch.

`trials` is how many were trained, `seen` the lowest loss among them. `retrained` is what the winner
is worth: the mean loss of 100 trainings from seeds that no search has used, all by the same engine.
Differences are paired by seed, relative to hpsearch's loss: positive where hpsearch is better.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from sklearn.datasets import load_breast_cancer, load_digits

import hpsearch
from experiments.comparison import mean_error, table, trained
from experiments.plain_loop import Rows, losses
from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.device import set_up
from hpsearch.engine.feed import Feed
from hpsearch.space.space import Params

EPOCHS = 30
FRESH = range(10_000, 10_100)
_SEEDS = ("--seeds", "2")
CONFIG = """
data: {source: data.npz, scale: none, split: {column: part}}
train: {epochs: 30, patience: 0}
parameters:
  lr: {min: 1e-4, max: 1e-1, log: true}
  l2: {min: 1e-6, max: 1e-2, log: true}
  width: {values: [32, 64, 128]}
  depth: {values: [1, 2]}
  dropout: {min: 0.0, max: 0.5}
  batch_size: {values: [32, 64]}
"""
SOURCES: Mapping[str, Callable[..., Any]] = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}


@dataclass(frozen=True)
class Run:
    """A search that was run, its winner's params, and their loss when trained again."""

    task: str
    method: str
    seed: int
    trials: int
    seen: float
    wall: float
    params: Params
    retrained: float


@dataclass(frozen=True)
class Task:
    """A task's scaled rows for the plain loop, and the folder in which hpsearch finds them."""

    folder: Path
    rows: Rows

    @classmethod
    def load(cls, name: str, folder: Path) -> Task:
        """Load a source, split it as the peer does, and write it to a new folder."""
        folder.mkdir()
        x, y = SOURCES[name](return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        train, validation = np.split(order, [int(0.8 * len(x))])
        # of the digits, this is the peer's division by 16; other columns are standardised
        shift, scale = (0.0, 16.0) if name == "digits" else (x[train].mean(0), x[train].std(0))
        x = ((x - shift) / scale).astype(np.float32)
        part = np.full(len(x), "validation")
        part[train] = "train"
        np.savez(folder / "data.npz", X=x, y=y, part=part)
        (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
        return cls(
            folder,
            Rows(*(torch.from_numpy(v[rows]) for rows in (train, validation) for v in (x, y))),
        )


def by_command(task: Task, seed: int, seconds: float, *flags: str) -> tuple[int, float, Params]:
    """Search by `hpsearch bayes`; return the number of trials, the lowest loss, and the winner."""
    study = task.folder / "-".join(("study", str(seed), *flags))
    command = f"-m hpsearch bayes config.yaml --time {seconds}s --workers 1 --seed {seed}"
    path = {"PYTHONPATH": str(Path(hpsearch.__file__).parents[1])}
    run = [sys.executable, *command.split(), "--json", "--quiet", "--study", str(study), *flags]
    done = subprocess.run(
        run, cwd=task.folder, env=os.environ | path, check=True, stdout=subprocess.PIPE
    )
    found = json.loads(done.stdout)
    seen = min(float(row["loss"]) for row in found["trials"] if row["loss"] is not None)
    return len(found["trials"]), seen, found["winner"]["params"]


def by_optuna(
    task: Task, seed: int, seconds: float, resident: bool = False
) -> tuple[int, float, Params]:
    """Search by TPE with a plain loop; return the same as `by_command`."""
    outputs = int(task.rows.y.max()) + 1

    def objective(trial: optuna.Trial) -> float:
        torch.manual_seed(seed * 100_000 + trial.number)
        params = {
            "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
            "l2": trial.suggest_float("l2", 1e-6, 1e-2, log=True),
            "width": trial.suggest_categorical("width", [32, 64, 128]),
            "depth": trial.suggest_int("depth", 1, 2),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "batch_size": trial.suggest_categorical("batch_size", [32, 64]),
        }
        return min(losses(params, task.rows, outputs, EPOCHS, resident))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, timeout=seconds)
    return len(study.trials), study.best_value, study.best_params


def retrained(task: Task, params: Params) -> float:
    """Train params from fresh seeds, and return the mean loss."""
    data = prepare(DataSpec(str(task.folder / "data.npz"), scale="none", column="part"))
    settings = {**params, "epochs": EPOCHS, "patience": 0}
    runs = trained(Feed(data, "cpu"), {"winner": settings}, FRESH)["winner"]
    return float(runs.loss.min(axis=1).mean())


METHODS: Mapping[str, Callable[[Task, int, float], tuple[int, float, Params]]] = {
    "hpsearch": lambda task, seed, seconds: by_command(task, seed, seconds, *_SEEDS),
    "one seed": by_command,
    "Optuna TPE": by_optuna,
    "Optuna TPE, in memory": partial(by_optuna, resident=True),
}


def report(runs: Sequence[Run], task: str) -> str:
    """Return a task's table, with a row for each method."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        if run.task == task:
            found.setdefault(run.method, {})[run.seed] = run
    lines = [["", "trials", "seen", "retrained", "difference", "s.e.", "wall s"]]
    for method, its in found.items():
        both = [seed for seed in its if seed in found["hpsearch"]]
        differences = np.array(
            [its[s].retrained / found["hpsearch"][s].retrained - 1 for s in both]
        )
        mean, error = mean_error(differences) if len(both) > 1 else (math.nan, math.nan)
        figures = [
            np.mean([getattr(run, name) for run in its.values()]) for name in ("seen", "retrained")
        ]
        trials, wall = (
            np.mean([getattr(run, name) for run in its.values()]) for name in ("trials", "wall")
        )
        shown = ["", ""] if method == "hpsearch" else [f"{mean:+.1%}", f"{error:.1%}"]
        lines.append(
            [
                method,
                f"{trials:.0f}",
                *(f"{figure:.4f}" for figure in figures),
                *shown,
                f"{wall:.1f}",
            ]
        )
    return f"{task}, {len(found['hpsearch'])} seeds\n\n{table(lines)}\n"


def main() -> None:
    """Search by each method in turn, and print a table for each task."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("tasks", nargs="*", choices=[*SOURCES, []])
    arguments.add_argument("--seeds", type=int, default=10)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--methods", nargs="*", choices=METHODS, default=[*METHODS])
    arguments.add_argument(
        "--keep", type=Path, help="a file of runs, one a line: those in it are not run again"
    )
    a = arguments.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    set_up(1)
    kept = a.keep.read_text(encoding="utf-8").splitlines() if a.keep and a.keep.exists() else []
    runs = [Run(**json.loads(line)) for line in kept]
    names = a.tasks or [*SOURCES]
    with tempfile.TemporaryDirectory() as folder:
        tasks = {name: Task.load(name, Path(folder) / name) for name in names}
        for seed, name, method in product(range(a.seeds), names, a.methods):
            if any((run.task, run.method, run.seed) == (name, method, seed) for run in runs):
                continue
            start = time.perf_counter()
            trials, seen, params = METHODS[method](tasks[name], seed, a.seconds)
            wall = time.perf_counter() - start
            run = Run(
                name, method, seed, trials, seen, wall, params, retrained(tasks[name], params)
            )
            runs.append(run)
            print(
                f"{name} {seed} {method}: {trials} trials, {run.retrained:.4f}",
                file=sys.stderr,
                flush=True,
            )
            if a.keep:
                with a.keep.open("a", encoding="utf-8") as file:
                    print(json.dumps(asdict(run)), file=file)
    print("\n".join(report(runs, name) for name in names))


if __name__ == "__main__":
    main()

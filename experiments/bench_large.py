"""What does it take to read a large study, and to go on with it?

    python -m experiments.bench_large [KIND ...] [--trials N] [--times 9] [--commands NAME ...]

A search of ten trials is run for each kind of study, and grown to N by writing made-up trials
through the store: searches of networks, whose curves have 20 epochs, by random search, over two
folds, and by a Gaussian process; and of a function, whose trials have no curves. Each command runs
on the study of ten and on the large one in turn. `ten` is the median of what it takes on the study
of ten, in seconds of the processor, and `beyond` that of what it takes more on the large one; the
largest peaks of memory follow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean, median

from hpsearch import minimize
from hpsearch.space.space import Params
from hpsearch.study.store import Store
from hpsearch.study.trial import Done, Epoch, Failed, Result, Trial

EPOCHS, SMALL, WAVE, WRITTEN = 20, 10, 4, 1_000
SPACE = """
data: {{source: digits, split: {split}}}
train: {{epochs: 20}}
parameters:
  lr:        {{min: 1e-4, max: 1e-1, log: true}}
  width:     {{min: 16, max: 64, log: true}}
  depth:     {{min: 1, max: 3}}
  dropout:   {{min: 0.0, max: 0.5}}
  optimizer: {{values: [momentum, adam]}}
  momentum:  {{min: 0.5, max: 0.99, when: {{optimizer: momentum}}}}
"""
SEARCHES = {
    "random": ("random", "{}"),
    "folds": ("random", "{folds: 2}"),
    "bayes": ("bayes", "{}"),
}
KINDS = (*SEARCHES, "function")
COMMANDS = ("leaderboard", "resume", "show", "show 3")


def begin(kind: str, folder: Path) -> None:
    """Run a search of ten trials."""
    if kind == "function":
        ends = {"min": 0.0, "max": 1.0}
        minimize(distance, dict.fromkeys("xyz", ends), budget=SMALL, study=folder, progress=False)
        return
    strategy, split = SEARCHES[kind]
    config = folder.with_suffix(".yaml")
    config.write_text(SPACE.format(split=split))
    flags = ["--budget", str(SMALL), "--study", str(folder), "--device", "cpu"]
    run(strategy, str(config), *flags, "--runner", "inline", "--quiet")


def distance(params: Params) -> float:
    """Return a loss."""
    return sum((float(value) - 0.3) ** 2 for value in params.values())


def grow(folder: Path, trials: int) -> None:
    """Let a study have so many trials, one of a hundred of which has failed."""
    rng = Random(0)
    with Store.open(folder) as store:
        study = store.study()
        known, first_best = study.history.trials, study.history.done[0][0]
        best = study.history.results[first_best.number]
        assert isinstance(best, Done)
        for first in range(len(known), trials, WRITTEN):
            numbers = range(first, min(first + WRITTEN, trials))
            wave = [made_up(number, known, rng) for number in numbers]
            store.record_wave(wave)
            store.record_results({trial.number: result(trial, best, rng) for trial in wave})
        store.amend(replace(study.meta, budget=trials))


def made_up(number: int, known: Sequence[Trial], rng: Random) -> Trial:
    """Return a trial that nobody has asked for, near a known one."""
    near = rng.choice(known)
    params = {
        name: value * rng.uniform(0.9, 1.0) if isinstance(value, float) else value
        for name, value in near.params.items()
    }
    wave = known[-1].wave + 1 + (number - len(known)) // WAVE
    return Trial(number, params, "random", wave, number, origin="random")


def result(trial: Trial, best: Done, rng: Random) -> Result:
    """Return what a trial comes to: something worse than the best one."""
    if trial.number % 100 == 99:
        return Failed("error", "it could not be allocated", 1.0)
    loss = best.loss + rng.lognormvariate(-2.0, 1.0)
    runs = [replace(run, loss=loss + rng.random() / 100) for run in best.replicates]
    epochs = range(1, EPOCHS + 1) if best.artefacts else ()
    return replace(
        best,
        loss=fmean(run.loss for run in runs) if runs else loss,
        metric=rng.random(),
        seconds=rng.random(),
        flops=best.flops * rng.random(),
        curve=tuple(
            Epoch(trial.number, epoch, rng.random(), rng.random(), rng.random()) for epoch in epochs
        ),
        replicates=tuple(runs),
        artefacts={name: rng.randbytes(32).hex() for name in best.artefacts},
    )


def run(*arguments: str) -> tuple[float, float]:
    """Run a command; return its seconds of the processor, and its peak of memory in MB."""
    command = [sys.executable, "-m", "hpsearch", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def used_by(command: str, folder: Path) -> tuple[float, float]:
    """Return what a command takes; a resume adds two trials."""
    name, *more = command.split()
    if name == "resume":
        with Store.open(folder) as store:
            budget = str(len(store.history()) + 2)
        more = ["--budget", budget, "--runner", "inline", "--quiet"]
    return run(name, str(folder), *more)


def rows(
    kind: str, trials: int, commands: Sequence[str], times: int, folder: Path
) -> Iterator[Sequence[object]]:
    """Give a row for each command on a kind of study."""
    small, large = folder / kind, folder / f"{kind}-{trials}"
    if not small.exists():
        begin(kind, small)
    if not large.exists():
        shutil.copytree(small, large)
        grow(large, trials)
    for command in commands:
        if kind == "function" and not command.startswith("leaderboard"):
            continue  # the rest is done from Python
        pairs = [(used_by(command, small), used_by(command, large)) for _ in range(times)]
        few, beyond = median(a[0] for a, _ in pairs), median(b[0] - a[0] for a, b in pairs)
        least, most = max(a[1] for a, _ in pairs), max(b[1] for _, b in pairs)
        yield (
            kind,
            f"{trials:,}",
            command,
            f"{few:.2f}",
            f"{beyond:.2f}",
            f"{least:.0f}",
            f"{most:.0f}",
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--commands", nargs="+", default=COMMANDS, metavar="NAME")
    parser.add_argument("--keep", type=Path, help="keep the studies here, or use those of before")
    given = parser.parse_args()
    place = nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory()
    print("study | trials | command | ten | beyond | MB, ten | MB")
    with place as folder:
        Path(folder).mkdir(exist_ok=True)
        for kind in given.kinds:
            for row in rows(kind, given.trials, given.commands, given.times, Path(folder)):
                print(*row, sep=" | ", flush=True)


if __name__ == "__main__":
    main()

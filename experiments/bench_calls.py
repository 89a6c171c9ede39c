"""What a call of a program costs beyond the program: hpsearch, and Optuna with `subprocess`.

    python -m experiments.bench_calls [--trials 20 120] [--rounds 5]

The program is a Python that prints one line. Both search at random with two workers (`n_jobs=2`)
and keep a study in a file of SQLite. The cost of a call is the slope between the two numbers of
trials, so that starting up does not count; what the program takes alone, one after the other, is
measured in the same round. Rounds alternate, and the median of their figures is shown. Processor
time is that of all processes: on a busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import optuna

from hpsearch.config.schema import SearchKeys
from hpsearch.objectives.command import Command
from hpsearch.objectives.trainers import CommandSpec
from hpsearch.runners import Resources
from hpsearch.runners.local import Local
from hpsearch.search.loop import Stop, run
from hpsearch.search.plan import Plan
from hpsearch.space.parameters import Real
from hpsearch.space.space import Space
from hpsearch.strategies.random import RandomOptions
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store

_CODE = """import sys; print('{"loss": ' + sys.argv[1] + '}')"""
_PROGRAM = (sys.executable, "-I", "-S", "-c", _CODE)
_WORKERS = 2

_META = StudyMeta(
    name="calls",
    objective="command",
    strategy="random",
    seed=0,
    time_weight=0.0,
    config="",
    file="",
    folder="",
    overrides="[]",
    rows=None,
    budget=None,
    threads=1,
    device="cpu",
    metric=None,
    has_cost=False,
    baseline_loss=None,
    baseline_metric=None,
    data="{}",
    created="",
    versions="{}",
)


class Seconds(NamedTuple):
    """Seconds by the clock, and of all processors."""

    clock: float
    processor: float


def by_hpsearch(trials: int) -> None:
    """Search with hpsearch."""
    with TemporaryDirectory() as folder:
        study, space = Path(folder) / "study", Space({"x": Real(0.0, 1.0)})
        objective = Command(CommandSpec((*_PROGRAM, "{x}"), Path(folder)), space, study)
        plan = Plan("random", RandomOptions(confirm=False), SearchKeys(), objective)
        with (
            Store.create(study, replace(_META, budget=trials)) as store,
            Local(Resources(_WORKERS), Artefacts(study / FOLDER)) as runner,
        ):
            for _ in run(plan.search(trials), store, runner, Stop()):
                pass
            assert len(store.history().done) == trials


def by_optuna(trials: int) -> None:
    """Search with Optuna, whose objective runs the program."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        done = subprocess.run([*_PROGRAM, str(x)], capture_output=True, check=True)
        return float(json.loads(done.stdout)["loss"])

    with TemporaryDirectory() as folder:
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/study.db", sampler=optuna.samplers.RandomSampler(seed=0)
        )
        study.optimize(objective, trials, n_jobs=_WORKERS)
        assert len(study.trials) == trials


def alone(trials: int) -> None:
    """Run the program and nothing else."""
    for _ in range(trials):
        subprocess.run([*_PROGRAM, "0.5"], capture_output=True, check=True)


def taken(search: Callable[[int], None], trials: int) -> Seconds:
    """Return what a search takes."""
    processor, clock = _processor(), time.perf_counter()
    search(trials)
    return Seconds(time.perf_counter() - clock, _processor() - processor)


def _processor() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def slope(search: Callable[[int], None], few: int, many: int) -> Seconds:
    """Return what one more trial takes."""
    first, second = taken(search, few), taken(search, many)
    return Seconds(*((b - a) / (many - few) for a, b in zip(first, second, strict=True)))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs=2, default=(20, 120))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    contestants = {
        "hpsearch": by_hpsearch,
        "Optuna": by_optuna,
        "the program alone, one after the other": alone,
    }
    found: dict[str, list[Seconds]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, search in contestants.items():
            found[name].append(slope(search, *options.trials))
    print("| | ms a trial, clock | ms a trial, processors |\n|---|---:|---:|")
    for name, rounds in found.items():
        clock, processor = (1000 * median(one[k] for one in rounds) for k in range(2))
        print(f"| {name} | {clock:.1f} | {processor:.1f} |")


if __name__ == "__main__":
    main()

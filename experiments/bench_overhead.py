"""What does a tool add to trials that do nothing? hpsearch, Optuna and Ray Tune by random search.

    make bench-overhead
    python -m experiments.bench_overhead [--trials 100] [--seconds 0.05] [--repeats 3]

A trial runs a program, `sleep 0.05`, as a process of its own. Two of them run at a time, so that
100 trials take 2.5 s at best. `wall` is what a trial takes beyond that, and `cpu` is the time of
the processor that a trial takes, of the tool and of all its processes, the program included, whose
own share stands in the first row. Each tool runs in a process of its own, once with few trials and
once with so many more; the difference is that of so many trials, and starting is not in it.

- `hpsearch`: `hpsearch.minimize(workers=2)`; each trial is written to the disk before it runs, and
  when it has ended. `--study` keeps all of it in a folder; without, nothing is kept.
- `hpsearch, command`: `hpsearch random ... -- sleep 0.05`.
- `Optuna`: `study.optimize(n_jobs=2)`: two threads, nothing is kept, or all in an SQLite file.
- `Ray Tune`: a function, two trials at a time.

Times are medians over the repeats, in which the tools take turns.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from experiments.comparison import Row, table

WORKERS = 2
FEW = 20  # trials of the run that is subtracted
SPACE = {"x": {"min": 0.0, "max": 1.0}}


def program(seconds: float) -> float:
    """Run the program, and return a loss."""
    subprocess.run(["sleep", str(seconds)], check=True)
    return 0.5


def slept(params: Mapping[str, object]) -> float:
    """Return a loss after as many seconds as the environment says."""
    return program(float(os.environ["SECONDS"]))


def alone(trials: int, folder: Path) -> None:
    """Run the program so often, and nothing else, two at a time."""
    seconds = os.environ["SECONDS"]
    for _ in range(trials // WORKERS):
        both = [subprocess.Popen(["sleep", seconds]) for _ in range(WORKERS)]
        for one in both:
            one.wait()


def hpsearch_function(trials: int, folder: Path, kept: bool = False) -> None:
    """Search by `hpsearch.minimize`."""
    import hpsearch  # noqa: PLC0415 (each tool is imported by its own process alone)

    study = folder / "study" if kept else None
    hpsearch.minimize(slept, SPACE, "random", trials, confirm=False, workers=WORKERS, study=study)


def hpsearch_kept(trials: int, folder: Path) -> None:
    """Search by `hpsearch.minimize`, with a study."""
    hpsearch_function(trials, folder, kept=True)


def hpsearch_command(trials: int, folder: Path) -> None:
    """Search by `hpsearch random`, with a command."""
    (folder / "space.yaml").write_text(f"parameters: {json.dumps(SPACE)}\n")
    line = [sys.executable, "-m", "hpsearch", "random", "space.yaml", "--budget", f"{trials}"]
    line += ["--workers", f"{WORKERS}", "--no-confirm", "--quiet", "--"]
    script = f"sleep {os.environ['SECONDS']}; echo '{{\"loss\": 0.5}}' # {{args}}"
    subprocess.run([*line, "sh", "-c", script], check=True, cwd=folder, stdout=subprocess.DEVNULL)


def by_optuna(trials: int, folder: Path, storage: str | None = None) -> None:
    """Search by Optuna."""
    import optuna  # noqa: PLC0415

    def objective(trial: optuna.Trial) -> float:
        return slept({"x": trial.suggest_float("x", 0.0, 1.0)})

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler, storage=storage)
    study.optimize(objective, n_trials=trials, n_jobs=WORKERS)


def optuna_kept(trials: int, folder: Path) -> None:
    """Search by Optuna, with an SQLite file."""
    by_optuna(trials, folder, f"sqlite:///{folder}/study.db")


def by_ray(trials: int, folder: Path) -> None:
    """Search by Ray Tune."""
    import ray  # noqa: PLC0415
    from ray import tune  # noqa: PLC0415

    seconds = float(os.environ["SECONDS"])

    def objective(config: Mapping[str, float]) -> dict[str, float]:
        subprocess.run(["sleep", str(seconds)], check=True)
        return {"loss": 0.5}

    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level=logging.ERROR)
    tuner = tune.Tuner(
        objective,
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=WORKERS),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    tuner.fit()


TOOLS: Mapping[str, Callable[[int, Path], None]] = {
    "the program alone": alone,
    "hpsearch": hpsearch_function,
    "hpsearch, with a study": hpsearch_kept,
    "hpsearch, command": hpsearch_command,
    "Optuna": by_optuna,
    "Optuna, with a file": optuna_kept,
    "Ray Tune": by_ray,
}


def spent(pid: int) -> float:
    """Return the processor's seconds of a process and all below it, as far as they are there."""
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(path.parent.name)
        parents[number], ticks[number] = int(values[1]), sum(map(int, values[11:15]))
    mine = {pid}
    while more := {child for child, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(ticks.get(one, 0) for one in mine) / os.sysconf("SC_CLK_TCK")


def measured(name: str, trials: int) -> tuple[float, float]:
    """Run one tool in this process; return the seconds by the clock, and those of the processor."""
    folder = Path(tempfile.mkdtemp(prefix="overhead-"))
    began = time.perf_counter()
    try:
        TOOLS[name](trials, folder)
        return time.perf_counter() - began, spent(os.getpid())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def elsewhere(name: str, trials: int, seconds: float) -> tuple[float, float] | None:
    """Run one tool in a process of its own; None where it fails."""
    line = [sys.executable, "-m", "experiments.bench_overhead", "--run", name, "--trials"]
    environment = {**os.environ, "SECONDS": str(seconds), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    done = subprocess.run(
        [*line, str(trials)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


def rows(names: list[str], trials: int, seconds: float, repeats: int) -> list[Row]:
    """Return the rows of the table: milliseconds of each tool for a trial."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for name in names:
            few = elsewhere(name, FEW, seconds)
            many = few and elsewhere(name, FEW + trials, seconds)
            if few and many:
                wall, cpu = ((many[k] - few[k]) / trials for k in (0, 1))
                found.setdefault(name, []).append((wall - seconds / WORKERS, cpu))
    told: list[Row] = [("ms for a trial", "wall", "cpu")]
    for name, pairs in found.items():
        wall, cpu = (1000 * median(pair[k] for pair in pairs) for k in (0, 1))
        told.append((name, f"{wall:.1f}", f"{cpu:.1f}"))
    return told


def main() -> None:
    """Measure all tools, or run one of them here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=[*TOOLS])
    parser.add_argument("--run", choices=TOOLS, help="run this tool here, and say what it took")
    given = parser.parse_args()
    if given.run:
        print(json.dumps(measured(given.run, given.trials)))
    else:
        print(table(rows(given.tools, given.trials, given.seconds, given.repeats)))


if __name__ == "__main__":
    main()

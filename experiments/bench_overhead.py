"""What does a tool add to trials that do nothing? hpsearch, Optuna and Ray Tune by random search.

    make bench-overhead
    python -m experiments.bench_overhead [--trials 100] [--seconds 0.05] [--repeats 3]

A trial runs a program, `sh -c 'sleep 0.05; echo >> log'`, as a process of its own. Two of them run
at a time, so that 100 trials take 2.5 s at best. `wall` is what a trial takes beyond that, and
`cpu` the time of the processor that it takes, of the tool and of all its processes; the program's
own is in it, and stands in the first row. Each tool runs in a process of its own, and is measured
from the end of its 20th trial to that of its 120th, so that starting is not in it.

- `hpsearch`: `hpsearch.minimize(workers=2)`. With a study each trial is on the disk before it runs,
  and again when it has ended; without one nothing is kept.
- `hpsearch, command`: `hpsearch random space.yaml --budget 120 --workers 2 -- sh -c ...`.
- `Optuna`: `study.optimize(n_jobs=2)`: two threads; nothing is kept, or all in an SQLite file.
- `Ray Tune`: a function, two trials at a time, without loggers.

Times are medians over the repeats, in which the tools take turns.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from experiments.comparison import Row, table

WORKERS = 2
FEW = 20  # trials of the run that is subtracted
SPACE = {"x": {"min": 0.0, "max": 1.0}}


def program() -> list[str]:
    """Return the command line of the program, which writes a line when it ends."""
    return ["sh", "-c", f"sleep {os.environ['SECONDS']}; echo >> {os.environ['LOG']}"]


def slept(params: Mapping[str, object]) -> float:
    """Run the program, and return a loss."""
    subprocess.run(program(), check=True)
    return 0.5


def alone(trials: int, folder: Path) -> None:
    """Run the program so often, and nothing else, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        deque(pool.map(slept, [{}] * trials), maxlen=0)


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
    script = f"{program()[-1]}; echo '{{\"loss\": 0.5}}'; : {{x}}"
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

    line = program()  # a worker has another environment

    def objective(config: Mapping[str, float]) -> dict[str, float]:
        subprocess.run(line, check=True)
        return {"loss": 0.5}

    ray.init("local", num_cpus=WORKERS, include_dashboard=False, logging_level=logging.ERROR)
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


def measured(name: str, trials: int, seconds: float) -> tuple[float, float] | None:
    """Return what a trial takes by the clock and of the processor, in seconds; None of no trial.

    The tool runs in a process of its own, with a few trials before those that are measured.
    """
    with tempfile.TemporaryDirectory(prefix="overhead-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        log.touch()
        line = [sys.executable, "-m", "experiments.bench_overhead", "--run", name]
        environment = {**os.environ, "SECONDS": str(seconds), "LOG": str(log)}
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
        with (Path(folder) / "said").open("w+") as said:
            tool = subprocess.Popen(
                [*line, "--trials", str(FEW + trials)], env=environment, stdout=said, stderr=said
            )
            first = reached(log, FEW, tool)
            last = first and reached(log, FEW + trials, tool)
            tool.wait()
            if tool.returncode or not (first and last):
                said.seek(0)
                print(f"{name}: {said.read().strip().splitlines()[-1:]}", file=sys.stderr)
                return None
    return (last[0] - first[0]) / trials, (last[1] - first[1]) / trials


def reached(log: Path, trials: int, tool: subprocess.Popen[bytes]) -> tuple[float, float] | None:
    """Return the time, and the processor's seconds so far, when so many trials have ended.

    None where the tool ends before.
    """
    while log.stat().st_size < trials:
        if tool.poll() is not None and log.stat().st_size < trials:
            return None
        time.sleep(0.01)
    return time.perf_counter(), spent(tool.pid)


def rows(names: list[str], trials: int, seconds: float, repeats: int) -> list[Row]:
    """Return the rows of the table: milliseconds of each tool for a trial."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for name in names:
            if taken := measured(name, trials, seconds):
                wall, cpu = taken
                found.setdefault(name, []).append((wall - seconds / WORKERS, cpu))
                print(f"{name}: {found[name][-1]}", file=sys.stderr, flush=True)
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
    parser.add_argument("--run", choices=TOOLS, help="run this tool here, and nothing else")
    given = parser.parse_args()
    if given.run:
        with tempfile.TemporaryDirectory(prefix="tool-") as folder:
            TOOLS[given.run](given.trials, Path(folder))
    else:
        print(table(rows(given.tools, given.trials, given.seconds, given.repeats)))


if __name__ == "__main__":
    main()

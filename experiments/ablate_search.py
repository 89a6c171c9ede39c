"""What is each part of `hpsearch bayes` worth? The search without it, against the whole of it.

    python -m experiments.ablate_search [--group b] [--trials 50] [--seeds 0 2 4 6 8 10]
                                        [--jobs N] [--without order]

The tasks are those of a group of bench_search.py; in `b` each seed has its own draw of the
objectives' definitions. All searches of a seed see the same noise. Regret is 0 for the best
configuration known and 1 for the median one; anything worse counts as 1. Differences are paired;
above 0 the search is better with the part. `--without` names the parts by a word of their labels;
without it each of them is left out in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.bench_search import GROUPS, Meter, ours, task_of
from hpsearch.config import searched
from hpsearch.space.parameters import Choice
from hpsearch.space.space import Space
from hpsearch.strategies import bayes, candidates, gp, surrogates
from hpsearch.strategies.bayes import Bayes
from hpsearch.study.history import History
from hpsearch.study.trial import Trial

Changes = Sequence[tuple[object, str, Any]]


def by_loss(bayes: Bayes, space: Space, history: History) -> Sequence[Trial]:
    """Return the trials in the order of their losses."""
    return [trial for trial, _ in history.done]


# What is put in the place of what, to leave a part out.
WITHOUT: Mapping[str, Changes] = {
    "the average over length scales (the most probable ones alone)": [(gp, "SAMPLES", 1)],
    "the prior on length scales (none: flat over e^10)": [(gp, "LENGTH", (0.5, 10.0))],
    "the model of failure": [(surrogates, "_failure", lambda space, history: None)],
    "cutting the worst losses down": [(surrogates, "_CUT", 1e9)],
    "looking ever nearer to the best places": [(candidates, "_ROUNDS", ())],
    "looking far from all trials where little is expected": [(bayes, "_LITTLE", 0.0)],
    "the model's mean as judge (the lowest loss wins)": [(Bayes, "ranked", by_loss)],
    "the order of numbers in lists": [(searched, "listed", Choice)],
    "random trials to begin with (3 instead of up to 10)": [(bayes, "_FIRST", 3)],
}


WHOLE, CONFIRMED = "all of it", "all of it, and the best run again in the end"


def run(label: str, group: str, name: str, seed: int, trials: int) -> float:
    """Search, and return the regret of what the search delivers."""
    task = task_of(group, name, seed)
    meter = Meter(task, name, seed, trials)
    with threadpool_limits(1), ExitStack() as stack:
        for owner, attribute, value in WITHOUT.get(label, ()):
            stack.enter_context(patch.object(owner, attribute, value))
        best = ours(meter, {"confirm": label == CONFIRMED})
    return min(1.0, task.judge(best)) if best is not None else 1.0


def main() -> None:
    """Run all, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", choices=("a", "b"), default="b")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 2, 4, 6, 8, 10])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--without", nargs="+", default=[""], metavar="WORD")
    given = parser.parse_args()
    variants = [
        label for label in (CONFIRMED, *WITHOUT) if any(word in label for word in given.without)
    ]
    runs = list(
        product(
            (WHOLE, *variants),
            [given.group],
            GROUPS[given.group].tasks,
            given.seeds,
            [given.trials],
        )
    )
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("fork")) as pool:
        found = list(pool.map(run, *zip(*runs, strict=True)))
    regrets: dict[str, list[float]] = {}
    for (label, *_), regret in zip(runs, found, strict=True):
        regrets.setdefault(label, []).append(regret)
    base = np.array(regrets[WHOLE])
    print(f"{'':64} regret  difference")
    for label, values in regrets.items():
        gap = np.array(values) - base
        error = gap.std(ddof=1) / np.sqrt(len(gap))
        print(f"{label:64} {np.mean(values):.3f}   {gap.mean():+.3f} ± {error:.3f}")


if __name__ == "__main__":
    main()

"""The Gaussian process and the nets as models of the same searches: how well they foretell, and how long they take.

    python -m experiments.compare_surrogates [--seeds 1 3 5] [--trials 50]

For each synthetic objective (peers/functions.py) and seed, a search by the Gaussian process and a random one are
foretold trial by trial by both (hpsearch/strategies/prequential.py). Differences are the nets' minus the process's,
with the standard error over objectives and seeds. Then the processor seconds of one suggestion after so many random
trials, the least of three, on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import numpy as np

from experiments.bench_search import one_thread
from experiments.comparison import Row, said, table
from experiments.peers.functions import make
from hpsearch.config.spec import free_space
from hpsearch.space.space import Space
from hpsearch.strategies import STRATEGIES, SURROGATES
from hpsearch.strategies.prequential import one_step_ahead
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, Result, Trial


def searched(name: str, strategy: str, trials: int, seed: int) -> History:
    """A search for the minimum of an objective."""
    function = make()[name]
    space, asks, history = (
        free_space(function.parameters, ()),
        STRATEGIES.load(strategy)(),
        History(),
    )
    for number in range(trials):
        new = asks.ask(space, history, Random(1000 * seed + number))
        loss, _ = function(new.params, np.random.default_rng([seed, number]))
        result: Result = (
            Done(loss, 0.0, 1.0, 0.0, 0, 0, 0) if np.isfinite(loss) else Failed("diverged")
        )
        history = history.asked([Trial(number, new.params, "", number, number)]).told(
            {number: result}
        )
    return history


def foretold(trials: int, seeds: Sequence[int]) -> Iterator[str]:
    """Tables of log densities and errors, of each kind of search."""
    for strategy in ("bayes", "random"):
        rows: list[Row] = [("", "density gp", "density ann", "rmse gp", "rmse ann")]
        gaps = []
        for name, function in make().items():
            space = free_space(function.parameters, ())
            histories = [searched(name, strategy, trials, seed) for seed in seeds]
            found = np.array(
                [[one(space, history, s) for s in ("gp", "ann")] for history in histories]
            )
            gaps.append(found[:, 1] - found[:, 0])  # [seeds, (density, rmse)]
            rows.append((name, *(f"{value:.2f}" for value in found.mean(0).T.ravel())))
        density, error = np.concatenate(gaps).T
        yield f"{strategy}, {trials} trials: ann - gp: density {said(density)}, rmse {said(error)}"
        yield table(rows)


def one(space: Space, history: History, surrogate: str) -> tuple[float, float]:
    """Density and error."""
    scores = one_step_ahead(space, history, surrogate)
    return scores.density, scores.rmse


def seconds(sizes: Sequence[int]) -> str:
    """A table of the processor seconds of one suggestion."""
    rows: list[Row] = [("trials", *SURROGATES)]
    space = free_space(make()["mixed"].parameters, ())
    for size in sizes:
        trials = searched("mixed", "random", size + 2, 0)
        taken: Mapping[str, list[float]] = {surrogate: [] for surrogate in SURROGATES}
        for k in range(3):
            for surrogate in SURROGATES:
                history = History(
                    trials.trials[: size + k], trials.results
                )  # not the one whose model is kept
                start = time.process_time()
                STRATEGIES.load("bayes")(surrogate=surrogate).ask(space, history, Random(k))
                taken[surrogate].append(time.process_time() - start)
        rows.append((str(size), *(f"{min(times):.3f}" for times in taken.values())))
    return table(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 3, 5])
    parser.add_argument("--trials", type=int, default=50)
    given = parser.parse_args()
    one_thread()
    print(
        *foretold(given.trials, given.seeds), seconds((20, 60, 300, 1000)), sep="\n\n", flush=True
    )


if __name__ == "__main__":
    main()

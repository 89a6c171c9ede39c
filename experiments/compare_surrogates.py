"""How well do the two surrogates predict the same searches, and how long do they take?

    python -m experiments.compare_surrogates [--seeds 1 3 5] [--trials 50]

For each synthetic objective (peers/functions.py) and seed there are a search by the Gaussian
process and a random one. Both surrogates, the Gaussian process and the neural one, predict each of
their trials from those before it (hpsearch/strategies/prequential.py). Differences are the neural
surrogate's minus the process's, with the standard error over objectives and seeds. A second table
has the processor seconds of one suggestion after so many random trials, the least of three, on one
core.
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
from hpsearch.strategies import STRATEGIES, SURROGATES, Context
from hpsearch.strategies.bayes import Bayes
from hpsearch.strategies.prequential import one_step_ahead
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, NewTrial, Result, Trial


def searched(name: str, strategy: str, trials: int, seed: int) -> History:
    """Search for the minimum of an objective."""
    function = make()[name]
    space, history = free_space(function.parameters, ()), History()
    asks = STRATEGIES.load(strategy)().build(Context())
    for number in range(trials):
        new = asks.ask(space, history, Random(1000 * seed + number))
        assert isinstance(new, NewTrial)
        loss, _ = function(new.params, np.random.default_rng([seed, number]))
        result: Result = (
            Done(loss, 0.0, 1.0, 0.0, 0, 0, 0)
            if np.isfinite(loss)
            else Failed("diverged", "the loss is not finite")
        )
        history = history.with_trials([Trial(number, new.params, "", number, number)]).with_results(
            {number: result}
        )
    return history


def prediction_tables(trials: int, seeds: Sequence[int]) -> Iterator[str]:
    """Yield tables of log densities and errors, of each kind of search."""
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
    """Return log density and root mean square error of a surrogate's predictions."""
    scores = one_step_ahead(space, history, surrogate)
    return scores.density, scores.rmse


def seconds(sizes: Sequence[int]) -> str:
    """Return a table of the processor seconds of one suggestion."""
    rows: list[Row] = [("trials", *SURROGATES)]
    space = free_space(make()["mixed"].parameters, ())
    for size in sizes:
        trials = searched("mixed", "random", size + 2, 0)
        taken: Mapping[str, list[float]] = {surrogate: [] for surrogate in SURROGATES}
        for k in range(3):
            for surrogate in SURROGATES:
                # another history each time, since the model of the last one is kept
                history = History(trials.trials[: size + k], trials.results)
                bayes = Bayes(surrogate=surrogate)
                start = time.process_time()
                bayes.ask(space, history, Random(k))
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
        *prediction_tables(given.trials, given.seeds),
        seconds((20, 60, 300, 1000)),
        sep="\n\n",
        flush=True,
    )


if __name__ == "__main__":
    main()

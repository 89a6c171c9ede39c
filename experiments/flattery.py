"""How well is it estimated by how much the loss of a winner flatters it?

    python -m experiments.flattery [--studies 200]

Studies are simulated whose true losses are known. Each has 50 trials; a trial's loss on a fold is
its true loss, plus what is common to the fold, plus noise with the standard deviation 1. True
losses lie above the least one like those of random points in a bowl of four parameters (chi-squared
with 4 degrees of freedom), with a standard deviation of 0, 1, 3 or 10. The winner is chosen as a
leaderboard does: the cheapest within one standard error of the best. What is estimated is the true
loss of the winner minus its own mean over the folds, less what is common to these.

With five folds, there are three estimates: the correction of Tibshirani & Tibshirani 2009 (the mean
over folds of the winner's loss minus the least one there), choosing by all folds but one and
judging on that one, and choosing by bootstrap samples of the folds and judging on the folds that
were not drawn (`hpsearch.report.board.worth`). Without folds, the best three of 50 single runs are
run again, as many times as the table says.

Columns: the mean of what is estimated; of each estimate its bias ± its standard error, the root of
its mean squared error, and what it says that its standard error is, in the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison import Row, table
from hpsearch.report.board.choice import Candidate, chosen
from hpsearch.report.board.worth import Estimate, expectation
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Replicate, Trial, averaged

TRIALS, FOLDS, FINALISTS = 50, 5, 3
SPREADS = (0.0, 1.0, 3.0, 10.0)
REPETITIONS = (1, 2, 4)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Study:
    """Losses of trials by fold, [trials, folds], their costs, and the winner."""

    losses: Numbers
    costs: Numbers
    winner: int


def candidates(losses: Numbers, costs: Numbers) -> list[Candidate]:
    """Return the trials as a choice sees them, from their losses [trials, folds]."""
    means, size = losses.mean(1), losses.shape[1]
    errors = losses.std(1, ddof=1) / np.sqrt(size) if size > 1 else np.zeros(len(losses))
    found = zip(means.tolist(), errors.tolist(), costs.tolist(), strict=True)
    return [Candidate(n, mean, error, cost, cost) for n, (mean, error, cost) in enumerate(found)]


def tibshirani(study: Study) -> Estimate:
    """Return the mean over folds of the winner's loss minus the least one."""
    return _mean(study.losses[study.winner] - study.losses.min(0))


def one_left_out(study: Study) -> Estimate:
    """Return how much better the winner is than what is chosen without each fold, on that fold."""
    apart = []
    for fold in range(FOLDS):
        others = np.delete(study.losses, fold, 1)
        again = chosen(candidates(others, study.costs)).number
        apart.append(study.losses[again, fold] - study.losses[study.winner, fold])
    return _mean(np.array(apart))


def bootstrap(study: Study) -> Estimate:
    """Return what a leaderboard says."""
    trials, results = [], {}
    for n, losses in enumerate(study.losses.tolist()):
        trials.append(Trial(n, {}, "", 0, n))
        folds = [Replicate(0, fold, loss, 0.0, 1) for fold, loss in enumerate(losses)]
        results[n] = averaged(Done(0.0, 0.0, 1.0, 0.0, 1, 1, 1), folds)
    found = expectation(
        History(tuple(trials), results), candidates(study.losses, study.costs), study.winner
    )
    assert found is not None
    return found.flattery


ESTIMATES: dict[str, Callable[[Study], Estimate]] = {
    "Tibshirani": tibshirani,
    "one fold left out": one_left_out,
    "bootstrap of folds": bootstrap,
}


def true_losses(spread: float, rng: np.random.Generator) -> Numbers:
    """Return the true losses of the trials."""
    return np.asarray(spread * rng.chisquare(4, TRIALS) / np.sqrt(8))


def in_folds(spread: float, studies: int) -> Iterator[tuple[float, Sequence[Estimate]]]:
    """Yield of each study what is to be estimated, and the estimates."""
    for seed in range(studies):
        rng = np.random.default_rng([seed, int(spread)])
        noise = rng.normal(size=(TRIALS, FOLDS))
        losses = true_losses(spread, rng)[:, None] + rng.normal(size=FOLDS) + noise
        costs = rng.permutation(TRIALS).astype(np.float64)
        winner = chosen(candidates(losses, costs)).number
        study = Study(losses, costs, winner)
        yield -noise[winner].mean(), [estimate(study) for estimate in ESTIMATES.values()]


def repeated(
    spread: float, repetitions: int, studies: int
) -> Iterator[tuple[float, Sequence[Estimate]]]:
    """Yield the same of studies whose best trials were run again, each time on another split."""
    for seed in range(studies):
        rng = np.random.default_rng([seed, int(spread), repetitions])
        noise = rng.normal(size=(TRIALS, 1 + repetitions))
        common = rng.normal(size=1 + repetitions)
        losses = true_losses(spread, rng)[:, None] + 0.5 * common + noise
        costs = rng.permutation(TRIALS).astype(np.float64)
        best = [int(n) for n in losses[:, 0].argsort()[:FINALISTS]]
        again = chosen(candidates(losses[best], costs[best])).number
        trials = [Trial(n, {}, "", 0, n) for n in range(TRIALS)]
        trials += [
            Trial(TRIALS + k, {}, "", 1 + k, TRIALS + k, parent=n, replicate=run)
            for k, (run, n) in enumerate((r, n) for r in range(1, 1 + repetitions) for n in best)
        ]
        results = {
            t.number: Done(
                float(losses[t.number if t.parent is None else t.parent, t.replicate]),
                *(0.0, 1.0, 0.0, 1, 1, 1),
            )
            for t in trials
        }
        known = [
            one._replace(number=best[one.number]) for one in candidates(losses[best], costs[best])
        ]
        found = expectation(History(tuple(trials), results), known, best[again])
        assert found is not None
        mean = float(losses[best[again], 1:].mean() - losses[best[again], 0])
        yield (
            -noise[best[again], 0] - 0.5 * common[0],
            [Estimate(mean, found.loss.error, 1), found.flattery],
        )


def summary(found: Sequence[tuple[float, Sequence[Estimate]]]) -> Iterator[str]:
    """Yield the cells of a row of a table."""
    truth = np.array([true for true, _ in found])
    yield f"{truth.mean():.2f}"
    for estimates in zip(*(each for _, each in found), strict=True):
        missed = np.array([one.value for one in estimates]) - truth
        errors = np.array([np.nan if one.error is None else one.error for one in estimates])
        bias, error = missed.mean(), missed.std(ddof=1) / np.sqrt(len(missed))
        said = "-" if np.isnan(errors).all() else f"{np.sqrt((errors**2).mean()):.2f}"
        yield f"{bias:+.2f} ± {error:.2f}, {np.sqrt((missed**2).mean()):.2f}, {said}"


def _mean(values: Numbers) -> Estimate:
    count = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(count)), count - 1)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Simulate studies whose true losses are known.")
    parser.add_argument("--studies", type=int, default=200)
    studies = parser.parse_args().studies
    rows: list[Row] = [("spread of true losses", "flattery", *ESTIMATES)]
    rows += [(f"{spread:g}", *summary([*in_folds(spread, studies)])) for spread in SPREADS]
    print("five folds\n\n" + table(rows) + "\n")
    rows = [
        ("spread of true losses", "repetitions", "flattery", "mean of all", "chosen by the others")
    ]
    for spread in SPREADS:
        for count in REPETITIONS:
            found = [*repeated(spread, count, studies)]
            rows.append((f"{spread:g}", str(count), *summary(found)))
    print("repetitions of the best three\n\n" + table(rows))


if __name__ == "__main__":
    main()

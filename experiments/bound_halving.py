"""What could halving gain from better knowledge? Brackets drawn from stored learning curves.

    python -m experiments.bound_halving digits [--studies 16] [--built-in]
    (or mnist, breast_cancer, diabetes, wine)

Studies of 50 random trials in a space of bench_halving are trained in full, each from its own seed.
The target is the lowest loss of one of them; brackets are drawn from the others, one cohort each,
until a trial has that loss. Time is that of the epochs of the cohorts, from seconds measured here,
as a part of the time of the 50. Nothing between epochs takes time, so that a real search takes
longer.

At a rung those trials are promoted that have the lower loss there (`loss`), or those that will have
it in the end (`end`), which nobody knows. Trials and the kinds of cohorts are drawn at `random`, or
three in four near the default priors (`priors`), as by `bayes --halving`; or the cohorts are of the
`best` kind, the one that most studies have their lowest loss from, which nobody knows either.

The last line says how often a single full training has the target of another study, and how many
times as often one that is drawn near the default priors has it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import cycle, pairwise, product
from random import Random
from statistics import median

import numpy as np
from scipy.stats import spearmanr

from experiments.bench_halving import BUDGET, BUILT_IN, QUICK, TASKS, Task, networks_for
from experiments.comparison import Numbers, table, trained
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.cohorts import key
from hpsearch.search.plan import with_default_priors
from hpsearch.space.space import Params
from hpsearch.strategies.halving import bracket, rungs

Kind = Hashable
_SIZES = (1, 3, 6, 12, 27)  # members of the cohorts that are timed
_MOST = 40  # brackets until a target counts as out of reach
_SMALL = {name: Task(name, 30) for name in ("breast_cancer", "diabetes", "wine")}


@dataclass(frozen=True)
class Curve:
    """A full training.

    Attributes:
        study: the number of its study.
        kind: trainings of the same kind can share a cohort.
        weight: how many times as likely it is drawn if three in four draws are near the default
            priors, compared with uniform draws.
        losses: the lowest loss up to each epoch.
    """

    study: int
    kind: Kind
    weight: float
    losses: Numbers

    @property
    def loss(self) -> float:
        """The lowest loss of all epochs."""
        return float(self.losses[-1])


@dataclass(frozen=True)
class Curves:
    """The full trainings, and for each kind the seconds of an epoch of cohorts of `_SIZES`."""

    all: Sequence[Curve]
    seconds: Mapping[Kind, Sequence[float]]

    def epochs(self, kind: Kind, members: int, count: int) -> float:
        """Return the seconds of `count` epochs of a cohort."""
        return count * float(np.interp(members, _SIZES, self.seconds[kind]))

    @cached_property
    def lowest(self) -> Mapping[int, Curve]:
        """The training with the lowest loss of each study."""
        found: dict[int, Curve] = {}
        for one in self.all:
            found[one.study] = min(found.get(one.study, one), one, key=lambda curve: curve.loss)
        return found

    @cached_property
    def best(self) -> Kind:
        """The kind from which most studies have their lowest loss."""
        return Counter(one.kind for one in self.lowest.values()).most_common(1)[0][0]

    def study(self, number: int) -> float:
        """Return the seconds of all trainings of a study."""
        kinds = Counter(one.kind for one in self.all if one.study == number)
        return sum(
            self.epochs(kind, members, len(self.all[0].losses)) for kind, members in kinds.items()
        )


def measured(task: Task, studies: int) -> Curves:
    """Train all studies, and measure how long cohorts take."""
    networks, data = networks_for(task, "bayes", 0, halving=True)
    near = with_default_priors(networks.space, networks.typical_values())
    feed, rng = Feed(data, "cpu"), Random(0)
    curves: list[Curve] = []
    kinds: dict[Kind, list[Params]] = defaultdict(list)
    for study in range(studies):
        points = [networks.space.sample(rng) for _ in range(BUDGET)]
        settings = [networks.settings(params) for params in points]
        density = np.exp(near.log_prior(np.array([near.encode(params) for params in points])))
        for number, runs in trained(feed, dict(enumerate(settings)), [study]).items():
            kind = key(settings[number])
            kinds[kind].append(settings[number])
            weight = 1.0 + near.trusted * (float(density[number]) - 1.0)
            curves.append(Curve(study, kind, weight, np.minimum.accumulate(runs.loss[0])))
    return Curves(
        curves,
        {kind: [seconds(feed, some, size) for size in _SIZES] for kind, some in kinds.items()},
    )


def seconds(feed: Feed, settings: Sequence[Params], members: int) -> float:
    """Return the seconds of an epoch of a cohort of such trials: the least of three."""
    group = {
        n: {**one, "epochs": 2} for n, one in zip(range(members), cycle(settings), strict=False)
    }

    def once() -> float:
        start = time.perf_counter()
        trained(feed, group, [0])
        return (time.perf_counter() - start) / 2

    return min(once() for _ in range(3))


def until(
    curves: Curves, shape: Sequence[tuple[int, int]], by_end: bool, drawn: str, rng: Random
) -> float:
    """Return the time until the target of a random study is reached, as a part of that study's.

    Args:
        curves: what is drawn from.
        shape: the bracket: how many trials are trained up to which epoch, for each rung.
        by_end: whether the final losses say which trials are promoted.
        drawn: what is drawn: `random`, `priors` or `best`.
        rng: draws.
    """
    study = rng.randrange(curves.all[-1].study + 1)
    target = curves.lowest[study].loss
    others = [one for one in curves.all if one.study != study]
    weights = [one.weight if drawn == "priors" else 1.0 for one in others]
    spent = 0.0
    for _ in range(_MOST):
        kind = curves.best if drawn == "best" else rng.choices(others, weights)[0].kind
        # a weighted draw without replacement: by exponential waiting times, the shortest first
        waiting = {
            at: rng.expovariate(weights[at]) for at, one in enumerate(others) if one.kind == kind
        }
        going = [others[at] for at in sorted(waiting, key=waiting.__getitem__)]
        for (_, before), (members, rung) in pairwise(((0, 0), *shape)):
            if before:
                going.sort(key=lambda one: one.losses[-1 if by_end else before - 1])
            going = going[:members]
            spent += curves.epochs(kind, len(going), rung - before)
            if any(one.losses[rung - 1] <= target for one in going):
                return spent / curves.study(study)
    return float("inf")


def rows(curves: Curves, draws: int) -> Iterator[Sequence[str]]:
    """Yield a row for each way to draw trials and to promote them, and for each bracket."""
    R = len(curves.all[0].losses)
    every = rungs(R, 4)
    shapes = (
        bracket(every),
        tuple(zip((27, 9, 3, 1), every, strict=True)),
        bracket(rungs(R, 3)),
        ((24, R),),
    )
    for drawn, by_end, shape in product(("random", "priors", "best"), (False, True), shapes):
        times = [until(curves, shape, by_end, drawn, Random(draw)) for draw in range(draws)]
        yield (
            ", ".join(str(members) for members, _ in shape),
            "end" if by_end else "loss",
            drawn,
            f"{median(times):.2f}",
            f"{sum(one <= 0.25 for one in times) / draws:.2f}",
        )


def early(curves: Curves) -> Iterator[Sequence[str]]:
    """Yield a row for each rung: rank correlations with the end, of all and of the best fifth."""
    losses = np.array([one.losses for one in curves.all])
    best = losses[np.argsort(losses[:, -1])[: len(losses) // 5]]
    for rung in rungs(losses.shape[1], 4)[:-1]:
        found = (
            float(spearmanr(some[:, rung - 1], some[:, -1]).statistic) for some in (losses, best)
        )
        yield str(rung), *(f"{one:.2f}" for one in found)


def reach(curves: Curves) -> str:
    """Say how often a trial reaches the lowest loss of another study.

    Once for random trials, and once for those drawn near the default priors.
    """
    lowest = curves.lowest
    hits = np.array(
        [
            np.mean([one.loss <= lowest[s].loss for s in lowest if s != one.study])
            for one in curves.all
        ]
    )
    times = np.average(hits, weights=[one.weight for one in curves.all]) / hits.mean()
    share = f"{hits.mean():.3f} of random trials have the target"
    return f"{share}; near the default priors {times:.1f} times as many"


def main() -> None:
    """Train, and print tables for each task."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("tasks", nargs="*", choices=[*QUICK, *_SMALL, []])
    arguments.add_argument("--studies", type=int, default=16)
    arguments.add_argument("--draws", type=int, default=400)
    arguments.add_argument(
        "--built-in", action="store_true", help="search hpsearch's built-in space"
    )
    given = arguments.parse_args()
    for name in given.tasks or QUICK:
        task = {**TASKS, **_SMALL}[name]
        curves = measured(
            replace(task, parameters=BUILT_IN) if given.built_in else task, given.studies
        )
        print(f"\n{name}, {len(curves.all)} full trainings\n")
        heads = ["bracket", "promoted by", "drawn", "median time", "a quarter or less"]
        print(table([heads, *rows(curves, given.draws)]))
        print("\nrank correlation with the end\n")
        print(table([["epoch", "all", "the best fifth"], *early(curves)]))
        print(f"\n{reach(curves)}")


if __name__ == "__main__":
    main()

"""Spaces, losses and histories for tests of the search, without any training."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Choice, Integer, Real
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Strategy
from hpsearch.study.history import History
from hpsearch.study.trial import Done, Failed, NewTrial, Result, Trial

MIXED = Space(
    {
        "optimizer": Choice(("sgd", "momentum", "adam")),
        "lr": Real(1e-4, 1e-1, log=True),
        "momentum": Real(0.5, 0.99),
        "width": Integer(8, 256, log=True),
        "depth": Integer(1, 4),
        "norm": Choice((True, False)),
    },
    {"momentum": {"optimizer": ("momentum",)}},
    (Expression("width * depth <= 300"),),
)
CUBE = Space({name: Real(0.0, 1.0) for name in "xyz"})


def loss_of(space: Space, params: Params) -> float:
    """Return a smooth loss, which is 0 at (0.3, 0.3, ...) of the unit cube."""
    return sum((u - 0.3) ** 2 for u in space.encode(params))


def done(loss: float, flops: float = 1e9, seconds: float = 1.0) -> Done:
    """Return the result of a trial with this loss."""
    return Done(loss, 1.0 - loss, seconds, flops, 100, 10, 7)


def of_points(points: list[Params], results: dict[int, Result] | None = None) -> History:
    """Return a history in which these points were asked for one by one."""
    trials = (Trial(n, params, "", n, n) for n, params in enumerate(points))
    return History(tuple(trials), results or {})


def sampled(space: Space, trials: int) -> History:
    """Return a history of so many random points, all of them done."""
    rng = Random(0)
    points = [space.sample(rng) for _ in range(trials)]
    return of_points(points, {n: done(loss_of(space, params)) for n, params in enumerate(points)})


def play(
    strategy: Strategy,
    space: Space,
    trials: int,
    *,
    judge: Callable[[Trial], Result | None] | None = None,
    wave: int = 1,
    seed: int = 0,
) -> History:
    """Ask for so many trials in waves, or until there are no more, and return the history.

    Args:
        strategy: what is asked.
        space: what it is asked about.
        trials: how many trials are asked for at most.
        judge: gives the result of a trial; None leaves it pending. By default it is `loss_of`.
        wave: how many trials are asked for before their results are known.
        seed: the seed of the questions.
    """
    history = History()
    while len(history) < trials:
        asked = []
        for _ in range(min(wave, trials - len(history))):
            number = len(history)
            new = strategy.ask(space, history, Random(f"{seed}/{number}"))
            if not isinstance(new, NewTrial):
                break
            trial = Trial(
                number,
                new.params,
                new.reason,
                number // wave,
                number,
                expected_improvement=new.expected_improvement,
                seed_group=new.seed_group,
                origin=new.origin,
            )
            asked.append(trial)
            history = history.with_trials(asked[-1:])
        results = {t.number: judge(t) if judge else done(loss_of(space, t.params)) for t in asked}
        ended = {number: result for number, result in results.items() if result is not None}
        history = history.with_results(ended)
        if not asked:
            break
    return history


def every_third_fails(trial: Trial) -> Result:
    """Return the result of a trial; every third one has failed."""
    if trial.number % 3 == 0:
        return Failed("diverged", "it was the third")
    return done(loss_of(MIXED, trial.params))

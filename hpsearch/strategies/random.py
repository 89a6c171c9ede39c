"""Random search without replacement: plain, or in rounds around the best found so far.

Sources: Bergstra & Bengio 2012; the guided rounds are a local search from the elite of the rounds before.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import numpy as np

from hpsearch.space.space import Params, Space, point_key
from hpsearch.study.history import History
from hpsearch.study.trial import New, Trial, Wait

_FRESH = 0.25  # the share of a guided round that is drawn from the whole space: never 0
_SPREAD = (0.2, 0.03)  # of a guided draw around its parent, in the unit cube: first, and at last
_TRIES = 200  # draws that may repeat an old point before the new ones are looked for one by one


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Draws from the space; no point twice.

    Rounds have `round` trials in the mean, and sizes that differ by at most one; without it there is one round. With
    `guided`, every round after the first is drawn around the best of the trials that ended before; the spread shrinks
    from round to round.
    """

    round: Fraction | int | None = None
    guided: bool = False

    def ask(self, space: Space, history: History, rng: Random) -> New | Wait | None:
        """A point not asked for before; None where there is none. A round waits for the one before."""
        round = self._round(len(history))
        if round > self._round(len(history) - 1) and self._is_pending(round - 1, history):
            return Wait()
        seen = history.keys
        elite = [
            trial.params
            for trial, _ in history.done[: math.isqrt(max(0, len(history.done) - 1)) + 1]
        ]
        lot = history.lot if self.guided and round else 0
        if self.guided and round and elite and rng.random() >= _FRESH:
            spread = max(_SPREAD[0] * 0.6 ** (round - 1), _SPREAD[1])
            near = around(elite, space, spread, np.random.default_rng(rng.getrandbits(64)), _TRIES)
            params = next((params for params in near if point_key(params) not in seen), None)
            if params is not None:
                return New(params, f"near the best {len(elite)}", lot=lot)
        params = unseen(space, seen, rng)
        return New(params, "random", lot=lot) if params is not None else None

    def _round(self, number: int) -> int:
        """The round of a trial."""
        return 0 if self.round is None else max(0, number) // self.round

    def _is_pending(self, round: int, history: History) -> bool:
        """Whether nothing of a round has ended."""
        trials = (trial for trial in history.trials if self._round(trial.number) == round)
        return all(trial.number not in history.results for trial in trials)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The lowest loss first."""
        return [trial for trial, _ in history.done]


def unseen(space: Space, seen: Collection[object], rng: Random) -> Params | None:
    """A point drawn uniformly from those whose key is not in `seen`; None where there is none."""
    for _ in range(_TRIES):
        params = space.sample(rng)
        if point_key(params) not in seen:
            return params
    if space.every is None:
        return None
    left = [params for params in space.walk(space.every) if point_key(params) not in seen]
    return rng.choice(left) if left else None


def around(
    elite: Sequence[Params], space: Space, spread: float, rng: np.random.Generator, draws: int
) -> Iterator[Params]:
    """Points near the elite (best first, the better the likelier), as many as a constraint allows of so many draws."""
    weights = np.arange(len(elite), 0, -1) / (len(elite) * (len(elite) + 1) / 2)
    parents = np.array([space.encode(params) for params in elite])[
        rng.choice(len(elite), draws, p=weights)
    ]
    points = (space.decode(unit) for unit in space.near(parents, spread, rng).tolist())
    return filter(space.allows, points)

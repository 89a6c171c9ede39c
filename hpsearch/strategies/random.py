"""Random search without replacement: plain, or in rounds around the best trials so far.

Source: Bergstra & Bengio 2012. The guided rounds are a local search from the best of earlier
    rounds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from random import Random
from typing import ClassVar

import numpy as np
from pydantic import Field

from hpsearch.errors import SpecError
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import Context, StagedOptions, Strategy
from hpsearch.study.history import History
from hpsearch.study.trial import NewTrial, Wait

_ROUNDS = 5  # of a guided search that does not say how many
_FRESH = 0.25  # the share of a guided round that is drawn from the whole space; it is never 0
_DISTANCE = (0.2, 0.03)  # of a guided draw from its parent, in the unit cube: at first, and at last
_TRIES = 200  # draws that may repeat an old point before new ones are looked for one by one
_WALKED = 200_000  # points that are looked at one by one


class RandomOptions(StagedOptions):
    """The keys of a random search: how many rounds it has, and whether earlier ones guide it."""

    rungs: ClassVar[int] = 4

    rounds: int = Field(1, ge=1, le=100_000, description="a whole number of rounds, 1 or more")
    guided: bool | None = Field(None, description="true or false")

    def build(self, context: Context) -> Strategy:
        """Return the strategy that draws so many trials in these rounds."""
        guided = self._rounds() > 1 if self.guided is None else self.guided
        return RandomSearch(self._per_round(context.budget), guided)

    def wave_size(self, context: Context) -> int:
        """Return the size of the larger rounds: a round is drawn at once."""
        per_round = self._per_round(context.budget)
        return math.ceil(per_round) if per_round else self.default_wave

    def wave_lag(self, context: Context) -> int:
        """Return 0 where there are rounds: each is drawn when the one before has ended."""
        return 0 if self._rounds() > 1 else super().wave_lag(context)

    def conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Give the keys of rounds where halving draws in brackets."""
        for name, given in (("rounds", self.rounds > 1), ("guided", self.guided)):
            if self.halving and given:
                message = f"'{name}' has no meaning beside halving, which draws in brackets"
                yield name, message, "leave one of the two out"

    def _rounds(self) -> int:
        return _ROUNDS if self.guided and self.rounds == 1 else self.rounds

    def _per_round(self, trials: int | None) -> Fraction | None:
        """Return how many trials a round has in the mean; None where there is one round."""
        rounds = self._rounds()
        if rounds == 1:
            return None
        if trials is None:
            return Fraction(self.default_wave)
        return Fraction(max(trials, rounds), rounds)


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Draws points from the space, none of them twice.

    Attributes:
        round: how many trials a round has in the mean, so that sizes differ by at most one; None
            makes all trials one round.
        guided: whether every round after the first is drawn around the best of the trials that
            ended before; the distance from them shrinks from round to round.
    """

    round: Fraction | int | None = None
    guided: bool = False

    def ask(self, space: Space, history: History, rng: Random) -> NewTrial | Wait | None:
        """Return a point not asked for before; None where there is none.

        A round waits until something of the round before it has ended.
        """
        round = self._round(len(history))
        if round > self._round(len(history) - 1) and self._is_pending(round - 1, history):
            return Wait()
        seen = history.keys
        group, elite = 0, list[Params]()
        if self.guided and round:
            count = math.isqrt(max(0, len(history.done) - 1)) + 1
            group, elite = history.next_seed_group, [one.params for one, _ in history.done[:count]]
        if elite and rng.random() >= _FRESH:
            distance = max(_DISTANCE[0] * 0.6 ** (round - 1), _DISTANCE[1])
            generator = np.random.default_rng(rng.getrandbits(64))
            near = around(elite, space, distance, generator, _TRIES)
            params = next((params for params in near if point_key(params) not in seen), None)
            if params is not None:
                reason = f"near the best {len(elite)}"
                return NewTrial(params, reason, seed_group=group, origin="guided")
        params = draw_unseen(space, seen, rng)
        if params is None:
            return None
        return NewTrial(params, "random", seed_group=group, origin="random")

    def _round(self, number: int) -> int:
        """Return the round of a trial."""
        return 0 if self.round is None else max(0, number) // self.round

    def _is_pending(self, round: int, history: History) -> bool:
        """Return whether nothing of a round has ended."""
        trials = (trial for trial in history.trials if self._round(trial.number) == round)
        return all(trial.number not in history.results for trial in trials)


def draw_unseen(space: Space, seen: Collection[object], rng: Random) -> Params | None:
    """Return a point drawn uniformly from those not `seen`, by their keys; None for none left.

    Of a space that is too large to be listed, one that is left may not be found.
    """
    for _ in range(_TRIES):
        try:
            params = space.sample(rng)
        except SpecError:  # the constraints leave nothing, as far as was looked for
            return None
        if point_key(params) not in seen:
            return params
    if space.whole is None:
        return None
    if space.points is not None:
        left = [params for params in space.points if point_key(params) not in seen]
        return rng.choice(left) if left else None
    few = islice(space.whole.spread(), _WALKED)
    return next((params for params in few if point_key(params) not in seen), None)


def around(
    elite: Sequence[Params],
    space: Space,
    distance: float,
    rng: np.random.Generator,
    draws: int,
) -> Iterator[Params]:
    """Give points near the elite, as many as a constraint allows of so many draws.

    Args:
        elite: the points to draw near, best first; the better one is, the likelier it is chosen.
        space: where to draw.
        distance: how far from its parent a point is, in the unit cube.
        rng: the source of random numbers.
        draws: how many points are drawn.
    """
    weights = np.arange(len(elite), 0, -1) / (len(elite) * (len(elite) + 1) / 2)
    chosen = rng.choice(len(elite), draws, p=weights)
    parents = np.array([space.encode(params) for params in elite])[chosen]
    points = (space.decode(unit) for unit in space.near(parents, distance, rng).tolist())
    return filter(space.allows, points)

"""Random search without replacement: plain, or in rounds around the best found so far.

Sources: Bergstra & Bengio 2012; the guided rounds are a local search from the elite of the rounds before.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from hpsearch.space import Params, Space, point_key
from hpsearch.trial import History, New

_FRESH = 0.25  # the share of a guided round that is drawn from the whole space: never 0
_SPREAD = (0.2, 0.03)  # of a guided draw around its parent, in the unit cube: first, and at last
_TRIES = 200  # draws that may repeat an old point before the new ones are looked for one by one


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Draws from the space; no point twice.

    With `guided`, every round of `round` trials after the first is drawn around the best of the trials
    that ended before; the spread shrinks from round to round.
    """

    round: int = 64
    guided: bool = False

    def ask(self, space: Space, history: History, rng: Random) -> New | None:
        """A point not asked for before; None where there is none."""
        seen = history.keys
        elite = [trial.params for trial, _ in history.done[: math.isqrt(max(0, len(history.done) - 1)) + 1]]
        round = len(history) // self.round
        if self.guided and round and elite and rng.random() >= _FRESH:
            spread = max(_SPREAD[0] * 0.6 ** (round - 1), _SPREAD[1])
            for _ in range(_TRIES):
                params = around(elite, space, spread, rng)
                if params is not None and point_key(params) not in seen:
                    return New(params, f"near the best {len(elite)}")
        params = unseen(space, seen, rng)
        return New(params, "random") if params is not None else None


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


def around(elite: Sequence[Params], space: Space, spread: float, rng: Random) -> Params | None:
    """A point near one of the elite (best first, the better the likelier); None where a constraint forbids it.

    About half of the parameters move, at least one; the values that a move makes active are drawn afresh.
    """
    parent = rng.choices(elite, weights=range(len(elite), 0, -1))[0]
    names = list(space.parameters)
    moved = {name for name in names if rng.random() < 0.5} or {rng.choice(names)}
    unit: list[float] = []
    for name, parameter in space.parameters.items():
        if name not in parent:
            unit += [rng.random() for _ in range(parameter.width)]
        else:
            place = parameter.encode(parent[name])
            unit += [_reflected(u + rng.gauss(0, spread)) for u in place] if name in moved else place
    params = space.decode(unit)
    return params if space.allows(params) else None


def _reflected(u: float) -> float:
    """Folded back into [0, 1] at its ends."""
    u = abs(u) % 2.0
    return 2.0 - u if u > 1.0 else u

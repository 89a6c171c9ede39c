"""Where to look for the next trial: everywhere, near the best trials, and ever nearer to the most promising places."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import Array
from hpsearch.study.history import History

_DRAWN = 700  # from the whole space
_DRAWS = 10_000  # draws for them: a constraint may leave few
_NEAR = 300  # near the parents
_ROUNDS = (0.2, 0.07, 0.02)  # then, in each, more near the best so far: how near, in the unit cube
_BEST, _CHILDREN = 10, 12
_MATES = 100
_STEPS = 10  # to the middle

Acquisition = Callable[[Units], Array]


def search(
    space: Space, parents: Units, value: Acquisition, rng: np.random.Generator, effort: float = 1.0
) -> Units:
    """Snapped places [n, width], the most valuable first; a constraint may forbid some. The time goes by `effort`."""
    drawn, near, children = (round(effort * number) for number in (_DRAWN, _NEAR, _CHILDREN))
    U = np.concatenate(
        [
            _allowed(space, drawn, rng),
            space.near(parents[rng.integers(len(parents), size=near)], 0.1, rng),
        ]
    )
    values = value(U)

    def best(number: int) -> Units:
        return U[np.argsort(-values, kind="stable")[:number]]

    for spread in _ROUNDS:
        more = space.near(np.repeat(best(_BEST), children, axis=0), spread, rng)
        U, values = np.concatenate([U, more]), np.concatenate([values, value(more)])
    return best(len(U))


def inwards(space: Space, params: Params) -> Units:
    """Snapped places from a point nearly to the middle of the space; its choices stay."""
    middle = np.concatenate([parameter.middle for parameter in space.parameters.values()])
    shares = np.arange(_STEPS, 0, -1)[:, None] / _STEPS
    return space.snap(middle + shares * (np.array(space.encode(params)) - middle))


def mates(space: Space, company: Units, rng: np.random.Generator) -> Units:
    """Places that have about half of their values in common with one of these."""
    if not len(company):
        return company
    U = company[rng.integers(len(company), size=_MATES)]
    other = rng.random(U.shape)
    for columns in space.columns.values():
        kept = rng.random(len(U)) < 0.5
        other[kept, columns] = U[kept, columns]
    return space.snap(other)


def unknown(space: Space, history: History, U: Units) -> Iterator[Params]:
    """The points at snapped places that nobody has asked for, each once, in order."""
    known = set(history.keys)
    for unit in U.tolist():
        params = space.decode(unit)
        if (key := point_key(params)) not in known and space.allows(params):
            known.add(key)
            yield params


def _allowed(space: Space, drawn: int, rng: np.random.Generator) -> Units:
    """Places from the whole space; where a constraint leaves few, as many as are found."""
    if not space.constraints:
        return space.snap(rng.random((drawn, space.width)))
    U = space.snap(rng.random((_DRAWS, space.width)))
    found: list[int] = []
    for at in range(_DRAWS):
        if space.allows(space.decode(U[at].tolist())):
            found.append(at)
            if len(found) == drawn:
                break
    return U[found]

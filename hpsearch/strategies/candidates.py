"""Where to look for the next trial.

Candidates are drawn from the whole space, near the best trials, and then, in rounds, ever nearer to
the most valuable candidates so far. A place is a row of coordinates in the unit cube; it is snapped
if it is exactly the place of the point that it decodes to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import numpy as np

from hpsearch.space.parameters import Units
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import Array
from hpsearch.strategies.gp import distance
from hpsearch.study.history import History

_DRAWN = 700  # places from the whole space
_DRAWS = 10_000  # draws for them: a constraint may leave few
_FEW = 12  # places that are drawn one by one, where the constraints leave fewer
_NEAR = 300  # places near the parents
_NEAR_STD = 0.1  # of their coordinates' steps away from the parents
_ROUNDS = (0.2, 0.07, 0.02)  # the same for places near the best so far, in each round
_BEST, _CHILDREN = 10, 12  # how many of the best a round goes on from, and places near each
_CROSSED = 100  # places that `crossover` returns
_STEPS = 10  # of the way to the center

Acquisition = Callable[[Units], Array]
"""Returns the values [n] of snapped places [n, width]; the larger the better."""


def best_candidates(
    space: Space, parents: Units, value: Acquisition, rng: np.random.Generator, effort: float = 1.0
) -> tuple[Units, Array]:
    """Return candidates, the most valuable first: snapped places [n, width], and their values [n].

    A constraint of the space may forbid some of them, see `unseen`.

    Args:
        space: where to look.
        parents: [m, width] places of the best trials, near which there may be better ones; m >= 1.
        value: the acquisition function.
        rng: draws the places.
        effort: how many places are tried, as a multiple of about 1,400; the time is in proportion.
    """
    drawn, near, children = (round(effort * number) for number in (_DRAWN, _NEAR, _CHILDREN))
    U = np.concatenate(
        [
            _allowed(space, drawn, rng),
            space.near(parents[rng.integers(len(parents), size=near)], _NEAR_STD, rng),
        ]
    )
    values = value(U)

    for std in _ROUNDS:
        best = U[np.argsort(-values, kind="stable")[:_BEST]]
        more = space.near(np.repeat(best, children, axis=0), std, rng)
        U, values = np.concatenate([U, more]), np.concatenate([values, value(more)])
    order = np.argsort(-values, kind="stable")
    return U[order], values[order]


def farthest_first(U: Units, known: Units) -> Units:
    """Return places U [n, width], those farthest from all `known` [m, width] first."""
    return U[np.argsort(-distance(U, known).min(axis=1), kind="stable")]


def toward_center(space: Space, params: Params) -> Units:
    """Return ten snapped places [10, width] from a point to near the center of the space.

    The first is the point itself. Numbers move to the middle of their scales; choices stay. They
    serve where the point may be too expensive: the extremes of cost lie at the ends of the scales.
    """
    middle = np.concatenate([parameter.middle for parameter in space.parameters.values()])
    shares = np.arange(_STEPS, 0, -1)[:, None] / _STEPS
    return space.snap(middle + shares * (np.array(space.encode(params)) - middle))


def crossover(space: Space, company: Units, rng: np.random.Generator) -> Units:
    """Return a hundred snapped places [100, width] that resemble the rows of `company` [m, width].

    Each place has the value of one row, which is drawn for it, in about half of its parameters, and
    a uniform draw in the others. Many such trials can train in one cohort with the trial of their
    row. Without any rows there are no places either: [0, width].
    """
    if not len(company):
        return company
    U = company[rng.integers(len(company), size=_CROSSED)]
    other = rng.random(U.shape)
    for columns in space.columns.values():
        kept = rng.random(len(U)) < 0.5
        other[kept, columns] = U[kept, columns]
    return space.snap(other)


def unseen(space: Space, history: History, U: Units) -> Iterator[Params]:
    """Yield the points at snapped places [n, width] that are allowed and that no trial has.

    They keep their order, and none comes twice.
    """
    given = set()
    for unit in U.tolist():
        params = space.decode(unit)
        key = point_key(params)
        if key not in given and key not in history.keys and space.allows(params):
            given.add(key)
            yield params


def _allowed(space: Space, drawn: int, rng: np.random.Generator) -> Units:
    """Return uniform draws from the space that satisfy its constraints: snapped places [n, width].

    There are `drawn` of them, or few where the constraints leave little.
    """
    if not space.constraints:
        return space.snap(rng.random((drawn, space.width)))
    U = space.snap(rng.random((_DRAWS, space.width)))
    found: list[int] = []
    for at in range(_DRAWS):
        if space.allows(space.decode(U[at].tolist())):
            found.append(at)
            if len(found) == drawn:
                break
    if len(found) >= _FEW or not space.is_reachable:
        return U[found]
    generator = Random(int(rng.integers(2**63)))
    more = [space.encode(space.rare(generator)) for _ in range(_FEW - len(found))]
    return np.concatenate([U[found], np.array(more)])

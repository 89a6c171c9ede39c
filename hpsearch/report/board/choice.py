"""Who wins: the cheapest of the trials that cannot be told from the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Candidate(NamedTuple):
    """What a choice among trials goes by.

    Attributes:
        number: the trial's.
        score: what the trials are ordered by.
        error: the standard error of its loss; None for a single training.
        price: what its training is paid in.
        cost: its price where that is counted, and so tells equals apart; else 0.
    """

    number: int
    score: float
    error: float | None
    price: float
    cost: float


def chosen(candidates: Sequence[Candidate]) -> Candidate:
    """Return the cheapest whose score is within one standard error of the best one.

    Where the best one has no standard error, it is the winner itself.

    >>> chosen([Candidate(0, 0.4, 0.05, 9.0, 9.0), Candidate(1, 0.44, 0.01, 1.0, 1.0)]).number
    1
    """
    best = min(candidates, key=lambda one: (one.score, one.cost, one.number))
    if not best.error:
        return best
    near = [one for one in candidates if one.score <= best.score + best.error]
    return min(near, key=lambda one: (one.price, one.score, one.number))

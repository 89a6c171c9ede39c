"""Successive halving: many trials for a few epochs, the best third of them for three times as many, and so on.

Notation
    R         epochs of a whole training
    eta       how many trials compete for one place at a rung, and how many times as many epochs a place brings
    rung      the epoch at which trials pause to be compared

Sources: Jamieson & Talwalkar 2016; Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018.
"""

from __future__ import annotations

from collections.abc import Mapping

ETA = 3
_RUNGS = 4  # R/27, R/9, R/3 and R: an earlier one says little of the end


def rungs(R: int, eta: int = ETA) -> tuple[int, ...]:
    """The epochs at which a bracket's trials are compared, rising; the last one is R, none is below 1."""
    return tuple(sorted({max(1, round(R / eta**k)) for k in range(_RUNGS)}))


def bracket(R: int, eta: int = ETA) -> tuple[tuple[int, int], ...]:
    """For each rung how many trials are trained up to it, and the rung."""
    epochs = rungs(R, eta)
    return tuple((eta ** (len(epochs) - 1 - index), rung) for index, rung in enumerate(epochs))


def survivors(losses: Mapping[int, float], begun: int, eta: int = ETA) -> tuple[int, ...]:
    """Who goes on from a rung: the best of `losses`, by number, for every `eta` that have `begun`; best first.

    Those that have failed have begun, and have no loss: where many fail, few are dropped. Of equals the earlier one
    is better.
    """
    places = max(1, begun // eta)
    return tuple(sorted(losses, key=lambda number: (losses[number], number))[:places])

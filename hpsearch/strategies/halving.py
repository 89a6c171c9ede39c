"""Successive halving: many trials for a few epochs, the best half of them for three times as many, and so on.

Notation
    R         epochs of a whole training
    eta       how many times as many epochs each rung brings (3)
    rung      the epoch at which trials pause to be compared
    bracket   trials that begin together and compete, to the last one; then the next bracket begins

Sources: Jamieson & Talwalkar 2016; Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018; Falkner, Klein & Hutter 2018
(the model sees the results of one rung).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from hpsearch.errors import SpecError
from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import Sharing, Strategy
from hpsearch.strategies.random import RandomSearch
from hpsearch.study.history import History
from hpsearch.study.trial import Continue, Done, Failed, New, Result, Suggestion, Trial, Wait

_ETA = 3
HALF = 2  # trials that compete for one place at a rung
LEAST = 3  # epochs of a whole training: with fewer there is nothing to halve


def rungs(R: int, most: int) -> tuple[int, ...]:
    """The epochs at which a bracket's trials are compared, rising; the last one is R, none is below 1."""
    return tuple(sorted({max(1, round(R / _ETA**k)) for k in range(most)}))


def bracket(rungs: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """For each rung how many trials are trained up to it, and the rung. As many go to the end as rungs were passed."""
    drops = len(rungs) - 1
    return tuple(
        (max(1, drops) * HALF ** (drops - index), rung) for index, rung in enumerate(rungs)
    )


def price(rungs: Sequence[int]) -> int:
    """The epochs of a bracket, at most."""
    return sum(
        trials * (rung - before)
        for before, (trials, rung) in zip((0, *rungs), bracket(rungs), strict=False)
    )


def fitting(rungs: tuple[int, ...], epochs: int) -> tuple[int, ...]:
    """Those of the largest bracket that so many epochs are enough for; none where they are too few."""
    return next((rungs[k:] for k in range(len(rungs)) if price(rungs[k:]) <= epochs), ())


def brackets(rungs: tuple[int, ...], epochs: int) -> Iterator[tuple[int, ...]]:
    """The rungs of each bracket that so many epochs are enough for."""
    while found := fitting(rungs, epochs):
        yield found
        epochs -= price(found)


def survivors(
    losses: Mapping[int, float], begun: int, peers: Mapping[int, Hashable] | None = None
) -> tuple[int, ...]:
    """Who goes on from a rung: the best of `losses`, by number, half as many as have `begun`; best first.

    Those that have failed have begun, and have no loss: where many fail, few are dropped. Of equals the earlier one
    is better. Where `peers` says what can be compared, the places are for the best of each kind, in proportion.
    """
    order = sorted(losses, key=lambda number: (losses[number], number))
    kinds: dict[Hashable, list[int]] = {}
    for number in order:
        kinds.setdefault(peers and peers[number], []).append(number)
    ahead = {
        number: index / len(kind) for kind in kinds.values() for index, number in enumerate(kind)
    }
    return tuple(sorted(order, key=lambda number: ahead[number])[: max(1, begun // HALF)])


def comparable(params: Params, rung: int) -> Hashable:
    """What kind of trial it is: an early loss tells nothing between kinds, whose rates have yet to fall or to rise."""
    return params.get("schedule"), float(params.get("warmup", 0)) > rung


@dataclass(frozen=True, slots=True)
class Bracket:
    """Trials that compete, and the rungs at which they do."""

    trials: Sequence[Trial]
    rungs: tuple[int, ...]

    @property
    def full(self) -> bool:
        """Whether all have been asked for."""
        return len(self.trials) == bracket(self.rungs)[0][0]

    def next(self, history: History) -> Continue | Wait | None:
        """Who goes on; None where one has gone to the end."""
        going, places = [trial.number for trial in self.trials], len(self.trials)
        for rung, upto in pairwise((*self.rungs, 0)):
            legs = [leg for number in going for leg in history.legs[number] if leg.upto == rung]
            if any(leg.number not in history.results for leg in legs):
                return Wait()
            if not upto:
                break
            at = {
                number: result
                for number in going
                if (result := reached(history, number, rung)) is not None
            }
            kinds = {trial.number: comparable(trial.params, rung) for trial in self.trials}
            going = list(
                survivors({number: result.loss for number, result in at.items()}, places, kinds)
            )
            places = max(1, places // HALF)
            for number in going:
                if at[number].paused and history.legs[number][-1].upto == rung:
                    return Continue(
                        number, upto, f"one of the best {len(going)} of {len(at)} at epoch {rung}"
                    )
        return None


def reached(history: History, number: int, rung: int) -> Done | None:
    """What a trial had come to by a rung, or before it for good; None where it had failed, or been dropped before."""
    for leg in history.legs[number]:
        result = history.results.get(leg.number)
        if isinstance(result, Done) and (leg.upto == rung or not result.paused):
            return result
        if leg.upto is None or leg.upto >= rung:
            break
    return None


def begun(history: History, rungs: tuple[int, ...]) -> Sequence[Bracket]:
    """The brackets in their order. Of each the first trial's leg says how it goes on."""
    firsts = [trial for trial in history.trials if trial.upto is not None and not trial.start]
    found, at = [], 0
    while at < len(firsts):
        mine = tuple(rung for rung in rungs if rung >= (firsts[at].upto or 0))
        size = bracket(mine)[0][0]
        found.append(Bracket(firsts[at : at + size], mine))
        at += size
    return found


def going(history: History, rungs: tuple[int, ...]) -> Mapping[int, int]:
    """The trials of the bracket under way, and the epoch after which each has a result; 0 where it has none."""
    under_way = [
        one for one in begun(history, rungs)[-1:] if not one.full or one.next(history) is not None
    ]
    legs = {trial.number: history.legs[trial.number] for one in under_way for trial in one.trials}
    return {
        number: max((leg.upto or 0 for leg in its if leg.number in history.results), default=0)
        for number, its in legs.items()
    }


@dataclass(frozen=True, slots=True)
class Halving:
    """Lets what `strategy` asks for compete in brackets with such `rungs`; `budget` counts whole trainings.

    Where the largest bracket does not fit into what is left of it, a smaller one is taken. The `default` settings
    compete in the first. Where it is known which trainings are `sharing` an array, the others of a bracket do, as far
    as one array takes them. Trials that somebody has picked are trained to their end, and are in no bracket.
    """

    strategy: Strategy
    rungs: tuple[int, ...]
    budget: int
    sharing: Sharing | None = None
    default: Params | None = None

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """A newcomer until the bracket is full, then who goes on at each rung."""
        found = begun(history, self.rungs)
        full = bool(found) and found[-1].full
        if not full and (new := self._newcomer(space, history, found, rng)) is not None:
            return new
        if found and (going_on := found[-1].next(history)) is not None:
            return going_on
        return self._newcomer(space, history, found, rng) if full else None

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """Those that went to their end as the strategy ranks them, then the others, who came furthest first."""
        whole = {trial.number for trial, result in history.done if not result.paused}
        at_end = [trial for trial in history.trials if trial.run in whole or trial.of in whole]
        first = (
            self.strategy.ranked(space, History(tuple(at_end), history.results)) if whole else ()
        )
        others = [pair for pair in history.done if pair[1].paused]
        return [
            *first,
            *(trial for trial, result in sorted(others, key=lambda pair: -pair[1].epochs)),
        ]

    def _newcomer(
        self, space: Space, history: History, found: Sequence[Bracket], rng: Random
    ) -> New | None:
        """One for the bracket that is not full, or for another; None where budget or space have no more."""
        if found and not found[-1].full:
            mine, company = found[-1].rungs, found[-1].trials
        else:
            picked = sum(trial.of is None and trial.upto is None for trial in history.trials)
            left = (self.budget - picked) * self.rungs[-1] - sum(price(one.rungs) for one in found)
            mine, company = fitting(self.rungs, left), ()
        if not mine:
            return None
        if self.default is not None and point_key(self.default) not in history.keys:
            return New(self.default, "default", upto=mine[0])
        company = [trial for trial in company if trial.params != self.default]
        shown = seen(history, self.rungs, enough=len(space.parameters) + 1)
        new = self._joining(space, shown, company, rng) or self.strategy.ask(space, shown, rng)
        return replace(new, upto=mine[0]) if isinstance(new, New) else None

    def _joining(
        self, space: Space, shown: History, company: Sequence[Trial], rng: Random
    ) -> Suggestion | None:
        """One that shares the array of the last newcomer; None where that is full, or has no more points.

        Every other one is random, since the first epochs mislead a model. They carry no promise: they were not chosen
        from all places.
        """
        if self.sharing is None or not company:
            return None
        pinned, room = self.sharing(company[-1].params)
        if sum(pinned.items() <= trial.params.items() for trial in company) % room == 0:
            return None
        strategy = RandomSearch() if len(company) % 2 else self.strategy
        try:
            new = strategy.ask(replace(space, pinned=pinned), shown, rng)
        except SpecError:  # of what a constraint leaves of the array, none was found
            return None
        return replace(new, promise=None) if isinstance(new, New) else new


def seen(history: History, rungs: Sequence[int], enough: int) -> History:
    """What a model may see: the results at the highest rung that has enough of them, what failed and what is pending.

    Losses of different rungs are of different things.
    """
    firsts = [runs[0] for runs in history.runs.values()]
    for rung in reversed(rungs):
        # a whole training says nothing of an earlier epoch
        had = [trial for trial in firsts if trial.upto is not None or rung == rungs[-1]]
        results: dict[int, Result] = {
            trial.number: result
            for trial in had
            if (result := reached(history, trial.number, rung)) is not None
        }
        if len(results) >= enough:
            break
    results |= {
        number: result for number, result in history.ended.items() if isinstance(result, Failed)
    }
    shown = [
        trial for trial in firsts if trial.number in results or trial.number not in history.results
    ]
    model = History(tuple(shown), results)
    # a point that is not shown is not to be asked for again either, and what was expected of it was expected
    model.__dict__.update(keys=history.keys, promises=history.promises)
    return model

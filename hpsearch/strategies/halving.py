"""Successive halving: many trials for a few epochs, and the best half of them for more.

Notation
    R         epochs of a whole training
    eta       how many times as many epochs each rung brings (3)
    rung      the epoch at which trials pause to be compared
    bracket   trials that begin together and compete; when its last one has ended, the next begins

Sources: Jamieson & Talwalkar 2016; Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018; Falkner,
Klein & Hutter 2018 (the model sees the results of one rung).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from hpsearch.space.space import Params, Space, point_key
from hpsearch.strategies import CohortRule, Strategy, ranked
from hpsearch.strategies.random import RandomSearch
from hpsearch.study.history import History
from hpsearch.study.trial import (
    Done,
    Failed,
    NewTrial,
    PromoteTrial,
    Result,
    Suggestion,
    Trial,
    Wait,
)

_ETA = 3
HALF = 2
"""How many trials compete for one place at a rung."""
MIN_EPOCHS = 3
"""The epochs of a whole training below which there is nothing to halve."""


def rungs(R: int, most: int) -> tuple[int, ...]:
    """Return the epochs at which a bracket's trials are compared, at most `most` of them.

    They rise; the last one is R, and none is below 1.
    """
    return tuple(sorted({max(1, round(R / _ETA**k)) for k in range(most)}))


def bracket(rungs: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return, for each rung, how many trials are trained up to it, and the rung.

    As many trials go to the end as rungs were passed.

    >>> bracket(rungs(27, 4))
    ((24, 1), (12, 3), (6, 9), (3, 27))
    """
    drops = len(rungs) - 1
    return tuple(
        (max(1, drops) * HALF ** (drops - index), rung) for index, rung in enumerate(rungs)
    )


def bracket_epochs(rungs: Sequence[int]) -> int:
    """Return the epochs that a bracket takes at most."""
    stages = zip((0, *rungs), bracket(rungs), strict=False)
    return sum(trials * (rung - before) for before, (trials, rung) in stages)


def largest_fitting(rungs: tuple[int, ...], epochs: int) -> tuple[int, ...]:
    """Return the rungs of the largest bracket for which so many epochs are enough; () for none."""
    choices = (rungs[k:] for k in range(len(rungs)))
    return next((one for one in choices if bracket_epochs(one) <= epochs), ())


def brackets(rungs: tuple[int, ...], epochs: int) -> Iterator[tuple[int, ...]]:
    """Give the rungs of each bracket, one after the other, that so many epochs are enough for."""
    while found := largest_fitting(rungs, epochs):
        yield found
        epochs -= bracket_epochs(found)


def survivors(
    losses: Mapping[int, float], begun: int, kinds: Mapping[int, Hashable] | None = None
) -> tuple[int, ...]:
    """Return which trials are promoted from a rung, best first: half as many as have begun.

    Trials that have failed have begun, and have no loss: where many fail, few are dropped. Of
    equals the earlier one is better. Where `kinds` says what can be compared with what, the places
    are for the best of each kind, in proportion.
    """
    order = sorted(losses, key=lambda number: (losses[number], number))
    of_kind: dict[Hashable, list[int]] = {}
    for number in order:
        of_kind.setdefault(kinds and kinds[number], []).append(number)
    ahead = {
        number: index / len(kind) for kind in of_kind.values() for index, number in enumerate(kind)
    }
    return tuple(sorted(order, key=lambda number: ahead[number])[: max(1, begun // HALF)])


def comparable_kind(params: Params, rung: int) -> Hashable:
    """Return what kind of trial this is at a rung: losses of different kinds cannot be compared.

    An early loss says nothing between schedules whose rates have yet to fall, or to rise. A trainer
    of one's own may mean anything by these names, but for a warm-up of so many epochs.
    """
    warmup = params.get("warmup", 0)
    return params.get("schedule"), isinstance(warmup, int | float) and warmup > rung


@dataclass(frozen=True, slots=True)
class Bracket:
    """Trials that compete, and the rungs at which they do."""

    trials: Sequence[Trial]
    rungs: tuple[int, ...]

    @property
    def full(self) -> bool:
        """Whether all of its trials have been asked for."""
        return len(self.trials) == bracket(self.rungs)[0][0]

    def next(self, history: History) -> PromoteTrial | Wait | None:
        """Return which trial is promoted; None where all that may go to the end have done so."""
        going, places = [trial.number for trial in self.trials], len(self.trials)
        for rung, until_epoch in pairwise((*self.rungs, 0)):
            segments = [
                segment
                for number in going
                for segment in history.segments[number]
                if segment.until_epoch == rung
            ]
            if any(segment.number not in history.results for segment in segments):
                return Wait()
            if not until_epoch:
                break
            at = {
                number: result
                for number in going
                if (result := reached(history, number, rung)) is not None
            }
            kinds = {trial.number: comparable_kind(trial.params, rung) for trial in self.trials}
            losses = {number: result.loss for number, result in at.items()}
            going = list(survivors(losses, places, kinds))
            places = max(1, places // HALF)
            for number in going:
                if at[number].paused and history.segments[number][-1].until_epoch == rung:
                    reason = f"one of the best {len(going)} of {len(at)} at epoch {rung}"
                    return PromoteTrial(number, until_epoch, reason)
        return None


def reached(history: History, number: int, rung: int) -> Done | None:
    """Return what a trial had come to by a rung, or before it for good.

    None where it had failed, or had been dropped before.
    """
    for segment in history.segments[number]:
        result = history.results.get(segment.number)
        if isinstance(result, Done) and (segment.until_epoch == rung or not result.paused):
            return result
        if segment.until_epoch is None or segment.until_epoch >= rung:
            break
    return None


def brackets_begun(history: History, rungs: tuple[int, ...]) -> Sequence[Bracket]:
    """Return the brackets in their order; the first segment of each says which rungs it has."""
    firsts = [
        trial for trial in history.trials if trial.until_epoch is not None and not trial.start_epoch
    ]
    found, at = [], 0
    while at < len(firsts):
        mine = tuple(rung for rung in rungs if rung >= (firsts[at].until_epoch or 0))
        size = bracket(mine)[0][0]
        found.append(Bracket(firsts[at : at + size], mine))
        at += size
    return found


def promotable(history: History, rungs: tuple[int, ...]) -> Mapping[int, int]:
    """Return the trials of the bracket under way, and the last epoch after which each has a result.

    The epoch is 0 for a trial that has none.
    """
    last = brackets_begun(history, rungs)[-1:]
    under_way = [one for one in last if not one.full or one.next(history) is not None]
    found = {}
    for trial in (trial for one in under_way for trial in one.trials):
        ended = (one for one in history.segments[trial.number] if one.number in history.results)
        found[trial.number] = max((one.until_epoch or 0 for one in ended), default=0)
    return found


@dataclass(frozen=True, slots=True)
class Halving:
    """Lets what `strategy` asks for compete in brackets.

    Attributes:
        strategy: suggests the trials of a bracket.
        rungs: the epochs at which they are compared, and those of a whole training.
        budget: counts whole trainings. Where the largest bracket does not fit into what is left of
            it, a smaller one is taken.
        cohort_rule: says which trainings can be trained together; then those of a bracket are, as
            far as they fit.
        default: the default settings, which compete in the first bracket.

    Trials that a person has picked are trained to their end, and are in no bracket.
    """

    strategy: Strategy
    rungs: tuple[int, ...]
    budget: int
    cohort_rule: CohortRule | None = None
    default: Params | None = None

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """Return a new trial until the bracket is full, then who is promoted at each rung."""
        found = brackets_begun(history, self.rungs)
        full = bool(found) and found[-1].full
        if not full and (new := self._newcomer(space, history, found, rng)) is not None:
            return new
        if found and (promoted := found[-1].next(history)) is not None:
            return promoted
        return self._newcomer(space, history, found, rng) if full else None

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """Return the completed trials in the strategy's order, then those that came furthest."""
        whole = {trial.number for trial, result in history.done if not result.paused}
        at_end = [t for t in history.trials if t.run in whole or t.parent in whole]
        completed = History(tuple(at_end), history.results)
        best = ranked(self.strategy, space, completed) if whole else ()
        others = [pair for pair in history.done if pair[1].paused]
        furthest = sorted(others, key=lambda pair: -pair[1].epochs)
        return [*best, *(trial for trial, _ in furthest)]

    def _newcomer(
        self, space: Space, history: History, found: Sequence[Bracket], rng: Random
    ) -> NewTrial | None:
        """Return a trial for the bracket that is not full, or for another one.

        None where budget or space have no more.
        """
        if found and not found[-1].full:
            mine, company = found[-1].rungs, found[-1].trials
        else:
            picked = sum(t.parent is None and t.until_epoch is None for t in history.trials)
            left = (self.budget - picked) * self.rungs[-1]
            left -= sum(bracket_epochs(one.rungs) for one in found)
            mine, company = largest_fitting(self.rungs, left), ()
        if not mine:
            return None
        if self.default is not None and point_key(self.default) not in history.keys:
            return NewTrial(self.default, "default", until_epoch=mine[0], origin="default")
        company = [trial for trial in company if trial.params != self.default]
        shown = visible_at_one_rung(history, self.rungs, enough=len(space.parameters) + 1)
        new = self._companion(space, shown, company, rng) or self.strategy.ask(space, shown, rng)
        return replace(new, until_epoch=mine[0]) if isinstance(new, NewTrial) else None

    def _companion(
        self, space: Space, shown: History, company: Sequence[Trial], rng: Random
    ) -> Suggestion | None:
        """Return a trial that can be trained together with the last newcomer.

        None where no more fit together, or no such point is left. Every other companion is random,
        since the first epochs mislead a model. None of them carries an expected improvement: they
        were not chosen from all places.
        """
        if self.cohort_rule is None or not company:
            return None
        pinned, capacity = self.cohort_rule(company[-1].params)
        if sum(pinned.items() <= trial.params.items() for trial in company) % capacity == 0:
            return None
        strategy = RandomSearch() if len(company) % 2 else self.strategy
        new = strategy.ask(replace(space, pinned=pinned), shown, rng)
        return replace(new, expected_improvement=None) if isinstance(new, NewTrial) else new


def visible_at_one_rung(history: History, rungs: Sequence[int], enough: int) -> History:
    """Return what a model may see, since losses of different rungs are of different things.

    These are the results at the highest rung that has enough of them, with all that has failed and
    all that is pending.
    """
    firsts = [runs[0] for runs in history.runs.values()]
    for rung in reversed(rungs):
        # a whole training says nothing of an earlier epoch
        had = [trial for trial in firsts if trial.until_epoch is not None or rung == rungs[-1]]
        results: dict[int, Result] = {
            trial.number: result
            for trial in had
            if (result := reached(history, trial.number, rung)) is not None
        }
        if len(results) >= enough:
            break
    failed = {n: result for n, result in history.ended.items() if isinstance(result, Failed)}
    results |= failed
    shown = [t for t in firsts if t.number in results or t.number not in history.results]
    model = History(tuple(shown), results)
    # a point that is not shown is not to be asked for again either, and what was expected of it was
    # expected
    model.__dict__.update(keys=history.keys, expected_improvements=history.expected_improvements)
    return model

"""The last part of a budget measures the best again: a loss that was the lowest of many promises too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from hpsearch.space.space import Space
from hpsearch.strategies import Limit, Strategy
from hpsearch.study.history import History
from hpsearch.study.trial import Failed, Repeat, Suggestion, Trial, Wait

FINALISTS = 3
_SHARE = 0.12  # of a budget, for the finalists' repetitions; those of the default come beside
_RACING = 0.15  # of the time
_RACE = (
    2,
    6,
    14,
    30,
)  # rounds after which half of those who are left drop out, where it is time that is spent
_ENTRIES = (2, 16)  # in a race, at least and at most
_RUNS = 4  # that there should be time for, for each of them
_TIMES, _LITTLE = 5, 0.1  # deviations of the noise


def converged(history: History) -> bool:
    """Whether more trials are not worth it: five times running little was left to be expected of the best place."""
    return len(history.promises) >= _TIMES and max(history.promises[-_TIMES:]) < _LITTLE


@dataclass(frozen=True, slots=True)
class UntilConverged:
    """Asks `strategy` until more is not worth it."""

    strategy: Strategy

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """What it asks for; None after the search has converged."""
        return None if converged(history) else self.strategy.ask(space, history, rng)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """As it ranks them."""
        return self.strategy.ranked(space, history)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Asks `strategy` for `trials`, or for most of the `limit`; then its best three, and the default, run again.

    There are so many `rounds`. In each all have the same new seeds and the same new split, so that they can be
    compared. Where no number is given, the time that is left goes to a race: up to sixteen and the default begin, and
    again and again the better half goes on. Those whose repetition failed are not run again. Where the first
    repetition gives the very same loss, there is no noise: the search goes on instead.
    """

    strategy: Strategy
    trials: int | None
    rounds: int | None
    limit: Limit | None = None

    @classmethod
    def within(
        cls, strategy: Strategy, budget: int | None, limit: Limit | None, default: bool
    ) -> Confirmed:
        """So that trials and repetitions fill what there is; `default`: there is a trial of default settings."""
        if budget is None:
            return cls(strategy, None, None, limit)
        rounds = max(1, round(_SHARE * budget / FINALISTS))
        return cls(strategy, max(1, budget - rounds * (FINALISTS + default)), rounds, limit)

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """The strategy's next trial; after the last, one of the finalists again."""
        if self._searches(history) and (new := self.strategy.ask(space, history, rng)) is not None:
            return new
        if any(not trial.replicate for trial in history.pending):
            return Wait()
        for finalists, rounds in self._stages(space, history):
            behind = [
                number
                for number in finalists
                if len(history.runs[number]) <= rounds and _succeeds(number, history)
            ]
            if behind:
                number = min(behind, key=lambda number: len(history.runs[number]))
                why = f"confirm, round {len(history.runs[number])} of {rounds}"
                return Repeat(number, why) if self._is_timely(number, history) else None
            if any(trial.replicate <= rounds for trial in history.pending):
                return Wait()
        return None

    def _searches(self, history: History) -> bool:
        if history.exact:
            return True
        trials = sum(trial.of is None for trial in history.trials)
        timely = self.limit is None or self.limit.left(history) > _RACING * self.limit.seconds
        return timely and (self.trials is None or trials < self.trials)

    def _stages(self, space: Space, history: History) -> Iterator[tuple[Sequence[int], int]]:
        """Who is run again, the best first, and up to which round; in a race, who goes on from there."""
        first = _after(history, 0)
        ranked = [
            trial.number for trial in self.strategy.ranked(space, first) if trial.why != "default"
        ]
        default = [trial.number for trial, _ in first.done if trial.why == "default"]
        if self.rounds is not None:
            yield [*ranked[:FINALISTS], *default], self.rounds
            return
        least, most = _ENTRIES
        size = least
        if self.limit is not None and ranked:
            seconds = fmean(history.ended[number].seconds for number in ranked[:most])
            size = min(max(int(_RACING * self.limit.seconds / (_RUNS * seconds)), least), most)
        finalists = [*ranked[:size], *default]
        for rounds in _RACE:
            yield finalists, rounds
            size = max(size // 2, least)
            finalists = [
                t.number for t, _ in _after(history, rounds).done if t.number in finalists
            ][:size]

    def _is_timely(self, number: int, history: History) -> bool:
        """Whether there is time for another run of it, beside those that are pending."""
        if self.limit is None:
            return True
        runs = [number, *(trial.of for trial in history.pending if trial.of is not None)]
        return sum(history.ended[run].seconds for run in runs) <= self.limit.left(history)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The strategy's own order; once there are repetitions, the lowest mean of those that were run most often."""
        if any(trial.replicate for trial in history.trials) and not history.exact:
            return [trial for trial, _ in history.contenders]
        return self.strategy.ranked(space, history)


def _succeeds(number: int, history: History) -> bool:
    """Whether none of its runs has failed."""
    return not any(
        isinstance(history.ended.get(run.number), Failed) for run in history.runs[number]
    )


def _after(history: History, rounds: int) -> History:
    """What was known after so many rounds."""
    trials = tuple(trial for trial in history.trials if trial.replicate <= rounds)
    return History(
        trials, {t.number: history.results[t.number] for t in trials if t.number in history.results}
    )

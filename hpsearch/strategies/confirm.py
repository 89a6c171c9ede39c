"""The last part of a budget measures the best trials again.

The lowest of many losses is too low to be believed: it was the lowest in part by luck.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from hpsearch.space.space import Space
from hpsearch.strategies import Limit, Strategy, ranked
from hpsearch.study.history import History
from hpsearch.study.trial import Failed, RepeatTrial, Suggestion, Trial, Wait

FINALISTS = 3
"""How many of the best trials are run again, where it is a number of trials that is spent."""

_SHARE = 0.12  # of a budget, for the finalists' repetitions; those of the default come on top
_RACING = 0.15  # of the time, where it is time that is spent
_RACE = (2, 6, 14, 30)  # rounds after which half of those that are left drop out of the race
_ENTRIES = (2, 16)  # trials in a race, at least and at most
_RUNS = 4  # repetitions for which there should be time, for each of them
_TIMES, _LITTLE = 5, 0.1  # times in a row; standard deviations of a loss's noise


def converged(history: History) -> bool:
    """Return whether more trials are not worth it.

    This is so when, five times in a row, little was left to be expected of the best place.
    """
    expected = history.expected_improvements
    return len(expected) >= _TIMES and max(expected[-_TIMES:]) < _LITTLE


@dataclass(frozen=True, slots=True)
class UntilConverged:
    """Asks `strategy` until more trials are not worth it."""

    strategy: Strategy

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """Return what the strategy asks for; None after the search has converged."""
        return None if converged(history) else self.strategy.ask(space, history, rng)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """Return the trials in the strategy's order."""
        return ranked(self.strategy, space, history)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Asks `strategy` for most of a budget, then runs its best trials and the default again.

    There are so many `rounds`; in each, all have the same new seeds and the same new split, so that
    they can be compared. Where no number is given, what is left of the time goes to a race: up to
    sixteen trials and the default begin, and again and again the better half goes on. The place of
    a trial whose repetition failed is taken by the next in rank. For that the first round ends
    before others begin, and the default comes last: its part of the budget is what the next in rank
    can have. Where that is too little for all, the better ones have all rounds, since only those
    that were run most often are compared. Where a first repetition gives the very same loss, there
    is no noise, and the search goes on instead.
    """

    strategy: Strategy
    trials: int | None
    rounds: int | None
    limit: Limit | None = None

    @classmethod
    def within(
        cls, strategy: Strategy, budget: int | None, limit: Limit | None, has_default: bool
    ) -> Confirmed:
        """Return a search whose trials and repetitions fill a budget or a limit.

        `has_default` says whether there is a trial of the default settings.
        """
        if budget is None:
            return cls(strategy, None, None, limit)
        rounds = max(1, round(_SHARE * budget / FINALISTS))
        return cls(strategy, max(1, budget - rounds * (FINALISTS + has_default)), rounds, limit)

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """Return the strategy's next trial, and after the last one of the finalists again."""
        if self._searches(history) and (new := self.strategy.ask(space, history, rng)) is not None:
            return new
        if any(not trial.replicate for trial in history.pending):
            return Wait()
        for finalists, rounds in self._stages(space, history):
            behind = [number for number in finalists if len(history.runs[number]) <= rounds]
            if behind:
                number = min(behind, key=lambda number: len(history.runs[number]))
                reason = f"confirm, round {len(history.runs[number])} of {self.rounds or rounds}"
                return RepeatTrial(number, reason) if self._is_timely(number, history) else None
            if any(trial.replicate <= rounds for trial in history.pending):
                return Wait()
        return None

    def _searches(self, history: History) -> bool:
        """Return whether the strategy is still asked."""
        if history.is_noise_free:
            return True
        trials = len(history.runs)
        timely = self.limit is None or self.limit.left(history) > _RACING * self.limit.seconds
        return timely and (self.trials is None or trials < self.trials)

    def _stages(self, space: Space, history: History) -> Iterator[tuple[Sequence[int], int]]:
        """Give which trials are run again, best first, and up to which round."""
        first = _after(history, 0)
        order = ranked(self.strategy, space, first)
        best = [trial.number for trial in order if trial.origin != "default"]
        default = [trial.number for trial, _ in first.done if trial.origin == "default"]
        if self.rounds is not None:
            once, known = _after(history, 1), _after(history, self.rounds)
            yield _sound(best, once)[:FINALISTS], 1
            last = _sound(best, known)[:FINALISTS]
            by_mean = [trial.number for trial, _ in once.done if trial.number in last]
            left = self.rounds * (FINALISTS + len(default)) - _repetitions(history)
            yield _affordable(by_mean, self.rounds, left, history), self.rounds
            yield _sound(default, known), self.rounds
            yield by_mean, self.rounds  # what is too little for a whole place
            return
        least, most = _ENTRIES
        size = least
        if self.limit is not None and best:
            seconds = fmean(history.ended[number].seconds for number in best[:most])
            fitting = int(_RACING * self.limit.seconds / (_RUNS * seconds))
            size = min(max(fitting, least), most)
        candidates = best
        for rounds in _RACE:
            known = _after(history, rounds)
            finalists = [*_sound(candidates, known)[:size], *_sound(default, known)]
            yield finalists, rounds
            size, default = max(size // 2, least), []
            candidates = [trial.number for trial, _ in known.done if trial.number in finalists]

    def _is_timely(self, number: int, history: History) -> bool:
        """Return whether there is time for another run of a trial, beside the pending ones."""
        if self.limit is None:
            return True
        pending = (trial.parent for trial in history.pending if trial.parent is not None)
        seconds = sum(history.ended[run].seconds for run in [number, *pending])
        return seconds <= self.limit.left(history)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """Return the strategy's order; once there are repetitions, the order of their means.

        Where a repetition has shown that there is no noise, it is the order of the losses.
        """
        if history.is_noise_free:
            return [trial for trial, _ in history.done]
        if any(trial.replicate for trial in history.trials):
            return [trial for trial, _ in history.contenders]
        return ranked(self.strategy, space, history)


def _sound(numbers: Sequence[int], history: History) -> Sequence[int]:
    """Return those of which no run has failed."""
    return [
        number
        for number in numbers
        if not any(
            isinstance(history.ended.get(run.number), Failed) for run in history.runs[number]
        )
    ]


def _affordable(numbers: Sequence[int], rounds: int, left: int, history: History) -> Sequence[int]:
    """Return those for which so many repetitions that are left are enough for all rounds."""
    found = []
    for number in numbers:
        missing = max(0, rounds + 1 - len(history.runs[number]))
        if missing <= left:
            left -= missing
            found.append(number)
    return found


def _repetitions(history: History) -> int:
    """Return how many repetitions were asked for."""
    return sum(trial.replicate > 0 for trial in history.trials)


def _after(history: History, rounds: int) -> History:
    """Return what was known after so many rounds of repetitions."""
    trials = tuple(trial for trial in history.trials if trial.replicate <= rounds)
    known = (trial.number for trial in trials if trial.number in history.results)
    return History(trials, {number: history.results[number] for number in known})

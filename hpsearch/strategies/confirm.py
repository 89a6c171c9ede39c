"""The last part of a budget measures the best again: a loss that was the lowest of many promises too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hpsearch.space import Space
from hpsearch.strategies import Limit, Strategy
from hpsearch.trial import History, Repeat, Suggestion, Trial, Wait

FINALISTS = 3
_SHARE = 0.15  # of what may be spent
_ROUNDS = 2  # where that is time
_TIMES, _LITTLE = 5, 0.1  # deviations of the noise


def converged(history: History) -> bool:
    """Whether more trials are not worth it: five times running little was left to be expected of the best place."""
    promises = [trial.promise for trial in history.trials if trial.promise is not None]
    return len(promises) >= _TIMES and max(promises[-_TIMES:]) < _LITTLE


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
    compared. Those whose repetition failed are not run again. Where the first repetition gives the very same loss,
    there is no noise: the search goes on instead.
    """

    strategy: Strategy
    trials: int | None
    rounds: int
    limit: Limit | None = None

    @classmethod
    def within(cls, strategy: Strategy, budget: int | None, limit: Limit | None, default: bool) -> Confirmed:
        """So that trials and repetitions fill what there is; `default`: there is a trial of default settings."""
        finalists = FINALISTS + default
        rounds = _ROUNDS if budget is None else max(1, round(_SHARE * budget / finalists))
        trials = None if budget is None else max(1, budget - rounds * finalists)
        return cls(strategy, trials, rounds, limit)

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """The strategy's next trial; after the last, one of the finalists again."""
        if self._searches(history) and (new := self.strategy.ask(space, history, rng)) is not None:
            return new
        if any(not trial.replicate for trial in history.pending):
            return Wait()
        repeats = [(trial, len(history.runs[trial.number]) - 1) for trial in self._finalists(space, history)]
        done = min((count for _, count in repeats), default=self.rounds)
        if done >= self.rounds:
            return None
        trial = next(trial for trial, count in repeats if count == done)
        if self.limit is not None and history.results[trial.number].seconds > self.limit.left(history):
            return None
        return Repeat(trial.number, f"confirm, round {done + 1} of {self.rounds}")

    def _searches(self, history: History) -> bool:
        if history.exact:
            return True
        trials = sum(trial.of is None for trial in history.trials)
        timely = self.limit is None or self.limit.left(history) > _SHARE * self.limit.seconds
        return timely and (self.trials is None or trials < self.trials)

    def ranked(self, space: Space, history: History) -> Sequence[Trial]:
        """The strategy's own order; once there are repetitions, the lowest mean of those that were run most often."""
        if any(trial.replicate for trial in history.trials) and not history.exact:
            return [trial for trial, _ in history.contenders]
        return self.strategy.ranked(space, history)

    def _finalists(self, space: Space, history: History) -> Sequence[Trial]:
        """The default, if it succeeded, and the three others that rank highest by their first runs."""
        first = History(
            tuple(trial for trial in history.trials if not trial.replicate),
            {number: result for number, result in history.results.items() if not history.trials[number].replicate},
        )
        best = [trial for trial in self.strategy.ranked(space, first) if trial.why != "default"][:FINALISTS]
        return [*best, *(trial for trial, _ in first.done if trial.why == "default")]

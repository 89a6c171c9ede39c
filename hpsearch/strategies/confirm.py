"""The last part of a budget measures the best again: a loss that was the lowest of many promises too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hpsearch.space import Space
from hpsearch.strategies import Strategy
from hpsearch.trial import History, Repeat, Suggestion, Trial, Wait

FINALISTS = 3
_SHARE = 0.15  # of a budget


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Asks `strategy` until `trials` are there, then runs its best three again, and the default, `rounds` times each.

    In a round all have the same new seeds and the same new split, so that they can be compared. Those whose
    repetition failed are not run again. Where the first repetition gives the very same loss, there is no noise: the
    search goes on instead.
    """

    strategy: Strategy
    trials: int
    rounds: int

    @classmethod
    def within(cls, strategy: Strategy, budget: int, default: bool) -> Confirmed:
        """So that trials and repetitions fill the budget; `default`: there is a trial of default settings."""
        finalists = FINALISTS + default
        rounds = max(1, round(_SHARE * budget / finalists))
        return cls(strategy, max(1, budget - rounds * finalists), rounds)

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """The strategy's next trial; after the last, one of the finalists again."""
        firsts = [trial for trial in history.trials if not trial.replicate]
        repeated = len(history) - len(firsts)
        if (len(firsts) < self.trials or (repeated and history.exact)) and (
            new := self.strategy.ask(space, history, rng)
        ) is not None:
            return new
        if any(not trial.replicate for trial in history.pending):
            return Wait()
        repeats = [(trial, len(history.runs[trial.number]) - 1) for trial in self._finalists(space, history)]
        done = min((count for _, count in repeats), default=self.rounds)
        if done >= self.rounds:
            return None
        trial = next(trial for trial, count in repeats if count == done)
        return Repeat(trial.number, f"confirm, round {done + 1} of {self.rounds}")

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

"""The last part of a budget measures the best again: a loss that was the lowest of many promises too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hpsearch.space import Space
from hpsearch.strategies import Strategy
from hpsearch.trial import Done, History, Repeat, Suggestion, Trial, Wait

FINALISTS = 3
_SHARE = 0.15  # of a budget


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Asks `strategy` until `trials` are there, then runs the best three again, and the default, `rounds` times each.

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
        firsts = [trial for trial in history.trials if trial.of is None]
        searching = len(firsts) < self.trials or (history.exact and len(firsts) < len(history))
        if searching and (new := self.strategy.ask(space, history, rng)) is not None:
            return new
        repeats = [(trial, len(history.runs[trial.number]) - 1) for trial in finalists(history, firsts)]
        done = min((count for _, count in repeats), default=self.rounds)
        if done >= self.rounds:
            return None
        if any(trial.of is None for trial in history.pending):
            return Wait()
        trial = next(trial for trial, count in repeats if count == done)
        return Repeat(trial.number, f"confirm, round {done + 1} of {self.rounds}")


def finalists(history: History, firsts: Sequence[Trial]) -> Sequence[Trial]:
    """The default, if it succeeded, and the three others of the lowest losses at first sight; the best first."""
    losses = {
        trial.number: found.loss for trial in firsts if isinstance(found := history.results.get(trial.number), Done)
    }
    order = sorted((trial for trial in firsts if trial.number in losses), key=lambda trial: losses[trial.number])
    best = [trial for trial in order if trial.why != "default"][:FINALISTS]
    return [trial for trial in order if trial in best or trial.why == "default"]

"""The history of a study: its trials, their results, and what both add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log10
from statistics import fmean, median

from hpsearch.space.parameters import Value
from hpsearch.space.space import point_key
from hpsearch.study.trial import Done, Failed, Replicate, Result, Trial, averaged

_SHORTEST = 1e-9  # seconds: a price of nothing has no logarithm


def unbroken(legs: Sequence[Result]) -> Result:
    """The legs of a training, which are its results so far, as one."""
    if len(legs) == 1:
        return legs[0]
    seconds = sum(leg.seconds for leg in legs)
    curve = tuple(epoch for leg in legs for epoch in leg.curve)
    done = [leg for leg in legs if isinstance(leg, Done)]
    if len(done) < len(legs):
        return replace(legs[-1], seconds=seconds, curve=curve)
    flops, steps = sum(leg.flops for leg in done), sum(leg.steps for leg in done)
    return replace(done[-1], seconds=seconds, flops=flops, steps=steps, curve=curve)


def together(runs: Sequence[Trial], results: Mapping[int, Result]) -> Result | None:
    """What a trial and those that repeat it have come to; None while the first has no result.

    Failed where one of them has. The prices are those of one run, in the mean. One that paused says nothing where
    others went to their end.
    """
    if runs[0].number not in results:
        return None
    ended = [(run, results[run.number]) for run in runs if run.number in results]
    failed = next((result for _, result in ended if isinstance(result, Failed)), None)
    done = [(run, result) for run, result in ended if isinstance(result, Done)]
    done = [pair for pair in done if not pair[1].paused] or done
    if failed or len(done) == 1:
        return failed or done[0][1]
    merged = averaged(done[0][1], [one for run, result in done for one in _replicates(run, result)])
    return replace(
        merged,
        seconds=fmean(result.seconds for _, result in done),
        flops=fmean(result.flops for _, result in done),
        steps=round(fmean(result.steps for _, result in done)),
    )


def _replicates(run: Trial, result: Done) -> Sequence[Replicate]:
    """A run's trainings; those of the k-th repetition are numbered after those of the ones before."""
    if not result.replicates:
        return [Replicate(run.replicate, 0, result.loss, result.metric, result.best_epoch)]
    seeds = 1 + max(one.replicate for one in result.replicates)
    return [
        replace(one, replicate=run.replicate * seeds + one.replicate) for one in result.replicates
    ]


@dataclass(frozen=True)
class History:
    """All that is known: the trials in number order, and the results of those that ended."""

    trials: tuple[Trial, ...] = ()
    results: Mapping[int, Result] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.trials)

    def asked(self, trials: Iterable[Trial]) -> History:
        """The history with these trials pending."""
        new = tuple(trials)
        after = replace(self, trials=(*self.trials, *new))
        # every question of a wave needs these: they are carried over, not found again among all trials
        after.__dict__.update(
            done=self.done,
            ended=self.ended,
            pending=(*self.pending, *new),
            keys=self.keys.union(point_key(trial.params) for trial in new),
        )
        return after

    def told(self, results: Mapping[int, Result]) -> History:
        """The history with these results."""
        return replace(self, results={**self.results, **results})

    @cached_property
    def done(self) -> tuple[tuple[Trial, Done], ...]:
        """The trials that have a loss, best first (the earlier one where they are equal).

        One that was repeated stands here once, with its number and the mean over all its runs; it has failed if one
        of them has.
        """
        pairs = [(runs[0], together(runs, self.ended)) for runs in self.runs.values()]
        found = [(trial, result) for trial, result in pairs if isinstance(result, Done)]
        return tuple(sorted(found, key=lambda pair: (pair[1].loss, pair[0].number)))

    @cached_property
    def runs(self) -> Mapping[int, Sequence[Trial]]:
        """Each trial's runs: itself, and those that repeat it, by its number. What goes on is no run of its own."""
        found: dict[int, list[Trial]] = {}
        for trial in self.trials:
            if not trial.start:
                found.setdefault(trial.number if trial.of is None else trial.of, []).append(trial)
        return found

    @cached_property
    def legs(self) -> Mapping[int, Sequence[Trial]]:
        """Each run's legs, by the number of the first one."""
        found: dict[int, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(trial.run, []).append(trial)
        return found

    @cached_property
    def ended(self) -> Mapping[int, Result]:
        """What each run has come to so far, by its number: its legs as one."""
        found: dict[int, list[Result]] = {}
        for trial in self.trials:
            if trial.number in self.results:
                found.setdefault(trial.run, []).append(self.results[trial.number])
        return {number: unbroken(results) for number, results in found.items()}

    @cached_property
    def whole(self) -> tuple[tuple[Trial, Done], ...]:
        """The trials of `done` that went to their end; where there are none, all."""
        return tuple(pair for pair in self.done if not pair[1].paused) or self.done

    @cached_property
    def pending(self) -> tuple[Trial, ...]:
        """The trials without a result."""
        return tuple(trial for trial in self.trials if trial.number not in self.results)

    @cached_property
    def promises(self) -> tuple[float, ...]:
        """What a model expected of the places that it chose from all, in their order."""
        return tuple(
            trial.promise for trial in self.trials if trial.promise is not None and not trial.start
        )

    @property
    def lot(self) -> int:
        """Seeds that no trial has had."""
        return 1 + max((trial.lot for trial in self.trials), default=0)

    @cached_property
    def keys(self) -> frozenset[tuple[tuple[str, Value], ...]]:
        """The names (`point_key`) of all points that were asked for, whatever became of them."""
        return frozenset(point_key(trial.params) for trial in self.trials)

    def weighed(self, time_weight: float, by: str = "cost") -> History:
        """The history with each loss made a score: loss + time_weight * log10(cost / median cost).

        `time_weight` is the loss that one would pay for a training that is ten times shorter. The price of a training
        at a pause is what it had taken by then.
        """
        if time_weight == 0 or not self.done:
            return self
        prices = {trial.number: max(getattr(result, by), _SHORTEST) for trial, result in self.done}
        middle = median(prices.values())
        scores: dict[int, Result] = {}
        for number in prices:
            for run in self.runs[number]:
                spent = 0.0
                for leg in self.legs[run.number]:
                    if isinstance(result := self.results.get(leg.number), Done):
                        spent += getattr(result, by)
                        price = prices[number] if leg.upto is None else max(spent, _SHORTEST)
                        scores[leg.number] = replace(
                            result, loss=result.loss + time_weight * log10(price / middle)
                        )
        return self.told(scores)

    @cached_property
    def contenders(self) -> tuple[tuple[Trial, Done], ...]:
        """The trials among which the best is, best first: those that were run most often.

        A loss that was the lowest of many is lower than what it stands for; one that was measured again is not.
        """
        if self.exact:
            return self.whole
        most = max((len(self.runs[trial.number]) for trial, _ in self.whole), default=1)
        return tuple(pair for pair in self.whole if len(self.runs[pair[0].number]) == most)

    @cached_property
    def exact(self) -> bool:
        """Whether trials were run again, and each gave the very same loss as before."""
        errors = [result.loss_se for trial, result in self.done if len(self.runs[trial.number]) > 1]
        ended = [error for error in errors if error is not None]
        return bool(ended) and not any(ended)

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


def merge_segments(segments: Sequence[Result]) -> Result:
    """Return the results of a training's segments, in their order, as one result."""
    if len(segments) == 1:
        return segments[0]
    seconds = sum(segment.seconds for segment in segments)
    curve = tuple(epoch for segment in segments for epoch in segment.curve)
    done = [segment for segment in segments if isinstance(segment, Done)]
    if len(done) < len(segments):
        epochs = max(segment.epochs for segment in segments)  # a crash knows of none
        return replace(segments[-1], seconds=seconds, curve=curve, epochs=epochs)
    flops, steps = sum(segment.flops for segment in done), sum(segment.steps for segment in done)
    costs = [segment.reported_cost for segment in done if segment.reported_cost is not None]
    return replace(
        done[-1],
        seconds=seconds,
        flops=flops,
        steps=steps,
        curve=curve,
        reported_cost=sum(costs) if costs else None,
        halved=any(segment.halved for segment in done),
    )


def merge_repeats(runs: Sequence[Trial], results: Mapping[int, Result]) -> Result | None:
    """Return what a trial and its repetitions have come to; None while the first has no result.

    One failure among them makes the trial a failure. Seconds, FLOPs and steps are those of one run,
    in the mean. A run that paused says nothing where others went to their end.
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
    """Return a run's trainings, numbered after those of the runs before it."""
    if not result.replicates:
        return [Replicate(run.replicate, 0, result.loss, result.metric, result.best_epoch)]
    seeds = 1 + max(one.replicate for one in result.replicates)
    return [
        replace(one, replicate=run.replicate * seeds + one.replicate) for one in result.replicates
    ]


@dataclass(frozen=True)
class History:
    """All that is known: the trials by their numbers, and the results of those that ended.

    Trial 0 below is trained up to epoch 3 and goes on as trial 2, which is its second segment;
    trial 3 repeats trial 1 from another seed.

    >>> from hpsearch.study.trial import Done, Trial
    >>> trials = (
    ...     Trial(0, {"lr": 0.1}, "random", wave=0, cohort=0, until_epoch=3),
    ...     Trial(1, {"lr": 0.2}, "random", wave=0, cohort=1),
    ...     Trial(2, {"lr": 0.1}, "promoted", wave=1, cohort=2, parent=0, start_epoch=3),
    ...     Trial(3, {"lr": 0.2}, "confirm", wave=1, cohort=3, parent=1, replicate=1),
    ... )
    >>> history = History(trials).with_results({
    ...     0: Done(0.5, 0.8, seconds=1.0, flops=3e9, steps=30, epochs=3, best_epoch=3,
    ...             paused=True),
    ...     1: Done(0.25, 0.9, seconds=3.0, flops=9e9, steps=90, epochs=9, best_epoch=8),
    ... })
    >>> [trial.number for trial in history.pending]
    [2, 3]
    >>> history = history.with_results({
    ...     2: Done(0.3, 0.85, seconds=2.0, flops=6e9, steps=60, epochs=9, best_epoch=9),
    ...     3: Done(0.75, 0.8, seconds=3.0, flops=9e9, steps=90, epochs=9, best_epoch=7),
    ... })
    >>> [(trial.number, result.loss, result.loss_se) for trial, result in history.done]
    [(0, 0.3, None), (1, 0.5, 0.25)]
    >>> {run: [trial.number for trial in segments] for run, segments in history.segments.items()}
    {0: [0, 2], 1: [1], 3: [3]}
    >>> history.ended[0].seconds
    3.0
    """

    trials: tuple[Trial, ...] = ()
    results: Mapping[int, Result] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.trials)

    def with_trials(self, trials: Iterable[Trial]) -> History:
        """Return the history in which these trials, which follow the known ones, are pending."""
        new = tuple(trials)
        after = replace(self, trials=(*self.trials, *new))
        # every question of a wave needs these: they are carried over, not found again among all
        # trials
        after.__dict__.update(
            done=self.done,
            ended=self.ended,
            pending=(*self.pending, *new),
            keys=self.keys.union(point_key(trial.params) for trial in new),
        )
        return after

    def with_results(self, results: Mapping[int, Result]) -> History:
        """Return the history with these results, by the numbers of their trials."""
        return replace(self, results={**self.results, **results})

    def up_to_wave(self, wave: int) -> History:
        """Return the history in which the trials of all later waves are still pending.

        This is what a question may know when waves overlap: it does not depend on who was faster.
        """
        late = {trial.number for trial in self.trials if trial.wave > wave}
        if late.isdisjoint(self.results):
            return self
        return replace(self, results={n: r for n, r in self.results.items() if n not in late})

    @cached_property
    def done(self) -> tuple[tuple[Trial, Done], ...]:
        """The trials that have a loss, best first; of equals the cheaper, then the earlier one.

        A trial that was repeated stands here once, with its number and the mean over all its runs;
        it has failed if one of them has.
        """
        pairs = [(runs[0], merge_repeats(runs, self.ended)) for runs in self.runs.values()]
        found = [(trial, result) for trial, result in pairs if isinstance(result, Done)]
        # where no cost is counted, all costs are 0
        return tuple(sorted(found, key=lambda pair: (pair[1].loss, pair[1].cost, pair[0].number)))

    @cached_property
    def runs(self) -> Mapping[int, Sequence[Trial]]:
        """The runs of each trial, by its number: itself, and those that repeat it.

        A segment that goes on with a training is no run of its own.
        """
        found: dict[int, list[Trial]] = {}
        for trial in self.trials:
            if not trial.start_epoch:
                number = trial.number if trial.parent is None else trial.parent
                found.setdefault(number, []).append(trial)
        return found

    def family(self, number: int) -> Sequence[int]:
        """Return the number of the trial that this number belongs to, and those of all its runs.

        The segments of a run are among them; there are none where there is no such trial.
        """
        if not 0 <= number < len(self.trials):
            return ()
        run = self.trials[self.trials[number].run]
        runs = self.runs[run.number if run.parent is None else run.parent]
        return [one.number for first in runs for one in self.segments[first.number]]

    @cached_property
    def segments(self) -> Mapping[int, Sequence[Trial]]:
        """The segments of each run, by the number of the first one."""
        found: dict[int, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(trial.run, []).append(trial)
        return found

    @cached_property
    def ended(self) -> Mapping[int, Result]:
        """What each run has come to so far, its segments merged, by the number of the first one."""
        found: dict[int, list[Result]] = {}
        for trial in self.trials:
            if trial.number in self.results:
                found.setdefault(trial.run, []).append(self.results[trial.number])
        return {number: merge_segments(results) for number, results in found.items()}

    @cached_property
    def completed(self) -> tuple[tuple[Trial, Done], ...]:
        """The trials of `done` that went to their end; all of them where none did."""
        return tuple(pair for pair in self.done if not pair[1].paused) or self.done

    @cached_property
    def pending(self) -> tuple[Trial, ...]:
        """The trials without a result."""
        return tuple(trial for trial in self.trials if trial.number not in self.results)

    @cached_property
    def expected_improvements(self) -> tuple[float, ...]:
        """What a model expected of each trial that it chose, in their order."""
        return tuple(
            trial.expected_improvement
            for trial in self.trials
            if trial.expected_improvement is not None and not trial.start_epoch
        )

    @property
    def next_seed_group(self) -> int:
        """A group of random numbers that no trial has had."""
        return 1 + max((trial.seed_group for trial in self.trials), default=0)

    @cached_property
    def keys(self) -> frozenset[tuple[tuple[str, Value], ...]]:
        """The names (`point_key`) of all points that were asked for, whatever became of them."""
        return frozenset(point_key(trial.params) for trial in self.trials)

    def with_time_weight(self, time_weight: float, by: str = "cost") -> History:
        """Return the history with each loss replaced by a score that time has a part in.

        The score is loss + time_weight * log10(price / median price), where the price of a trial is
        its `cost` or its `seconds`: `time_weight` is the loss that one would pay for a training
        that is ten times shorter. The price of a training at a pause is what it had taken by then.
        """
        if time_weight == 0 or not self.done:
            return self
        prices = {trial.number: max(getattr(result, by), _SHORTEST) for trial, result in self.done}
        middle = median(prices.values())
        scores: dict[int, Result] = {}
        for number in prices:
            for run in self.runs[number]:
                spent = 0.0
                for segment in self.segments[run.number]:
                    if isinstance(result := self.results.get(segment.number), Done):
                        spent += getattr(result, by)
                        whole = segment.until_epoch is None
                        price = prices[number] if whole else max(spent, _SHORTEST)
                        score = result.loss + time_weight * log10(price / middle)
                        scores[segment.number] = replace(result, loss=score)
        return self.with_results(scores)

    @cached_property
    def contenders(self) -> tuple[tuple[Trial, Done], ...]:
        """The trials among which the best one is, best first: those that were run most often.

        The lowest of many losses is lower than what it stands for; a loss that was measured again
        is not.
        """
        if self.is_noise_free:
            return self.completed
        most = max((len(self.runs[trial.number]) for trial, _ in self.completed), default=1)
        return tuple(pair for pair in self.completed if len(self.runs[pair[0].number]) == most)

    @cached_property
    def is_noise_free(self) -> bool:
        """Whether trials were run again, and each gave the very same loss as before."""
        errors = [result.loss_se for trial, result in self.done if len(self.runs[trial.number]) > 1]
        ended = [error for error in errors if error is not None]
        return bool(ended) and not any(ended)

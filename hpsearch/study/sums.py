"""What the trials of a study and their results add up to, kept up to date with each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import fmean

from hpsearch.space.parameters import Value
from hpsearch.space.space import point_key
from hpsearch.study.persistent import PersistentList, PersistentMap, PersistentOrder
from hpsearch.study.trial import Done, Failed, Replicate, Result, Trial, averaged

Key = tuple[tuple[str, Value], ...]
"""The name of a point, see `point_key`."""


def merge_segments(segments: Sequence[Result]) -> Result:
    """Return the results of a training's segments, in their order, as one result.

    Where one of them has reported no cost, that of the whole is not known.
    """
    if len(segments) == 1:
        return segments[0]
    seconds = sum(segment.seconds for segment in segments)
    curve = tuple(epoch for segment in segments for epoch in segment.curve)
    done = [segment for segment in segments if isinstance(segment, Done)]
    if len(done) < len(segments):
        epochs = max(segment.epochs for segment in segments)  # a crash knows of none
        return replace(segments[-1], seconds=seconds, curve=curve, epochs=epochs)
    flops, steps = sum(segment.flops for segment in done), sum(segment.steps for segment in done)
    costs = _reported_costs(done)
    return replace(
        done[-1],
        seconds=seconds,
        flops=flops,
        steps=steps,
        curve=curve,
        reported_cost=None if costs is None else sum(costs),
        halved=any(segment.halved for segment in done),
    )


def merge_repeats(runs: Sequence[Trial], results: Mapping[int, Result]) -> Result | None:
    """Return what a trial and its repetitions have come to; None while the first has no result.

    One failure among them makes the trial a failure. Seconds, FLOPs and steps are those of one run,
    in the mean; so are a reported cost and each measure, where all runs have it. A run that paused
    says nothing where others went to their end.
    """
    if len(runs) == 1 or runs[0].number not in results:
        return results.get(runs[0].number)
    ended = [(run, results[run.number]) for run in runs if run.number in results]
    failed = next((result for _, result in ended if isinstance(result, Failed)), None)
    done = [(run, result) for run, result in ended if isinstance(result, Done)]
    done = [pair for pair in done if not pair[1].paused] or done
    if failed or len(done) == 1:
        return failed or done[0][1]
    merged = averaged(done[0][1], [one for run, result in done for one in _replicates(run, result)])
    whole = [result for _, result in done]
    costs = _reported_costs(whole)
    return replace(
        merged,
        seconds=fmean(result.seconds for result in whole),
        flops=fmean(result.flops for result in whole),
        steps=round(fmean(result.steps for result in whole)),
        reported_cost=None if costs is None else fmean(costs),
        measures=_mean_measures(whole),
        halved=any(result.halved for result in whole),
    )


def _reported_costs(results: Iterable[Done]) -> Sequence[float] | None:
    """Return what each has reported as its cost; None where one has reported none."""
    costs = [result.reported_cost for result in results]
    known = [cost for cost in costs if cost is not None]
    return known if len(known) == len(costs) else None


def _mean_measures(results: Sequence[Done]) -> Mapping[str, float]:
    """Return the mean of each measure that all of them have."""
    measures = [result.measures for result in results]
    shared = [name for name in measures[0] if all(name in one for one in measures)]
    return {name: fmean(one[name] for one in measures) for name in shared}


def _replicates(run: Trial, result: Done) -> Sequence[Replicate]:
    """Return a run's trainings, numbered after those of the runs before it."""
    if not result.replicates:
        return [Replicate(run.replicate, 0, result.loss, result.metric, result.best_epoch)]
    seeds = 1 + max(one.replicate for one in result.replicates)
    return [
        replace(one, replicate=run.replicate * seeds + one.replicate) for one in result.replicates
    ]


def _rank(pair: tuple[Trial, Done]) -> tuple[float, float, int]:
    trial, result = pair
    return result.loss, result.cost, trial.number  # where no cost is counted, all costs are 0


def _in_order() -> PersistentOrder[int, tuple[Trial, Done]]:
    return PersistentOrder(_rank)


@dataclass(frozen=True, slots=True)
class Sums:
    """What a history's trials and results add up to. A `History` says what each of these is.

    Attributes:
        numbered: the trials by their numbers.
        keys: gives the names of all points, in the order in which they were asked for. Those of the
            last trials are found when they are first asked for, as who only reads a study never
            does.
        repeated: the trials that have several runs.
        failed: how many results are failures.
        whole: how many segments go to the end of a training.
        epochs: the epochs of all segments, if a whole training had none.
        wave: the number of the last wave.
        cohort: that of the last cohort.
        seed_group: the largest one.
    """

    numbered: PersistentMap[int, Trial] = field(default_factory=PersistentMap)
    keys: Callable[[], PersistentMap[Key, None]] = PersistentMap
    runs: PersistentMap[int, tuple[Trial, ...]] = field(default_factory=PersistentMap)
    segments: PersistentMap[int, tuple[Trial, ...]] = field(default_factory=PersistentMap)
    ended: PersistentMap[int, Result] = field(default_factory=PersistentMap)
    done: PersistentOrder[int, tuple[Trial, Done]] = field(default_factory=_in_order)
    pending: tuple[Trial, ...] = ()
    expected: PersistentList[float] = field(default_factory=PersistentList)
    repeated: tuple[int, ...] = ()
    failed: int = 0
    whole: int = 0
    epochs: int = 0
    wave: int = -1
    cohort: int = -1
    seed_group: int = 0

    def with_trials(self, trials: Sequence[Trial]) -> Sums:
        """Return the sums with these trials, which are pending."""
        runs: dict[int, tuple[Trial, ...]] = {}
        segments: dict[int, tuple[Trial, ...]] = {}
        for trial in trials:
            if trial.start_epoch:
                segments[trial.run] = (*_known(trial.run, segments, self.segments), trial)
                continue
            segments[trial.number] = alone = (trial,)
            if trial.parent is None:
                runs[trial.number] = alone
            else:
                runs[trial.parent] = (*_known(trial.parent, runs, self.runs), trial)
        several = [n for n, mine in runs.items() if len(mine) > 1 and n not in self.repeated]
        expected = (
            one.expected_improvement
            for one in trials
            if one.expected_improvement is not None and not one.start_epoch
        )
        known = self.keys()  # now, so that no more than the last trials ever wait
        return replace(
            self,
            numbered=self.numbered.changed({trial.number: trial for trial in trials}),
            keys=cache(lambda: known.changed({point_key(one.params): None for one in trials})),
            runs=self.runs.changed(runs),
            segments=self.segments.changed(segments),
            pending=(*self.pending, *trials),
            expected=self.expected.plus(expected),
            repeated=(*self.repeated, *several),
            whole=self.whole + sum(trial.until_epoch is None for trial in trials),
            epochs=self.epochs + sum((one.until_epoch or 0) - one.start_epoch for one in trials),
            wave=max((self.wave, *(trial.wave for trial in trials))),
            cohort=max((self.cohort, *(trial.cohort for trial in trials))),
            seed_group=max((self.seed_group, *(trial.seed_group for trial in trials))),
        )

    def with_results(
        self, before: Mapping[int, Result], after: Mapping[int, Result], changed: Iterable[int]
    ) -> Sums:
        """Return the sums where some results have changed: come, or become others, or gone.

        Args:
            before: the results so far.
            after: all results now.
            changed: the numbers of those that differ; what is of no trial here counts for nothing.
        """
        trials = [trial for n in changed if (trial := self.numbered.get(n)) is not None]
        numbers = {trial.number for trial in trials}
        again = [trial for trial in trials if trial.number not in after]
        left = [trial for trial in self.pending if trial.number not in numbers]
        failed = _failures(numbers, after) - _failures(numbers, before)
        runs = dict.fromkeys(trial.run for trial in trials)
        ended = {}
        for run in runs:
            results = [after.get(one.number) for one in self.segments[run]]
            if mine := [result for result in results if result is not None]:
                ended[run] = merge_segments(mine)
        found = replace(
            self,
            ended=self.ended.changed(ended, [run for run in runs if run not in ended]),
            pending=tuple(sorted((*left, *again), key=_number) if again else left),
            failed=self.failed + failed,
        )
        return found._with_done(dict.fromkeys(_trial_of(self.segments[run][0]) for run in runs))

    def _with_done(self, numbers: Iterable[int]) -> Sums:
        """Return the sums where these trials stand in their order by what their runs came to."""
        done: dict[int, tuple[Trial, Done]] = {}
        gone = []
        for number in numbers:
            runs = self.runs.get(number)
            result = None if runs is None else merge_repeats(runs, self.ended)
            if isinstance(result, Done):
                done[number] = (runs[0], result)
            else:
                gone.append(number)
        return replace(self, done=self.done.changed(done, gone))


def _trial_of(first: Trial) -> int:
    """Return the number of the trial that a run, by its first segment, is one of."""
    return first.number if first.parent is None else first.parent


def _number(trial: Trial) -> int:
    return trial.number


def _failures(numbers: Iterable[int], results: Mapping[int, Result]) -> int:
    return sum(isinstance(result, Failed) for result in map(results.get, numbers))


def _known(
    number: int, new: Mapping[int, tuple[Trial, ...]], before: Mapping[int, tuple[Trial, ...]]
) -> tuple[Trial, ...]:
    return new[number] if number in new else before.get(number, ())

"""The history of a study: its trials, their results, and what both add up to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from math import log10
from statistics import median
from typing import Literal

from hpsearch.study.persistent import PersistentList, PersistentMap
from hpsearch.study.sums import Key, Sums
from hpsearch.study.trial import Done, Result, Trial

Price = Literal["cost", "seconds"]
"""What a trial is paid in."""

_SHORTEST = 1e-9  # seconds: a price of nothing has no logarithm


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

    trials: Sequence[Trial] = ()
    results: Mapping[int, Result] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.trials)

    def with_trials(self, trials: Iterable[Trial]) -> History:
        """Return the history in which these trials, which follow the known ones, are pending."""
        new = tuple(trials)
        after = replace(self, trials=_persistent_list(self.trials).plus(new))
        return after._with(self._sums.with_trials(new))

    def with_results(self, results: Mapping[int, Result]) -> History:
        """Return the history with these results, by the numbers of their trials."""
        return self._changed(results, ())

    def up_to_wave(self, wave: int) -> History:
        """Return the history in which the trials of all later waves are still pending.

        This is what a question may know when waves overlap: it does not depend on who was faster.
        Waves must follow one another in the order of the trials.
        """
        later = takewhile(lambda trial: trial.wave > wave, reversed(self.trials))
        late = [trial.number for trial in later if trial.number in self.results]
        return self._changed({}, late) if late else self

    def only(self, kept: Callable[[Trial], bool]) -> History:
        """Return the history of the trials of which `kept` is true; this one where all are kept."""
        trials = tuple(filter(kept, self.trials))
        return self if len(trials) == len(self.trials) else History(trials, self.results)

    def _changed(self, results: Mapping[int, Result], gone: Collection[int]) -> History:
        before = _persistent_map(self.results)
        after = replace(self, results=before.changed(results, gone))
        return after._with(self._sums.with_results(before, after.results, (*results, *gone)))

    def _with(self, sums: Sums) -> History:
        """Return this history, which has these sums."""
        self.__dict__["_sums"] = sums  # in the place of what `_sums` would find anew
        return self

    @cached_property
    def _sums(self) -> Sums:
        return Sums().with_trials(self.trials).with_results({}, self.results, self.results)

    @property
    def done(self) -> Sequence[tuple[Trial, Done]]:
        """The trials that have a loss, best first; of equals the cheaper, then the earlier one.

        A trial that was repeated stands here once, with its number and the mean over all its runs;
        it has failed if one of them has.
        """
        return self._sums.done

    @property
    def runs(self) -> Mapping[int, Sequence[Trial]]:
        """The runs of each trial, by its number: itself, and those that repeat it.

        A segment that goes on with a training is no run of its own.
        """
        return self._sums.runs

    def family(self, number: int) -> Sequence[int]:
        """Return the number of the trial that this number belongs to, and those of all its runs.

        The segments of a run are among them; there are none where there is no such trial.
        """
        if not 0 <= number < len(self.trials):
            return ()
        run = self.trials[self.trials[number].run]
        runs = self.runs[run.number if run.parent is None else run.parent]
        return [one.number for first in runs for one in self.segments[first.number]]

    @property
    def segments(self) -> Mapping[int, Sequence[Trial]]:
        """The segments of each run, by the number of the first one."""
        return self._sums.segments

    @property
    def ended(self) -> Mapping[int, Result]:
        """What each run has come to so far, its segments merged, by the number of the first one."""
        return self._sums.ended

    @property
    def pending(self) -> tuple[Trial, ...]:
        """The trials without a result."""
        return self._sums.pending

    @property
    def failed(self) -> int:
        """How many of the results are failures."""
        return self._sums.failed

    def epochs(self, whole: int) -> int:
        """Return the epochs of all trials, at most, where a whole training has `whole`.

        With 1 these are the trials.
        """
        return self._sums.epochs + whole * self._sums.whole

    @property
    def next_wave(self) -> int:
        """The number of the wave that follows."""
        return self._sums.wave + 1

    @property
    def next_cohort(self) -> int:
        """The number of the cohort that follows."""
        return self._sums.cohort + 1

    @property
    def next_seed_group(self) -> int:
        """A group of random numbers that no trial has had."""
        return self._sums.seed_group + 1

    @cached_property
    def keys(self) -> Collection[Key]:
        """The names (`point_key`) of all points that were asked for, whatever became of them."""
        return self._sums.keys()

    @cached_property
    def expected_improvements(self) -> Sequence[float]:
        """What a model expected of each trial that it chose, in their order."""
        return self._sums.expected

    @cached_property
    def completed(self) -> Sequence[tuple[Trial, Done]]:
        """The trials of `done` that went to their end; all of them where none did."""
        return tuple(pair for pair in self.done if not pair[1].paused) or self.done

    def price(self, is_counted: bool) -> Price:
        """Return what trials are paid in, wherever time is weighed against loss.

        It is the cost where that is counted, or where each run that has a loss has reported its
        own; else the seconds.
        """
        if is_counted:
            return "cost"
        done = [result for result in self.results.values() if isinstance(result, Done)]
        reported = bool(done) and all(result.reported_cost is not None for result in done)
        return "cost" if reported else "seconds"

    def scored(self, time_weight: float, is_counted: bool) -> History:
        """Return the history with scores in place of losses, by the price that trials are paid in.

        For the arguments see `with_time_weight` and `price`.
        """
        if time_weight == 0:
            return self
        return self.with_time_weight(time_weight, self.price(is_counted))

    def with_time_weight(self, time_weight: float, by: Price = "cost") -> History:
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
    def contenders(self) -> Sequence[tuple[Trial, Done]]:
        """The trials among which the best one is, best first: those that were run most often.

        The lowest of many losses is lower than what it stands for; a loss that was measured again
        is not.
        """
        if not self._sums.repeated or self.is_noise_free:
            return self.completed
        most = max((len(self.runs[trial.number]) for trial, _ in self.completed), default=1)
        return tuple(pair for pair in self.completed if len(self.runs[pair[0].number]) == most)

    @cached_property
    def is_noise_free(self) -> bool:
        """Whether trials were run again, and each gave the very same loss as before."""
        ended = [pair for n in self._sums.repeated if (pair := self._sums.done.of(n)) is not None]
        errors = [result.loss_se for _, result in ended if result.loss_se is not None]
        return bool(errors) and not any(errors)


def _persistent_list(trials: Sequence[Trial]) -> PersistentList[Trial]:
    return trials if isinstance(trials, PersistentList) else PersistentList(trials)


def _persistent_map(results: Mapping[int, Result]) -> PersistentMap[int, Result]:
    return results if isinstance(results, PersistentMap) else PersistentMap(results)

"""The records that travel: a question to the engine, its answer, and the history of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log10, sqrt
from statistics import fmean, median, stdev

from hpsearch.parameters import Value
from hpsearch.space import Params, point_key

# Nominal speed of the machine on which cost is stated, so that it is in seconds (of about one core)
# and the same everywhere: 20 GFLOP/s of matrix work, and 0.1 ms for what a step costs whatever its size.
_FLOPS_PER_SECOND = 2e10
_SECONDS_PER_STEP = 1e-4
_SHORTEST = 1e-9  # seconds: a price of nothing has no logarithm


def nominal_seconds(flops: float, steps: int) -> float:
    """What `cost` is: noise-free seconds, from analytic FLOPs and optimizer steps."""
    return flops / _FLOPS_PER_SECOND + steps * _SECONDS_PER_STEP


@dataclass(frozen=True, slots=True)
class New:
    """A strategy's suggestion: train these params. `why` says in a few words what made it choose them.

    `promise` is the improvement that a model expects of the best there is left, in standard deviations of a loss's
    noise; None where no model was asked. The training is to pause after epoch `upto` (None: it goes to its end).

    Trainings of one `lot` have the same seeds. What rests on losses has a lot of its own: near a point that its seeds
    favoured, the same seeds would favour every other.
    """

    params: Params
    why: str
    promise: float | None = None
    upto: int | None = None
    lot: int = 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """A strategy's suggestion: train the trial of this number once more, from other seeds and on another split."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Continue:
    """A strategy's suggestion: let the trial of this number, which has paused, go on to the end of epoch `upto`."""

    number: int
    upto: int
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A strategy's answer where it has nothing to suggest before what is pending has ended."""


Suggestion = New | Repeat | Continue | Wait


@dataclass(frozen=True, slots=True)
class Trial:
    """One training that was asked for. `wave` and `cohort` say with whom it was asked and is trained.

    One that repeats another says `of` which number, and is its `replicate` 1, 2, ... A training may consist of legs,
    each a trial of its own: this one goes on after `start` epochs, where that is not 0 as a leg `of` another, and
    pauses after `upto` (None: it goes to the end). Its seeds are those of its `lot` and `replicate`.
    """

    number: int
    params: Params
    why: str
    wave: int
    cohort: int
    of: int | None = None
    replicate: int = 0
    promise: float | None = None
    start: int = 0
    upto: int | None = None
    lot: int = 0

    @property
    def run(self) -> int:
        """The number of the first leg of its training."""
        return self.of if self.start and self.of is not None else self.number

    def length(self, whole: int) -> int:
        """Its epochs, at most, where a whole training has so many."""
        return (whole if self.upto is None else self.upto) - self.start


@dataclass(frozen=True, slots=True)
class Cohort:
    """Trials that are trained as one batched computation: the unit of dispatch, commit and retry."""

    number: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A worker has read its data: from here on the time of its cohort counts."""


@dataclass(frozen=True, slots=True)
class Layer:
    """How the signals in one layer are, on the rows of a probe.

    `variance` is that of a unit's outputs over the rows, the mean over the units; None for a layer without a
    non-linearity. `gradient` is the norm of the loss's gradient by all of the layer's weights. `update` is the
    mean norm of an epoch's steps over the mean norm of those weights; None before the first step. `dead` is the
    share of units that are 0 for every row; of tanh and sigmoid the share of outputs in their flat parts.
    """

    name: str
    variance: float | None
    gradient: float
    update: float | None
    dead: float | None


@dataclass(frozen=True, slots=True)
class Probe:
    """How a trial's network is after an epoch; epoch 0 is before the first step. `loss` is that of the probed rows."""

    number: int
    epoch: int
    loss: float
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one trial reached after one epoch. `loss` and `metric` are the validation split's."""

    number: int
    epoch: int
    train_loss: float
    loss: float
    metric: float


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know of a training beside its result, in a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Replicate:
    """One of several trainings of a trial: its seeds (0, 1, ...), its fold of the data, and what it came to."""

    replicate: int
    fold: int
    loss: float
    metric: float
    best_epoch: int


@dataclass(frozen=True, slots=True)
class Done:
    """A trial that ran to its end.

    `loss` is what is optimised: finite, smaller is better; `metric` is the task's accuracy or R2 at the
    same epoch, the best one. `seconds` is its measured share of the cohort's time, `flops` and `steps`
    are counted; `epochs` were run, of which `best_epoch` was the best.

    Of a trial that was trained several times `loss` and `metric` are means over its `replicates`, `loss_se` is
    the standard error of that loss, `seconds`, `flops` and `steps` are sums; `epochs` is the longest run's and
    `best_epoch` the median.

    One that is `paused` could go on. What a leg tells is that of all legs before it, too, but for `seconds`, `flops`,
    `steps` and `curve`, which are its own. `weights` is the SHA-256 of the file that it left, in hex.
    """

    loss: float
    metric: float
    seconds: float
    flops: float
    steps: int
    epochs: int
    best_epoch: int
    curve: tuple[Epoch, ...] = field(default=(), repr=False)
    loss_se: float | None = None
    replicates: tuple[Replicate, ...] = ()
    paused: bool = False
    weights: str | None = None

    @property
    def cost(self) -> float:
        """Noise-free seconds on a nominal machine: what stars and the time weight go by."""
        return nominal_seconds(self.flops, self.steps)


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial without a loss; `reason` begins with its kind: diverged, error, timeout, memory or killed."""

    reason: str
    seconds: float = 0.0
    curve: tuple[Epoch, ...] = field(default=(), repr=False)

    @property
    def crashed(self) -> bool:
        """Whether it came to no loss at all: one that explodes is a result of its settings."""
        return not self.reason.startswith("diverged")


Result = Done | Failed


def averaged(first: Done, trained: Sequence[Replicate]) -> Done:
    """The result of a trial that was trained several times: means, and the standard error of the loss."""
    losses = [one.loss for one in trained]
    return replace(
        first,
        loss=fmean(losses),
        loss_se=stdev(losses) / sqrt(len(losses)),
        metric=fmean(one.metric for one in trained),
        best_epoch=round(median(one.best_epoch for one in trained)),
        replicates=tuple(trained),
    )


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
    return [replace(one, replicate=run.replicate * seeds + one.replicate) for one in result.replicates]


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
        return tuple(trial.promise for trial in self.trials if trial.promise is not None and not trial.start)

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
                        scores[leg.number] = replace(result, loss=result.loss + time_weight * log10(price / middle))
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

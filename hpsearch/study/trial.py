"""The records that travel: what a strategy suggests, what is run, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import fmean, median, stdev
from typing import Literal, NamedTuple

from hpsearch.space.space import Params

Origin = Literal[
    "default", "picked", "random", "guided", "grid", "model", "strategy", "repeat", "promoted"
]
"""Where a trial comes from: the default settings, a person's choice, a random draw, a draw near the
best so far, a grid, a surrogate model, another rule of its strategy, or an earlier trial that is
run again or goes on."""

FailureKind = Literal["diverged", "error", "timeout", "memory", "killed"]
"""Why a trial has no loss. All but `diverged` are crashes, which are tried again."""

WEIGHTS = "weights"
"""The name of the artefact that holds a trial's best weights."""

# Cost is stated in seconds of a nominal machine, so that it is the same everywhere: 20 GFLOP/s of
# matrix work (about one core), and 0.1 ms for what a step takes whatever its size.
_FLOPS_PER_SECOND = 2e10
_SECONDS_PER_STEP = 1e-4


def nominal_seconds(flops: float, steps: int) -> float:
    """Return the cost of a training in nominal seconds, which no clock has measured."""
    return flops / _FLOPS_PER_SECOND + steps * _SECONDS_PER_STEP


@dataclass(frozen=True, slots=True)
class NewTrial:
    """A strategy's suggestion to train these params.

    Attributes:
        reason: says in a few words why they were chosen.
        expected_improvement: what a model expects them to gain over the best that is left, in
            standard deviations of a loss's noise; None where no model was asked.
        until_epoch: the training pauses after this epoch; None lets it go to its end.
        seed_group: trainings of one group have the same random numbers. What was chosen because of
            losses has a group of its own: near a point that its random numbers favoured, the same
            numbers would favour every other point as well.
        origin: where the suggestion comes from.
    """

    params: Params
    reason: str
    expected_improvement: float | None = None
    until_epoch: int | None = None
    seed_group: int = 0
    origin: Origin = "strategy"


@dataclass(frozen=True, slots=True)
class RepeatTrial:
    """A strategy's suggestion to train a trial once more, from other seeds and on another split."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class PromoteTrial:
    """A strategy's suggestion to let a paused trial go on to the end of `until_epoch`."""

    number: int
    until_epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A strategy's answer where it suggests nothing before pending trials have ended."""


Suggestion = NewTrial | RepeatTrial | PromoteTrial | Wait


@dataclass(frozen=True, slots=True)
class Trial:
    """One training that was asked for.

    Attributes:
        number: counts all trials of a study from 0.
        reason: why it was asked for, in a few words.
        wave: the trials of one wave were asked for together.
        cohort: the trials of one cohort are trained as one batched computation.
        parent: the number of the trial that this one repeats, or of the first segment of the
            training that it goes on with; None for a trial that stands by itself.
        replicate: 0 for a trial's first run, 1, 2, ... for its repetitions.
        expected_improvement: see `NewTrial`.
        start_epoch: the epochs that earlier segments of this training have behind them.
        until_epoch: the epoch after which it pauses; None for a segment that goes to the end.
        seed_group: see `NewTrial`; the seeds are those of the group and the replicate.
        origin: where it comes from.
    """

    number: int
    params: Params
    reason: str
    wave: int
    cohort: int
    parent: int | None = None
    replicate: int = 0
    expected_improvement: float | None = None
    start_epoch: int = 0
    until_epoch: int | None = None
    seed_group: int = 0
    origin: Origin = "strategy"

    @property
    def run(self) -> int:
        """The number of the first segment of its training."""
        return self.parent if self.start_epoch and self.parent is not None else self.number

    def length(self, whole: int) -> int:
        """Return the epochs of this segment at most, where a whole training has `whole`."""
        return (whole if self.until_epoch is None else self.until_epoch) - self.start_epoch


@dataclass(frozen=True, slots=True)
class Cohort:
    """Trials that run as one batched computation: the unit of dispatch, commit and retry."""

    number: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one trial reached after one epoch; `loss` and `metric` are of the validation split."""

    number: int
    epoch: int
    train_loss: float
    loss: float
    metric: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A line that a person should read beside the results."""

    text: str


class Interval(NamedTuple):
    """The ends of an interval in which a figure lies with a probability of 95 %."""

    low: float
    high: float


class Measured(NamedTuple):
    """A figure, and its interval; None where the rows do not give one."""

    value: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Replicate:
    """One of several trainings of a trial: its seed (0, 1, ...), its fold, and what it came to."""

    replicate: int
    fold: int
    loss: float
    metric: float
    best_epoch: int


@dataclass(frozen=True, slots=True)
class Done:
    """A trial that ran to its end, or to its pause.

    Of a trial that was trained several times (folds and seeds) `loss` and `metric` are means over
    its `replicates`, `seconds`, `flops` and `steps` are sums, `epochs` is that of the longest
    training and `best_epoch` the median. Of a segment `loss`, `metric`, `epochs` and `best_epoch`
    are those of the training so far, while `seconds`, `flops`, `steps` and `curve` are the
    segment's own.

    Attributes:
        loss: what is optimised; finite, and smaller is better.
        metric: what is measured beside it at the best epoch; NaN where there is nothing.
        seconds: the measured share of the cohort's time.
        flops: floating-point operations, counted; 0 where nothing is counted.
        steps: optimizer steps, counted.
        epochs: the epochs that were run, of which `best_epoch` was the best.
        curve: its epochs. A study is read without them, see `study.store.read`.
        loss_se: the standard error of a loss that is a mean.
        paused: whether the training could go on.
        artefacts: the SHA-256 in hex of each file that it left, by the file's name.
        reported_cost: what a trainer of one's own says that it has cost, in any unit; None where
            it says nothing.
        measures: all other numbers that such a trainer has reported, by their names.
        halved: whether it was trained in a part of its array, since the memory of its device did
            not suffice for the whole: its last digits may then be others.
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
    artefacts: Mapping[str, str] = field(default_factory=dict)
    reported_cost: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    halved: bool = False

    @property
    def cost(self) -> float:
        """Nominal seconds, or what was reported: Pareto marks and the time weight go by it."""
        if self.reported_cost is not None:
            return self.reported_cost
        return nominal_seconds(self.flops, self.steps)

    @property
    def weights(self) -> str | None:
        """The digest of its best weights; None where it left none."""
        return self.artefacts.get(WEIGHTS)


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial without a loss: the kind of its failure, and what is known of it in a line.

    Seconds and `curve` are those of the segment, `epochs` those of the training so far.
    """

    kind: FailureKind
    message: str
    seconds: float = 0.0
    curve: tuple[Epoch, ...] = field(default=(), repr=False)
    epochs: int = 0

    @property
    def reason(self) -> str:
        """Kind and message in one line."""
        return f"{self.kind}: {self.message}"

    @property
    def crashed(self) -> bool:
        """Whether it came to no loss at all; a loss that diverges is a result of its settings."""
        return self.kind != "diverged"


Result = Done | Failed


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial of a cohort has a result; `run` is the number of its training's first segment."""

    run: int
    result: Result


def averaged(first: Done, replicates: Sequence[Replicate]) -> Done:
    """Return the result of a trial that was trained several times, from that of its first training.

    Loss and metric become means, and the loss gets its standard error.
    """
    losses = [one.loss for one in replicates]
    return replace(
        first,
        loss=fmean(losses),
        loss_se=stdev(losses) / sqrt(len(losses)),
        metric=fmean(one.metric for one in replicates),
        best_epoch=round(median(one.best_epoch for one in replicates)),
        replicates=tuple(replicates),
    )

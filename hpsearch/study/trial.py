"""The records that travel: a question to the engine, its answer, and the history of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import fmean, median, stdev

from hpsearch.space.space import Params

# Nominal speed of the machine on which cost is stated, so that it is in seconds (of about one core)
# and the same everywhere: 20 GFLOP/s of matrix work, and 0.1 ms for what a step costs whatever its size.
_FLOPS_PER_SECOND = 2e10
_SECONDS_PER_STEP = 1e-4


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

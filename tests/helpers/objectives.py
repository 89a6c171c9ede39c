"""An objective without any training, and a runner that does its work in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

from hpsearch.config.schema import own_options, search_model
from hpsearch.objectives import Objective, ObjectiveInfo
from hpsearch.runners import Work, WorkCrashed, WorkFinished, WorkKey
from hpsearch.search.plan import Plan
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.strategies import CohortRule, CostModel
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, Epoch, Trial, TrialEnded
from tests.helpers.histories import CUBE, done, loss_of

Grouping = Callable[[Sequence[Trial]], Sequence[Sequence[int]]]
Train = Callable[[Cohort], Iterable[object]]


def singly(trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
    """Run every trial alone."""
    return [[position] for position in range(len(trials))]


def together(trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
    """Run all trials of a wave together."""
    return [range(len(trials))]


def by_side(trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
    """Run those trials together that lie on the same side of the cube."""
    left = [position for position, trial in enumerate(trials) if float(trial.params["x"]) < 0.5]
    right = [position for position in range(len(trials)) if position not in left]
    return [group for group in (left, right) if group]


@dataclass(frozen=True)
class FakeObjective:
    """A smooth bowl over a space, which nobody trains.

    Attributes:
        space: what is searched.
        grouping: which trials of a wave are run together.
        whole: the epochs of a whole training.
        default_params: the params of the default trial.
        preset: what a manual search runs where nothing was picked.
        typical: values near which good trials are likely.
        cost_model: what trials cost before they run; without it `price` is "seconds".
        rule: which trials could be run together.
    """

    space: Space = CUBE
    grouping: Grouping = singly
    whole: int = 1
    default_params: Params | None = None
    preset: tuple[Params, ...] = ()
    typical: Mapping[str, Value | DependentValue] | None = None
    cost_model: CostModel | None = None
    rule: CohortRule | None = None

    @property
    def fixed(self) -> Params:
        """Nothing."""
        return {}

    def settings(self, params: Params) -> Params:
        """Return the params."""
        return params

    def default(self) -> Params | None:
        """Return the given default."""
        return self.default_params

    def presets(self) -> Sequence[Params]:
        """Return the given presets."""
        return self.preset

    def typical_values(self) -> Mapping[str, Value | DependentValue]:
        """Return the given values."""
        return self.typical or {}

    def epochs(self, params: Params) -> int:
        """Return the given number."""
        return self.whole

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return the given grouping of the trials."""
        return self.grouping(trials)

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return work that any runner can do."""
        return Work(WorkKey(cohort.number, attempt), "tests.helpers.objectives:evaluate", cohort)

    def costs(self) -> CostModel | None:
        """Return the given costs."""
        return self.cost_model

    def cohort_rule(self) -> CohortRule | None:
        """Return the given rule."""
        return self.rule

    def kept(self, history: History) -> Collection[str]:
        """Return nothing."""
        return ()

    def describe(self) -> ObjectiveInfo:
        """Return what says nothing."""
        return ObjectiveInfo()

    def final_test(self, winner: Trial, result: Done) -> Work | None:
        """Return None."""
        return None


def evaluate(cohort: Cohort, artefacts: Artefacts) -> Iterator[object]:
    """Do the work of a `FakeObjective` in a worker."""
    yield from trained(cohort)


def trained(cohort: Cohort) -> Iterator[Epoch | TrialEnded]:
    """Give what an engine gives: an epoch of each trial, then their results."""
    for trial in cohort.trials:
        yield Epoch(trial.run, 1, 1.0, 1.0, 0.5)
    for trial in cohort.trials:
        yield TrialEnded(trial.run, done(loss_of(CUBE, trial.params)))


def trained_in_segments(
    cohort: Cohort, whole: int = 30, end_of: Callable[[Trial], int | None] = lambda trial: None
) -> Iterator[TrialEnded]:
    """Give the results of segments: the loss falls a little with the epochs.

    After any number of epochs the same trial is the best one.

    Args:
        cohort: the segments.
        whole: the epochs of a whole training.
        end_of: the epoch at which a training ends by itself; None lets it go to its end.
    """
    for trial in cohort.trials:
        last = end_of(trial) or whole
        end = min(whole if trial.until_epoch is None else trial.until_epoch, last)
        epochs = range(trial.start_epoch + 1, end + 1)
        curve = tuple(Epoch(trial.run, epoch, 1.0, 1.0, 0.5) for epoch in epochs)
        yield TrialEnded(
            trial.run,
            Done(
                loss=loss_of(CUBE, trial.params) + 0.001 / end + 0.001 * trial.replicate,
                metric=0.5,
                seconds=1.0,
                flops=float(len(curve)),
                steps=len(curve),
                epochs=end,
                best_epoch=end,
                curve=curve,
                paused=end < last,
            ),
        )


class FakeRunner:
    """A runner in this process: the first `workers` of the queue run, and each `wait` ends one.

    Args:
        train: what is done with a cohort. It may end with a `WorkCrashed`.
        workers: how many cohorts run at a time.
        order: chooses which of those that run ends next; without it the first one does.
    """

    def __init__(
        self, train: Train = trained, workers: int = 1, order: Random | None = None
    ) -> None:
        self.train = train
        self.workers = workers
        self.order = order
        self.queue: deque[Work] = deque()
        self.running: list[Work] = []
        self.begun: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def submit(self, work: Work) -> None:
        """Queue a piece of work."""
        self.queue.append(work)
        self._dispatch()

    def _dispatch(self) -> None:
        while self.queue and len(self.running) < self.workers:
            self.running.append(self.queue.popleft())
            self.begun.append(self.running[-1].key.cohort)

    def wait(self, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        """Return all events of one of the cohorts that run."""
        if not self.running:
            return []
        position = self.order.randrange(len(self.running)) if self.order else 0
        work = self.running[position]
        assert isinstance(work.argument, Cohort)
        events = [(work.key, event) for event in self.train(work.argument)]
        if not events or not isinstance(events[-1][1], WorkCrashed):
            events.append((work.key, WorkFinished()))
        del self.running[position]
        self._dispatch()
        return events

    def withdraw(self) -> Sequence[WorkKey]:
        """Empty the queue; return the keys of what runs."""
        self.queue.clear()
        return [work.key for work in self.running]


def plan_of(strategy: str, objective: Objective | None = None, /, **keys: object) -> Plan:
    """Return the plan of a search with these keys of `search:`."""
    given = search_model(strategy).model_validate(keys)
    return Plan(strategy, own_options(given, strategy), given, objective or FakeObjective())

"""Networks as an objective: what a YAML describes, trained by the bundled engine.

Nothing here imports torch: the coordinator knows shapes and costs, and workers do the rest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpsearch.config.spec import NetworkSpec, networks_of, spec_of
from hpsearch.data import Dataset
from hpsearch.data.baseline import baseline
from hpsearch.engine.structure.cohorts import cohorts, wave_cost
from hpsearch.engine.structure.costs import WaveCost
from hpsearch.engine.structure.device import CPU, Device
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.memory import data_bytes
from hpsearch.engine.structure.models import MODELS, param_slots
from hpsearch.engine.structure.settings import complete, typical_values
from hpsearch.engine.structure.slots import size as size_of
from hpsearch.errors import Problem, SpecError
from hpsearch.metrics import (
    LOSS,
    METRICS,
    choices,
    measured,
    minimized,
    minimized_name,
)
from hpsearch.objectives import ObjectiveInfo, StoredSearch
from hpsearch.objectives.jobs import (
    DataRef,
    RefitJob,
    TestJob,
    TimingJob,
    TrainingJob,
    pause_name,
)
from hpsearch.runners import SetUp, Work, WorkKey
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space, point_key, resolve_value
from hpsearch.strategies import CohortRule, CostModel, StagedOptions
from hpsearch.strategies.halving import promotable, rungs
from hpsearch.study.artefacts import Held
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.trial import Cohort, Done, Trial

if TYPE_CHECKING:  # what draws splits takes a while to load
    from hpsearch.data.splits.refit import RefitRows

_TRAINING = "hpsearch.objectives.training"
_BEST_KEPT = 5  # trials whose weights are kept in any case, the best ones
_MOST_KEPT = 1 << 30  # bytes of weights of others, by rank: 1 GiB
_BYTES = 4  # of a weight
_MANY = 2**31  # rows in a step, more than anybody has
_TRIED = 5  # values of a range by which it is seen whether they change the cohort

_PRESETS: Sequence[Params] = (
    # Rumelhart, Hinton & Williams 1986: gradient descent with momentum on tanh units
    {
        **{"width": 64, "depth": 1, "activation": "tanh"},
        **{"optimizer": "momentum", "lr": 0.05, "momentum": 0.9},
    },
    # Glorot & Bengio 2010: a deeper tanh net with their initialisation, plain gradient descent
    {
        **{"width": 128, "depth": 4, "activation": "tanh", "init": "fan_uniform"},
        **{"optimizer": "sgd", "lr": 0.1},
    },
    # Srivastava et al. 2014: dropout of a half on wide ReLU layers
    {
        **{"width": 256, "depth": 2, "activation": "relu", "dropout": 0.5},
        **{"optimizer": "momentum", "lr": 0.1},
    },
    # Kingma & Ba 2015: Adam at its defaults
    {"width": 128, "depth": 2, "activation": "relu", "optimizer": "adam", "lr": 0.001},
)


def set_up(threads: int) -> SetUp:
    """Return how a worker is set up that trains with so many threads."""
    return SetUp("hpsearch.engine.device:set_up", threads, (_TRAINING,))


@dataclass(frozen=True)
class Networks:
    """The trainings that a spec describes.

    What concerns the space is known from the spec alone. What a search does needs the data as well,
    and the device and threads that its results rest on (see `on`).
    """

    spec: NetworkSpec
    data: Dataset | None = None
    held: Held | None = None
    device: Device = CPU
    threads: int = 1

    def on(self, data: Dataset, held: Held | None, device: Device, threads: int) -> Networks:
        """Return the objective with all that a search needs.

        Args:
            data: what is trained on.
            held: the artefact of the data, which workers map; None where nothing is trained.
            device: where to train, with all of its memory.
            threads: the threads of each worker.

        Raises:
            SpecError: the data does not suit the metric or the models.
        """
        _check(self.spec, data, self._all_picked())
        beside = device.holding(data_bytes(data))
        return Networks(self.spec, data, held, beside, threads)

    def remarks(self) -> Iterator[str]:
        """Give what a person should know of what the data make of the settings."""
        if self.data is None:
            return
        rows = max(len(fold.train) for fold in self.data.folds)
        searched = self.space.parameters.get("batch_size")
        most = searched.nearest(_MANY) if searched else self.fixed.get("batch_size", 1)
        if int(most) > rows:
            yield f"batch_size: more than the {rows:,} rows that are trained on is as many as these"

    @property
    def space(self) -> Space:
        """What the spec searches."""
        return self.spec.space

    @property
    def fixed(self) -> Params:
        """The settings that the spec fixes."""
        return self.spec.fixed

    def settings(self, params: Params) -> dict[str, Value]:
        """Return all settings of a trial: searched, fixed and default ones."""
        return self.spec.settings(params)

    def default(self) -> Params | None:
        """Return the point with default settings, or the nearest that the constraints allow."""
        return self.spec.default()

    def presets(self) -> Sequence[Params]:
        """Return settings from the literature, less what the spec fixes; of an MLP only."""
        fixed = self.spec.fixed
        if fixed.get("model", "mlp") != "mlp":
            return ({},)
        return [
            {name: value for name, value in preset.items() if name not in fixed}
            for preset in _PRESETS
        ]

    def _all_picked(self) -> Sequence[Params]:
        return self.spec.trials or self.presets()

    def typical_values(self) -> Mapping[str, Value | DependentValue]:
        """Return values that are good for most trainings of so many steps."""
        found: dict[str, Value | DependentValue] = {}
        for name, good in typical_values(self._wave_cost({}).steps).items():
            searched = isinstance(good, DependentValue) and good.name in self.space.parameters
            known = complete(self.spec.fixed)
            found[name] = good if searched else resolve_value(good, known)
        return found

    def epochs(self, params: Params) -> int:
        """Return the epochs of a whole training at most."""
        return int(self.settings(params)["epochs"])

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return which trials are trained as one batched computation."""
        data = self._data
        settings = [self.settings(trial.params) for trial in trials]
        apart = [(trial.replicate, trial.start_epoch, trial.until_epoch) for trial in trials]
        runs = self._members_of_a_trial
        return cohorts(settings, data.shape, data.outputs, self.device, runs, apart)

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return the training of a cohort."""
        members = tuple(member for trial in cohort.trials for member in self._members(trial))
        job = TrainingJob(
            members=members,
            data=DataRef(self._held, cohort.trials[0].replicate),
            metric=self.spec.search.metric,
            seed=self.spec.search.seed,
            device=self.device,
            pauses=dict(_pauses(members, history)),
        )
        timeout = self.spec.search.trial_timeout or math.inf
        key, call = WorkKey(cohort.number, attempt), f"{_TRAINING}:train_cohort"
        return self._work(
            key, call, job, *job.pauses.values(), timeout=len(cohort.trials) * timeout
        )

    def timing(self, number: int, trials: Sequence[Params]) -> Work:
        """Return work that gives the `Timing` of trials that are trained as one cohort.

        `number` tells it from other such work.
        """
        asked = [Trial(k, params, "timing", 0, number) for k, params in enumerate(trials)]
        members = tuple(member for trial in asked for member in self._members(trial))
        job = TimingJob(members, DataRef(self._held), self.spec.search.seed, self.device)
        return self._work(WorkKey(-1, number), f"{_TRAINING}:time_cohort", job)

    def _members(self, trial: Trial) -> Iterator[Member]:
        """Give the members of a trial: each of its seeds on each fold."""
        settings, seeds = self.settings(trial.params), self.spec.search.seeds
        for seed in range(seeds):
            for fold in range(len(self._data.folds)):
                yield Member(
                    number=trial.run,
                    settings=settings,
                    replicate=trial.replicate * seeds + seed,
                    fold=fold,
                    start_epoch=trial.start_epoch,
                    until_epoch=trial.until_epoch,
                    seed_group=trial.seed_group,
                )

    def costs(self) -> CostModel | None:
        """Return what trainings cost, from their shapes and steps alone."""

        def cost(params: Sequence[Params], company: Sequence[Params]) -> NDArray[np.float64]:
            present = Counter(self._wave_cost(one).key for one in company)
            return np.array([self._wave_cost(one).seconds(present) for one in params])

        return cost

    def cohort_rule(self) -> CohortRule | None:
        """Return which trainings could be members of one cohort."""

        def rule(params: Params) -> tuple[Params, int]:
            mine = self._wave_cost(params)

            def matters(name: str) -> bool:
                """Return whether with another value of this name it would be in another cohort."""
                others = self.space.parameters[name].grid(_TRIED)
                return any(self._wave_cost({**params, name: o}).key != mine.key for o in others)

            return {name: params[name] for name in params if matters(name)}, mine.capacity

        return rule

    def kept(self, history: History) -> Collection[str]:
        """Return the digests of what is still needed.

        These are the weights of the best trials, as many as take 1 GiB, and of all that were run
        again; and what trials that may be promoted have paused with.
        """
        scores = history.with_time_weight(self.spec.search.time_weight)
        again = [number for number, runs in history.runs.items() if len(runs) > 1]
        kept: set[str] = set()
        for number in {*self._best(scores), *again}:
            if isinstance(result := history.ended.get(number), Done) and result.weights:
                kept.add(result.weights)
        for number, epoch in self._promotable(scores).items():
            for segment in history.segments[number]:
                result = history.results.get(segment.number)
                if isinstance(result, Done) and (segment.until_epoch or math.inf) >= epoch:
                    kept |= {*result.artefacts.values()}
        return kept

    def _best(self, scores: History) -> Iterator[int]:
        """Give the numbers of the best trials whose weights are kept."""
        size = 0
        for rank, (trial, _) in enumerate(scores.completed):
            size += self._bytes(trial.params)
            if rank >= _BEST_KEPT and size > _MOST_KEPT:
                return
            yield trial.number

    @cached_property
    def _bytes(self) -> Callable[[Params], int]:
        """About how many bytes the file of a trial's weights has, all of its members together."""
        found: dict[Hashable, int] = {}

        def of(params: Params) -> int:
            name = _shape_key(params)
            if name not in found:
                slots = param_slots(self.settings(params), self._data.shape, self._data.outputs)
                found[name] = _BYTES * size_of(slots) * self._members_of_a_trial
            return found[name]

        return of

    def _promotable(self, history: History) -> Mapping[int, int]:
        options = self.spec.options
        if not isinstance(options, StagedOptions) or not options.halving:
            return {}
        return promotable(history, rungs(self.epochs({}), options.rungs))

    def describe(self) -> ObjectiveInfo:
        """Return metric, baseline and data."""
        data, asked = self._data, self.spec.search.metric
        metric, fold = measured(asked, data.task), data.folds[0]
        floor = baseline(data, metric)
        parts = {"train": len(fold.train), "validation": len(fold.validation)}
        return ObjectiveInfo(
            metric=metric,
            has_cost=True,
            baseline_loss=minimized(asked, *floor),
            baseline_metric=floor.metric if math.isfinite(floor.metric) else None,
            data={
                "source": self.spec.data.source,
                "task": data.task,
                "rows": {**parts, "test": len(data.test)},
                "folds": len(data.folds),
                "inputs": list(data.shape.sides),
                "outputs": data.outputs,
                "digest": data.digest,
                "minimized": minimized_name(asked),
                "notes": list(data.notes),
            },
        )

    def final_test(self, winner: Trial, result: Done) -> Work | None:
        """Return the evaluation of the winner on the test split, where there is one."""
        if not len(self._data.test):
            return None
        job = TestJob(
            members=self._seeds(winner, self.spec.search.seeds),
            data=DataRef(self._held, winner.replicate),
            metric=self.spec.search.metric,
            seed=self.spec.search.seed,
            device=self.device,
            epochs=result.best_epoch,
            weights=result.weights,
        )
        weights = [] if result.weights is None else [result.weights]
        return self._work(WorkKey(-1), f"{_TRAINING}:score_test", job, *weights)

    def refit(self, trial: Trial, epochs: int, rows: RefitRows, seeds: int | None = None) -> Work:
        """Return the training of a new model with a trial's settings; it gives one `Refit`.

        Args:
            trial: the first run of a trial.
            epochs: how long it is trained.
            rows: what it is trained on.
            seeds: how many networks the model has; None for as many as each trial has seeds.
        """
        job = RefitJob(
            members=self._seeds(trial, seeds or self.spec.search.seeds),
            data=DataRef(self._held, trial.replicate),
            rows=rows,
            metric=self.spec.search.metric,
            seed=self.spec.search.seed,
            device=self.device,
            epochs=epochs,
        )
        return self._work(WorkKey(-1), f"{_TRAINING}:refit", job)

    def _work(
        self, key: WorkKey, call: str, job: object, *read: str, timeout: float = math.inf
    ) -> Work:
        """Return work that reads the data, and the artefacts of these digests."""
        needs = (self._held, *map(Held, read))
        return Work(key, call, job, timeout, set_up(self.threads), needs)

    def _seeds(self, trial: Trial, seeds: int) -> tuple[Member, ...]:
        """Return the members of a model that is trained on all rows of a split at once."""
        settings, first = self.settings(trial.params), trial.replicate * self.spec.search.seeds
        return tuple(
            Member(trial.number, settings, first + seed, seed_group=trial.seed_group)
            for seed in range(seeds)
        )

    @property
    def _data(self) -> Dataset:
        assert self.data is not None, "a search begins with `on`"
        return self.data

    @property
    def _held(self) -> Held:
        assert self.held is not None, "a training has data"
        return self.held

    @property
    def _members_of_a_trial(self) -> int:
        return self.spec.search.seeds * len(self._data.folds)

    @cached_property
    def _wave_cost(self) -> Callable[[Params], WaveCost]:
        """What each training would add to the cost of a wave."""
        found: dict[object, WaveCost] = {}
        runs = self._members_of_a_trial

        def of(params: Params) -> WaveCost:
            name = _shape_key(params)
            if name not in found:
                settings = self.settings(params)
                found[name] = wave_cost(settings, self._data, self.device, runs)
            return found[name]

        return of


def _shape_key(params: Params) -> Hashable:
    """Return a key of all that makes shapes and steps: whole numbers and choices.

    Fractions, such as a rate, change neither.
    """
    return point_key({n: v for n, v in params.items() if not isinstance(v, float)})


def _pauses(members: Sequence[Member], history: History) -> Iterator[tuple[str, str]]:
    """Give the name of each member that goes on, and the digest of what it had paused with."""
    for member in members:
        if member.start_epoch:
            last = history.ended.get(member.number)
            if isinstance(last, Done) and (digest := last.artefacts.get(pause_name(member))):
                yield member.name, digest


def _check(spec: NetworkSpec, data: Dataset, picked: Sequence[Params]) -> None:
    """Refuse data that does not suit the metric or the models."""
    if spec.search.metric != LOSS:
        _check_metric(spec.search.metric, data)
    rank = len(data.shape.sides)
    for name in _possible("model", spec, picked):
        ranks = MODELS.load(str(name)).input_ranks
        if rank not in ranks:
            kind = {1: "rows of a table", 3: "images"}
            message = f"a {name} takes {kind[ranks[0]]}, and this data is {kind[rank]}"
            raise SpecError(Problem("E078", message, help="model: mlp"))
    if "laplace" in _possible("bayesian", spec, picked) and data.task == "regression":
        message = (
            "laplace does not change what a regression answers, so it cannot be told from none"
        )
        raise SpecError(Problem("E079", message, help="bayesian: variational or mc_dropout"))


def _check_metric(name: str, data: Dataset) -> None:
    """Refuse a metric of another task, or one that the rows that validate do not define."""
    metric = METRICS[name]
    if metric.task != data.task:
        message = f"the metric {name} is for {metric.task}, and this is {data.task}"
        raise SpecError(Problem("E077", message, help=f"search: metric: {choices(data.task)}"))
    if not math.isfinite(baseline(data, name).metric):
        message = f"the metric {name} is not defined {metric.undefined}"
        raise SpecError(Problem("E077", message, help="validate more rows, or take another metric"))


def _possible(name: str, spec: NetworkSpec, picked: Sequence[Params]) -> set[Value]:
    """Return the values that a setting with choices may take in some trial."""
    searched = spec.space.parameters.get(name)
    if searched:
        values = searched.values() or ()
    else:
        values = [params[name] for params in picked if name in params]
    return {spec.settings({})[name], *values}


def of_study(meta: StudyMeta) -> StoredSearch:
    """Return the search of a study, read again from the config that it keeps."""
    spec = networks_of(spec_of(meta))
    assert spec.options is not None, "a search has a strategy"
    return StoredSearch(Networks(spec), spec.search, spec.options, spec.trials)

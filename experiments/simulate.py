"""A whole search in virtual time: how busy are workers, and what does the coordinator take?

    python -m experiments.simulate [--workers 4 1000] [--waves 4:1 250:19] [--trials 1000] ...
                                   [--strategy random] [--objective bowl] [--kills 0.01]
                                   [--drops 5] [--thinking] [--losses] [--seeds 0 1] [--sigma 0.5]

The loop, the strategy, the study's file and the objective are the real ones. Only the runner is
not: its workers do a trial at once, and say that it took as long as a log-normal distribution says,
with a mean of a minute. `--waves` are pairs of a wave and a lag.

- `busy` is the share of the workers' time in which they work, from the first trial to the last.
- `question`, `commit` and `rest` are the milliseconds of the processor that the coordinator takes
  for a trial: for the strategy, for the study's file, and for all else, which is loop, history and
  work. `disk` is how long it waits for the disk (or, on a busy machine, for the processor) while it
  writes. Together they say how many trials a second are the most. TMPDIR says which disk that is.
- `--thinking` lets virtual time go on by what the coordinator takes: what ends in the meantime is
  heard of, and followed by other work, only afterwards. Else thinking takes no time, and a run can
  be repeated to the last digit.
- `--kills` is the probability that an attempt at a trial dies on its way, at any moment.
- `--drops` drops the coordinator so often, at random events, and begins it again from the file. It
  must come to the same trials and losses as if nobody had disturbed it.
- `--losses` prints the regret of the best trial seen, against virtual minutes, over all objectives
  of group `b` of bench_search.py and all seeds: 0 is the best configuration known, 1 the median.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from itertools import islice, product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from zlib import crc32

import numpy as np

from experiments.comparison import said, table
from experiments.peers.functions import make
from hpsearch.config.schema import own_options, search_model
from hpsearch.config.spec import free_space
from hpsearch.objectives.function import Function
from hpsearch.runners import SetUp, Work, WorkCrashed, WorkFinished, WorkKey
from hpsearch.runners.call import events
from hpsearch.search.loop import CohortFinished, Search, Stop, run
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params, Space
from hpsearch.strategies import Strategy
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store
from hpsearch.study.trial import Result, Suggestion, Trial, TrialEnded

MEAN = 60.0  # seconds of a trial
BOWL: Mapping[str, Mapping[str, Any]] = {
    name: {"min": 0.0, "max": 1.0} for name in ("a", "b", "c", "d", "e")
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One search: what is searched, how, and what its trials are like."""

    workers: int
    wave: int
    lag: int
    trials: int
    strategy: str = "random"
    objective: str = "bowl"
    sigma: float = 0.5
    kills: float = 0.0
    seed: int = 0
    thinking: bool = False


# --- the virtual runner


@dataclass
class Virtual:
    """A runner whose workers take virtual time alone.

    Attributes:
        workers: how many pieces of work are done at a time.
        fate: returns how much of an attempt is done before it is killed: 1 for all of it.
        thinking: whether what the coordinator takes counts.
        clock: the virtual seconds since the beginning.
        busy: the seconds in which workers have worked, added up.
        elsewhere: the seconds of the processor that were spent in here: no coordinator's.
    """

    workers: int
    fate: Callable[[WorkKey], float]
    thinking: bool = False
    clock: float = 0.0
    busy: float = 0.0
    elsewhere: float = 0.0
    _queue: deque[Work] = field(default_factory=deque)
    _running: list[tuple[float, WorkKey, Sequence[object]]] = field(default_factory=list)
    _heard: float = field(default_factory=time.thread_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.clear()
        self._running.clear()

    def submit(self, work: Work) -> None:
        """Queue a piece of work."""
        with self._inside():
            self._queue.append(work)
            self._begin()

    def wait(self, seconds: float) -> Sequence[tuple[WorkKey, object]]:
        """Return the events of what has ended by now, or of what ends next."""
        with self._inside():
            if not self._running:
                return []
            self.clock = max(self.clock, self._running[0][0])
            found: list[tuple[WorkKey, object]] = []
            while self._running and self._running[0][0] <= self.clock:
                _, key, given = heappop(self._running)
                found += [(key, event) for event in given]
            self._begin()
            return found

    def withdraw(self) -> Sequence[WorkKey]:
        """Empty the queue; return the keys of the work that is running."""
        self._queue.clear()
        return [key for _, key, _ in self._running]

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Note what the coordinator took until now, and what is taken in here."""
        began = time.thread_time()
        if self.thinking:
            self.clock += began - self._heard
        try:
            yield
        finally:
            self._heard = time.thread_time()
            self.elsewhere += self._heard - began

    def _begin(self) -> None:
        while self._queue and len(self._running) < self.workers:
            key, seconds, given = self._done(self._queue.popleft())
            self.busy += seconds
            heappush(self._running, (self.clock + seconds, key, given))

    def _done(self, work: Work) -> tuple[WorkKey, float, Sequence[object]]:
        """Return, at once, how long an attempt takes, and what it gives in the end."""
        given = [*events(work, _NO_ARTEFACTS, _no_set_up)]
        ended = next(event for event in given if isinstance(event, TrialEnded))
        share = self.fate(work.key)
        if share < 1:
            given = [WorkCrashed("killed", "SIGKILL")]
        told = [one for one in given if isinstance(one, TrialEnded | WorkCrashed | WorkFinished)]
        return work.key, share * ended.result.seconds, told


_NO_ARTEFACTS = Artefacts(Path("artefacts"))  # a function leaves none


def _no_set_up(set_up: SetUp) -> None:
    """Do nothing: a function needs nothing."""


def fate(setting: Setting, key: WorkKey) -> float:
    """Return how much of an attempt at a trial is done before it is killed; 1 for all."""
    rng = Random(f"{setting.seed}/{key.cohort}/{key.attempt}")
    return rng.random() if rng.random() < setting.kills else 1.0


def timed(setting: Setting, loss: Callable[[Params], float], params: Params) -> tuple[float, float]:
    """Return a loss, and the log-normal seconds that it takes: always the same for a point."""
    rng = Random(f"{setting.seed}/{sorted(params.items())}")
    middle = math.log(MEAN) - setting.sigma**2 / 2
    return loss(params), rng.lognormvariate(middle, setting.sigma)


def noisy(function: Any, seed: int, params: Params) -> float:
    """Return an objective's loss, with the noise that always belongs to the point."""
    noise = crc32(repr(sorted(params.items())).encode())
    return float(function(params, np.random.default_rng([seed, noise]))[0])


def bowl(params: Params) -> float:
    """Return a loss that is 0 in one place."""
    return sum((float(value) - 0.3) ** 2 for value in params.values())


# --- the coordinator, with a stop-watch


@dataclass
class Watch:
    """What the coordinator took, in seconds: for questions, for the file, and for the disk."""

    question: float = 0.0
    commit: float = 0.0
    disk: float = 0.0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count what is done in here as a question."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.question += time.thread_time() - began

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Count what is done in here as a commit."""
        clock, began = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            taken = time.thread_time() - began
            self.commit += taken
            self.disk += time.perf_counter() - clock - taken


@dataclass(frozen=True, slots=True)
class Asked:
    """A strategy whose questions are timed."""

    strategy: Strategy
    watch: Watch

    def ask(self, space: Space, history: History, rng: Random) -> Suggestion | None:
        """Ask the strategy."""
        with self.watch.asking():
            return self.strategy.ask(space, history, rng)


@dataclass(frozen=True, slots=True)
class Written:
    """A study's file whose commits are timed."""

    store: Store
    watch: Watch

    def history(self) -> History:
        """Return what the file says."""
        return self.store.history()

    def record_wave(self, trials: Sequence[Trial]) -> None:
        """Write a wave down."""
        with self.watch.committing():
            self.store.record_wave(trials)

    def record_results(self, results: Mapping[int, Result]) -> None:
        """Write results down."""
        with self.watch.committing():
            self.store.record_results(results)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a search came to.

    Attributes:
        history: its trials and results.
        busy: the share of the workers' time in which they worked.
        question, commit, disk, rest: seconds of the coordinator for a trial; see the module.
        ended: the virtual seconds at which each trial ended, by its number.
    """

    history: History
    busy: float
    question: float
    commit: float
    disk: float
    rest: float
    ended: Mapping[int, float]

    @property
    def most(self) -> float:
        """The trials a second at which the coordinator has no time left."""
        return 1 / (self.question + self.commit + self.disk + self.rest)


def search_of(setting: Setting) -> Search:
    """Return the search, as `hpsearch.minimize` plans it."""
    if setting.objective == "bowl":
        parameters, loss = BOWL, bowl
    else:
        function = make(setting.seed)[setting.objective]
        parameters, loss = function.parameters, partial(noisy, function, setting.seed)
    space = free_space(parameters, (), setting.strategy)
    keys = search_model(setting.strategy).model_validate(
        {"wave": setting.wave, "lag": setting.lag, "seed": setting.seed}
        | ({"confirm": False} if setting.strategy in ("random", "bayes") else {})
    )
    objective = Function(partial(timed, setting, loss), space)
    plan = Plan(setting.strategy, own_options(keys, setting.strategy), keys, objective)
    return plan.search(setting.trials)


def simulate(setting: Setting, folder: Path, drops: Sequence[int] = ()) -> Simulated:
    """Run a search in virtual time, with its study in a folder.

    After each of so many `drops` events the coordinator is dropped with all work that runs, and
    begun again from the file.
    """
    watch, search = Watch(), search_of(setting)
    search = replace(search, strategy=Asked(search.strategy, watch), max_failures=None)
    Store.create(folder, meta(setting)).close()
    clock = busy = elsewhere = 0.0
    ended: dict[int, float] = {}
    began = time.thread_time()
    for cut in (*drops, None):
        runner = Virtual(setting.workers, partial(fate, setting), setting.thinking, clock)
        with Store.open(folder) as store, runner:
            for event in islice(run(search, Written(store, watch), runner, Stop()), cut):
                if isinstance(event, CohortFinished):
                    ended |= dict.fromkeys(event.results, runner.clock)
            history = store.history() if cut is None else History()
        clock, busy = runner.clock, busy + runner.busy
        elsewhere += runner.elsewhere
    spent = time.thread_time() - began - elsewhere - watch.question - watch.commit
    trials = len(history)
    return Simulated(
        history,
        busy / (setting.workers * clock),
        watch.question / trials,
        watch.commit / trials,
        watch.disk / trials,
        spent / trials,
        ended,
    )


def meta(setting: Setting) -> StudyMeta:
    """Return what the study's file says of the search."""
    return StudyMeta(
        name="simulated",
        objective="function",
        strategy=setting.strategy,
        seed=setting.seed,
        time_weight=0.0,
        config="{}",
        file="parameters",
        folder="",
        overrides="[]",
        rows=None,
        budget=setting.trials,
        threads=1,
        device="cpu",
        metric=None,
        has_cost=False,
        baseline_loss=None,
        baseline_metric=None,
        data="{}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions="{}",
    )


def simulated(setting: Setting, drops: Sequence[int] = ()) -> Simulated:
    """Run a search in virtual time, with its study in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="simulate-") as folder:
        return simulate(setting, Path(folder) / "study", drops)


# --- saying


def seconds(settings: Sequence[Setting]) -> Iterator[tuple[str, ...]]:
    """Give the rows of a table: how busy workers are, and what the coordinator takes."""
    yield (
        "workers",
        "wave",
        "lag",
        "trials",
        "busy",
        "question",
        "commit",
        "disk",
        "rest",
        "trials/s",
    )
    for one in settings:
        found = simulated(one)
        parts = (found.question, found.commit, found.disk, found.rest)
        times = (f"{1000 * part:.2f}" for part in parts)
        numbers = (f"{n:,}" for n in (one.workers, one.wave, one.lag, len(found.history)))
        yield (*numbers, f"{100 * found.busy:.1f} %", *times, f"{found.most:.0f}")


def regrets(found: Simulated, setting: Setting, minutes: Sequence[float]) -> list[float]:
    """Return the regret of the best trial that had ended after so many virtual minutes."""
    function = make(setting.seed)[setting.objective]
    regret = {
        trial.number: min(1.0, function.regret(trial.params)) for trial in found.history.trials
    }
    return [
        min((regret[n] for n, at in found.ended.items() if at <= 60 * end), default=1.0)
        for end in minutes
    ]


def losses(settings: Sequence[Setting], minutes: Sequence[float]) -> Iterator[tuple[str, ...]]:
    """Give the rows of a table: mean regrets against virtual time, with standard errors."""
    yield ("workers", "wave", "lag", *(f"{end:g} min" for end in minutes))
    for one in dict.fromkeys(replace(each, objective="", seed=0) for each in settings):
        found = [
            regrets(simulated(each), each, minutes)
            for each in settings
            if replace(each, objective="", seed=0) == one
        ]
        cells = [said(np.array(column)) for column in zip(*found, strict=True)]
        yield (f"{one.workers:,}", f"{one.wave}", f"{one.lag}", *cells)


def undisturbed(setting: Setting, drops: int) -> str:
    """Drop the coordinator at random, and return in a line whether that made a difference."""
    calm = simulated(setting)
    rng = Random(setting.seed)
    cuts = [rng.randint(1, max(1, 3 * setting.trials // (drops + 1))) for _ in range(drops)]
    found = simulated(setting, cuts)
    same = found.history == calm.history
    return f"seed {setting.seed}, dropped {drops} times: {'the same' if same else 'other'} trials"


def main() -> None:
    """Print the table that is asked for."""
    given = arguments().parse_args()
    settings = [
        Setting(
            workers=workers,
            wave=int(wave),
            lag=int(lag),
            trials=given.trials,
            strategy=given.strategy,
            objective=objective,
            sigma=given.sigma,
            kills=given.kills,
            seed=seed,
            thinking=given.thinking,
        )
        for workers, (wave, _, lag), objective, seed in product(
            given.workers,
            [pair.partition(":") for pair in given.waves],
            make() if given.losses else [given.objective],
            given.seeds,
        )
    ]
    if given.drops:
        print(*(undisturbed(one, given.drops) for one in settings), sep="\n")
    elif given.losses:
        print(table(list(losses(settings, given.minutes))))
    else:
        print(table(list(seconds(settings))))


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[4])
    parser.add_argument("--waves", nargs="+", default=["1:7"], metavar="WAVE:LAG")
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--objective", choices=("bowl", *make()), default="bowl")
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--kills", type=float, default=0.0)
    parser.add_argument("--drops", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[3, 6, 10, 15])
    parser.add_argument("--thinking", action="store_true")
    parser.add_argument("--losses", action="store_true")
    return parser


if __name__ == "__main__":
    main()

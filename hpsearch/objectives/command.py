"""A program as an objective: it is run with the params of a trial, and prints what it came to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from hpsearch.objectives import ObjectiveInfo
from hpsearch.objectives.reports import Reports
from hpsearch.objectives.trainers import CommandSpec, places
from hpsearch.runners import Work, WorkKey, WorkStarted
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue, Params, Space
from hpsearch.strategies import CohortRule, CostModel
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, Epoch, Failed, Trial, TrialEnded


@dataclass(frozen=True, slots=True)
class Command:
    """A program, searched over a space of any names.

    Attributes:
        spec: what is run, and how its reports are understood.
        space: what is searched.
        study: the folder in which trials have their folders.
        threads: how many each call may use.
        seed: the study's.
        timeout: the seconds that a call may take.
        grace: the seconds that a program has to end where it is asked to.
    """

    spec: CommandSpec
    space: Space
    study: Path
    threads: int = 1
    seed: int = 0
    timeout: float = inf
    grace: float = 10.0

    @property
    def fixed(self) -> Params:
        """No params: a program has no settings beside those that are searched."""
        return {}

    def settings(self, params: Params) -> Params:
        """Return the params: nothing is fixed beside them."""
        return params

    def default(self) -> Params | None:
        """Return None: there are no default settings."""
        return None

    def presets(self) -> Sequence[Params]:
        """Return nothing."""
        return ()

    def typical_values(self) -> Mapping[str, Value | DependentValue]:
        """Return nothing."""
        return {}

    def epochs(self, params: Params) -> int:
        """Return how long a person says that a whole training is; else 1."""
        return self.spec.reporting.epochs

    def cohorts(self, trials: Sequence[Trial]) -> Sequence[Sequence[int]]:
        """Return each trial by itself."""
        return [[position] for position in range(len(trials))]

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return the call with the params of the one trial."""
        (trial,) = cohort.trials
        key, call = WorkKey(cohort.number, attempt), self.call(trial)
        return Work(key, "hpsearch.objectives.command:evaluate", call, self.timeout)

    def call(self, trial: Trial) -> CommandCall:
        """Return the call of the program for a segment of a trial: all that will be run."""
        own = self.study.absolute() / "trials" / str(trial.run)
        found: list[str] = []
        for word in self.spec.words:
            if word == "{args}":
                found += [f"--{name}={value}" for name, value in trial.params.items()]
                continue
            for name in places(word, self.space.parameters):
                value = trial.params.get(name, own / self.spec.template_name)
                word = word.replace(f"{{{name}}}", str(value))
            found.append(word)
        return CommandCall(self.spec, trial, tuple(found), own, self.threads)

    def costs(self) -> CostModel | None:
        """Return None: nobody knows what a call will take."""
        return None

    def cohort_rule(self) -> CohortRule | None:
        """Return None: calls are made one by one."""
        return None

    def kept(self, history: History) -> Collection[str]:
        """Return nothing: calls leave no artefacts."""
        return ()

    def describe(self) -> ObjectiveInfo:
        """Return what a study keeps: what is minimised, and what is maximised in truth."""
        reporting = self.spec.reporting
        data = {"minimized": reporting.minimized}
        return ObjectiveInfo(metric=reporting.counts if reporting.maximize else None, data=data)

    def final_test(self, winner: Trial, result: Done) -> Work | None:
        """Return None: there are no rows to hold back."""
        return None


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One call, as it is sent to a worker."""

    spec: CommandSpec
    trial: Trial
    words: tuple[str, ...]
    own: Path
    threads: int


def evaluate(call: CommandCall, artefacts: Artefacts) -> Iterator[WorkStarted | Epoch | TrialEnded]:
    """Run the program once and give what came of it."""
    yield WorkStarted()
    trial = call.trial
    if not trial.start_epoch:
        shutil.rmtree(call.own, ignore_errors=True)
    call.own.mkdir(parents=True, exist_ok=True)
    reports = Reports(call.spec.reporting, trial.run, trial.start_epoch, trial.until_epoch)
    own = {"NUMBER": trial.run, "EPOCHS": reports.end, "FOLDER": call.own}
    variables = {f"HPSEARCH_TRIAL_{name}": str(value) for name, value in own.items()}
    start = time.perf_counter()
    done = subprocess.run(
        call.words,
        cwd=call.spec.folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - start
    (call.own / "log.txt").write_text(done.stdout + done.stderr)
    if done.returncode:
        last = (done.stderr.splitlines() or [""])[-1]
        message = f"it ended with exit code {done.returncode}: {last}"
        yield TrialEnded(trial.run, Failed("error", message, taken))
        return
    for report in _reports(call.spec, done.stdout):
        if epoch := reports.take(report):
            yield epoch
    yield TrialEnded(trial.run, reports.result(taken))


def _reports(spec: CommandSpec, printed: str) -> Iterator[Mapping[str, object]]:
    for line in printed.splitlines():
        if spec.patterns:
            hits = {name: re.search(one, line) for name, one in spec.patterns.items()}
            yield {name: float(hit[1]) for name, hit in hits.items() if hit}
        elif line.startswith("{"):
            yield json.loads(line)

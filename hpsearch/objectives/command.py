"""A program of one's own as an objective: it is run with params, and reports a loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from hpsearch.objectives import ObjectiveInfo
from hpsearch.objectives.arguments import command_words, file_text
from hpsearch.objectives.environment import EPOCHS, FOLDER, NUMBER, SEED
from hpsearch.objectives.environment import RESULT as RESULT_FILE
from hpsearch.objectives.own_trainer import OwnTrainer
from hpsearch.objectives.program import ProgramCall
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.trainers import FILE, RESULT, CommandSpec, trial_seed
from hpsearch.runners import SetUp, Work, WorkKey
from hpsearch.space.parameters import Value
from hpsearch.space.space import Space
from hpsearch.study.folder import trial_folder
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Trial

_PROGRAM = "hpsearch.objectives.program"


@dataclass(frozen=True, slots=True)
class Command(OwnTrainer):
    """A program that is run with params, searched over a space of any names.

    Attributes:
        spec: the program, and how its reports are understood.
        space: what is searched.
        study: the study's folder, in which trials have their folders.
        threads: how many threads a program may have.
        seed: the study's.
        timeout: the seconds that a call may take.
        grace: the seconds that a program has to end where it is asked to.
    """

    spec: CommandSpec
    space: Space
    study: Path
    threads: int = 1
    seed: int = 0
    timeout: float = math.inf
    grace: float = 10.0

    @property
    def reporting(self) -> Reporting:
        """How what the program reports is understood."""
        return self.spec.reporting

    def call(self, trial: Trial) -> ProgramCall:
        """Return the call of the program for a segment of a trial: all that will be run."""
        spec, end = self.spec, self._end(trial)
        own, seed = trial_folder(self.study.absolute(), trial.run), trial_seed(self.seed, trial)
        known: dict[str, Value] = {
            "folder": str(own),
            "number": trial.run,
            "seed": seed,
            "epochs": end,
            FILE: str(own / spec.template_name),
        }
        names = {**self.space.parameters, **trial.params}
        filled = spec.template and file_text(spec, names, trial.params, known)
        return ProgramCall(
            words=command_words(spec, names, trial.params, known),
            folder=spec.folder,
            own=own,
            template=None if filled is None else (spec.template_name, filled),
            variables={
                NUMBER: str(trial.run),
                SEED: str(seed),
                EPOCHS: str(end),
                FOLDER: str(own),
                RESULT_FILE: str(own / RESULT),
            },
            threads=self.threads,
            patterns=dict(spec.patterns),
            reporting=spec.reporting,
            number=trial.run,
            start_epoch=trial.start_epoch,
            until_epoch=trial.until_epoch,
            grace=self.grace,
        )

    def _end(self, trial: Trial) -> int:
        """Return the epoch where a segment ends."""
        return self.epochs(trial.params) if trial.until_epoch is None else trial.until_epoch

    def work(self, cohort: Cohort, attempt: int, history: History) -> Work:
        """Return the call of the program for the one trial."""
        (trial,) = cohort.trials
        key, set_up = WorkKey(cohort.number, attempt), SetUp(preload=(_PROGRAM,))
        return Work(key, f"{_PROGRAM}:run", self.call(trial), self.timeout, set_up)

    def describe(self) -> ObjectiveInfo:
        """Return what a study keeps: the names of what counts."""
        reporting = self.reporting
        metric = reporting.counts if reporting.maximize else None
        return ObjectiveInfo(metric=metric, data={"minimized": reporting.minimized})

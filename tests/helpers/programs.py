"""Small programs that train nothing, and searches over them without a command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpsearch.objectives.command import Command
from hpsearch.objectives.program import run as run_program
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.trainers import LOG, CommandSpec
from hpsearch.runners import RUNNERS, Crashed, Resources, WorkCrashed, WorkStarted
from hpsearch.search.loop import CohortFinished, Event, Stop, run
from hpsearch.search.plan import Plan
from hpsearch.space.parameters import Parameter, Real
from hpsearch.space.space import Space
from hpsearch.study.artefacts import FOLDER, Artefacts
from hpsearch.study.folder import FILE, trial_folder
from hpsearch.study.history import History
from hpsearch.study.layout import StudyMeta
from hpsearch.study.store import Store
from hpsearch.study.trial import Done, Result, Trial, TrialEnded
from tests.helpers.objectives import plan_of
from tests.helpers.studies import META

PYTHON = (sys.executable, "-I", "-S")
"""Python without what takes long to load."""

SHELL = ("sh", "train.py", "{x}")
"""A shell, which starts at once."""

RESUMES = """
import json, os
path = os.environ["HPSEARCH_TRIAL_FOLDER"] + "/epoch"
begin = int(open(path).read()) if os.path.exists(path) else 0
for epoch in range(begin + 1, int(os.environ["HPSEARCH_TRIAL_EPOCHS"]) + 1):
    with open(path, "w") as file:
        file.write(str(epoch))
    print(json.dumps({"epoch": epoch, "loss": 1 / epoch}), flush=True)
"""
"""A program that trains for as many epochs as it is told, from where it has paused."""

REPORT = "import sys\nprint('{\"loss\": %s}' % sys.argv[1])\n"


def command(
    folder: Path,
    script: str = REPORT,
    words: tuple[str, ...] = (*PYTHON, "train.py", "{x}"),
    parameters: Mapping[str, Parameter] | None = None,
    reporting: Reporting | None = None,
    grace: float = 10.0,
    **spec: Any,
) -> Command:
    """Return the objective of a program whose text stands in `train.py` in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(script)
    of = CommandSpec(words, folder, reporting=reporting or Reporting(), **spec)
    space = Space(parameters or {"x": Real(0.0, 1.0)})
    return Command(of, space, folder / "study", seed=3, grace=grace)


def shell(folder: Path, script: str, **given: Any) -> Command:
    """Return the objective of a shell script."""
    return command(folder, script, SHELL, **given)


def meta(plan: Plan, budget: int) -> StudyMeta:
    """Return what a study of such a search keeps, without a config that could be read again."""
    found = plan.objective.describe()
    return replace(
        META,
        name="programs",
        objective="command",
        strategy=plan.strategy,
        seed=plan.keys.seed,
        config="",
        budget=budget,
        metric=found.metric,
        has_cost=False,
        baseline_loss=None,
        baseline_metric=None,
        data=json.dumps(dict(found.data)),
    )


def search(
    objective: Command,
    budget: int = 4,
    resources: Resources = Resources(),  # noqa: B008 (it is frozen)
    strategy: str = "random",
    **keys: object,
) -> tuple[History, list[Event]]:
    """Search, or go on with the study that is there; return what is known then, and all events."""
    plan = plan_of(strategy, objective, **{"seed": 3, "confirm": False, **keys})
    study = objective.study
    there = (study / FILE).exists()
    with Store.open(study) if there else Store.create(study, meta(plan, budget)) as store:
        build = RUNNERS.load("local")().build
        with build(resources, Artefacts(study / FOLDER)) as runner:
            events = [*run(plan.search(budget), store, runner, Stop())]
        known = [event.history for event in events if isinstance(event, CohortFinished)]
        return known[-1] if known else store.history(), events


def board(history: History) -> list[str]:
    """Return all that a leaderboard rests on, without what a clock has measured."""
    results = [replace(history.results[trial.number], seconds=0.0) for trial in history.trials]
    return [f"{trial}: {result}" for trial, result in zip(history.trials, results, strict=True)]


def trial(number: int = 0, x: float = 0.25, **given: Any) -> Trial:
    """Return a trial that was asked for."""
    return Trial(number, {"x": x}, "random", 0, number, **given)


def called(objective: Command, of: Trial | None = None) -> list[Any]:
    """Run a segment of a trial in this process; return the events of its work."""
    objective.study.mkdir(exist_ok=True)
    call = objective.call(of or trial())
    events = run_program(call, Artefacts(objective.study / FOLDER))
    return [event for event in events if not isinstance(event, WorkStarted)]


def result_of(objective: Command, of: Trial | None = None) -> Result:
    """Run a segment of a trial in this process; return what it has come to."""
    ended = called(objective, of)[-1]
    assert isinstance(ended, TrialEnded)
    return ended.result


def crash_of(objective: Command, of: Trial | None = None) -> WorkCrashed:
    """Run a segment of a trial in this process; return how it has crashed."""
    with pytest.raises(Crashed) as raised:
        called(objective, of)
    return raised.value.crash


def done(objective: Command, **given: int) -> Done:
    """Run a segment of a trial in this process; return the result, which is a loss."""
    result = result_of(objective, trial(**given))
    assert isinstance(result, Done)
    return result


def log(objective: Command, number: int = 0) -> str:
    """Return what a trial has printed."""
    return (trial_folder(objective.study, number) / LOG).read_text()

"""`--dry-run`: what the first trials of a search would run, exactly; nothing runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hpsearch import output
from hpsearch.commands.session import RunOptions
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.objectives import Objective
from hpsearch.objectives.command import Command
from hpsearch.objectives.function import Function
from hpsearch.objectives.networks import Networks
from hpsearch.objectives.trainers import FunctionSpec
from hpsearch.search.loop import ask_wave
from hpsearch.search.plan import Plan
from hpsearch.study.folder import trial_folder
from hpsearch.study.history import History
from hpsearch.study.trial import Trial
from hpsearch.text import shell_word


def dry_run(plan: Plan, budget: int | None, announced: Sequence[str], options: RunOptions) -> int:
    """Print what each trial would run that is asked for before any has ended; return the exit code.

    Each is a line that a shell takes, with the folder of the trial as a remark at its end. What a
    search would have `announced` comes before, on stderr.

    Raises:
        SpecError: it would train networks.
    """
    if isinstance(plan.objective, Networks):
        message = "networks are trained by hpsearch itself, so there is no command to print"
        help = "hpsearch check  says what a search costs"
        raise SpecError(Problem("E086", message, help=help))
    limit = options.limit(plan.keys.time) if plan.keys.time else None
    search, history = plan.search(budget, limit), History()
    for _ in range(search.lag + 1):
        history = history.with_trials(ask_wave(search, history, known=-1))
    calls = [call_of(plan.objective, trial) for trial in history.trials]
    options.note(*announced)
    if options.json:
        output.emit(json.dumps(calls, indent=2, allow_nan=False))
    else:
        output.emit("\n".join(f"{as_line(call)}  # {shell_word(call['folder'])}" for call in calls))
    return EXIT_OK


def call_of(objective: Objective, trial: Trial) -> Mapping[str, Any]:
    """Return what a trial of a trainer of one's own would run, and the folder it would have."""
    assert isinstance(objective, Command | Function), "networks run no command"
    if isinstance(objective, Command):
        what: Mapping[str, Any] = {"command": [*objective.call(trial).words]}
    else:
        assert isinstance(objective.function, FunctionSpec), "a YAML names it"
        what = {"objective": objective.function.target}
    assert objective.study is not None, "the search of a YAML has a study"
    folder = str(trial_folder(objective.study, trial.run))
    return {"number": trial.number, "params": dict(trial.params), **what, "folder": folder}


def as_line(call: Mapping[str, Any]) -> str:
    """Return what a trial would run, as a line: a command for a shell, or a function's params."""
    if "command" in call:
        return " ".join(map(shell_word, call["command"]))
    return f"{call['objective']} {json.dumps(call['params'])}"

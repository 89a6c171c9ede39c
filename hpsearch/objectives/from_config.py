"""The objective that a config describes: networks, a command, or a function in a module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from math import inf
from pathlib import Path

from hpsearch.config.document import LARGEST
from hpsearch.config.schema import runner_options
from hpsearch.config.spec import NetworkSpec, Spec, TrainerSpec, spec_of
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.objectives import Objective, StoredSearch
from hpsearch.objectives.command import Command
from hpsearch.objectives.function import Function
from hpsearch.objectives.networks import Networks
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.trainers import (
    CommandSpec,
    FunctionSpec,
    folder_gone,
    mistakes,
    places,
)
from hpsearch.runners.options import refuse_unshared
from hpsearch.strategies import StagedOptions
from hpsearch.study.layout import StudyMeta


def objective_of(spec: Spec, study: Path, threads: int) -> Objective:
    """Return what a spec searches.

    Networks take data before they are trained: see `Networks.on`.

    Args:
        spec: the search.
        study: the folder of the study, in which trials have folders of their own.
        threads: the threads of each worker.

    Raises:
        SpecError: the command does not suit its parameters, its folder is not there, its template
            cannot be read, or its trainings are to be halved on machines that share no files.
    """
    if isinstance(spec, NetworkSpec):
        return Networks(spec)
    assert isinstance(spec, TrainerSpec), "there are two kinds of specs"
    if isinstance(spec.options, StagedOptions) and spec.options.halving:
        refuse_unshared(
            runner_options(spec.runner), "halving, which goes on with what a trainer has saved,"
        )
    if spec.trainer.command is not None and not spec.folder.is_dir():
        raise folder_gone(spec.folder)
    template = None
    if spec.trainer.template is not None:
        template = _read(spec.folder / spec.trainer.template, spec.places["template"])
    found = _of_trainer(spec, study, threads, template)
    if isinstance(found, Command):
        place = spec.places["command"]
        wrong = (Problem("E085", text, place) for text in mistakes(found.spec, _names(spec)))
        if problems := [*wrong, *_missing_program(found.spec, _names(spec), place)]:
            raise SpecError(*problems)
    return found


def kind_of(spec: Spec) -> str:
    """Return the name under which a study keeps what a spec searches."""
    if isinstance(spec, TrainerSpec):
        return "command" if spec.trainer.objective is None else "module"
    return "networks"


def of_study(meta: StudyMeta) -> StoredSearch:
    """Return the search of a study, to look at its trials: nothing is imported, read or run."""
    spec = spec_of(meta)
    assert isinstance(spec, TrainerSpec), "networks are read elsewhere"
    assert spec.options is not None, "a search has a strategy"
    objective = _of_trainer(spec, Path(), meta.threads)
    return StoredSearch(objective, spec.search, spec.options, spec.trials)


def _of_trainer(
    spec: TrainerSpec, study: Path, threads: int, template: str | None = None
) -> Command | Function:
    keys, seed, timeout = spec.trainer, spec.search.seed, spec.search.trial_timeout or inf
    reporting = Reporting(keys.counts, keys.maximize is not None, keys.epochs)
    if keys.objective is not None:
        function = FunctionSpec(keys.objective, spec.folder)
        alone = runner_options(spec.runner).works_alone
        return Function(function, spec.space, study, reporting, seed, timeout, in_process=alone)
    command = CommandSpec(
        words=tuple(keys.command or ()),
        folder=spec.folder,
        style=keys.arguments,
        template=template,
        template_name=Path(keys.template or "").name,
        patterns=keys.metrics,
        reporting=reporting,
    )
    return Command(command, spec.space, study, threads, seed, timeout, spec.search.grace)


def _names(spec: TrainerSpec) -> Collection[str]:
    """Return the names of all parameters; where nothing is searched, those of picked trials."""
    return [*(spec.space.parameters or dict.fromkeys(n for one in spec.trials for n in one))]


def _read(path: Path, place: Place) -> str:
    """Return the text of a template.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST // 1024} kB")
        return content.decode("utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, UnicodeDecodeError):
            why = "it is not UTF-8 text"
        message = f"cannot read the template {path}: {why}"
        raise SpecError(Problem("E085", message, place)) from error


def _missing_program(spec: CommandSpec, names: Collection[str], place: Place) -> Iterator[Problem]:
    """Give what is wrong where there is no such program."""
    program = spec.words[0]
    if places(program, names):
        return
    if os.sep in program:
        path = spec.folder / program
        if not path.is_file():
            yield Problem("E085", f"there is no program {path}", place)
        elif not os.access(path, os.X_OK):
            message, help = f"{path} may not be run", f"chmod +x {path}; or name what runs it"
            yield Problem("E085", message, place, help=help)
    elif shutil.which(program) is None:
        message = f"there is no program '{program}'"
        help = "it is looked for in the folders of PATH; a path begins with ./ or /"
        yield Problem("E085", message, place, help=help)

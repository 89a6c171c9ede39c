"""A YAML search space as a `Spec`, or every mistake in it at once, each with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from hpsearch.config.conditions import build_space
from hpsearch.config.data_spec import data_spec
from hpsearch.config.diagnostics import TRAINERS, Diagnostics
from hpsearch.config.document import Document, KeyPath, read
from hpsearch.config.free import free_parameters, free_trials
from hpsearch.config.schema import (
    ConfigFile,
    NetworkFile,
    NetworkSearchKeys,
    RunnerKeys,
    SearchKeys,
    TrainerFile,
    own_options,
    runner_keys,
    runner_model,
    runner_options,
    validate,
)
from hpsearch.config.searched import fixed_and_searched, nearest_point, picked_trials
from hpsearch.config.trainer import TrainerKeys, check_trainer
from hpsearch.data import DataSpec
from hpsearch.engine.structure.settings import NEEDS, SETTINGS, complete
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.options import plain
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space
from hpsearch.strategies import StagedOptions, StrategyOptions
from hpsearch.strategies.halving import MIN_EPOCHS
from hpsearch.study.layout import StudyMeta

_RUNNER_NAME = ("runner", "name")

Override = tuple[tuple[str, ...], object, str]
"""What a flag says: the path of its key, the value, and the flag itself for messages."""


@dataclass(frozen=True)
class Spec:
    """A search that is ready to run: what all searches have.

    Attributes:
        name: the search's, fit for a folder.
        space: what is searched.
        trials: the settings that a person has picked.
        search: how it is searched: the keys that every strategy has.
        options: the keys that the strategy has of its own; None where no strategy was named.
        runner: where work is done.
    """

    name: str
    space: Space
    trials: tuple[Params, ...]
    search: SearchKeys
    options: StrategyOptions | None
    runner: RunnerKeys


@dataclass(frozen=True)
class NetworkSpec(Spec):
    """A search of networks, which the bundled engine trains.

    Attributes:
        data: what is trained on.
        fixed: settings that all trials have in common.
    """

    search: NetworkSearchKeys
    data: DataSpec
    fixed: Params

    def settings(self, params: Params) -> dict[str, Value]:
        """Return all settings of a trial: searched, fixed and default ones."""
        return complete({**self.fixed, **params})

    def default(self) -> Params | None:
        """Return the point with default settings, or the nearest there is.

        None where a constraint forbids it.
        """
        return nearest_point(self.space, self.fixed, {})


@dataclass(frozen=True)
class TrainerSpec(Spec):
    """A search of a trainer of one's own: a command, or a function in a module.

    Attributes:
        trainer: what it is, and how it is called and read.
        folder: what paths in the file are relative to, and where the trainer runs.
        places: where each key of the trainer stands, for messages.
    """

    trainer: TrainerKeys
    folder: Path
    places: Mapping[str, Place]


def networks_of(spec: Spec, command: str = "this") -> NetworkSpec:
    """Return a search of networks as one.

    Raises:
        SpecError: it is that of a trainer of one's own, for which there is no such command.
    """
    if not isinstance(spec, NetworkSpec):
        message = f"{command} is for networks, and {spec.name} has a trainer of its own"
        help = "hpsearch check  and the searches take both"
        raise SpecError(Problem("E086", message, help=help))
    return spec


def parse(
    text: str | bytes,
    file: str,
    folder: Path,
    overrides: Iterable[Override] = (),
    rows: int | None = None,
    strategy: str | None = None,
    is_stored: bool = False,
) -> Spec:
    """Return the search that a YAML describes; flags stand over what the file says.

    Args:
        text: the YAML.
        file: its name, for messages.
        folder: what paths in it are relative to.
        overrides: from flags, later ones over earlier ones.
        rows: keep only so many rows of the data (the smoke run).
        strategy: the strategy that searches; keys of another one are mistakes. None allows all.
        is_stored: whether a study keeps this config. It was accepted once, and still is.

    Raises:
        SpecError: with every mistake that was found.
    """
    document = read(text, file)
    _override(document, list(overrides))
    allowed = None if is_stored else strategy
    diagnostics = Diagnostics(document, allowed, list(document.problems), is_stored=is_stored)
    keys = validate(diagnostics)
    options = own_options(keys.search, strategy) if strategy else None
    if isinstance(keys, NetworkFile):
        data = data_spec(keys.data, folder, rows, diagnostics)
        parsed, trials = fixed_and_searched(keys, diagnostics), picked_trials
    else:
        assert isinstance(keys, TrainerFile), "there are two kinds of files"
        check_trainer(keys, diagnostics)
        parsed, trials = free_parameters(keys, diagnostics), free_trials
    if options:
        _check_options(options, keys, diagnostics)
    _check_runner(keys, diagnostics)
    space = build_space(parsed)
    picked = tuple(trials(parsed, space))
    if diagnostics.problems:
        raise diagnostics.error()
    source = keys.data.source if isinstance(keys, NetworkFile) else file
    name = keys.name or _name(source)
    spec = Spec(name, space, picked, keys.search, options, keys.runner)
    if isinstance(keys, NetworkFile):
        return NetworkSpec(**vars(spec), data=data, fixed=parsed.fixed)
    places = {key: document.value_place((key,)) for key in sorted(keys.model_fields_set)}
    trainer = keys.part(TrainerKeys)
    return TrainerSpec(**vars(spec), trainer=trainer, folder=folder, places=places)


def spec_of(meta: StudyMeta, *more: Override) -> Spec:
    """Return the spec of a study; `more` flags stand over its own."""
    kept = [(tuple(path), value, source) for path, value, source in json.loads(meta.overrides)]
    return parse(
        meta.config,
        meta.file,
        Path(meta.folder),
        [*kept, *more],
        meta.rows,
        strategy=meta.strategy,
        is_stored=True,
    )


def free_space(
    parameters: Mapping[str, object],
    constraints: Sequence[str] = (),
    strategy: str | None = None,
    is_stored: bool = False,
) -> Space:
    """Return a space of any names, given as `parameters:` and `constraints:` of a file are.

    Args:
        parameters: the parameters; numbers and lists may be of any library.
        constraints: the constraints.
        strategy: the strategy that searches. None stands for any.
        is_stored: whether a study keeps this space. It was accepted once, and still is.

    Raises:
        SpecError: with every mistake that was found.
    """
    place = Place("parameters", 0, 0)
    document = Document("parameters", {}, values={(): place})
    diagnostics = Diagnostics(document, strategy, is_stored=is_stored)
    document.override(("objective",), "module:function", "objective")
    document.override(("constraints",), plain(constraints), "constraints")
    document.override(("parameters",), {}, "parameters")
    named = plain(parameters)
    if not isinstance(named, dict):
        document.override(("parameters",), named, "parameters")
    for name, entry in named.items() if isinstance(named, dict) else ():
        if isinstance(name, str):
            document.override(("parameters", name), entry, "parameters")
        else:
            message = f"{name!r} is no name of a parameter, which is a text"
            diagnostics.add("E020", message, ("parameters",), help=f"write {str(name)!r}")
    space = build_space(free_parameters(validate(diagnostics), diagnostics))
    if diagnostics.problems:
        raise diagnostics.error()
    return space


def _check_runner(keys: ConfigFile, diagnostics: Diagnostics) -> None:
    """Note the keys of `search:` that have no effect where the work is done."""
    name = keys.runner.name
    for ignored in sorted(runner_options(keys.runner).ignored & keys.search.model_fields_set):
        message = f"'{ignored}' has no effect on the runner '{name}'"
        help = "leave it out, or take another runner"
        diagnostics.add("E012", message, ("search", ignored), key=True, help=help)


def _override(document: Document, flags: Sequence[Override]) -> None:
    """Put in what flags say. A name alone is a key of the file, or else a setting's."""
    own = {*document.value} if isinstance(document.value, dict) else set()
    is_trainers = bool({*TRAINERS} & (own | {path[0] for path, _, _ in flags}))
    fixed: list[tuple[str, object]] = []
    for path, value, source in flags:
        is_name = len(path) == 1 and _is_setting(path[0], is_trainers)
        if is_trainers and is_name:
            _fix(document, path[0], value, {})
            document.override(("parameters", path[0]), {"value": deepcopy(value)}, source)
            continue
        if path == _RUNNER_NAME:
            _choose_runner(document, value)
        path = ("train", *path) if is_name else path
        document.override(path, deepcopy(value), source)
        if path[0] == "train" and len(path) == 2:
            fixed.append((path[1], value))
    for name, value in fixed:
        _fix(document, name, value, NEEDS)


def _is_setting(name: str, is_trainers: bool) -> bool:
    """Return whether a name alone, as flags have it, is no key of a file."""
    keys = {*NetworkFile.model_fields, *TrainerFile.model_fields}
    return name not in keys or (name in SETTINGS and not is_trainers)


def _choose_runner(document: Document, name: object) -> None:
    """Take out the keys that only other runners have: the one that stood there is not taken."""
    for key in runner_keys() - runner_model(name).model_fields.keys():
        document.remove((*_RUNNER_NAME[:-1], key))


def _fix(
    document: Document,
    name: str,
    value: object,
    needs: Mapping[str, Mapping[str, Collection[Value]]],
) -> None:
    """Take out what a flag decides: the setting's range, and all that only others of it use."""
    gone = {name}
    gone |= {one for one, its in needs.items() if name in its and value not in its[name]}
    parameters = document.at(("parameters",))
    for other, entry in parameters.items() if isinstance(parameters, dict) else ():
        when = entry.get("when") if isinstance(entry, dict) else None
        if isinstance(when, dict) and name in when:
            wanted = when.pop(name)
            if value not in (wanted if isinstance(wanted, list) else [wanted]):
                gone.add(other)
            if not when:
                del entry["when"]
    picked = document.at(("trials",))
    for other in gone:
        document.remove(("parameters", other))
        # what another flag fixes (it has no line) is a mistake of the flags
        if document.key_place(("train", other)).line:
            document.remove(("train", other))
        for index in range(len(picked) if isinstance(picked, list) else 0):
            document.remove(("trials", index, other))


def _check_options(options: StrategyOptions, keys: ConfigFile, diagnostics: Diagnostics) -> None:
    """Note which of the strategy's keys do not go together, or with the rest of the file."""
    for name, message, help in options.conflicts():
        diagnostics.add("E034", message, ("search", name), key=True, help=help)
    if not isinstance(options, StagedOptions) or not options.halving:
        return
    # trials that are compared at an epoch need the same number of them, and more than a few
    if isinstance(keys, TrainerFile):
        path: KeyPath = ("epochs",)
        epochs: object = keys.epochs
        if "epochs" not in keys.model_fields_set and not diagnostics.within(path):
            message = "halving needs to know how long a whole training is"
            path, help = ("search", "halving"), "write  epochs: 27  at the left margin"
            diagnostics.add("E034", message, path, key=True, help=help)
            return
    else:
        assert isinstance(keys, NetworkFile), "there are two kinds of files"
        path, epochs = ("train", "epochs"), keys.train.get("epochs")
        if "epochs" in keys.parameters:
            message = "'epochs' cannot be searched beside halving"
            help = "fix epochs under 'train:': it is halving that says how many each trial is worth"
            diagnostics.add("E034", message, ("parameters", "epochs"), key=True, help=help)
    if isinstance(epochs, int) and epochs < MIN_EPOCHS and not diagnostics.within(path):
        message = f"{epochs} epochs are too few to drop trials on their way"
        help = f"halving takes {MIN_EPOCHS} or more"
        diagnostics.add("E034", message, path, help=help)


def _name(source: str) -> str:
    """Return the name of a search on this data, fit for a folder."""
    return re.sub("[^A-Za-z0-9._-]+", "-", Path(source).stem).lstrip("._-")[:64] or "search"

"""A YAML search space as a `Spec`, or every mistake in it at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from hpsearch.config.conditions import build_space
from hpsearch.config.diagnostics import Diagnostics
from hpsearch.config.document import Document, read
from hpsearch.config.schema import (
    ConfigFile,
    DataKeys,
    RunnerKeys,
    SearchKeys,
    own_options,
    validate,
)
from hpsearch.config.searched import (
    fixed_and_searched,
    free_parameters,
    nearest_point,
    picked_trials,
)
from hpsearch.data import DataSpec, Wanted
from hpsearch.engine.structure.settings import NEEDS, complete
from hpsearch.errors import Place
from hpsearch.options import plain
from hpsearch.runners import RUNNERS
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space
from hpsearch.strategies import StagedOptions, StrategyOptions
from hpsearch.strategies.halving import MIN_EPOCHS

Override = tuple[tuple[str, ...], object, str]
"""What a flag says: the path of its key, the value, and the flag itself for messages."""


@dataclass(frozen=True)
class Spec:
    """A search that is ready to run.

    Attributes:
        name: the search's, fit for a folder.
        data: what is trained on.
        fixed: settings that all trials have in common.
        space: what is searched.
        trials: the settings that a person has picked.
        search: how it is searched: the keys that every strategy has.
        options: the keys that the strategy has of its own; None where no strategy was named.
        runner: where work is done.
    """

    name: str
    data: DataSpec
    fixed: Params
    space: Space
    trials: tuple[Params, ...]
    search: SearchKeys
    options: StrategyOptions | None
    runner: RunnerKeys

    def settings(self, params: Params) -> dict[str, Value]:
        """Return all settings of a trial: searched, fixed and default ones."""
        return complete({**self.fixed, **params})

    def default(self) -> Params | None:
        """Return the point with default settings, or the nearest there is.

        None where a constraint forbids it.
        """
        return nearest_point(self.space, self.fixed, {})


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
    flags = list(overrides)
    for path, value, source in flags:
        document.override(path, deepcopy(value), source)
    for path, value, _ in flags:
        if path[0] == "train" and len(path) == 2:
            _fix(document, path[1], value)
    allowed = None if is_stored else strategy
    diagnostics = Diagnostics(document, allowed, list(document.problems), is_stored=is_stored)
    keys = validate(diagnostics)
    options = own_options(keys.search, strategy) if strategy else None
    data = _data(keys.data, folder, rows, diagnostics)
    parsed = fixed_and_searched(keys, diagnostics)
    if options:
        _check_options(options, keys, diagnostics)
    _check_runner(keys, diagnostics)
    space = build_space(parsed)
    picked = tuple(picked_trials(parsed, space))
    if diagnostics.problems:
        raise diagnostics.error()
    return Spec(
        name=keys.name or _name(data.source),
        data=data,
        fixed=parsed.fixed,
        space=space,
        trials=picked,
        search=keys.search,
        options=options,
        runner=keys.runner,
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
    diagnostics = Diagnostics(document, strategy, is_stored=is_stored, any_name=True)
    document.override(("data", "source"), "none", "data")
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
    for ignored in sorted(RUNNERS.load(name).ignored & keys.search.model_fields_set):
        message = f"'{ignored}' has no effect on the runner '{name}'"
        help = "leave it out, or take another runner"
        diagnostics.add("E012", message, ("search", ignored), key=True, help=help)


def _fix(document: Document, name: str, value: object) -> None:
    """Take out what a flag decides: the setting's range, and all that only others of it use."""
    gone = {name}
    gone |= {other for other, needs in NEEDS.items() if name in needs and value not in needs[name]}
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


def _data(keys: DataKeys, folder: Path, rows: int | None, diagnostics: Diagnostics) -> DataSpec:
    split = keys.split
    given = split.model_fields_set
    for way, others in (
        ("column", {"validation", "test", "folds", "group", "by"}),
        ("folds", {"validation"}),
        ("group", {"by"}),
    ):
        if way in given and (besides := sorted(others & given)):
            message = f"'{besides[0]}' has no meaning beside '{way}'"
            path, help = ("data", "split", besides[0]), "leave one of the two out"
            diagnostics.add("E076", message, path, key=True, help=help)
    if split.validation + (split.test or 0.0) >= 1:
        message = "validation and test leave no rows to train on"
        help = "what is left is trained on:  {validation: 0.2, test: 0.2} trains on 0.6"
        diagnostics.add("E076", message, ("data", "split"), help=help)
    return DataSpec(
        source=keys.source,
        target=keys.target,
        task=keys.task,
        validation=split.validation,
        test=split.test,
        folds=split.folds,
        column=split.column,
        group=split.group,
        by=split.by,
        weights=keys.weights,
        columns={name: Wanted(one.kind, one.format) for name, one in keys.columns.items()},
        missing=keys.missing,
        split_seed=keys.split_seed,
        scale=keys.scale,
        folder=folder,
        rows=rows,
        places=dict(_places(keys, diagnostics.document)),
    )


def _places(keys: DataKeys, document: Document) -> Iterator[tuple[str, Place]]:
    """Give the place of each key of `data:` that is written, those of `split:` among them."""
    for name in keys.model_fields_set:
        yield name, document.value_place(("data", name))
    for name in keys.split.model_fields_set:
        yield name, document.value_place(("data", "split", name))
    for name in keys.columns:
        yield f"columns.{name}", document.key_place(("data", "columns", name))


def _check_options(options: StrategyOptions, keys: ConfigFile, diagnostics: Diagnostics) -> None:
    """Note which of the strategy's keys do not go together, or with the rest of the file."""
    for name, message, help in options.conflicts():
        diagnostics.add("E034", message, ("search", name), key=True, help=help)
    if not isinstance(options, StagedOptions) or not options.halving:
        return
    # trials that are compared at an epoch need the same number of them, and more than a few
    if "epochs" in keys.parameters:
        message = "'epochs' cannot be searched beside halving"
        help = "fix epochs under 'train:': it is halving that says how many each trial is worth"
        diagnostics.add("E034", message, ("parameters", "epochs"), key=True, help=help)
    epochs = keys.train.get("epochs")
    if isinstance(epochs, int) and epochs < MIN_EPOCHS:
        message = f"{epochs} epochs are too few to drop trials on their way"
        help = f"halving takes {MIN_EPOCHS} or more"
        diagnostics.add("E034", message, ("train", "epochs"), help=help)


def _name(source: str) -> str:
    """Return the name of a search on this data, fit for a folder."""
    return re.sub("[^A-Za-z0-9._-]+", "-", Path(source).stem).lstrip("._-")[:64] or "search"

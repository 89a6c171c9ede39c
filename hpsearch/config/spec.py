"""A YAML search space as a `Spec`, or every mistake in it at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from hpsearch.config.conditions import space
from hpsearch.config.diagnostics import Mistakes
from hpsearch.config.document import Document, read
from hpsearch.config.schema import DataKeys, Keys, SearchKeys, validate
from hpsearch.config.searched import free, nearest, settings, trials
from hpsearch.data import DataSpec
from hpsearch.engine.structure.settings import NEEDS, complete
from hpsearch.errors import Place
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space
from hpsearch.strategies.halving import LEAST

Override = tuple[tuple[str, ...], object, str]
"""What a flag says: the path of the key it stands for, the value, and the flag itself (for messages)."""


@dataclass(frozen=True)
class Spec:
    """A search, ready to run: what is fixed, what is searched, on which data, how."""

    name: str
    data: DataSpec
    fixed: Params
    space: Space
    trials: tuple[Params, ...]
    search: SearchKeys

    def settings(self, params: Params) -> dict[str, Value]:
        """All settings of a trial: searched, fixed, default."""
        return complete({**self.fixed, **params})

    def default(self) -> Params | None:
        """The point with default settings, or the nearest there is; None where a constraint forbids it."""
        return nearest(self.space, self.fixed, {})


def parse(
    text: str | bytes,
    file: str,
    folder: Path,
    overrides: Iterable[Override] = (),
    rows: int | None = None,
) -> Spec:
    """Read a search space; flags stand over what the file says.

    Args:
        text: the YAML.
        file: its name, for messages.
        folder: what paths in it are relative to.
        overrides: from flags, later ones over earlier ones.
        rows: keep only so many rows of the data (the smoke run).

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
    mistakes = Mistakes(document, list(document.problems))
    keys = validate(mistakes)
    data = _data(keys.data, folder, rows, mistakes)
    parts = settings(keys, mistakes)
    if keys.search.halving:
        _halving(keys, mistakes)
    searched = space(parts)
    picked = tuple(trials(parts, searched))
    if mistakes.problems:
        raise mistakes.error()
    return Spec(keys.name or _name(data.source), data, parts.fixed, searched, picked, keys.search)


def free_space(parameters: Mapping[str, object], constraints: Sequence[str] = ()) -> Space:
    """A search space of any names, given as `parameters:` and `constraints:` of a file are.

    Raises:
        SpecError: with every mistake that was found.
    """
    place = Place("parameters", 0, 0)
    document = Document("parameters", {}, values={(): place})
    for path, value in [(("data", "source"), "none"), (("constraints",), list(constraints))]:
        document.override(path, value, "constraints")
    for name, entry in parameters.items():
        document.override(("parameters", str(name)), deepcopy(entry), "parameters")
    mistakes = Mistakes(document)
    searched = space(free(validate(mistakes), mistakes))
    if mistakes.problems:
        raise mistakes.error()
    return searched


def _fix(document: Document, name: str, value: object) -> None:
    """Take out what a flag decides: the setting's range, and all that is used with other values of it only."""
    gone = {
        name,
        *(other for other, needs in NEEDS.items() if name in needs and value not in needs[name]),
    }
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
        if document.key_place(
            ("train", other)
        ).line:  # what another flag fixes is a mistake of the flags
            document.remove(("train", other))
        for index in range(len(picked) if isinstance(picked, list) else 0):
            document.remove(("trials", index, other))


def _data(keys: DataKeys, folder: Path, rows: int | None, mistakes: Mistakes) -> DataSpec:
    split = keys.split
    for way, others in (("column", {"validation", "test", "folds"}), ("folds", {"validation"})):
        if way in split.model_fields_set and (besides := sorted(others & split.model_fields_set)):
            message = f"'{besides[0]}' has no meaning beside '{way}'"
            mistakes.add(
                "E076",
                message,
                ("data", "split", besides[0]),
                key=True,
                help="leave one of the two out",
            )
    if split.validation + (split.test or 0.0) >= 1:
        help = "what is left is trained on:  {validation: 0.2, test: 0.2} trains on 0.6"
        mistakes.add(
            "E076", "validation and test leave no rows to train on", ("data", "split"), help=help
        )
    return DataSpec(
        keys.source,
        keys.target,
        keys.task,
        split.validation,
        split.test,
        split.folds,
        split.column,
        keys.split_seed,
        keys.scale,
        folder,
        rows,
    )


def _halving(keys: Keys, mistakes: Mistakes) -> None:
    """Trials that are compared at an epoch need the same number of them, and more than a few."""
    if "epochs" in keys.parameters:
        help = "fix epochs under 'train:': it is halving that says how many each trial is worth"
        message = "'epochs' cannot be searched beside halving"
        mistakes.add("E034", message, ("parameters", "epochs"), key=True, help=help)
    epochs = keys.train.get("epochs")
    if isinstance(epochs, int) and epochs < LEAST:
        message = f"{epochs} epochs are too few to drop trials on their way"
        mistakes.add("E034", message, ("train", "epochs"), help=f"halving takes {LEAST} or more")
    for name, given in (("rounds", keys.search.rounds > 1), ("guided", keys.search.guided)):
        if given:
            message = f"'{name}' has no meaning beside halving, which draws in brackets"
            mistakes.add(
                "E034", message, ("search", name), key=True, help="leave one of the two out"
            )


def _name(source: str) -> str:
    """The name of a search on this data, fit for a folder."""
    return re.sub("[^A-Za-z0-9._-]+", "-", Path(source).stem).lstrip("._-")[:64] or "search"

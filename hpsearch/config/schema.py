"""The keys of the YAML and what each may hold; what a wrong one is answered with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from hpsearch.config import other_tools
from hpsearch.config.diagnostics import Mistakes, flow, kind, written
from hpsearch.config.document import Path, dotted
from hpsearch.data import Scale, Task
from hpsearch.engine.structure.cohorts import Objective
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.registry import closest
from hpsearch.space.parameters import Value
from hpsearch.strategies import SURROGATES

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}


def seconds(duration: object) -> float:
    """`10m`, `1.5h`, `90s`, or a number of seconds."""
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        number, unit = float(duration), "s"
    else:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])", str(duration))
        if not match:
            raise ValueError("not a duration")
        number, unit = float(match[1]), match[2]
    if not 0 < number < float("inf"):
        raise ValueError("not positive")
    return number * _UNITS[unit]


def size(text: object) -> int:
    """`4GB`, `1.5GiB`, `800MB`: bytes."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([MG]i?B)", str(text))
    if not match or not float(match[1]):
        raise ValueError("not a size")
    return int(float(match[1]) * _SIZES[match[2]])


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _stands_there(cls, value: object) -> object:
        if value is None:  # `budget:` with nothing after it is a slip, not a way to leave it out
            raise ValueError("empty")
        return value


Duration = Annotated[float, BeforeValidator(seconds)]


class SplitKeys(_Section):
    """`data: split:`."""

    validation: float = Field(0.2, gt=0, lt=1, description="a share above 0 and below 1")
    test: float | None = Field(None, ge=0, lt=1, description="a share from 0 to below 1")
    folds: int | None = Field(
        None, ge=2, le=10_000, description="a whole number of folds, 2 or more"
    )
    column: str | None = Field(
        None,
        min_length=1,
        description="the column that says train, validation or test for each row",
    )


class DataKeys(_Section):
    """`data:`."""

    source: str = Field(
        min_length=1,
        description="a bundled name (digits, wine, breast_cancer, diabetes), mnist, or a path",
    )
    target: str | None = Field(
        None, min_length=1, description="the name of the column that is to be predicted"
    )
    task: Task | None = Field(None, description="classification or regression")
    split: SplitKeys = Field(
        SplitKeys(),
        description="a mapping such as {validation: 0.2, test: 0.2} or {folds: 5, test: 0.2}",
    )
    split_seed: int = Field(0, ge=0, lt=2**63, description="a whole number, 0 or more")
    scale: Scale = Field("standard", description="standard, unit or none")


OF_TRAININGS = frozenset({"trial_timeout", "memory", "max_retries", "max_failures", "grace"})
"""The keys of `search:` that say how workers train, and may change while a study goes on."""


class SearchKeys(_Section):
    """`search:`."""

    budget: int | None = Field(
        None, ge=1, le=1_000_000_000, description="a whole number of trials, 1 or more"
    )
    time: Duration | None = Field(None, description="a duration such as 10m or 1.5h")
    seed: int = Field(0, ge=0, lt=2**63, description="a whole number, 0 or more")
    seeds: int = Field(
        1, ge=1, le=10_000, description="a whole number of trainings of each trial, 1 or more"
    )
    wave: int | None = Field(
        None, ge=1, le=100_000, description="a whole number of trials, 1 or more"
    )
    metric: Objective = Field("loss", description="loss, accuracy or r2")
    time_weight: float = Field(0.0, ge=0, lt=float("inf"), description="a number, 0 or more")
    points: int = Field(5, ge=1, le=1_000_000, description="a whole number of ticks, 1 or more")
    rounds: int = Field(1, ge=1, le=100_000, description="a whole number of rounds, 1 or more")
    guided: bool | None = Field(None, description="true or false")
    halving: bool = Field(False, description="true or false")
    pareto: bool = Field(False, description="true or false")
    until_converged: bool = Field(False, description="true or false")
    confirm: bool | None = Field(None, description="true or false")
    surrogate: Literal[tuple(SURROGATES)] = Field("gp", description=" or ".join(SURROGATES))  # type: ignore[valid-type]
    trial_timeout: Duration | None = Field(None, description="a duration such as 10m or 1.5h")
    memory: Annotated[int, BeforeValidator(size)] | None = Field(
        None, description="a size such as 4GB or 800MB"
    )
    max_retries: int = Field(1, ge=0, le=100, description="a whole number, 0 or more")
    max_failures: int = Field(
        5, ge=1, le=1_000_000_000, description="a whole number of crashes in a row, 1 or more"
    )
    grace: Duration = Field(10.0, description="a duration such as 10s or 1m")


class ParameterKeys(_Section):
    """One entry of `parameters:`. What belongs together is judged by `hpsearch.config.searched`."""

    value: Value | None = Field(None, description="one value: a number, a word, true or false")
    values: list[Value] | None = Field(
        None, min_length=1, description="a list of numbers or words, such as [1, 2, 3]"
    )
    min: int | float | None = Field(None, description="a number")
    max: int | float | None = Field(None, description="a number")
    log: bool = Field(False, description="true or false")
    step: int | float | None = Field(None, description="a number above 0")
    points: int | None = Field(
        None, ge=1, le=1_000_000, description="a whole number of ticks, 1 or more"
    )
    prior: Value | None = Field(
        None, description="a value of the parameter that is likely to be good"
    )
    when: dict[str, Value | Annotated[list[Value], Field(min_length=1)]] | None = Field(
        None, min_length=1, description="a mapping such as {optimizer: momentum}"
    )


class Keys(_Section):
    """The whole file."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit",
    )
    data: DataKeys = Field(description="a mapping such as {source: digits}")
    train: dict[str, Any] = Field(
        {}, description="a mapping of settings to values, such as {epochs: 30}"
    )
    parameters: dict[str, ParameterKeys] = Field(
        {},
        description="a mapping of names to ranges, such as {lr: {min: 1e-4, max: 1e-1, log: true}}",
    )
    constraints: list[str] = Field(
        [], description='a list of conditions in quotes, such as ["width * depth <= 512"]'
    )
    trials: list[dict[str, Value]] = Field(
        [], description="a list of mappings, such as [{lr: 0.01, width: 64}]"
    )
    search: SearchKeys = Field(SearchKeys(), description="a mapping such as {budget: 50}")


_ENTRY = "a mapping such as {min: 1e-4, max: 1e-1, log: true} or {values: [16, 32]}"
_SECTIONS: Mapping[Path, type[_Section]] = {
    ("data", "split"): SplitKeys,
    ("data",): DataKeys,
    ("search",): SearchKeys,
    (): Keys,
}
_BY_NAME = ("parameters", "trials", "constraints")
"""Of these sections a wrong member is left out as a whole."""


def validate(mistakes: Mistakes) -> Keys:
    """The keys in their types. What is wrong is noted and left out, so that the rest can be judged.

    Raises:
        SpecError: there is nothing to judge.
    """
    document = mistakes.document
    if not isinstance(document.value, dict):
        empty = document.value is None
        what = (
            "this file is empty"
            if empty
            else f"this file holds {kind(document.value)}, not a mapping of sections"
        )
        mistakes.add("E005", what, (), help="it begins with  data: {source: digits}")
        raise mistakes.error()
    try:
        return Keys.model_validate(document.value)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            _note(one["type"], one["loc"], one["input"], mistakes)
    return Keys.model_validate(_without(mistakes.paths, document.value))


def _without(wrong: Iterable[Path], value: dict[str, Any]) -> dict[str, Any]:
    """The value less what is wrong; a list keeps its length."""
    rest = deepcopy(value)
    for path in wrong:
        *above, last = path[:2] if path[0] in _BY_NAME else path
        node: Any = rest
        for part in above:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, list):
            node[int(last)] = "" if above == ["constraints"] else {}
        elif isinstance(node, dict):
            node.pop(last, None)
    rest.setdefault("data", {}).setdefault("source", "unknown")
    return rest


def _note(
    category: str, location: tuple[str | int, ...], value: object, mistakes: Mistakes
) -> None:
    """Say in words what pydantic found; of one value, once."""
    path = _within(location, mistakes.document.value)
    if category == "missing":
        path = (*path, location[-1])
    if path in mistakes.paths:
        return
    section = keys_at(path[:-1])
    name = str(path[-1])
    if category == "extra_forbidden" or (path[:-1] == ("parameters",) and name not in section):
        unknown_key(path, mistakes)
    elif category == "missing" and any(
        closest(key, [name]) for key in mistakes.document.at(path[:-1])
    ):
        mistakes.paths.add(path)  # it stands there misspelt, which is a mistake of its own
    elif category == "missing":
        where = f" in '{dotted(path[:-1])}'" if len(path) > 1 else ""
        message = f"the key '{name}' is missing{where}"
        place = mistakes.document.key_place(path[:-1])
        mistakes.add("E013", message, path, place=place, help=f"{name}: {section[name]}")
    else:
        model = _SECTIONS.get(path[:-1], ParameterKeys if len(path) == 3 else None)
        among = (
            _among(model.model_fields[name].annotation)
            if model and name in model.model_fields
            else []
        )
        mistakes.wrong(
            path, value, section.get(name) or _item(path), among=among, hint=_entry(path, value)
        )


def _within(location: tuple[str | int, ...], node: Any) -> Path:
    """The part of pydantic's location that is in the file: the names of union branches are not."""
    path: Path = ()
    for part in location:
        inside = isinstance(node, dict) and part in node
        if inside or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]
            path = (*path, part)
    return path


def _among(annotation: object) -> list[str]:
    """The words that a type allows, where it is a list of them."""
    parts = get_args(annotation)
    return [part for part in parts if isinstance(part, str)] or [
        word for part in parts for word in _among(part)
    ]


def _entry(path: Path, value: object) -> str:
    """How a parameter is written that stands there without its keys."""
    if len(path) != 2 or path[0] != "parameters" or value is None:
        return ""
    if isinstance(value, list):
        return f"write {flow({'values': value})}"
    return f"write {{value: {written(value)}}}, or put it under 'train:'"


def _item(path: Path) -> str:
    """What an item of a list or of a free mapping may be."""
    whole = {
        "parameters": _ENTRY,
        "constraints": "a condition in quotes",
        "trials": "a mapping such as {lr: 0.01}",
    }
    if len(path) == 2:
        return whole[str(path[0])]
    return "a value or a list of values" if path[2] == "when" else "a number, a word, true or false"


def keys_at(path: Path) -> Mapping[str, str]:
    """The keys allowed under a path, and what each holds."""
    if path in (("parameters",), ("train",)) or (path[:1] == ("trials",) and len(path) == 2):
        return dict.fromkeys(SETTINGS, _ENTRY if path == ("parameters",) else "")
    entry = ParameterKeys if len(path) == 2 and path[0] == "parameters" else None
    model = _SECTIONS.get(path, entry)
    return (
        {name: field.description or "" for name, field in model.model_fields.items()}
        if model
        else {}
    )


def unknown_key(path: Path, mistakes: Mistakes) -> None:
    """Note a key that does not belong where it stands."""
    parent, name = path[:-1], str(path[-1])
    entry = mistakes.document.at(parent)
    in_parameter = parent[:1] == ("parameters",) and len(parent) == 2
    if in_parameter and name in other_tools.TOOLS and other_tools.first(entry) != name:
        mistakes.paths.add(path)  # the first such key says how the whole is written
        return
    allowed = keys_at(parent)
    where = (
        f" in parameter '{parent[1]}'"
        if in_parameter
        else f" in '{dotted(parent)}'"
        if parent
        else ""
    )
    noun = "setting" if set(SETTINGS) == set(allowed) else "key"
    hint = _elsewhere(path, entry[name], mistakes)
    if not hint and (
        near := closest(name, [*allowed, *(other_tools.TOOLS if in_parameter else ())])
    ):
        hint = f"did you mean '{near}'?" if near in allowed else _foreign(near, entry)
    help = f"allowed here: {', '.join(allowed)}"
    mistakes.add("E012", f"unknown {noun} '{name}'{where}", path, key=True, hint=hint, help=help)


def _foreign(key: str, entry: Mapping[str, Any]) -> str:
    ours = other_tools.translated(entry)
    line = flow(ours) if ours else "min and max, perhaps log: true; or values"
    means = (
        "W&B takes exponents of e"
        if other_tools.exponents(entry)
        else f"{other_tools.TOOLS[key]} writes it so"
    )
    return f"{means}; here: {line}"


def _elsewhere(path: Path, value: object, mistakes: Mistakes) -> str:
    """Where a key would be right, or what it is called here."""
    parent, name = path[:-1], str(path[-1])
    if ":" in name:
        return f"a blank belongs after ':', as in  {name.replace(':', ': ')}"
    if parent[:1] == ("parameters",) and len(parent) == 2 and name in other_tools.TOOLS:
        return _foreign(name, mistakes.document.at(parent))
    for home, model in _SECTIONS.items():
        if name in model.model_fields:
            place = (
                f"under '{' '.join(f'{part}:' for part in home)}'" if home else "at the left margin"
            )
            return f"'{name}' belongs {place}"
    ours = other_tools.NAMES.get(name, name)
    if ours in SETTINGS:
        if parent in (("train",), ("parameters",)) or parent[:1] == ("trials",):
            return f"here it is called '{ours}'"
        called = f"'{ours}' belongs" if ours == name else f"here it is called '{ours}', and belongs"
        return called + (
            " under 'parameters:'"
            if isinstance(value, dict)
            else " under 'train:' or 'parameters:'"
        )
    if name in ParameterKeys.model_fields:
        return f"'{name}' belongs to a parameter, such as  lr: {{min: 1e-4, max: 1e-1}}"
    return other_tools.SECTIONS.get(name, "") if not parent else ""

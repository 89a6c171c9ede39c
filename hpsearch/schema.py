"""The keys of the YAML and what each may hold; what a wrong one is answered with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hpsearch.data import Scale, Task
from hpsearch.document import Document, Path, kind
from hpsearch.engine.plan import Objective
from hpsearch.engine.settings import SETTINGS
from hpsearch.errors import Problem
from hpsearch.registry import closest
from hpsearch.space import Value
from hpsearch.strategies import SURROGATES

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SplitKeys(_Section):
    """`data: split:`."""

    validation: float = Field(0.2, gt=0, lt=1, description="a share above 0 and below 1")
    test: float | None = Field(None, ge=0, lt=1, description="a share from 0 to below 1")


class DataKeys(_Section):
    """`data:`."""

    source: str = Field(description="a bundled name (digits, wine, breast_cancer, diabetes), mnist, or a path")
    target: str | None = Field(None, description="the name of the column that is to be predicted")
    task: Task | None = Field(None, description="classification or regression")
    split: SplitKeys = Field(SplitKeys(), description="shares, such as {validation: 0.2, test: 0.2}")
    split_seed: int = Field(0, ge=0, description="a whole number, 0 or more")
    scale: Scale = Field("standard", description="standard, unit or none")


class SearchKeys(_Section):
    """`search:`."""

    budget: int | None = Field(None, ge=1, le=1_000_000_000, description="a whole number of trials, 1 or more")
    time: Annotated[float, BeforeValidator(seconds)] | None = Field(None, description="a duration such as 10m or 1.5h")
    seed: int = Field(0, ge=0, lt=2**63, description="a whole number, 0 or more")
    wave: int | None = Field(None, ge=1, le=100_000, description="a whole number of trials, 1 or more")
    metric: Objective = Field("loss", description="loss, accuracy or r2")
    time_weight: float = Field(0.0, ge=0, lt=float("inf"), description="a number, 0 or more")
    points: int = Field(5, ge=1, le=1_000_000, description="a whole number of ticks, 1 or more")
    rounds: int = Field(1, ge=1, le=100_000, description="a whole number of rounds, 1 or more")
    guided: bool | None = Field(None, description="true or false")
    surrogate: Literal[SURROGATES] = Field(SURROGATES[0], description=" or ".join(SURROGATES))  # type: ignore[valid-type]


class ParameterKeys(_Section):
    """One entry of `parameters:`. What belongs together is judged by `hpsearch.spec`."""

    value: Value | None = Field(None, description="one value: a number, a word, true or false")
    values: list[Value] | None = Field(None, min_length=1, description="a list of numbers or words, such as [1, 2, 3]")
    min: int | float | None = Field(None, description="a number")
    max: int | float | None = Field(None, description="a number")
    log: bool = Field(False, description="true or false")
    step: int | float | None = Field(None, description="a number above 0")
    points: int | None = Field(None, ge=1, le=1_000_000, description="a whole number of ticks, 1 or more")
    when: dict[str, Value | list[Value]] | None = Field(
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
    train: dict[str, Any] = Field({}, description="a mapping of settings to values, such as {epochs: 30}")
    parameters: dict[str, ParameterKeys] | None = Field(
        None, description="a mapping of names to ranges, such as {lr: {min: 1e-4, max: 1e-1, log: true}}"
    )
    constraints: list[str] = Field([], description='a list of conditions in quotes, such as ["width * depth <= 512"]')
    trials: list[dict[str, Value]] = Field([], description="a list of mappings, such as [{lr: 0.01, width: 64}]")
    search: SearchKeys = Field(SearchKeys(), description="a mapping such as {budget: 50}")


_ENTRY = "a mapping such as {min: 1e-4, max: 1e-1, log: true} or {values: [16, 32]}"

_FOREIGN = {
    "low": ("Optuna", "min"),
    "high": ("Optuna", "max"),
    "lower": ("Ludwig", "min"),
    "upper": ("Ludwig", "max"),
    "bounds": ("Ax", "min and max:  {min: 1e-4, max: 1e-1}"),
    "choices": ("Optuna", "values"),
    "categories": ("Ludwig", "values"),
    "q": ("W&B", "step"),
    "distribution": ("W&B", "log: true, min and max (as values, not exponents)"),
    "log_uniform": ("W&B", "log: true, min and max (as values, not exponents)"),
    "log_uniform_values": ("W&B", "log: true, min and max"),
    "loguniform": ("Ray Tune", "log: true, min and max"),
    "sampling": ("KerasTuner", "log: true"),
    "space": ("Ludwig", "min and max, or values"),
    "type": ("others", "nothing: it follows from the values"),
    "_type": ("NNI", "min and max, or values"),
    "_value": ("NNI", "min and max, or values"),
}


def validate(document: Document) -> tuple[Keys | None, list[Problem]]:
    """The keys in their types, or what is wrong with them, in the order of the file."""
    value = document.value
    if not isinstance(value, dict):
        what = "this file is empty" if value is None else f"this file holds {kind(value)}, not a mapping of sections"
        help = "it begins with  data: {source: digits}"
        return None, [Problem("E005", what, document.value_place(()), help=help)]
    try:
        return Keys.model_validate(value), []
    except ValidationError as error:
        found: dict[Path, Problem] = {}
        for one in error.errors(include_url=False):
            path = _within(one["loc"], document)
            found.setdefault(path, _problem(one["type"], path, one, document))
        return None, list(found.values())


def _within(location: tuple[str | int, ...], document: Document) -> Path:
    """The part of pydantic's location that is in the file: the names of union branches are not."""
    path: Path = ()
    node = document.value
    for part in location:
        inside = isinstance(node, dict) and part in node
        if inside or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]
            path = (*path, part)
        elif isinstance(node, dict) and isinstance(part, str) and len(location) == len(path) + 1:
            return (*path, part)  # a missing key
    return path


def _problem(category: str, path: Path, error: Mapping[str, Any], document: Document) -> Problem:
    if category == "extra_forbidden":
        return unknown_key(path, document)
    section = _section(path[:-1])
    if category == "missing":
        description = section[str(path[-1])]
        where = f" in '{path[-2]}'" if len(path) > 1 else ""
        place = document.key_place(path[:-1])
        return Problem("E013", f"the key '{path[-1]}' is missing{where}", place, help=f"{path[-1]}: {description}")
    return wrong_value(path, error["input"], section.get(str(path[-1]), "") or _item(path), document)


def wrong_value(path: Path, value: object, expected: str, document: Document, code: str = "E020") -> Problem:
    """A value that is not what its key takes."""
    name = ".".join(str(part) for part in path)
    hint = ""
    if expected == _ENTRY and isinstance(value, list):
        hint = f"write {{values: {_flow(value)}}}"
    elif expected == _ENTRY and not isinstance(value, dict):
        hint = f"write {{value: {value}}}, or put it under 'train:'"
    place = document.value_place(path)
    return Problem(code, f"'{name}' is {kind(value)}, which is not {expected}", place, hint)


def _flow(values: list[object]) -> str:
    return "[" + ", ".join(str(value) for value in values) + "]"


def unknown_key(path: Path, document: Document) -> Problem:
    """A key that does not belong where it stands."""
    name, allowed = str(path[-1]), _section(path[:-1])
    where = f" in parameter '{path[1]}'" if path[0] == "parameters" else f" in '{path[0]}'" if len(path) > 1 else ""
    hint = ""
    if near := closest(name, allowed):
        hint = f"did you mean '{near}'?"
    elif path[0] == "parameters" and name in _FOREIGN:
        tool, ours = _FOREIGN[name]
        hint = f"that is the spelling of {tool}; here: {ours}"
    elif home := _home(name):
        hint = f"'{name}' belongs under '{home}:'"
    help = f"allowed here: {', '.join(allowed)}"
    return Problem("E012", f"unknown key '{name}'{where}", document.key_place(path), hint, help)


def _home(name: str) -> str | None:
    """The section in which a key would be right."""
    homes: dict[str, type[BaseModel]] = {"split": SplitKeys, "data": DataKeys, "search": SearchKeys}
    for home, model in homes.items():
        if name in model.model_fields:
            return home
    return "train' or 'parameters" if name in SETTINGS else None


def _section(path: Path) -> Mapping[str, str]:
    """The keys allowed under a path, and what each holds."""
    models: dict[Path, type[_Section]] = {
        (): Keys,
        ("data",): DataKeys,
        ("data", "split"): SplitKeys,
        ("search",): SearchKeys,
    }
    if path == ("parameters",):
        return dict.fromkeys(SETTINGS, _ENTRY)
    model: type[BaseModel] | None = models.get(path)
    if model is None and len(path) == 2 and path[0] == "parameters":
        model = ParameterKeys
    return {name: field.description or "" for name, field in model.model_fields.items()} if model else {}


def _item(path: Path) -> str:
    """What an item of a list or of a free mapping may be."""
    return {
        "parameters": _ENTRY if len(path) == 2 else "a number, a word, true or false",
        "constraints": "a condition in quotes",
        "trials": "a mapping such as {lr: 0.01}" if len(path) == 2 else "a number, a word, true or false",
    }.get(str(path[0]), "a number, a word, true or false")

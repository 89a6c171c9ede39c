"""The keys of the YAML and what each may hold; what a wrong one is answered with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BeforeValidator, Field, ValidationError, create_model

from hpsearch.config import other_tools
from hpsearch.config.diagnostics import TRAINERS, Diagnostics, flow, kind, written
from hpsearch.config.document import KeyPath, dotted
from hpsearch.config.trainer import TrainerKeys, trainer_hint
from hpsearch.data import BALANCED, InputScale, Kind, Missing, Task
from hpsearch.engine.structure.settings import SETTINGS
from hpsearch.metrics import LOSS, METRICS, choices
from hpsearch.options import Options, size
from hpsearch.registry import closest
from hpsearch.runners import RUNNERS
from hpsearch.runners.options import RunnerOptions
from hpsearch.space.parameters import Value
from hpsearch.strategies import STRATEGIES, StrategyOptions

_SEARCH = "a mapping such as {budget: 50}"
_RUNNER = "a mapping such as {name: local}"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 10_000_000_000  # seconds: three centuries


def seconds(duration: object) -> float:
    """Return the seconds of a duration: `10m`, `1.5h`, `90s`, or a number of seconds.

    Raises:
        ValueError: it is no duration, is not above 0, or is longer than anybody waits.
    """
    number: float
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        number, unit = duration, "s"
    else:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])", str(duration))
        if not match:
            raise ValueError("not a duration")
        number, unit = float(match[1]), match[2]
    if not 0 < number <= _LONGEST / _UNITS[unit]:
        raise ValueError(f"no duration above 0 s and up to {_LONGEST:,} s")
    return float(number * _UNITS[unit])


Duration = Annotated[float, BeforeValidator(seconds)]


class SplitKeys(Options):
    """The keys of `data: split:`."""

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
    group: str | None = Field(
        None, min_length=1, description="a column; rows with one value of it stay together"
    )
    by: str | None = Field(
        None,
        min_length=1,
        description="a column of dates or numbers, which orders the rows",
    )


class ColumnKeys(Options):
    """The keys of an entry of `data: columns:`, where it is more than the name of a kind."""

    kind: Literal[Kind, "drop"] = Field(description="number, category, date or drop")
    format: str | None = Field(
        None, min_length=1, description='how dates are written, such as "%d.%m.%Y"'
    )


def _column(entry: object) -> object:
    """Return an entry of `data: columns:` as a mapping, also where it is the name of a kind."""
    return {"kind": entry} if isinstance(entry, str) else entry


class DataKeys(Options):
    """The keys of `data:`."""

    source: str = Field(
        min_length=1,
        description="a bundled name (digits, wine, breast_cancer, diabetes), mnist, or a path",
    )
    target: str | None = Field(
        None, min_length=1, description="the name of the column that is to be predicted"
    )
    task: Task | None = Field(None, description="classification or regression")
    weights: str | None = Field(
        None,
        min_length=1,
        description=f"a column that says how much each row counts, or {BALANCED}",
    )
    columns: dict[str, Annotated[ColumnKeys, BeforeValidator(_column)]] = Field(
        {}, description="a mapping of columns to what they hold, such as {zip: category}"
    )
    missing: Missing = Field("impute", description="impute or error")
    split: SplitKeys = Field(
        SplitKeys(),
        description="a mapping such as {validation: 0.2, test: 0.2} or {folds: 5, test: 0.2}",
    )
    split_seed: int = Field(0, ge=0, lt=2**63, description="a whole number, 0 or more")
    scale: InputScale = Field("standard", description="standard, unit or none")


OPERATIONAL = frozenset({"trial_timeout", "memory", "max_retries", "max_failures", "grace"})
"""The keys of `search:` that say how work is done. They may change while a study goes on."""


class SearchKeys(Options):
    """The keys of `search:` that every search has; each strategy has its own beside them."""

    budget: int | None = Field(
        None, ge=1, le=1_000_000_000, description="a whole number of trials, 1 or more"
    )
    time: Duration | None = Field(None, description="a duration such as 10m or 1.5h")
    seed: int = Field(0, ge=0, lt=2**63, description="a whole number, 0 or more")
    wave: int | None = Field(
        None, ge=1, le=100_000, description="a whole number of trials, 1 or more"
    )
    lag: int | None = Field(None, ge=0, le=1_000, description="a whole number of waves, 0 or more")
    time_weight: float = Field(0.0, ge=0, lt=float("inf"), description="a number, 0 or more")
    trial_timeout: Duration | None = Field(None, description="a duration such as 10m or 1.5h")
    memory: Annotated[int, BeforeValidator(size)] | None = Field(
        None, description="a size such as 4GB or 800MB, of at most 1000000GB"
    )
    max_retries: int = Field(1, ge=0, le=100, description="a whole number, 0 or more")
    max_failures: int = Field(
        5, ge=1, le=1_000_000_000, description="a whole number of crashes in a row, 1 or more"
    )
    grace: Duration = Field(10.0, description="a duration such as 10s or 1m")


class NetworkSearchKeys(SearchKeys):
    """The keys of `search:` that a search of networks has beside those of every search."""

    seeds: int = Field(
        1, ge=1, le=10_000, description="a whole number of trainings of each trial, 1 or more"
    )
    metric: Literal[LOSS, *METRICS] = Field(  # type: ignore[valid-type]
        LOSS, description=choices()
    )


class ParameterKeys(Options):
    """The keys of an entry of `parameters:`; `config.searched` judges which go together."""

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


@cache
def search_model(strategy: str | None, common: type[SearchKeys] = SearchKeys) -> type[SearchKeys]:
    """Return the record of `search:` for a strategy: common keys, and its own beside them.

    Without a strategy the keys of all strategies are allowed.
    """
    names = [strategy] if strategy else [*STRATEGIES]
    own = tuple(dict.fromkeys(STRATEGIES.load(name) for name in names))
    return cast(type[SearchKeys], create_model(common.__name__, __base__=(common, *own)))


def own_options(search: SearchKeys, strategy: str) -> StrategyOptions:
    """Return the keys of `search:` that are the strategy's own."""
    return search.part(STRATEGIES.load(strategy))


class RunnerKeys(Options):
    """The keys of `runner:` that every runner has; each has keys of its own beside them."""

    name: Literal[tuple(RUNNERS)] = Field(  # type: ignore[valid-type]
        "local", description=" or ".join(RUNNERS)
    )


@cache
def runner_model(name: object) -> type[RunnerKeys]:
    """Return the record of `runner:` for a runner; only the common keys where there is none."""
    if name not in RUNNERS:
        return RunnerKeys
    own = RUNNERS.load(str(name))
    return cast(type[RunnerKeys], create_model("RunnerKeys", __base__=(RunnerKeys, own)))


def runner_options(runner: RunnerKeys) -> RunnerOptions:
    """Return the keys of `runner:` that are the runner's own."""
    return runner.part(RUNNERS.load(runner.name))


@cache
def runner_keys() -> frozenset[str]:
    """Return the keys of `runner:` of all runners."""
    return frozenset(key for name in RUNNERS for key in runner_model(name).model_fields)


class ConfigFile(Options):
    """The keys that every file has."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description=(
            "1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit"
        ),
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
    search: SearchKeys = Field(SearchKeys(), description=_SEARCH)
    runner: RunnerKeys = Field(RunnerKeys(), description=_RUNNER)


class NetworkKeys(Options):
    """The keys that say what networks are trained on, and how."""

    data: DataKeys = Field(description="a mapping such as {source: digits}")
    train: dict[str, Any] = Field(
        {}, description="a mapping of settings to values, such as {epochs: 30}"
    )


class NetworkFile(ConfigFile, NetworkKeys):
    """The keys of a file that networks are trained by."""

    search: NetworkSearchKeys = Field(NetworkSearchKeys(), description=_SEARCH)


class TrainerFile(ConfigFile, TrainerKeys):
    """The keys of a file with a trainer of one's own."""


@cache
def file_model(strategy: str | None, runner: object, of_networks: bool = True) -> type[ConfigFile]:
    """Return the record of a file that is searched by this strategy on this runner."""
    common = NetworkSearchKeys if of_networks else SearchKeys
    search, work = search_model(strategy, common), runner_model(runner)
    return create_model(
        "ConfigFile",
        __base__=NetworkFile if of_networks else TrainerFile,
        search=(search, Field(search(), description=_SEARCH)),
        runner=(work, Field(work(), description=_RUNNER)),
    )


_ENTRY = "a mapping such as {min: 1e-4, max: 1e-1, log: true} or {values: [16, 32]}"
_COLUMN = 'number, category, date, drop, or a mapping such as {kind: date, format: "%d.%m.%Y"}'
_BY_NAME: tuple[KeyPath, ...] = (
    ("parameters",),
    ("trials",),
    ("constraints",),
    ("data", "columns"),
)
"""A wrong member of these sections is left out as a whole."""

_ENTRIES: Mapping[KeyPath, type[Options]] = {
    ("parameters",): ParameterKeys,
    ("data", "columns"): ColumnKeys,
}
"""The record of each member of a section whose keys are free names."""


def _sections(diagnostics: Diagnostics) -> Mapping[KeyPath, type[Options]]:
    """Return the record of each section of the file that is judged, the innermost ones first."""
    runner, of_networks = _runner_name(diagnostics), not diagnostics.any_name
    data: dict[KeyPath, type[Options]] = {("data", "split"): SplitKeys, ("data",): DataKeys}
    common = NetworkSearchKeys if of_networks else SearchKeys
    return {
        **(data if of_networks else {}),
        ("search",): search_model(diagnostics.strategy, common),
        ("runner",): runner_model(runner),
        (): file_model(diagnostics.strategy, runner, of_networks),
    }


def _runner_name(diagnostics: Diagnostics) -> str:
    return str(diagnostics.document.at(("runner", "name")) or RunnerKeys().name)


def validate(diagnostics: Diagnostics) -> ConfigFile:
    """Return the keys in their types; what is wrong is noted, and left out of them.

    Raises:
        SpecError: there is nothing to judge.
    """
    document, model = diagnostics.document, _sections(diagnostics)[()]
    if not isinstance(document.value, dict):
        what = "this file is empty"
        if document.value is not None:
            what = f"this file holds {kind(document.value)}, not a mapping of sections"
        diagnostics.add("E005", what, (), help="it begins with  data: {source: digits}")
        raise diagnostics.error()
    try:
        found = model.model_validate(document.value)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            _note(one["type"], one["loc"], one["input"], diagnostics)
        found = model.model_validate(_without(diagnostics, document.value))
    assert isinstance(found, ConfigFile)
    return found


def _without(diagnostics: Diagnostics, value: dict[str, Any]) -> dict[str, Any]:
    """Return the value less what is wrong; a list keeps its length."""
    rest = deepcopy(value)
    for path in diagnostics.paths:
        home = next((home for home in _BY_NAME if path[: len(home)] == home), None)
        *above, last = path if home is None else path[: len(home) + 1]
        node: Any = rest
        for part in above:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, list):
            node[int(last)] = "" if above[0] in ("constraints", "command") else {}
        elif isinstance(node, dict):
            node.pop(last, None)
    if not diagnostics.any_name:
        rest.setdefault("data", {}).setdefault("source", "unknown")
    return rest


def _note(
    category: str, location: tuple[str | int, ...], value: object, diagnostics: Diagnostics
) -> None:
    """Say in words what pydantic found; of one value, once."""
    document = diagnostics.document
    path = _within(location, document.value)
    if category == "missing":
        path = (*path, location[-1])
    if path in diagnostics.paths:
        return
    section = keys_at(path[:-1], diagnostics)
    name = str(path[-1])
    is_setting = path[:-1] == ("parameters",) and not diagnostics.any_name
    if category == "extra_forbidden" or (is_setting and name not in section):
        unknown_key(path, diagnostics)
    elif category == "missing" and any(
        closest(key, [name, *TRAINERS] if path == ("data",) else [name])
        for key in document.at(path[:-1])
    ):
        diagnostics.paths.add(path)  # it stands there misspelt, which is a mistake of its own
    elif category == "missing":
        where = f" in '{dotted(path[:-1])}'" if len(path) > 1 else ""
        message = f"the key '{name}' is missing{where}"
        place = document.key_place(path[:-1])
        help = f"{name}: {section[name]}"
        if path == ("data",):
            help += ";  a trainer of your own: hpsearch bayes CONFIG -- COMMAND"
        diagnostics.add("E013", message, path, place=place, help=help)
    else:
        model = _sections(diagnostics).get(path[:-1], _ENTRIES.get(path[:-2]))
        known = model is not None and name in model.model_fields
        among = _among(model.model_fields[name].annotation) if model and known else []
        expected = section.get(name) or _item(path)
        hint = _entry(path, value, diagnostics) or trainer_hint(path, value)
        diagnostics.wrong(path, value, expected, among=among, hint=hint)


def _within(location: tuple[str | int, ...], node: Any) -> KeyPath:
    """Return the part of pydantic's location that is in the file: no names of union branches."""
    path: KeyPath = ()
    for part in location:
        inside = isinstance(node, dict) and part in node
        if inside or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]
            path = (*path, part)
    return path


def _among(annotation: object) -> list[str]:
    """Return the words that a type allows, where it is a list of them."""
    parts = get_args(annotation)
    words = [part for part in parts if isinstance(part, str)]
    return words or [word for part in parts for word in _among(part)]


def _entry(path: KeyPath, value: object, diagnostics: Diagnostics) -> str:
    """Return how a parameter is written that stands there without its keys."""
    if len(path) != 2 or path[0] != "parameters" or value is None:
        return ""
    if isinstance(value, list):
        return f"write {flow({'values': value})}"
    or_fixed = "" if diagnostics.any_name else ", or put it under 'train:'"
    return f"write {{value: {written(value)}}}{or_fixed}"


def _item(path: KeyPath) -> str:
    """Return what an item of a list or of a free mapping may be."""
    whole = {
        "parameters": _ENTRY,
        "constraints": "a condition in quotes",
        "trials": "a mapping such as {lr: 0.01}",
    }
    if path[:-1] == ("data", "columns"):
        return _COLUMN
    if path[0] in ("command", "metrics"):
        return "a word in quotes" if path[0] == "command" else "a pattern in quotes"
    if len(path) == 2:
        return whole[str(path[0])]
    return "a value or a list of values" if path[2] == "when" else "a number, a word, true or false"


def keys_at(path: KeyPath, diagnostics: Diagnostics) -> Mapping[str, str]:
    """Return the keys allowed under a path, and what each holds."""
    if path in (("parameters",), ("train",)) or (path[:1] == ("trials",) and len(path) == 2):
        names = () if diagnostics.any_name else tuple(SETTINGS)
        return dict.fromkeys(names, _ENTRY if path == ("parameters",) else "")
    model = _sections(diagnostics).get(path, _ENTRIES.get(path[:-1]))
    fields = model.model_fields if model else {}
    return {name: field.description or "" for name, field in fields.items()}


def unknown_key(path: KeyPath, diagnostics: Diagnostics) -> None:
    """Note a key that does not belong where it stands."""
    parent, name = path[:-1], str(path[-1])
    entry = diagnostics.document.at(parent)
    in_parameter = parent[:1] == ("parameters",) and len(parent) == 2
    if in_parameter and name in other_tools.TOOLS and other_tools.first_key(entry) != name:
        diagnostics.paths.add(path)  # the first such key says how the whole is written
        return
    allowed = keys_at(parent, diagnostics)
    if path in diagnostics.paths or _note_meaningless(path, diagnostics):
        return
    others = [one for one in STRATEGIES if name in STRATEGIES.load(one).model_fields]
    if parent == ("search",) and others:
        message = f"'{name}' is a key of {' and '.join(others)}, and this is {diagnostics.strategy}"
        diagnostics.add("E012", message, path, key=True, help="leave it out of this search")
        return
    where = f" in '{dotted(parent)}'" if parent else ""
    where = f" in parameter '{parent[1]}'" if in_parameter else where
    noun = "setting" if set(SETTINGS) == set(allowed) else "key"
    hint = _elsewhere(path, entry[name], diagnostics)
    similar = [*allowed, *(other_tools.TOOLS if in_parameter else () if parent else TRAINERS)]
    if not hint and (near := closest(name, similar)):
        hint = _translated(near, entry) if near in other_tools.TOOLS else f"did you mean '{near}'?"
    help = f"allowed here: {', '.join(allowed)}"
    diagnostics.add("E012", f"unknown {noun} '{name}'{where}", path, key=True, hint=hint, help=help)


_OF_DATA = "the trainer reads its data itself; leave it out"
_OF_NETWORKS: Mapping[str, str] = {
    **dict.fromkeys(DataKeys.model_fields, _OF_DATA),
    "data": "the trainer reads its data itself; leave one of the two out",
    "train": "what is fixed stands in the command, or is a parameter such as  lr: {value: 0.1}",
    "metric": "maximize: accuracy  or  minimize: val_loss  at the left margin says what counts",
    "seeds": "search: {confirm: true}  runs the best trials again; leave it out",
}
"""The keys that only networks have, and what is written where a trainer is one's own."""

_OF_TRAINERS: Mapping[str, str] = {
    **dict.fromkeys(("minimize", "maximize"), "search: {metric: auc}  says what counts"),
    **dict.fromkeys(("template", "arguments", "metrics"), "leave it out"),
}
"""The keys that only trainers of one's own have, and what is written where there are networks."""


def _note_meaningless(path: KeyPath, diagnostics: Diagnostics) -> bool:
    """Note a key that only files of the other kind have; return whether it is one."""
    *home, name = map(str, path)
    trainer = next((one for one in TRAINERS if diagnostics.document.at((one,)) is not None), "")
    if trainer and name in _OF_NETWORKS and home in ([], ["search"]):
        message, help = f"'{name}' has no meaning beside '{trainer}'", _OF_NETWORKS[name]
    elif not trainer and name in _OF_TRAINERS and not home:
        message, help = f"'{name}' has no meaning without 'command'", _OF_TRAINERS[name]
    else:
        return False
    diagnostics.add("E012", message, path, key=True, help=help)
    return True


def _translated(key: str, entry: Mapping[str, Any]) -> str:
    """Return how a parameter that is written as in another tool is written here."""
    ours = other_tools.translated(entry)
    line = flow(ours) if ours else "min and max, perhaps log: true; or values"
    tool = other_tools.TOOLS[key]
    means = (
        "W&B takes exponents of e" if other_tools.has_exponents(entry) else f"{tool} writes it so"
    )
    return f"{means}; here: {line}"


def _elsewhere(path: KeyPath, value: object, diagnostics: Diagnostics) -> str:
    """Return where a key would be right, or what it is called here."""
    parent, name = path[:-1], str(path[-1])
    if ":" in name:
        return f"a blank belongs after ':', as in  {name.replace(':', ': ')}"
    if parent[:1] == ("parameters",) and len(parent) == 2 and name in other_tools.TOOLS:
        return _translated(name, diagnostics.document.at(parent))
    for home, model in _sections(diagnostics).items():
        if name in model.model_fields:
            keys = " ".join(f"{part}:" for part in home)
            place = f"under '{keys}'" if home else "at the left margin"
            return f"'{name}' belongs {place}"
    ours = other_tools.NAMES.get(name, name)
    if ours in SETTINGS:
        if parent in (("train",), ("parameters",)) or parent[:1] == ("trials",):
            return f"here it is called '{ours}'"
        called = f"'{ours}' belongs" if ours == name else f"here it is called '{ours}', and belongs"
        places = "'parameters:'" if isinstance(value, dict) else "'train:' or 'parameters:'"
        return f"{called} under {places}"
    if name in ParameterKeys.model_fields:
        return f"'{name}' belongs to a parameter, such as  lr: {{min: 1e-4, max: 1e-1}}"
    return other_tools.SECTIONS.get(name, "") if not parent else ""

"""Write the pages of the docs that follow from the code: settings, configuration, command line.

    python docs/generate.py

What a key of the YAML is for stands here; what it may hold and its default stand in the code.
tests/test_docs.py holds that the pages are up to date and that every key has its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo

from hpsearch.cli import cli
from hpsearch.commands.resume import KINDS
from hpsearch.config.document import dotted
from hpsearch.config.schema import (
    ColumnKeys,
    DataKeys,
    NetworkFile,
    NetworkSearchKeys,
    ParameterKeys,
    RunnerKeys,
    SplitKeys,
)
from hpsearch.config.spaces import SPACES, named_space
from hpsearch.config.trainer import TrainerKeys
from hpsearch.engine.structure.settings import EXCLUDES, NEEDS, SETTINGS, Setting
from hpsearch.options import Options
from hpsearch.runners import RUNNERS
from hpsearch.space.parameters import Value
from hpsearch.space.space import DependentValue
from hpsearch.strategies import STRATEGIES

FOLDER = Path(__file__).parent
_COLUMNS = 100

_NOTE = "_This page is written from the code by `python docs/generate.py`; edits to it are lost._"


def page(title: str, *parts: str) -> str:
    """Return a page of these parts, headed by its title and by where it comes from."""
    return "\n\n".join([f"# {title}", _NOTE, *(part.strip("\n") for part in parts)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(values: Iterable[object]) -> str:
    """Return values as code, separated by commas."""
    return ", ".join(f"`{written(value)}`" for value in values)


def written(value: object) -> str:
    """Return a value as a YAML file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


# Settings

_GROUPS: Mapping[str, str] = {
    "model": "The network",
    "init": "Initial weights and pre-training",
    "bayesian": "Bayesian networks",
    "dropout": "Regularisation",
    "optimizer": "The optimizer",
    "schedule": "The schedule",
    "batch_size": "The training",
}
"""The heading under which each setting stands, by the first setting that stands under it."""


def settings() -> str:
    """Return the page of all settings of a training."""
    groups: dict[str, list[str]] = {}
    heading = ""
    for name in SETTINGS:
        heading = _GROUPS.get(name, heading)
        groups.setdefault(heading, []).append(name)
    heads = ("setting", "what it is", "what it may be", "default", "used with")
    tables = [
        f"## {heading}\n\n{table(heads, [_setting(name, SETTINGS[name]) for name in names])}"
        for heading, names in groups.items()
    ]
    return page("Settings", _SETTINGS, *tables, _EXCLUDES, table(("this", "not with"), _pairs()))


_SETTINGS = """
A setting shapes a training. It is fixed under `train:`, searched under `parameters:`, or has its
default ([configuration.md](configuration.md)). Ranges include both ends. Where a default depends on
another setting, the choices that it goes with stand in brackets. [models.md](models.md) describes
what the settings do.

A setting that is _used with_ certain choices only exists in the trials that have one of them. Where
no possible choice of a search uses it, it is refused ([E041](errors.md#e041)).
"""

_EXCLUDES = """
## What does not go together

Fixed choices that do not go together are refused ([E044](errors.md#e044)). Where they are searched,
the space leaves out the points that have both.
"""


def _setting(name: str, setting: Setting) -> tuple[str, ...]:
    uses = [f"`{parent}`: {', '.join(map(str, a))}" for parent, a in NEEDS.get(name, {}).items()]
    domain = setting.domain.describe().removeprefix("one of ")
    return f"`{name}`", setting.about, domain, _default(setting), "; ".join(uses)


def _default(setting: Setting) -> str:
    if not isinstance(setting.default, DependentValue):
        return written(setting.default)
    choices: dict[object, list[str]] = {}
    for choice, value in setting.default.table.items():
        choices.setdefault(value, []).append(str(choice))
    return ", ".join(f"{written(value)} ({' '.join(with_)})" for value, with_ in choices.items())


def _pairs() -> Iterator[tuple[str, str]]:
    others: dict[tuple[str, Value], list[str]] = {}
    for one, (name, value) in EXCLUDES:
        others.setdefault(one, []).append(f"`{name}: {written(value)}`")
    for (name, first), with_ in others.items():
        yield f"`{name}: {written(first)}`", ", ".join(with_)


# Configuration

FILE: Mapping[str, str] = {
    "name": "what the search is called; its study is kept in `runs/NAME-STRATEGY`",
    "data": "what is trained on: [data](#data)",
    "train": "the settings that all trials share ([settings.md](settings.md))",
    "parameters": "what is searched: [parameters](#parameters)",
    "constraints": "inequalities between settings that every trial must satisfy",
    "trials": "settings of your own, which are trained first; with `manual` they are all there is",
    "search": "how it is searched: [search](#search)",
    "runner": "where the work is done: [runner](#runner)",
}
TRAINER: Mapping[str, str] = {
    "command": "the program that trains, with `{args}`, `{file}` or `{NAME}` where its parameters "
    "stand; it runs in the folder of the YAML file, without a shell",
    "objective": "the function that trains, in a module that is found in the folder of the YAML "
    "file",
    "template": "a file of which each trial has a copy, with its parameters filled in; `{file}` in "
    "the command is that copy",
    "arguments": "how `{args}` writes parameters",
    "metrics": "what reads the numbers from the log of a program that prints no JSON",
    "epochs": "how long a whole training is, which `halving` needs to know",
    "minimize": "the number that trials are compared by, the smallest of which is best",
    "maximize": "the same, where the largest is best; not beside `minimize`",
}
DATA: Mapping[str, str] = {
    "source": "where the data come from; a path is relative to the folder of the YAML file",
    "target": "the column (or array) that is to be predicted; a table needs it",
    "task": "what the targets are; where it is left out, they say it themselves",
    "weights": "how much each row counts in training and in figures; with `balanced` the classes "
    "count alike in losses: [weights](data.md#weights)",
    "columns": "what columns hold that would be read otherwise: [columns](#columns)",
    "missing": "whether missing values are filled in, and rows without a target left out; or "
    "refused",
    "split": "how the rows are divided: [split](#split)",
    "split_seed": "another seed divides the rows in another way",
    "scale": "how inputs are scaled, by what the training rows say",
}
COLUMN: Mapping[str, str] = {
    "kind": "what the column holds; `drop` leaves it out",
    "format": "how its dates are written, in the notation of Python's `strptime`; otherwise it is "
    "found out",
}
SPLIT: Mapping[str, str] = {
    "validation": "the share of all rows on which trials are compared; not beside `folds`",
    "test": "the share of all rows on which the winner alone is scored, 0.2 where nothing is said; "
    "not for data with test rows of their own",
    "folds": "the number of parts of the other rows, each of which validates once",
    "column": "a column of the data; not beside the other keys",
    "group": "keeps together what belongs together, such as rows of one person; not beside `by`",
    "by": "what trains is earlier than what validates, and what tests is the latest",
}
PARAMETER: Mapping[str, str] = {
    "value": "a fixed value, as under `train:`",
    "values": "the values that are searched",
    "min": "the lower end of a range",
    "max": "the upper end of a range",
    "log": "whether the range is searched on a logarithmic scale",
    "step": "the distance of neighbouring values, which lead from `min` to `max`",
    "points": "how many values of the range a grid has; otherwise `search: points` says so",
    "prior": "a value that you believe to be good: searches look near it more often",
    "when": "values of other settings, beside which alone the parameter exists",
}
SEARCH: Mapping[str, str] = {
    "budget": "the number of trials in all; with `halving` the number of whole trainings that they "
    "are worth. The default is 50; with `time` and no halving, and with `grid` and `manual`, there "
    "is no limit",
    "time": "after this long nothing new begins",
    "seed": "another seed makes another search",
    "seeds": "how often each trial is trained, from different seeds; its loss is the mean",
    "wave": "how many trials are chosen together; otherwise the strategy says how many: 64, with "
    "`bayes` 4 networks that train together, or 1 trial of another kind",
    "lag": "how many of the latest waves need not have ended when the next one is chosen. More lag "
    "keeps many workers busy, and lets the strategy know less. Networks have none; otherwise it is "
    "5 for `bayes` and 1 for the others, and 0 where `wave` is given, with rounds and with halving",
    "metric": "what trials are judged by: the loss of the networks, or one of the "
    "[metrics](concepts.md#metrics)",
    "time_weight": "the loss that you would pay for a training ten times shorter",
    "trial_timeout": "how long a trial may take",
    "memory": "how much memory a worker may hold",
    "max_retries": "how often a cohort that crashed is trained again as a whole",
    "max_failures": "after so many crashes in a row the search ends",
    "grace": "how long trials may go on after Ctrl-C",
    "points": "how many values each number has on the grid",
    "rounds": "in how many rounds trials are drawn",
    "guided": "whether later rounds are drawn near the best trials; by default with `rounds`",
    "halving": "whether most trials are stopped early",
    "confirm": "whether the best trials are run again in the end; by default from 40 trials on",
    "until_converged": "whether the search ends when more trials are not worth it",
    "pareto": "whether the whole front of loss and cost is searched",
    "surrogate": "the model of the loss: a Gaussian process, a few small networks, or forests",
}
RUNNER: Mapping[str, str] = {
    "name": "`local` works in processes of its own, `inline` in that of the command itself, "
    "`ray` on one machine or many: [scale](scale.md)",
    "address": "a cluster that is there; without it a Ray starts on this machine, and ends again",
    "cpus": "the CPUs that a node must have free for each trial; by default its threads",
    "gpus": "the GPUs, or the part of one, that it gets; without this it sees none",
    "memory": "the memory that a node must have free; by default that of `search: memory`",
    "shared": "whether the study's folder lies on a file system that all machines share",
}

_CONFIGURATION = """
A search is described by a YAML file of these sections. Only `data: source` is always needed, or in
its place a [trainer of your own](#a-trainer-of-your-own). A key that is not listed here is refused
with a suggestion ([E012](errors.md#e012)), and so is a value that does not belong there
([E020](errors.md#e020)): a wrong file runs nothing.

Most keys under `search:` are options of the command line as well, and `--set KEY=VALUE` sets any
key, such as `--set search.lag=1`. Options come before the environment, the environment before the
file, and the file before the defaults ([command-line.md](command-line.md)).
"""

_FILE = """
## The file

The text is UTF-8 with at most 256 kB. Anchors, aliases, merge keys and tags of YAML are not used.
"""

_TRAINER = """
## A trainer of your own

These keys stand at the left margin in place of `data:` and `train:`, one of `command` and
`objective` among them. Parameters then have any names. [own-trainers.md](own-trainers.md) says how
a trainer is called, and how it reports what it came to.
"""

_DATA = """
## data

[data.md](data.md) describes the sources, the target, the split and the scale.
"""

_DATA_COLUMNS = """
### columns

Under `data: columns:` stand names of columns, each with its kind, as in `zip: category`, or with
these keys.
"""

_SPLIT = """
### split

These keys stand under `data: split:`.
"""

_PARAMETERS = """
## parameters

Each name is a setting ([settings.md](settings.md)), or with a trainer of your own anything that it
takes, and below it stand `values`, or `min` and `max`, with what goes with them. A range whose
setting is a whole number has whole numbers alone. `hpsearch.minimize` takes the same keys with any
names.
"""

_SPACES = """
### Spaces by name

Where there is no YAML, `--space` says what is searched: `hpsearch bayes --data houses.csv
--target price --space all`. `hpsearch init --space NAME` writes the same space down, to be changed.
"""

_SPACE_FILE = """
The ranges of batch sizes go by the number of rows, as do epochs and patience. `all` has the
settings of dense layers for a table, and those of all models for images.

`--space FILE` takes the space of another YAML: its sections `parameters:`, `constraints:` and
`train:`, comments included. The file is checked as a whole, and a line says which of its sections
are passed over. Where it has no `train:`, that is what suits the data. Beside a CONFIG, or where an
`hpsearch.yaml` is in the folder, `--space` is an error ([E015](errors.md#e015)).
"""

_SEARCH = """
## search

A key that stands with certain strategies alone is refused in a search by another one. `seeds` and
`metric` are for networks alone.
"""

_RUNNER = """
## runner

A runner does the work of a search. Which one it is does not change what is found.
"""


def configuration() -> str:
    """Return the page of all keys of the YAML file."""
    own: dict[str, list[str]] = {}
    fields: dict[str, FieldInfo] = {}
    for name in STRATEGIES:
        for key, field in STRATEGIES.load(name).model_fields.items():
            own.setdefault(key, []).append(name)
            fields[key] = field
    heads = ("key", "what it is for", "what it may hold", "default")
    file = NetworkFile.model_fields
    search = [(*row, "all") for row in _keys(NetworkSearchKeys.model_fields, SEARCH)]
    search += [(*row, ", ".join(own[row[0][1:-1]])) for row in _keys(fields, SEARCH)]
    runner = [(*row, "all") for row in _keys(RunnerKeys.model_fields, RUNNER)]
    for name in RUNNERS:
        options: type[Options] = RUNNERS.load(name)
        runner += [(*row, name) for row in _keys(options.model_fields, RUNNER)]
    return page(
        "Configuration",
        _CONFIGURATION,
        _FILE,
        table(heads, [row for name in FILE for row in _keys({name: file[name]}, FILE)]),
        _TRAINER,
        table(heads, _keys(TrainerKeys.model_fields, TRAINER)),
        _DATA,
        table(heads, _keys(DataKeys.model_fields, DATA)),
        _DATA_COLUMNS,
        table(heads, _keys(ColumnKeys.model_fields, COLUMN)),
        _SPLIT,
        table(heads, _keys(SplitKeys.model_fields, SPLIT)),
        _PARAMETERS,
        table(heads, _keys(ParameterKeys.model_fields, PARAMETER)),
        _SPACES,
        table(("space", "what it searches"), _spaces()),
        _SPACE_FILE,
        _SEARCH,
        table((*heads, "strategies"), search),
        _RUNNER,
        table((*heads, "runners"), runner),
        _resumed(),
    )


def _spaces() -> Iterator[tuple[str, ...]]:
    for name, about in SPACES.items():
        count = len(named_space(name).searched)
        yield f"`{name}`", f"{about} ({count} settings{' of images' * (name == 'all')})"


def _keys(fields: Mapping[str, FieldInfo], words: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for name, field in fields.items():
        yield f"`{name}`", words[name], field.description or "", _default_of(field)


def _default_of(field: FieldInfo) -> str:
    value: Any = field.default
    if field.is_required():
        return "it must be given"
    if value is None or isinstance(value, Options | dict | list):
        return ""
    unit = "s" if str(field.description).startswith("a duration") else ""
    return f"`{written(value)}{unit}`"


def _resumed() -> str:
    kinds: dict[str, list[str]] = {}
    for path, kind in KINDS.items():
        kinds.setdefault(kind, []).append(dotted(path))
    text = (
        f"`hpsearch resume` reads the study's `config.yaml` again. In it {code(kinds['grows'])} "
        f"may grow, and these keys may change: {code(kinds['free'])}. All other keys are fixed, "
        "since what the search finds rests on them ([E178](errors.md#e178))."
    )
    return f"## When a study is resumed\n\n{_wrapped(text)}"


# The command line

_COMMANDS = """
`hpsearch COMMAND --help` prints what stands here. Results go to standard output, progress and hints
to standard error. [errors.md](errors.md#exit-codes) lists the exit codes.
"""


def command_line() -> str:
    """Return the page of all commands with their options."""
    parts = [_help("hpsearch", cli)]
    for name, command in cli.commands.items():
        parts += [f"## hpsearch {name}", _help(f"hpsearch {name}", command)]
        if variables := [
            str(option.envvar)
            for option in command.params
            if isinstance(option, click.Option) and option.envvar
        ]:
            parts.append(_wrapped(f"From the environment it takes {code(variables)}."))
    return page("Command line", _COMMANDS, *parts)


def _help(name: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=_COLUMNS, max_content_width=_COLUMNS
    )
    context.help_option_names = ["-h", "--help"]
    return f"```\n{command.get_help(context)}\n```"


def _wrapped(text: str) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > _COLUMNS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings,
    "configuration.md": configuration,
    "command-line.md": command_line,
}
"""The generated pages by their names, and what gives their text."""


def main() -> None:
    """Write all pages."""
    for name, text in PAGES.items():
        (FOLDER / name).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()

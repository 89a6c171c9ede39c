"""The keys of a trainer of one's own in the YAML, and which of them go together."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from hpsearch.config.diagnostics import Diagnostics, flow
from hpsearch.config.document import KeyPath
from hpsearch.options import Options

Style = Literal["--a=b", "--a b", "a=b", "json"]
"""How the parameters of a trial are written in place of `{args}`."""

_EPOCH = "epoch"  # the name in a report that says where a training stands


class TrainerKeys(Options):
    """The keys that stand in place of `data:` and `train:` where the trainer is one's own."""

    command: list[str] | None = Field(
        None,
        min_length=1,
        description='a list of words in quotes, such as ["python", "train.py", "{args}"]',
    )
    objective: str | None = Field(
        None,
        pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$",
        description="a module and a function in it, such as train:loss",
    )
    template: str | None = Field(
        None, min_length=1, description="the path of a file with places such as {lr}"
    )
    arguments: Style = Field("--a=b", description="--a=b, --a b, a=b or json")
    metrics: dict[str, str] = Field(
        {}, description=r"a mapping of names to patterns, such as {loss: 'val_loss=(\S+)'}"
    )
    epochs: int = Field(
        1, ge=1, le=1_000_000_000, description="a whole number of epochs, 1 or more"
    )
    minimize: str = Field(
        "loss", min_length=1, description="the name of a number that is reported, such as val_loss"
    )
    maximize: str | None = Field(
        None, min_length=1, description="the name of a number that is reported, such as accuracy"
    )

    @property
    def counts(self) -> str:
        """The name of the number that trials are compared by."""
        return self.minimize if self.maximize is None else self.maximize


_OF_COMMANDS = ("template", "arguments", "metrics")
"""Keys that say how a program is called and read, and have no meaning for a function."""


def check_trainer(keys: TrainerKeys, diagnostics: Diagnostics) -> None:
    """Note which keys of a trainer of one's own do not go together."""
    given = keys.model_fields_set
    if {"command", "objective"} <= given:
        help = "leave one of the two out"
        message = "'objective' has no meaning beside 'command'"
        diagnostics.add("E012", message, ("objective",), key=True, help=help)
    for name in _OF_COMMANDS:
        if name in given and keys.command is None and not diagnostics.within(("command",)):
            message = f"'{name}' has no meaning beside 'objective'"
            help = "a function is called with its params; leave it out"
            diagnostics.add("E012", message, (name,), key=True, help=help)
    if {"minimize", "maximize"} <= given:
        message = "'maximize' has no meaning beside 'minimize'"
        help = "a search is by one number; all others that are reported are kept beside it"
        diagnostics.add("E012", message, ("maximize",), key=True, help=help)
    if keys.counts == _EPOCH:
        name = "minimize" if keys.maximize is None else "maximize"
        help = "'epoch' in a report says where a training stands; name another number"
        diagnostics.add("E085", "trials cannot be compared by 'epoch'", (name,), help=help)
    for path, message, help in _pattern_mistakes(keys):
        diagnostics.add("E085", message, path, help=help)


def _pattern_mistakes(keys: TrainerKeys) -> Iterator[tuple[KeyPath, str, str]]:
    """Give what is wrong with patterns: where, what, and what would be right."""
    for name, pattern in keys.metrics.items():
        path, help = ("metrics", name), r"such as  loss: 'val_loss=(\S+)'"
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            yield path, f"this is no regular expression: {error}", help
            continue
        if groups != 1:
            message = f"this pattern has {groups or 'no'} groups, and the one group is the number"
            yield path, message, help
    if keys.metrics and keys.counts not in keys.metrics:
        message = f"no pattern reads '{keys.counts}', which trials are compared by"
        yield ("metrics",), message, f"add  {keys.counts}: '{keys.counts}=(\\S+)'"


def trainer_hint(path: KeyPath, value: object) -> str:
    """Return how the value of a trainer's key is written that is not what belongs there."""
    if path == ("command",) and isinstance(value, str):
        try:
            return f"write {_quoted(shlex.split(value))}"
        except ValueError:  # a quote is not closed
            return ""
    if path[:1] == ("command",) and len(path) == 2:
        if isinstance(value, Mapping) and len(value) == 1:  # {args} without quotes
            return f'write "{{{next(iter(value))}}}", in quotes'
        if isinstance(value, int | float):
            return f'write "{flow([value])[1:-1]}", in quotes'
    return ""


def _quoted(words: list[str]) -> str:
    """Return words as a list in YAML that reads them back."""
    texts = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"

"""Trainers of one's own, as a YAML describes them: programs, and functions in a module."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from hpsearch.objectives.reports import Reporting
from hpsearch.study.trial import Trial

LOG = "log.txt"
"""The name in a trial's folder of what it prints."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A program that trains.

    Attributes:
        words: the command, with places such as `{args}`, `{file}` and `{lr}`.
        folder: where it runs: that of the YAML.
        style: how the params of a trial are written in place of `{args}`.
        template: the text of a file, of which each trial has a copy with its places filled in.
        template_name: the name of that file.
        patterns: regular expressions by the names of what they find, each with one group. They
            read what the program prints, in place of JSON.
        reporting: how its reports are understood.
    """

    words: tuple[str, ...]
    folder: Path
    style: Literal["--a=b", "--a b", "a=b", "json"] = "--a=b"
    template: str | None = None
    template_name: str = ""
    patterns: Mapping[str, str] = field(default_factory=dict)
    reporting: Reporting = field(default_factory=Reporting)


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function that trains: `target` is "module:function", with the module in `folder`."""

    target: str
    folder: Path
    reporting: Reporting = field(default_factory=Reporting)


def trial_seed(seed: int, trial: Trial) -> int:
    """Return the seed of a trial: a number below 2^31, the same in all segments of its training.

    As with networks, trials of a seed group share it, and each replicate has another one.
    """
    purpose = (seed, trial.seed_group, trial.replicate)
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33


def mistakes(spec: CommandSpec, names: Collection[str]) -> Iterator[str]:
    """Give what is wrong with a command whose parameters have these names."""
    used = {name for word in (*spec.words, spec.template or "") for name in places(word, names)}
    if "args" not in used and (unused := [name for name in names if name not in used]):
        what = "the command" if spec.template is None else "the command and the template"
        yield f"{what} does not use '{unused[0]}': write {{{unused[0]}}} or {{args}} in it"


def places(text: str, names: Collection[str]) -> set[str]:
    """Return the names of the places in a text, where parameters have these `names`."""
    return {name for name in re.findall(r"\{(\w+)\}", text) if name in {*names, "args", "file"}}

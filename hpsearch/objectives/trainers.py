"""Trainers of one's own, as a YAML describes them: programs, and functions in a module."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from hpsearch.errors import Problem, SpecError
from hpsearch.objectives.reports import Reporting
from hpsearch.study.trial import Trial

LOG, RESULT, REPORTED = "log.txt", "result.jsonl", "reported.jsonl"
"""The names in a trial's folder of what it prints, of a file where a program may report, and of
what a promoted trial has reported."""

ARGS, FILE = "args", "file"
"""The places of all params together, and of the trial's copy of the template."""

_OF_TRIAL = ("folder", "number", "seed", "epochs")
"""Places of what else is known of a trial, unless a parameter has the name."""


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


def folder_gone(folder: Path) -> SpecError:
    """Return the error that the folder of a trainer is not there; no trial is to blame for it."""
    message = f"the folder of the trainer is not there: {folder}"
    help = "where it has moved to:  hpsearch resume STUDY --folder PATH"
    return SpecError(Problem("E182", message, help=help))


def trial_seed(seed: int, trial: Trial) -> int:
    """Return the seed of a trial: a number below 2^31, the same in all segments of its training.

    As with networks, trials of a seed group share it, and each replicate has another one.
    """
    purpose = (seed, trial.seed_group, trial.replicate)
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33


def mistakes(spec: CommandSpec, names: Collection[str]) -> Iterator[str]:
    """Give what is wrong with a command whose parameters have these names."""
    if not spec.words or not spec.words[0]:
        yield "the command names no program"
        return
    for name in sorted({ARGS, FILE} & {*names}):
        yield f"no parameter can be called '{name}', since {{{name}}} stands for something else"
    used = {name for word in spec.words for name in places(word, names)}
    longer = [word for word in spec.words if ARGS in places(word, names) and word != f"{{{ARGS}}}"]
    if longer and spec.style != "json":
        yield f"{{args}} stands for several words, and '{longer[0]}' is one: write it by itself"
    if FILE in used and spec.template is None:
        yield "{file} stands for a copy of the template, and there is no 'template'"
    if FILE not in used and spec.template is not None:
        yield "the template is not used: {file} in the command stands for a copy of it"
    if spec.template_name in (LOG, RESULT, REPORTED):
        yield f"no template can be called '{spec.template_name}', a name that each trial needs"
    used |= places(spec.template or "", names) - {ARGS, FILE}
    if ARGS not in used and (unused := [name for name in names if name not in used]):
        where = "" if spec.template is None else ", nor does the template"
        yield (
            f"the command does not use '{unused[0]}'{where}: write {{{unused[0]}}} into it, or "
            "{args} for all parameters"
        )


def places(text: str, names: Collection[str]) -> set[str]:
    """Return the names of the places in a text, where parameters have these `names`.

    >>> sorted(places("a {lr} b {file} c {other}", ["lr"]))
    ['file', 'lr']
    """
    return {found[1] for found in place_pattern(names).finditer(text)}


def place_pattern(names: Collection[str]) -> re.Pattern[str]:
    """Return what finds the places in a text, each with its name as a group."""
    known = sorted({*names, ARGS, FILE, *_OF_TRIAL})
    return re.compile(rf"\{{({'|'.join(map(re.escape, known))})\}}")

"""What the command line says, as overrides of the YAML: flags and keys are the same words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from hpsearch.commands.picks import read_picks, without_problems
from hpsearch.config.document import read, scalar
from hpsearch.config.schema import search_model
from hpsearch.config.spec import Override
from hpsearch.data import LOADERS
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.text import shell_word

SMOKE_ROWS = 256
"""The rows of a smoke run."""

AUTO = "auto"
"""The device of which nobody has said what it is."""

_SMOKE_TRIALS = 3
_DEVICE = re.compile("auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFlags:
    """What the command line says of a search; None stands for a flag that was not given.

    `command` has what stands after `--`, and `own` the flags that are keys of `search:`, by their
    names, those of the strategy included.
    """

    config: str | None
    command: tuple[str, ...] = ()
    data: str | None = None
    target: str | None = None
    space: str | None = None
    settings: tuple[str, ...] = ()
    trials: str | None = None
    budget: int | None = None
    epochs: int | None = None
    smoke: bool = False
    all: bool = False
    dry_run: bool = False
    study: str | None = None
    runner: str | None = None
    address: str | None = None
    workers: int | None = None
    threads: int = 1
    device: str = AUTO
    json: bool = False
    quiet: bool = False
    no_color: bool = False
    own: Mapping[str, object]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return the flags as click gives them.

        Raises:
            SpecError: the device is none.
        """
        mine = {field.name for field in fields(cls)} - {"own"}
        known = {name: value for name, value in given.items() if name in mine}
        _check_device(known.get("device", AUTO))
        own = {name: value for name, value in given.items() if name not in mine}
        return cls(**known, own=own)


def _check_device(text: str) -> None:
    if not _DEVICE.fullmatch(text):
        place, help = Place(f"--device {text}", 0, 0), "auto, cpu, cuda or cuda:i, such as cuda:1"
        raise SpecError(Problem("E020", f"'{text}' is no device", place, help=help))


def overrides(
    flags: SearchFlags, strategy: str | None, note: Callable[[str], None] = lambda text: None
) -> Iterator[Override]:
    """Give the flags of a search as overrides, in the order in which they stand over one another.

    Args:
        flags: what the command line says.
        strategy: the one that searches; None allows the keys of all.
        note: is told what was passed over.

    Raises:
        SpecError: some cannot be read; it has all that cannot.
    """
    problems: list[Problem] = []
    for text in flags.settings:
        try:
            yield _set(text)
        except SpecError as error:
            problems += error.problems
    if flags.trials is not None:
        try:
            picks = read_picks(Path(flags.trials))
            if picks.figures:
                note(f"{flags.trials}: passed over, as no settings: {', '.join(picks.figures)}")
            yield ("trials",), picks.trials, f"--trials {flags.trials}"
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    yield from data_overrides(flags.data, flags.target)
    yield from search_overrides(flags.own)
    yield from runner_overrides(flags.runner, flags.address)
    budget = flags.budget
    if flags.smoke:
        budget = min(budget or _SMOKE_TRIALS, _SMOKE_TRIALS)
        yield ("epochs",), 1, "--smoke"
        if "halving" in search_model(strategy).model_fields:
            yield ("search", "halving"), False, "--smoke"
    elif flags.epochs is not None:
        yield ("epochs",), flags.epochs, f"--epochs {flags.epochs}"
    if budget is not None:
        yield ("search", "budget"), budget, f"--budget {budget}"
    if flags.command:  # the last, as on the command line
        words = " ".join(map(shell_word, flags.command))
        yield ("command",), [*flags.command], f"-- {words}"


def data_overrides(data: str | None, target: str | None) -> Iterator[Override]:
    """Give the flags that say what is learned from; a path counts from the working directory."""
    if data is not None:
        yield ("data", "source"), data_source(data), f"--data {data}"
    if target is not None:
        yield ("data", "target"), target, f"--target {target}"


def data_source(data: str) -> str:
    """Return `--data` as a source: a name as it is, a path wherever the YAML lies."""
    is_name = data in LOADERS and not data.startswith("*")
    return data if is_name else str(Path(data).absolute())


def search_overrides(given: Mapping[str, object]) -> Iterator[Override]:
    """Give the flags that are keys of `search:` and were given."""
    for name, value in given.items():
        if value is not None:
            flag = name.replace("_", "-")
            text = f"--{flag} {value}"
            if isinstance(value, bool):
                text = f"--{'' if value else 'no-'}{flag}"
            yield ("search", name), value, text


def runner_overrides(name: str | None, address: str | None) -> Iterator[Override]:
    """Give the flags that choose a runner, and its cluster, where they were given."""
    if name is not None:
        yield ("runner", "name"), name, f"--runner {name}"
    if address is not None:
        yield ("runner", "address"), address, f"--address {address}"


def _set(text: str) -> Override:
    """Return what a `--set` says.

    `lr=0.01` fixes a setting; `search.budget=10` and `data.split={validation: 0.3}` set other keys,
    and `maximize=accuracy` one that stands at the left margin.
    """
    name, equals, value = text.partition("=")
    source = f"--set {text}"
    path = tuple(name.strip().split("."))
    if not equals or not all(path):
        help = "such as  --set lr=0.01  or  --set search.wave=8"
        raise SpecError(
            Problem("E010", f"'{text}' is not KEY=VALUE", Place(source, 0, 0), help=help)
        )
    return path, _value(value.strip(), source), source


def _value(text: str, source: str) -> object:
    if text[:1] not in ("[", "{", "'", '"'):
        return scalar(text)
    try:
        return without_problems(read(f"value: {text}", source)).value["value"]
    except SpecError as error:  # its line and column are of a text that nobody has written
        place = Place(source, 0, 0)
        problems = [Problem("E010", one.message, place, help=one.help) for one in error.problems]
        raise SpecError(*problems) from error

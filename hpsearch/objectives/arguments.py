"""The params of a trial as words of a command, and as text in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Any

from hpsearch.objectives.trainers import ARGS, CommandSpec, place_pattern, places
from hpsearch.space.parameters import Value

_STYLES: Mapping[str, Callable[[str, str], list[str]]] = {
    "--a=b": lambda name, value: [f"--{name}={value}"],
    "--a b": lambda name, value: [f"--{name}", value],
    "a=b": lambda name, value: [f"{name}={value}"],
}

_WITHOUT_VALUE = {".json": "null", ".yaml": "null", ".yml": "null", ".py": "None"}
"""How kinds of files write that a parameter has no value; others leave the place empty."""

_WITH_STRINGS = {*_WITHOUT_VALUE, ".toml"}
"""The kinds of files in which a text between double quotes is written as in JSON."""

_PAIR = re.compile(r"\\.")  # of a backslash and what it stands before


def command_words(
    spec: CommandSpec,
    names: Collection[str],
    params: Mapping[str, Value],
    known: Mapping[str, Value],
) -> tuple[str, ...]:
    """Return the words of a trial's command.

    A word with the place of a parameter that the trial does not have is left out; so is an option
    before it, where the word is nothing but the place.

    Args:
        spec: the command.
        names: the names of all parameters, in the order in which `{args}` has them.
        params: those that the trial has.
        known: the values of `{file}` and of what else is known of the trial.
    """
    given = {name: params[name] for name in names if name in params}
    values = {**known, ARGS: json.dumps(given), **given}
    absent = {name for name in names if name not in params}
    words: list[str] = []
    for word in spec.words:
        within = places(word, names)
        if word == f"{{{ARGS}}}" and spec.style != "json":
            write = _STYLES[spec.style]
            words += [one for name, value in given.items() for one in write(name, as_text(value))]
        elif not within & absent:
            words.append(_filled(word, names, values, lambda value, _: as_text(value)))
        elif word in {f"{{{name}}}" for name in within} and words and _is_option(words[-1]):
            words.pop()
    return tuple(words)


def _is_option(word: str) -> bool:
    return word.startswith("-") and "=" not in word


def file_text(
    spec: CommandSpec,
    names: Collection[str],
    params: Mapping[str, Value],
    known: Mapping[str, Value],
) -> str:
    """Return the template with its places filled in; for the arguments see `command_words`.

    A text stands as it is, but between double quotes it is read back as the same.
    """
    kind, template = PurePath(spec.template_name).suffix.lower(), spec.template or ""

    def write(value: Value | None, at: int) -> str:
        if value is None:
            return _WITHOUT_VALUE.get(kind, "")
        if isinstance(value, str) and kind in _WITH_STRINGS and _in_quotes(template, at):
            return json.dumps(value, ensure_ascii=False)[1:-1]
        return str(value) if isinstance(value, bool) and kind == ".py" else as_text(value)

    values = {**known, **dict.fromkeys(names), **params}
    return _filled(template, names, values, write)


def _in_quotes(text: str, at: int) -> bool:
    """Return whether a place stands between double quotes of its line."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return _PAIR.sub("", before).count('"') % 2 == 1


def _filled(
    text: str,
    names: Collection[str],
    values: Mapping[str, Value | None],
    write: Callable[[Any, int], str],
) -> str:
    """Return a text with its places filled in by `write`, which is told where each begins."""

    def fill(found: re.Match[str]) -> str:
        return write(values[found[1]], found.start()) if found[1] in values else found[0]

    return place_pattern(names).sub(fill, text)


def as_text(value: Value) -> str:
    """Return a value as the shortest text that reads back as the same.

    Numbers are written so that all readers take them for numbers: to YAML `1e-05` is a word.

    >>> as_text(True), as_text(0.1), as_text(1e-5), as_text(64), as_text("adam")
    ('true', '0.1', '1.0e-05', '64', 'adam')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and "." not in (text := repr(value)):
        return text.replace("e", ".0e")
    return str(value)

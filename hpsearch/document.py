"""A YAML text as plain values, with the place of every key and value: a strict subset of YAML 1.2.

`1e-4` is a number and `off` a text; anchors, aliases, tags and duplicate keys are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from hpsearch.errors import Place, Problem, SpecError

Path = tuple[str | int, ...]

_LARGEST = 256 * 1024  # bytes: a search space is written by hand
_DEEPEST = 20
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_DIGITS = 400  # more are no number that a person means, and slow to convert
_KINDS = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}


def kind(value: object) -> str:
    """What a value is, in words for a message."""
    shown = f" '{value}'" if isinstance(value, str) else f" {str(value).lower()}" if isinstance(value, bool) else ""
    return _KINDS[type(value)] + shown if type(value) in _KINDS else f"{value}"


@dataclass
class Document:
    """Nested plain values, and where each stands. Overrides from flags have a place of their own."""

    file: str
    text: str
    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)

    def key_place(self, path: Path) -> Place | None:
        """Where the key of this path stands; else the nearest thing above it."""
        return self.keys.get(path) or self.value_place(path)

    def value_place(self, path: Path) -> Place | None:
        """Where the value of this path stands; else the nearest thing above it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path)

    def override(self, path: Path, value: object, source: str) -> None:
        """Put a value in, as if it stood there; `source` is the flag that brought it."""
        place = Place(source, 0, 0)
        if not isinstance(self.value, dict):
            return
        node = self.value
        for depth, name in enumerate(path[:-1], 1):
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise SpecError(Problem("E020", f"'{_dotted(path[:depth])}' is no mapping, so {source} has no meaning"))
        node[path[-1]] = value
        for known in (self.keys, self.values):
            for old in [old for old in known if old[: len(path)] == path]:
                del known[old]
            known[path] = place

    def remove(self, path: Path) -> None:
        """Take a key out, where it is there."""
        node = self.value
        for name in path[:-1]:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(path[-1], None)


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def read(text: str | bytes, file: str) -> Document:
    """Parse a text.

    Raises:
        SpecError: it is too large, not YAML, or uses what this subset leaves out.
    """
    if isinstance(text, bytes):
        text = _decoded(text, file)
    if len(text.encode("utf-8", "surrogatepass")) > _LARGEST:
        raise SpecError(Problem("E004", f"'{file}' is larger than {_LARGEST // 1024} kB"))
    document = Document(file, text)
    lines = text.splitlines()
    try:
        _refuse(text, file, lines)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise SpecError(_syntax(error, file, lines)) from error
    problems = list(_build(root, (), document, lines)) if root else []
    if problems:
        raise SpecError(*problems)
    return document


def scalar(text: str) -> object:
    """What a plain scalar means: `--set`'s values are read by the same rule."""
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _DIGITS and _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if len(text) <= _DIGITS and _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _decoded(text: bytes, file: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        column = error.start - text[: error.start].rfind(b"\n")
        raise SpecError(
            Problem("E001", "this is not UTF-8 text", Place(file, line, column), help="save the file as UTF-8")
        ) from error


def _refuse(text: str, file: str, lines: list[str]) -> None:
    """Scan the events for what could blow up or surprise, before anything is built."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        place = _place(file, event.start_mark, event.end_mark, lines)
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            raise SpecError(Problem("E003", "a second document begins here", place, help="one file, one document"))
        if depth > _DEEPEST:
            raise SpecError(Problem("E004", f"nested more than {_DEEPEST} deep", place))
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            raise SpecError(Problem("E003", "anchors and aliases are not used here", place, help="write the value out"))
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            raise SpecError(
                Problem("E003", f"tags such as '{event.tag}' are not used here", place, help="leave it out")
            )


def _build(node: yaml.Node, path: Path, document: Document, lines: list[str]) -> Iterator[Problem]:
    """Put the node's value into the document; give what is wrong with its keys."""
    document.values[path] = _place(document.file, node.start_mark, node.end_mark, lines)
    if isinstance(node, yaml.ScalarNode):
        _put(document, path, node.value if node.style else scalar(node.value))
    elif isinstance(node, yaml.SequenceNode):
        _put(document, path, [])
        for index, item in enumerate(node.value):
            yield from _build(item, (*path, index), document, lines)
    else:
        _put(document, path, {})
        for key, value in node.value:
            place = _place(document.file, key.start_mark, key.end_mark, lines)
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(name, str) or name == "":
                yield Problem("E005", "a key must be a word", place, help="such as  lr: 0.1")
            elif name == "<<" and not key.style:
                yield Problem("E003", "merge keys are not used here", place, help="write the keys out")
            elif (*path, name) in document.keys:
                first = document.keys[*path, name].line
                yield Problem(
                    "E002", f"the key '{name}' stands here twice", place, help=f"the first is in line {first}"
                )
            else:
                document.keys[*path, name] = place
                yield from _build(value, (*path, name), document, lines)


def _put(document: Document, path: Path, value: object) -> None:
    if not path:
        document.value = value
        return
    node = document.value
    for part in path[:-1]:
        node = node[part]
    if isinstance(node, list):
        node.append(value)
    else:
        node[path[-1]] = value


def _place(file: str, start: Any, end: Any, lines: list[str]) -> Place:
    # libyaml's marks and PyYAML's own are two types with the same fields
    text = lines[start.line] if start.line < len(lines) else ""
    length = end.column - start.column if end.line == start.line else len(text.rstrip()) - start.column
    return Place(file, start.line + 1, start.column + 1, text, max(1, length))


def _syntax(error: yaml.YAMLError, file: str, lines: list[str]) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    if mark is None:
        return Problem("E001", f"this is not YAML: {what}", Place(file, 1, 1))
    place = _place(file, mark, mark, lines)
    tabbed = place.text[: place.column].lstrip(" ").startswith("\t")
    return Problem("E001", f"this is not YAML: {what}", place, help="indent with spaces, not tabs" if tabbed else "")

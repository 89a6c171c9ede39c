"""A YAML text as plain values, with the place of every key and value.

What is read is a strict subset of YAML 1.2: `1e-4` is a number and `off` a text; anchors, aliases,
merge keys, tags and duplicate keys are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from hpsearch.errors import Place, Problem, SpecError

KeyPath = tuple[str | int, ...]

LARGEST = 256 * 1024
"""The bytes that a text may have: a search space is written by hand."""

_MOST = 20_000  # keys and values
_DEEPEST = 20  # levels of nesting
_MOST_TOLD = 50  # mistakes that are told
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_DIGITS = 250  # of a number at most, so that every whole number has a float near it
_UNREADABLE = re.compile(
    "[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


@dataclass
class Document:
    """Nested plain values, and where each stands; an override has its flag as its place.

    Attributes:
        file: the name of the file, for messages.
        value: the whole.
        keys: the place of each key.
        values: the place of each value.
        problems: the mistakes that leave the rest readable.
    """

    file: str
    value: Any = None
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def key_place(self, path: KeyPath) -> Place:
        """Return where the key of this path stands, or the nearest thing above it."""
        return self.keys.get(path) or self.value_place(path)

    def value_place(self, path: KeyPath) -> Place:
        """Return where the value of this path stands, or the nearest thing above it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values[path]

    def part_place(self, path: KeyPath, start: int, length: int) -> Place:
        """Return where a part of a text stands.

        It is the place of the whole text where that is written otherwise than it is, as with
        escapes.

        Args:
            path: the path of the text.
            start: the first character of the part, counted from 0.
            length: how many characters it has.
        """
        whole, text = self.value_place(path), self.at(path)
        written = whole.text[whole.column - 1 :]
        quoted = written[:1] in ("'", '"')
        if not written[quoted:].startswith(str(text)):
            return whole
        return Place(whole.file, whole.line, whole.column + quoted + start, whole.text, length)

    def at(self, path: KeyPath) -> Any:
        """Return the value at a path; None where there is nothing."""
        node = self.value
        for part in path:
            if isinstance(node, list) and isinstance(part, int) and part < len(node):
                node = node[part]
            else:
                node = node.get(part) if isinstance(node, dict) else None
        return node

    def override(self, path: KeyPath, value: object, source: str) -> None:
        """Put a value in as if it stood there.

        Args:
            path: the path of its key.
            value: the value.
            source: the flag that brought it, as it was given.
        """
        place = Place(source, 0, 0)
        if not isinstance(self.value, dict):
            return  # that it is no mapping is a mistake by itself
        node = self.value
        for depth, name in enumerate(path[:-1], 1):
            if name not in node:
                self.keys[path[:depth]] = self.values[path[:depth]] = place
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                message = (
                    f"'{dotted(path[:depth])}' holds no keys that {source.split()[0]} could set"
                )
                self.problems.append(Problem("E010", message, place))
                return
        node[path[-1]] = value
        for known in (self.keys, self.values):
            for old in [old for old in known if old[: len(path)] == path]:
                del known[old]
            known[path] = place

    def remove(self, path: KeyPath) -> None:
        """Take a key out, where it is there."""
        node = self.at(path[:-1])
        if isinstance(node, dict):
            node.pop(path[-1], None)


def dotted(path: KeyPath) -> str:
    """Return a path as it is written in messages: `parameters.lr.values[2]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(
        "."
    )


def read(text: str | bytes, file: str) -> Document:
    """Parse a text and return its values with their places.

    Raises:
        SpecError: it is too large, not YAML, or uses what this subset leaves out.
    """
    text = _decoded(text, file)
    document, lines = Document(file), text.splitlines()
    reader = _Reader(document, lines, yaml.parse(text, Loader=yaml.CSafeLoader))
    try:
        reader.read()
    except yaml.YAMLError as error:
        raise SpecError(_syntax(error, file, lines)) from error
    if reader.refused:
        raise SpecError(*reader.refused)
    beginning = (
        replace(document.values[()], length=1) if document.value is not None else Place(file, 1, 1)
    )
    document.values[()] = beginning  # the whole is wrong where it begins
    return document


def scalar(text: str) -> object:
    """Return what a plain scalar means; the values of `--set` are read by the same rule."""
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _DIGITS and _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if len(text) <= _DIGITS and _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _decoded(text: str | bytes, file: str) -> str:
    """Return a text that is not too large, and has nothing in it that is no text."""
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")  # what was not UTF-8 in a file still is not
    if len(text) > LARGEST:
        message = f"this file is larger than {LARGEST // 1024} kB"
        raise SpecError(
            Problem("E004", message, Place(file, 1, 1), help="a search space is a page or two")
        )
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        column = len(text[text.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
        place = Place(file, line, column)
        raise SpecError(
            Problem("E001", "this is not UTF-8 text", place, help="save the file as UTF-8")
        ) from error
    if bad := _UNREADABLE.search(decoded):
        before = decoded[: bad.start()].split("\n")
        place = Place(file, len(before), len(before[-1]) + 1)
        raise SpecError(
            Problem("E001", f"this is not text: it holds the character U+{ord(bad[0]):04X}", place)
        )
    return decoded


@dataclass
class _Reader:
    """The values of a document, built in one pass over the parser's events.

    Attributes:
        document: where the values and their places go.
        lines: the lines of the text, for messages.
        events: the parser's.
        refused: what the subset leaves out.
        left: how many more keys and values may come.
    """

    document: Document
    lines: list[str]
    events: Iterator[yaml.Event]
    refused: list[Problem] = field(default_factory=list)
    left: int = _MOST

    def read(self) -> None:
        """Read the one document that there may be."""
        documents = 0
        for event in self.events:
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                self.refuse(event, "a second document begins here", "one file, one document")
                return
            if isinstance(event, yaml.NodeEvent):
                self.document.value = self.value(event, ())

    def value(self, event: yaml.Event, path: KeyPath) -> Any:
        """Return the value that begins with an event, and note its place."""
        self.check(event, path)
        value: Any = None
        last = event
        if isinstance(event, yaml.ScalarEvent):
            value = event.value if event.style else scalar(event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not isinstance(last := next(self.events), yaml.SequenceEndEvent):
                value.append(self.value(last, (*path, len(value))))
        elif isinstance(event, yaml.MappingStartEvent):
            value = {}
            while not isinstance(last := next(self.events), yaml.MappingEndEvent):
                self.pair(last, path, value)
        self.document.values[path] = self.place(event, last)
        return value

    def pair(self, event: Any, path: KeyPath, mapping: dict[str, Any]) -> None:
        """Read a key and its value; the value of a key that cannot be taken is passed over."""
        name = event.value if isinstance(event, yaml.ScalarEvent) else ""
        place = self.place(event, event)
        if isinstance(event, yaml.AliasEvent):
            self.check(event, path)
        elif not name:
            self.pass_over(event, path)
            self.refuse(event, "a key must be a word", "such as  lr: 0.1", "E005")
        elif name == "<<" and not event.style:
            self.refuse(event, "merge keys are not used here", "write the keys out")
        elif name in mapping:
            first = self.document.keys[*path, name].line
            message = f"the key '{name}' stands here twice"
            self.document.problems.append(
                Problem("E002", message, place, help=f"the first is in line {first}")
            )
        else:
            self.check(event, path)
            self.document.keys[*path, name] = place
            mapping[name] = self.value(next(self.events), (*path, name))
            return
        self.pass_over(next(self.events), path)

    def pass_over(self, event: yaml.Event, path: KeyPath) -> None:
        """Read what begins with an event without taking it in; its mistakes are noted."""
        self.check(event, path)
        if isinstance(event, yaml.CollectionStartEvent):
            while not isinstance(last := next(self.events), yaml.CollectionEndEvent):
                self.pass_over(last, (*path, ""))

    def check(self, event: Any, path: KeyPath) -> None:
        """Note anchors, aliases and tags.

        Raises:
            SpecError: the nesting is too deep, or there is too much of it.
        """
        self.left -= 1
        if len(path) + isinstance(event, yaml.CollectionStartEvent) > _DEEPEST or self.left < 0:
            what = (
                f"nested more than {_DEEPEST} deep"
                if self.left >= 0
                else f"more than {_MOST:,} keys and values"
            )
            raise SpecError(
                Problem(
                    "E004", what, self.place(event, event), help="a search space is a page or two"
                )
            )
        if event.anchor:
            self.refuse(event, "anchors and aliases are not used here", "write the value out")
        elif getattr(event, "tag", None):  # an alias has none
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(event, f"tags such as '{tag}' are not used here", "leave it out")

    def refuse(self, event: yaml.Event, message: str, help: str, code: str = "E003") -> None:
        """Note something that the subset leaves out.

        Raises:
            SpecError: there is a great deal of it already.
        """
        self.refused.append(Problem(code, message, self.place(event, event), help=help))
        if len(self.refused) >= _MOST_TOLD:
            raise SpecError(*self.refused)

    def place(self, first: yaml.Event, last: yaml.Event) -> Place:
        """Return the place of what begins with one event and ends with another."""
        return _place(self.document.file, first.start_mark, last.end_mark, self.lines)


def _place(file: str, start: Any, end: Any, lines: list[str]) -> Place:
    """Return the place between two marks, as far as it lies in the first one's line."""
    # libyaml's marks and PyYAML's own are two types with the same fields
    text = lines[start.line] if start.line < len(lines) else ""
    length = (
        end.column - start.column if end.line == start.line else len(text.rstrip()) - start.column
    )
    return Place(file, start.line + 1, start.column + 1, text, max(1, length))


_UNCLOSED = {
    "found unexpected end of stream": "a quote is not closed",
    "did not find expected ',' or '}'": "a '{' is not closed, or a ',' is missing after it",
    "did not find expected ',' or ']'": "a '[' is not closed, or a ',' is missing after it",
    "could not find expected ':'": "a key without ':'",
}
"""What libyaml says, in other words, of mistakes at the beginning of what it was reading."""

_ALIGNED = "the keys of one mapping begin in one column; a text with ': ' in it stands in quotes"
_PLAIN = {
    "mapping values are not allowed in this context": ("a ':' does not fit here", _ALIGNED),
    "did not find expected key": ("this does not fit what stands above it", _ALIGNED),
    "did not find expected '-' indicator": (
        "this does not fit the list above it",
        "each item begins with '- '",
    ),
    "block sequence entries are not allowed in this context": (
        "a list cannot begin here",
        "begin it on its own line",
    ),
    "did not find expected node content": ("a value is missing here", ""),
    "did not find expected <document start>": ("something stands after the end", ""),
    "found unknown escape character": (
        "an unknown escape",
        "in single quotes a backslash is a backslash",
    ),
}


def _syntax(error: yaml.YAMLError, file: str, lines: list[str]) -> Problem:
    """Return what is wrong with a text that is no YAML."""
    said = getattr(error, "problem", None) or "it cannot be read"
    mark = getattr(error, "context_mark" if said in _UNCLOSED else "problem_mark", None)
    if mark is None:
        return Problem("E001", f"this is not YAML: {said}", Place(file, 1, 1))
    place = _place(file, mark, mark, lines)
    what, help = _PLAIN.get(said, (_UNCLOSED.get(said, said), ""))
    sign = place.text[place.column - 1 : place.column]
    if " tab " in said or sign == "\t":
        what, help = "a tab stands where the indentation should be", "indent with spaces"
    elif said == "found character that cannot start any token":
        what, help = f"'{sign}' cannot begin a value", "put it in quotes"
    return Problem("E001", f"this is not YAML: {what}", place, help=help)

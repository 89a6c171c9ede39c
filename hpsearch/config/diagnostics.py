"""The mistakes in a file: wrong keys and wrong values in words, with the likely repair."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hpsearch.config.document import Document, KeyPath, dotted, scalar
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.registry import closest

TRAINERS = ("command", "objective")
"""The keys of which one says what a trainer of one's own is."""

LARGEST = sys.float_info.max
"""The largest number that a setting may be."""

_MOST = 50  # mistakes that are told: whoever makes more begins with these
_SHOWN = 60  # characters of a value that are shown
_UNITS = {"a duration": ("s", "m"), "a size": ("MB", "GB")}
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass
class Diagnostics:
    """What is wrong with a document, as it is found.

    Attributes:
        document: what is judged.
        strategy: the strategy whose keys are allowed; None allows those of all.
        problems: the mistakes in the order in which they were found.
        paths: where they stand, so that none is told twice.
        is_stored: whether a study keeps the document. It was accepted once, and still is.
    """

    document: Document
    strategy: str | None = None
    problems: list[Problem] = field(default_factory=list)
    paths: set[KeyPath] = field(default_factory=set)
    is_stored: bool = False

    @property
    def any_name(self) -> bool:
        """Whether parameters may have any names, since the trainer is one's own."""
        value = self.document.value
        return isinstance(value, dict) and any(name in value for name in TRAINERS)

    def add(
        self,
        code: str,
        message: str,
        path: KeyPath,
        *,
        key: bool = False,
        place: Place | None = None,
        hint: str = "",
        help: str = "",
    ) -> None:
        """Note a mistake.

        Args:
            code: what kind of mistake it is.
            message: what was found.
            path: what is wrong; the mistake stands at its value.
            key: whether it stands at the key instead.
            place: where it stands, if neither is right.
            hint: the likely repair.
            help: what would be right.

        Raises:
            SpecError: there are a great many already.
        """
        place = place or (self.document.key_place(path) if key else self.document.value_place(path))
        self.problems.append(Problem(code, message, place, hint, help))
        self.paths.add(path)
        if len(self.problems) >= _MOST:
            raise self.error()

    def wrong(
        self,
        path: KeyPath,
        value: object,
        expected: str,
        code: str = "E020",
        *,
        among: Collection[object] = (),
        hint: str = "",
    ) -> None:
        """Note a value that is not what belongs there.

        Args:
            path: where it stands.
            value: what was found.
            expected: what belongs there, in words that complete "which is not ...".
            code: what kind of mistake it is.
            among: the values that would be right, where they can be listed.
            hint: the likely repair, where `repair` cannot find it.
        """
        if isinstance(value, float) and not math.isfinite(value):
            expected = expected.replace("a number", "a finite number", 1)
        message = f"'{dotted(path)}' is {kind(value)}, which is not {expected}"
        self.add(code, message, path, hint=hint or repair(value, expected, among))

    def within(self, path: KeyPath) -> bool:
        """Return whether a mistake was found at this path or below it."""
        return any(wrong[: len(path)] == path for wrong in self.paths)

    def error(self) -> SpecError:
        """Return all mistakes as one error, in the order of the file; those of flags come first."""
        problems = sorted(
            self.problems,
            key=lambda one: (one.place.line, one.place.column) if one.place else (0, 0),
        )
        return SpecError(*problems[:_MOST])


def kind(value: object) -> str:
    """Return what a value is, in words for a message."""
    match value:
        case None:
            return "empty"
        case str():
            return f"the text '{_short(value)}'"
        case bool():
            return str(value).lower()
        case float() if not math.isfinite(value):
            return (
                ".nan"
                if math.isnan(value)
                else f"{value:+}".replace("+inf", ".inf").replace("-inf", "-.inf")
            )
        case Mapping() | list():
            noun = "list" if isinstance(value, list) else "mapping"
            return f"a {noun}" if value else f"an empty {noun}"
    if isinstance(value, int) and abs(value) > LARGEST:  # Python may refuse to write its digits
        return f"beyond {LARGEST:.3g}"
    if not isinstance(value, int | float):  # which only Python can give
        return f"{_short(repr(value))} ({type(value).__name__})"
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}... ({len(text):,} characters)"


def flow(values: Sequence[object] | Mapping[str, object]) -> str:
    """Return a list or mapping as one writes it in a line of YAML."""
    if isinstance(values, Mapping):
        return "{" + ", ".join(f"{name}: {written(value)}" for name, value in values.items()) + "}"
    return _short("[" + ", ".join(written(value) for value in values) + "]")


def written(value: object) -> str:
    """Return a value as one writes it in YAML."""
    if isinstance(value, Mapping | list):
        return flow(value)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value).replace("e-0", "e-")


def repair(value: object, expected: str, among: Collection[object] = ()) -> str:
    """Return what to write instead of a wrong value, where that can be told.

    Args:
        value: what was found.
        expected: what belongs there, in words.
        among: the values that would be right, where they can be listed.
    """
    if isinstance(value, str) and (
        near := closest(value.lower(), [one for one in among if isinstance(one, str)])
    ):
        return f"did you mean '{near}'?"
    if isinstance(value, str) and expected == "true or false" and value.lower() in _TRUTHS:
        return f"write {_TRUTHS[value.lower()]}"
    number = _meant(value)
    for quantity, units in _UNITS.items():
        if number is not None and quantity in expected:
            amount = str(value).strip()
            written = f"write {amount}{units[0]} or {amount}{units[1]}"
            return written if number > 0 else f"{quantity} is above 0"
    if isinstance(value, str) and "a duration" in expected and value.strip().startswith("-"):
        return "a duration is above 0"
    if number is not None and ("number" in expected or "share" in expected):
        if isinstance(number, float) and number.is_integer() and "whole number" in expected:
            return f"write {int(number)}"
        if isinstance(value, str):
            return (
                f"write {number}, without quotes" if number == scalar(value) else f"write {number}"
            )
    if value is None and expected.startswith(("a mapping", "a list")):
        return "indent what belongs to it, or leave it out"
    return ""


def _meant(value: object) -> int | float | None:
    """Return the finite number that a value is or was meant as, in quotes or with separators."""
    if isinstance(value, str):
        value = scalar(value.replace("_", "").replace(",", "").strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -LARGEST <= value <= LARGEST else None

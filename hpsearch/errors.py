"""The mistakes a person can mend, each with its place, and the exit codes of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

EXIT_OK = 0
EXIT_NO_WINNER = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_CRASHING = 4
EXIT_DAMAGED = 65
EXIT_CANNOT_WRITE = 73
EXIT_DISK_FULL = 74
EXIT_IN_USE = 75
EXIT_CONFIG_DIFFERS = 78
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

_WIDEST = 120  # columns of a source line that are shown
_BEFORE = 40  # of them, those before the mistake


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text a mistake stands. Lines and columns count from 1; line 0: `file` is a flag, not a file."""

    file: str
    line: int
    column: int
    text: str = ""
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: what was found (`message`), where, the likely repair (`hint`), what would be right (`help`)."""

    code: str
    message: str
    place: Place | None = None
    hint: str = ""
    help: str = ""

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        at = self.place
        if at:
            lines.append(
                f"  --> {at.file}:{at.line}:{at.column}" if at.line else f"  --> {at.file}"
            )
        if at and at.text:
            gutter = " " * len(str(at.line))
            text, before, length = _excerpt(at)
            underline = f"{' ' * before}{'^' * length} {self.hint}".rstrip()
            lines += [f"{gutter} |", f"{at.line} | {text}", f"{gutter} | {underline}"]
        elif self.hint:
            lines.append(f"   = hint: {self.hint}")
        if self.help:
            lines.append(f"   = help: {self.help}")
        return "\n".join(_printable(line) for line in lines)

    def record(self) -> dict[str, object]:
        """The same facts for `--json`."""
        at = self.place
        where = {"file": at.file, "line": at.line, "column": at.column} if at else {}
        return {
            "code": self.code,
            "message": self.message,
            **where,
            "hint": self.hint,
            "help": self.help,
        }


def _printable(text: str) -> str:
    """The text with what a terminal might obey (an escape sequence in a quoted value) made visible."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def _excerpt(at: Place) -> tuple[str, int, int]:
    """The part of a long line around a place, one column a sign: the text, where to underline, how far."""
    first = (
        0
        if len(at.text) <= _WIDEST
        else max(0, min(at.column - 1 - _BEFORE, len(at.text) - _WIDEST))
    )
    part = at.text[first : first + _WIDEST]
    text = "".join(
        sign if sign.isprintable() else " " if sign == "\t" else "\N{REPLACEMENT CHARACTER}"
        for sign in part
    )
    head, tail = "..." * (first > 0), "..." * (first + _WIDEST < len(at.text))
    before = at.column - 1 - first
    return head + text + tail, len(head) + before, max(1, min(at.length, _WIDEST - before))


class HpsearchError(Exception):
    """Something the person at the keyboard can mend. Printed without a traceback."""

    exit_code: ClassVar[int] = EXIT_USAGE

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n\n".join(str(problem) for problem in problems))
        self.problems: Sequence[Problem] = problems

    def __reduce__(self) -> tuple[type[HpsearchError], tuple[Problem, ...]]:
        return type(self), tuple(self.problems)  # it travels from a worker


class SpecError(HpsearchError):
    """The YAML, a flag or the data is wrong; nothing was run."""


class TooFewTrials(HpsearchError):
    """Too few trials of a study have succeeded for what is asked of it."""

    exit_code = EXIT_NO_WINNER


class DamagedStudy(HpsearchError):
    """The study's file is not one, is from a newer version, or does not hold together."""

    exit_code = EXIT_DAMAGED


class CannotWrite(HpsearchError):
    """The study's folder cannot be written to."""

    exit_code = EXIT_CANNOT_WRITE


class DiskFull(HpsearchError):
    """No space is left for a result; what was acknowledged before is safe."""

    exit_code = EXIT_DISK_FULL


class StudyInUse(HpsearchError):
    """Another process holds the study."""

    exit_code = EXIT_IN_USE


class ConfigDiffers(HpsearchError):
    """The study was begun with other settings or other data."""

    exit_code = EXIT_CONFIG_DIFFERS

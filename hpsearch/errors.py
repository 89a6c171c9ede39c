"""The mistakes a person can mend, each with its place, and the exit codes of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

EXIT_OK = 0
EXIT_NO_WINNER = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_DAMAGED = 65
EXIT_CANNOT_WRITE = 73
EXIT_DISK_FULL = 74
EXIT_IN_USE = 75
EXIT_CONFIG_DIFFERS = 78
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


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
        if self.place:
            at = self.place
            lines.append(f"  --> {at.file}:{at.line}:{at.column}" if at.line else f"  --> {at.file}")
            if at.text:
                gutter = " " * len(str(at.line))
                underline = " " * (at.column - 1) + "^" * max(1, at.length)
                lines += [f"{gutter} |", f"{at.line} | {at.text}", f"{gutter} | {underline} {self.hint}".rstrip()]
        if self.hint and not (self.place and self.place.text):
            lines.append(f"   = hint: {self.hint}")
        if self.help:
            lines.append(f"   = help: {self.help}")
        return "\n".join(lines)

    def record(self) -> dict[str, object]:
        """The same facts for `--json`."""
        at = self.place
        where = {"file": at.file, "line": at.line, "column": at.column} if at else {}
        return {"code": self.code, "message": self.message, **where, "hint": self.hint, "help": self.help}


class HpsearchError(Exception):
    """Something the person at the keyboard can mend. Printed without a traceback."""

    exit_code: ClassVar[int] = EXIT_USAGE

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n\n".join(str(problem) for problem in problems))
        self.problems: Sequence[Problem] = problems


class SpecError(HpsearchError):
    """The YAML, a flag or the data is wrong; nothing was run."""


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

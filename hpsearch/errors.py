"""Errors that a person can mend, each with its place, and the exit codes of the command line.

An `HpsearchError` carries one or more `Problem`s and is printed without a traceback; its class
decides the exit code. Every other exception is a bug of hpsearch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hpsearch.text import one_line

# Codes from 64 on are those of sysexits.h; 128 + n is the shell's code for a process that signal n
# ended.
EXIT_OK = 0  # done; after a search there is a winner
EXIT_NO_WINNER = 1  # done, but no trial has succeeded, or too few for what is asked
EXIT_DIFFERS = 1  # done, but a trial that was trained again has not come to the same
EXIT_USAGE = 2  # the YAML file, a flag or the data is wrong; nothing was run
EXIT_BUG = 3  # hpsearch itself is at fault; a file holds the traceback
EXIT_CRASHING = 4  # the search gave up: `max_failures` trials in a row have crashed
EXIT_DAMAGED = 65  # EX_DATAERR: a study or a model is damaged, or of a newer version
EXIT_NO_DATA = 66  # EX_NOINPUT: the data of a study are not there any more
EXIT_NO_RESOURCES = 71  # EX_OSERR: the system gives no more processes, files or memory
EXIT_CANNOT_WRITE = 73  # EX_CANTCREAT: a file or folder cannot be written
EXIT_DISK_FULL = 74  # EX_IOERR: the disk is full, or a result cannot be printed
EXIT_IN_USE = 75  # EX_TEMPFAIL: another process holds the study
EXIT_CONFIG_DIFFERS = 78  # EX_CONFIG: the study was begun with other settings, data or machinery
EXIT_INTERRUPTED = 130  # ended by SIGINT (Ctrl-C); `resume` continues the study
EXIT_TERMINATED = 143  # ended by SIGTERM (kill); `resume` continues the study

MAKE_DO = "`ulimit -a` shows the limits; --workers 1 needs the least, and resume goes on"
"""The help where a limit of the system is in the way."""

_WIDEST = 120  # how many columns of a long source line are shown
_BEFORE = 40  # how many of these stand before the mistake


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a mistake in a text.

    Attributes:
        file: the file, or the flag of the command line.
        line: counted from 1; 0 for a flag, which has no lines.
        column: counted from 1.
        text: the whole line, which is shown with the mistake underlined; "" shows none.
        length: how many characters are underlined.
    """

    file: str
    line: int
    column: int
    text: str = ""
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, printed as `str(problem)`.

    Attributes:
        code: the kind of mistake, such as E012; `docs/errors.md` has an entry for each.
        message: what was found.
        place: where it was found.
        hint: the likely repair, beside the underlined text.
        help: what would be right, on a line of its own.
        table: more lines of what was found.

    >>> print(Problem("E021", "unknown key 'sede'", Place("a.yaml", 3, 1, "sede: 7", 4), "seed?"))
    error[E021]: unknown key 'sede'
      --> a.yaml:3:1
      |
    3 | sede: 7
      | ^^^^ seed?
    """

    code: str
    message: str
    place: Place | None = None
    hint: str = ""
    help: str = ""
    table: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        lines += [f"  | {line}" for line in self.table]
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
        return "\n".join(map(one_line, lines))

    def record(self) -> dict[str, object]:
        """Return the same facts for `--json`."""
        at = self.place
        where = {"file": at.file, "line": at.line, "column": at.column} if at else {}
        return {
            "code": self.code,
            "message": self.message,
            **where,
            "hint": self.hint,
            "help": self.help,
            **({"table": [*self.table]} if self.table else {}),
        }


def _excerpt(at: Place) -> tuple[str, int, int]:
    """Return the part of a long line around a place: the text, where to underline, and how far.

    Each character of the text takes one column.
    """
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
    """An error that the user can mend; it holds one or more problems."""

    exit_code: ClassVar[int] = EXIT_USAGE

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n\n".join(str(problem) for problem in problems))
        self.problems: Sequence[Problem] = problems

    def __reduce__(self) -> tuple[type[HpsearchError], tuple[Problem, ...]]:
        return type(self), tuple(self.problems)  # by default only the text would be pickled


class SpecError(HpsearchError):
    """The YAML file, a flag or the data is wrong; nothing was run."""


class TooFewTrials(HpsearchError):
    """Too few trials of a study have succeeded for what is asked of it."""

    exit_code = EXIT_NO_WINNER


class DamagedStudy(HpsearchError):
    """The study's file is not a study, is damaged, or is from a newer version."""

    exit_code = EXIT_DAMAGED


class DamagedModel(HpsearchError):
    """A trained model is damaged, or is from a newer version."""

    exit_code = EXIT_DAMAGED


class DataGone(HpsearchError):
    """The data of a study are not there any more; trials without a result stay pending."""

    exit_code = EXIT_NO_DATA


class NoResources(HpsearchError):
    """The system gives no more processes, files or memory; what was reported before is safe."""

    exit_code = EXIT_NO_RESOURCES


class CannotWrite(HpsearchError):
    """A file or a folder cannot be written, or cannot be read."""

    exit_code = EXIT_CANNOT_WRITE


class DiskFull(HpsearchError):
    """No space is left for a result; all results that were reported before are safe."""

    exit_code = EXIT_DISK_FULL


class OutputLost(HpsearchError):
    """A result cannot be written to standard output; what a study keeps is kept."""

    exit_code = EXIT_DISK_FULL


class StudyInUse(HpsearchError):
    """Another process holds the study."""

    exit_code = EXIT_IN_USE


class Crashing(HpsearchError):
    """So many trials have crashed in a row that no more are tried."""

    exit_code = EXIT_CRASHING


class ConfigDiffers(HpsearchError):
    """The study was begun with other settings or other data."""

    exit_code = EXIT_CONFIG_DIFFERS

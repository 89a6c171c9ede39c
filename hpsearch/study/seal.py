"""The seal of a study's file: whether its rows are those that were written.

SQLite notices a file that is torn, but not a value that a bad disk has changed, nor a row that is
gone. The seal is the exclusive or of the digests of all rows: that of each trial, and one of the
schema with all that belongs to no trial. A commit takes out of it what it changes, and adds what
stands there now. Whoever reads a study checks that the seal fits (decision 13).

The row of a trial has the digest of its curve. So a curve that is read is known to be the one that
was written, and one that is not read costs nothing (decision 37).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from hashlib import blake2b
from operator import xor
from typing import Any

from hpsearch.study.layout import TABLES

Execute = Callable[..., sqlite3.Cursor]
TableRow = tuple[Any, ...]

_OF_STUDY = ("sqlite_master", "study", "test_evaluation", "session")

# JSON says the same in every version of Python, to the last bit of a float
_text = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class OtherRows(ValueError):
    """Rows that are not what was written."""

    def __init__(self) -> None:
        super().__init__("it is not what was written there")


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of a file.

    Attributes:
        trials: one of each trial, by its number.
        study: those of all tables that belong to no trial, by the name of the table.
        curves: the curves that were read, as JSON, by the numbers of their trials.
    """

    trials: Sequence[TableRow]
    study: Mapping[str, Sequence[TableRow]]
    curves: Mapping[int, str] = field(default_factory=dict)


def contents(execute: Execute) -> Contents:
    """Return all rows of a file but the curves.

    Raises:
        OtherRows: the seal does not fit them.
    """
    found = Contents(_rows(execute, "trial").fetchall(), study_rows(execute))
    is_whole = all(number == row[0] for number, row in enumerate(found.trials))
    if not is_whole or seal(found) != sealed(execute):
        raise OtherRows
    return found


def trial_rows(execute: Execute, numbers: Iterable[int]) -> Sequence[TableRow]:
    """Return the rows of these trials, as far as they are there."""
    found = (_rows(execute, "trial", number).fetchone() for number in numbers)
    return [row for row in found if row]


def study_rows(execute: Execute) -> Mapping[str, Sequence[TableRow]]:
    """Return all rows that belong to no trial."""
    return {table: _rows(execute, table).fetchall() for table in _OF_STUDY}


def curves(execute: Execute, trials: Iterable[TableRow]) -> Mapping[int, str]:
    """Return the curves of trials, given as their rows.

    Raises:
        OtherRows: they are not those that were written.
    """
    found = {}
    for number, *_, digest in trials:
        row = _rows(execute, "curve", number).fetchone()
        _check_curve(row and row[1], digest)
        if row:
            found[number] = row[1]
    return found


def check_curves(execute: Execute, trials: Iterable[TableRow]) -> None:
    """See that all curves of a file, whose trials these are, were written so; keep none of them.

    Raises:
        OtherRows: they were not.
    """
    left = {number: digest for number, *_, digest in trials if digest is not None}
    for number, text in _rows(execute, "curve"):
        _check_curve(text, left.pop(number, None))
    if left:
        raise OtherRows


def _check_curve(text: str | None, digest: int | None) -> None:
    if digest != (None if text is None else digest_of_text(text)):
        raise OtherRows


def sealed(execute: Execute) -> int:
    """Return the seal that a file has."""
    (found,) = execute("SELECT digest FROM seal").fetchone()
    return int(found)


def seal(found: Contents) -> int:
    """Return the seal that fits these rows."""
    return digest_of_trials(found.trials) ^ digest_of_study(found.study)


def digest_of_trials(trials: Iterable[TableRow]) -> int:
    """Return what the rows of trials contribute to the seal."""
    return reduce(xor, map(_digest, trials), 0)


def digest_of_study(found: Mapping[str, Sequence[TableRow]]) -> int:
    """Return what all rows that belong to no trial contribute to the seal."""
    return _digest([*found.values()])


def digest_of_text(text: str) -> int:
    """Return 64 bits of the digest of a text, as an integer of SQLite."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)


def _digest(rows: object) -> int:
    return digest_of_text(_text(rows))


def _rows(execute: Execute, table: str, number: int | None = None) -> sqlite3.Cursor:
    """Return the rows of a table in their order, or that of one trial."""
    which = "" if number is None else f"WHERE number = {number}"
    return execute(f"SELECT {', '.join(TABLES[table])} FROM {table} {which} ORDER BY 1, 2")

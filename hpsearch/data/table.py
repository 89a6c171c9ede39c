"""Read CSV tables: UTF-8, separated by commas, with a header; every input column is numbers.

Python's own parser reads the text, so that a row that is too long, a word among the numbers or a
byte that is not UTF-8 is reported with its line. (pandas shifts, fills and renames instead, and
does not say on which line.)
"""

from __future__ import annotations

import csv
import reprlib
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BufferedReader
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_BLOCK = 4096  # rows that are in memory as text at the same time
_MOST_PROBLEMS = 10
_MOST_LISTED = 100  # columns that a message names
_LONGEST = 256  # characters of the name of a class
_WIDEST = 16 << 20  # bytes of a line
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}
Line = tuple[int, list[str]]
"""The fields of a row, after the number of the line on which it ends."""


def load(spec: DataSpec) -> RawData:
    """Return the table, its columns the inputs but for `spec.target` and `spec.column`.

    The targets are numbers where every one is a number, else text.

    Raises:
        SpecError: the target is not there, the header or a row does not fit, a value is missing or
            not a finite number (the first of each column), or the bytes are not UTF-8.
    """
    with spec.path.open("rb") as file:
        rows = _rows(file, spec.source)
        names = tuple(next(rows, (0, []))[1])
        return _parse(rows, names, check_header(names, spec), spec)


def check_header(names: Sequence[str], spec: DataSpec) -> str:
    """Return the name of the target column.

    Raises:
        SpecError: names are missing or ambiguous, or the columns asked for are not among them.
    """
    if fault := _header_fault(names):
        raise SpecError(Problem("E072", f"'{spec.source}' {fault}"))
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    help_ = f"its columns: {listed}"
    if spec.target is None:
        fault = f"say which column of '{spec.source}' is the target"
        raise SpecError(Problem("E072", fault, help=help_))
    if spec.target not in names:
        raise SpecError(_no_column(spec.target, names, spec, "", help_))
    if spec.column is not None and spec.column not in names:
        raise SpecError(_no_column(spec.column, names, spec, " that says how it is split", help_))
    if spec.column == spec.target:
        fault = f"'{spec.target}' cannot be the target and say how the rows are split"
        raise SpecError(Problem("E072", fault))
    if not set(names) - {spec.target, spec.column}:
        raise SpecError(Problem("E072", f"'{spec.source}' has no column but the target"))
    return spec.target


def _no_column(
    name: str, names: Sequence[str], spec: DataSpec, purpose: str, help_: str
) -> Problem:
    near = closest(name, names)
    hint = f"did you mean '{near}'?" if near else ""
    fault = f"'{spec.source}' has no column '{name}'{purpose}"
    return Problem("E072", fault, hint=hint, help=help_)


def _header_fault(names: Sequence[str]) -> str:
    """Return what is wrong with the header, or ''."""
    if not names:
        return "is empty: its first line should name the columns"
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        return (
            f"must have its columns separated by commas, and begins with {reprlib.repr(names[0])}"
        )
    if "" in names:
        return f"has no name for column {names.index('') + 1} (an index is no input: leave it out)"
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    return "" if twice is None else f"has more than one column '{twice}'"


def text_targets(labels: Sequence[str], column: str) -> NDArray[np.str_]:
    """Return the names of classes as an array, in which each takes the room of the longest.

    Raises:
        SpecError: a text is too long to be the name of a class.
    """
    for row, label in enumerate(labels, 1):
        if len(label) > _LONGEST:
            fault = (
                f"text of {len(label):,} characters is no name of a class ({reprlib.repr(label)})"
            )
            raise SpecError(Problem("E075", f"column '{column}', row {row}: {fault}"))
    return np.array(labels, dtype=np.str_)


def missing(column: str, row: int, line: int | None = None) -> Problem:
    """Return the problem with a value that is missing; rows and lines count from 1."""
    help_ = "fill it in, or leave the row or the column out"
    return Problem("E074", f"column '{column}', {_at(row, line)}: the value is missing", help=help_)


def not_a_number(column: str, row: int, value: object, line: int | None = None) -> Problem:
    """Return the problem with an input that is a text or not finite; rows count from 1."""
    return Problem(
        "E074",
        f"column '{column}', {_at(row, line)}: {reprlib.repr(value)} is not a finite number",
        help="inputs are numbers: encode text as columns of 0 and 1, or leave the column out",
    )


def _at(row: int, line: int | None) -> str:
    return f"row {row}" if line is None else f"row {row} (line {line})"


def _rows(file: BufferedReader, source: str) -> Iterator[Line]:
    """Yield the header and the rows; blank lines are skipped."""
    reader = csv.reader(_lines(file, source), strict=True, skipinitialspace=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise SpecError(
            Problem("E073", f"'{source}' is not a sound CSV file: line {reader.line_num}: {error}")
        ) from error


def _lines(file: BufferedReader, source: str) -> Iterator[str]:
    """Yield the text line by line: decoded one at a time, a wrong byte is found in its line."""
    for number, line in enumerate(iter(partial(file.readline, _WIDEST + 1), b""), 1):
        if len(line) > _WIDEST:
            fault = f"line {number} is longer than {_WIDEST >> 20} MiB"
            raise SpecError(Problem("E073", f"'{source}' is not a sound CSV file: {fault}"))
        try:
            yield line.removeprefix(BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            fault = f"'{source}' is not UTF-8 text: byte 0x{line[error.start]:02x} in line {number}"
            raise SpecError(Problem("E073", fault, help="save it as UTF-8")) from error


def _parse(reader: Iterator[Line], names: tuple[str, ...], target: str, spec: DataSpec) -> RawData:
    """Return the table of these rows; refuse it with the first problem of each column."""
    features = tuple(name for name in names if name not in (target, spec.column))
    blocks: list[NDArray[np.float64]] = [np.empty((0, len(features)))]
    labels: list[str] = []
    parts: list[str] = []
    lines: list[int] = []
    problems: dict[str, Problem] = {}
    while block := list(islice(reader, _BLOCK)):
        done = len(lines)
        lines += [line for line, _ in block]
        cells = _columns(block, names, done, spec)
        labels += [cell.strip() for cell in cells[target]]
        parts += [cell.strip() for cell in cells[spec.column]] if spec.column else []
        columns = {name: _numbers(cells[name]) for name in features}
        for name, column in columns.items():
            if not np.isfinite(column).all():
                at = int(np.isfinite(column).argmin())
                problems.setdefault(name, _fault(name, cells[name][at], done + at, lines))
        blocks.append(np.column_stack(list(columns.values())))
    targets = _targets(labels, target)
    fit = targets != "" if targets.dtype.kind == "U" else np.isfinite(targets)
    if not fit.all():
        at = int(fit.argmin())
        problems[target] = _fault(target, labels[at], at, lines)
    if problems:
        raise SpecError(*islice(problems.values(), _MOST_PROBLEMS))
    named = text_targets(parts, spec.column) if spec.column else None
    return RawData(spec.path.stem, np.concatenate(blocks), targets, features, target, parts=named)


def _columns(
    block: Sequence[Line], names: tuple[str, ...], done: int, spec: DataSpec
) -> Mapping[str, tuple[str, ...]]:
    """Return the cells of each column; refuse a row that is too short or too long."""
    for row, (line, fields) in enumerate(block, done + 1):
        if len(fields) != len(names):
            fault = (
                f"row {row} (line {line}) of '{spec.source}' "
                f"has {len(fields)} fields, the header {len(names)}"
            )
            raise SpecError(Problem("E073", fault))
    return dict(zip(names, zip(*(fields for _, fields in block), strict=True), strict=True))


def _fault(column: str, cell: str, at: int, lines: Sequence[int]) -> Problem:
    """Return what is wrong with the cell in row `at`, counted from 0."""
    if cell.strip().lower() in _MISSING:
        return missing(column, at + 1, lines[at])
    return not_a_number(column, at + 1, cell, lines[at])


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """Return the cells as numbers, NaN for each that is none."""
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array([_number(cell) for cell in cells])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _targets(labels: list[str], column: str) -> NDArray[Any]:
    """Return numbers where every label is one (`NA` and `None` are names of classes), else text."""
    try:
        return np.array(labels, dtype=np.float64)
    except ValueError:
        return text_targets(labels, column)

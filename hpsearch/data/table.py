"""CSV tables: UTF-8, commas, a header; every column but the target is numbers.

One parser reads the text, so that a row that is too long, a word among the numbers or a byte that is no UTF-8 is found
where it stands. (pandas shifts, fills and renames instead, and does not say on which line.)
"""

from __future__ import annotations

import csv
import reprlib
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedReader
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, Raw
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_BLOCK = 4096
_MOST_PROBLEMS = 10
_MOST_LISTED = 100
_LONGEST = 256
_WIDEST = 16 << 20  # bytes of a line
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}
Line = tuple[int, list[str]]
"""A row's fields, after the line of the file on which it ends."""


def load(spec: DataSpec) -> Raw:
    """The table, its columns as inputs but for `spec.target`, whose numbers or text are the targets, and `spec.column`.

    Raises:
        SpecError: no such target, a header or a row that does not fit, a value that is missing or not a finite number
            (the first of each column), or bytes that are no UTF-8.
    """
    with spec.path.open("rb") as file:
        rows = _rows(file, spec.source)
        names = tuple(next(rows, (0, []))[1])
        return _parse(rows, names, check_header(names, spec), spec)


def check_header(names: Sequence[str], spec: DataSpec) -> str:
    """The name of the target column; refuses a header that is ambiguous or lacks it."""
    if fault := _header_fault(names):
        raise SpecError(Problem("E072", f"'{spec.source}' {fault}"))
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    help_ = f"its columns: {listed}"
    if spec.target is None:
        raise SpecError(
            Problem("E072", f"say which column of '{spec.source}' is the target", help=help_)
        )
    if spec.target not in names:
        near = closest(spec.target, names)
        hint = f"did you mean '{near}'?" if near else ""
        raise SpecError(
            Problem("E072", f"'{spec.source}' has no column '{spec.target}'", hint=hint, help=help_)
        )
    if spec.column is not None and spec.column not in names:
        near = closest(spec.column, names)
        hint = f"did you mean '{near}'?" if near else ""
        fault = f"'{spec.source}' has no column '{spec.column}' that says how it is split"
        raise SpecError(Problem("E072", fault, hint=hint, help=help_))
    if spec.column == spec.target:
        raise SpecError(
            Problem("E072", f"'{spec.target}' cannot be the target and say how the rows are split")
        )
    if not set(names) - {spec.target, spec.column}:
        raise SpecError(Problem("E072", f"'{spec.source}' has no column but the target"))
    return spec.target


def _header_fault(names: Sequence[str]) -> str:
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
    """The names of classes as an array, in which each takes the room of the longest."""
    for row, label in enumerate(labels, 1):
        if len(label) > _LONGEST:
            fault = (
                f"text of {len(label):,} characters is no name of a class ({reprlib.repr(label)})"
            )
            raise SpecError(Problem("E075", f"column '{column}', row {row}: {fault}"))
    return np.array(labels, dtype=np.str_)


def missing(column: str, row: int, line: int | None = None) -> Problem:
    """A value that is not there."""
    help_ = "fill it in, or leave the row or the column out"
    return Problem("E074", f"column '{column}', {_at(row, line)}: the value is missing", help=help_)


def not_a_number(column: str, row: int, value: object, line: int | None = None) -> Problem:
    """Text, or what is no finite number, in a column of inputs."""
    return Problem(
        "E074",
        f"column '{column}', {_at(row, line)}: {reprlib.repr(value)} is not a finite number",
        help="inputs are numbers: encode text as columns of 0 and 1, or leave the column out",
    )


def _at(row: int, line: int | None) -> str:
    return f"row {row}" if line is None else f"row {row} (line {line})"


def _rows(file: BufferedReader, source: str) -> Iterator[Line]:
    """The header and the rows; blank lines are passed over."""
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
    """The text line by line; decoded one at a time, a wrong byte is found where it stands."""
    for number, line in enumerate(iter(partial(file.readline, _WIDEST + 1), b""), 1):
        if len(line) > _WIDEST:
            fault = f"'{source}' is not a sound CSV file: line {number} is longer than {_WIDEST >> 20} MiB"
            raise SpecError(Problem("E073", fault))
        try:
            yield line.removeprefix(BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            fault = f"'{source}' is not UTF-8 text: byte 0x{line[error.start]:02x} in line {number}"
            raise SpecError(Problem("E073", fault, help="save it as UTF-8")) from error


def _parse(reader: Iterator[Line], names: tuple[str, ...], target: str, spec: DataSpec) -> Raw:
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
    return Raw(spec.path.stem, np.concatenate(blocks), targets, features, target, parts=named)


def _columns(
    block: list[Line], names: tuple[str, ...], done: int, spec: DataSpec
) -> dict[str, tuple[str, ...]]:
    """The cells of each column; refuses a row that is too short or too long."""
    for row, (line, fields) in enumerate(block, done + 1):
        if len(fields) != len(names):
            fault = f"row {row} (line {line}) of '{spec.source}' has {len(fields)} fields, the header {len(names)}"
            raise SpecError(Problem("E073", fault))
    return dict(zip(names, zip(*(fields for _, fields in block), strict=True), strict=True))


def _fault(column: str, cell: str, at: int, lines: Sequence[int]) -> Problem:
    """What is wrong with the cell in row `at`, counted from 0."""
    if cell.strip().lower() in _MISSING:
        return missing(column, at + 1, lines[at])
    return not_a_number(column, at + 1, cell, lines[at])


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """The cells as numbers, NaN for what is none."""
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
    """Numbers where every label is one (`NA` and `None` are names of classes), else text."""
    try:
        return np.array(labels, dtype=np.float64)
    except ValueError:
        return text_targets(labels, column)

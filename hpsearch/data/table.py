"""Read CSV tables: UTF-8, separated by commas, with a header; every input column is numbers.

Python's own parser reads the text, so that a row that is too long, a word among the numbers or a
byte that is not UTF-8 is reported with its line. (pandas shifts, fills and renames instead, and
does not say on which line.)
"""

from __future__ import annotations

import csv
import re
import reprlib
from array import array
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.check import target_problem
from hpsearch.data.values import InputColumn, Texts, as_array
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.registry import closest

_BLOCK = 4096  # rows that are in memory as text at the same time
_MOST_PROBLEMS = 10
_MOST_LISTED = 100  # columns that a message names
_WIDEST = 16 << 20  # bytes of a line
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_INDEX = re.compile(r"Unnamed: 0(?:\.[0-9]+)*|__index_level_[0-9]+__")
_FAULTS = {
    "unexpected end of data": "a quote is opened there and never closed",
    "',' expected after '\"'": "text follows a closing quote (a quote in a cell is written twice)",
    "field larger than field limit": f"a cell has more than {csv.field_size_limit():,} characters",
}
Line = tuple[int, list[str]]
"""The fields of a row, after the number of the line on which it ends."""


def load(spec: DataSpec) -> RawData:
    """Return the table, its columns the inputs but for `spec.target` and `spec.column`.

    Raises:
        SpecError: the target is not there, the header or a row does not fit, a value is missing or
            not a finite number (the first of each column), or the bytes are not UTF-8.
    """
    with spec.path.open("rb") as file:
        rows = _rows(file, spec.source)
        names = tuple(next(rows, (0, []))[1])
        return _parse(rows, names, check_header(names, spec, index_names(names)), spec)


def index_names(names: Sequence[str]) -> list[str]:
    """Return the names by which one sees that pandas wrote an index: of the first column, none."""
    return [name for k, name in enumerate(names) if _INDEX.fullmatch(name) or not (k or name)]


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are.

    Attributes:
        features: the names of the inputs, in their order.
        target: the name of the target.
        notes: what a person should know of columns that are left out.
    """

    features: tuple[str, ...]
    target: str
    notes: tuple[str, ...]


def check_header(names: Sequence[str], spec: DataSpec, index: Collection[str] = ()) -> Columns:
    """Return what the columns are; those of an index are left out, unless they are asked for.

    Raises:
        SpecError: names are missing or ambiguous, or the columns asked for are not among them.
    """
    if fault := _header_fault(names, index):
        raise SpecError(Problem("E072", f"'{spec.source}' {fault}"))
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    help_ = f"its columns: {listed}"
    if spec.target is None:
        fault = f"say which column of '{spec.source}' is the target"
        raise SpecError(Problem("E072", fault, spec.places.get("source"), help=help_))
    if spec.target not in names:
        place = spec.places.get("target")
        raise SpecError(_no_column(spec.target, names, spec, "", place, help_))
    if spec.column is not None and spec.column not in names:
        purpose, place = " that says how it is split", spec.places.get("column")
        raise SpecError(_no_column(spec.column, names, spec, purpose, place, help_))
    if spec.column == spec.target:
        fault = f"'{spec.target}' cannot be the target and say how the rows are split"
        raise SpecError(Problem("E072", fault, spec.places.get("column")))
    left_out = [name for name in names if name in {*index} - {spec.target, spec.column}]
    asked = {spec.target, spec.column, *left_out}
    features = tuple(name for name in names if name not in asked)
    if not features:
        besides = " and an index" if left_out else ""
        raise SpecError(Problem("E072", f"'{spec.source}' has no column but the target{besides}"))
    called = [f"'{name}'" if name else "the first column, without a name," for name in left_out]
    notes = tuple(f"{name} is left out: an index that pandas wrote is no input" for name in called)
    return Columns(features, spec.target, notes)


def _no_column(
    name: str,
    names: Sequence[str],
    spec: DataSpec,
    purpose: str,
    place: Place | None,
    help_: str,
) -> Problem:
    near = closest(name, names)
    hint = f"did you mean '{near}'?" if near else ""
    fault = f"'{spec.source}' has no column '{name}'{purpose}"
    return Problem("E072", fault, place, hint, help_)


def _header_fault(names: Sequence[str], index: Collection[str]) -> str:
    """Return what is wrong with the header, or ''."""
    if not names:
        return "is empty: its first line should name the columns"
    if "" in names and "" not in index:
        return f"has no name for column {names.index('') + 1}: name it, or leave it out"
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    return "" if twice is None else f"has more than one column '{twice}'"


def _rows(file: BufferedReader, source: str) -> Iterator[Line]:
    """Yield the header and the rows; blank lines are skipped."""
    lines = _lines(file, source)
    first = next(lines, "")
    _check_separator(first, source)
    reader = csv.reader(chain([first], lines), strict=True, skipinitialspace=True)
    begun = 1  # the line on which the row begins
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
            begun = reader.line_num + 1
    except csv.Error as error:
        said = str(error)
        fault = next((words for known, words in _FAULTS.items() if said.startswith(known)), said)
        line = begun if "opened" in fault else reader.line_num
        raise SpecError(
            Problem("E073", f"'{source}' is not a sound CSV file: line {line}: {fault}")
        ) from error


def _check_separator(first: str, source: str) -> None:
    """Refuse a table whose first line has its columns separated by something else than commas."""
    bare = _QUOTED.sub("", first)
    mark = next((mark for mark in ";\t|" if mark in bare), "")
    if mark and "," not in bare:
        begin = reprlib.repr(first.strip())
        fault = f"'{source}' must have its columns separated by commas, and begins with {begin}"
        help_ = "save it with commas between the columns, and points in the numbers"
        raise SpecError(Problem("E072", fault, help=help_))


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


def _parse(
    reader: Iterator[Line], names: tuple[str, ...], columns: Columns, spec: DataSpec
) -> RawData:
    """Return the table of these rows; refuse it with the first problem of each column."""
    inputs = [InputColumn(name) for name in columns.features]
    blocks: list[NDArray[np.float64]] = [np.empty((0, len(inputs)))]
    labels, parts = Texts(), Texts()
    lines = array("q")
    while block := list(islice(reader, _BLOCK)):
        done = len(lines)
        lines.extend(line for line, _ in block)
        cells = _columns(block, names, done, spec)
        labels.add(cells[columns.target])
        parts.add(cells[spec.column] if spec.column else ())
        blocks.append(np.column_stack([one.read(cells[one.name], done, lines) for one in inputs]))
    raw = RawData(
        spec.path.stem,
        np.concatenate(blocks),
        as_array(labels),
        columns.features,
        columns.target,
        parts=as_array(parts) if spec.column else None,
        lines=lines,
        notes=columns.notes,
    )
    problems = [one.problem for one in inputs] + [target_problem(raw)]
    if found := [problem for problem in problems if problem]:
        raise SpecError(*found[:_MOST_PROBLEMS])
    return raw


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
            help_ = "a cell with a comma in it stands in quotes, and a number has no comma"
            raise SpecError(Problem("E073", fault, help=help_))
    return dict(zip(names, zip(*(fields for _, fields in block), strict=True), strict=True))

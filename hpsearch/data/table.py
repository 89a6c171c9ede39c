"""Find the target and the inputs among the columns of a table, and make numbers of them."""

from __future__ import annotations

import math
import re
import reprlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hpsearch.data import BALANCED, DataSpec, RawData, RawTable, place_of
from hpsearch.data.columns import Column, DateColumn, NumberColumn
from hpsearch.data.columns.cells import Distinct, distinct, is_text, numbers_of
from hpsearch.data.columns.kinds import LeftOut, column_of, is_readable
from hpsearch.data.columns.numerals import PLAIN, numerals_of
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.registry import closest

_READ = {
    "target": "a target is numbers or text",
    "column": "it should hold text",
    "group": "it should hold text",
    "by": "it should hold numbers or dates",
    "weights": "it should hold numbers",
}
_SAYS = {
    "column": "how the rows are split",
    "group": "how the rows are split",
    "by": "how the rows are split",
    "weights": "how much each row counts",
}
_MOST_LISTED = 100  # columns that a message names
_INDEX = re.compile(r"Unnamed: 0(?:\.[0-9]+)*|__index_level_[0-9]+__")


def data_of(raw: RawTable, spec: DataSpec) -> RawData:
    """Return the data of a table: its target, and its other columns as inputs.

    Columns that are an index, or that teach nothing, are left out, and a note says so.

    Raises:
        SpecError: the target is not there, or the header does not fit what is asked for.
    """
    table, names = raw.table, tuple(raw.table.column_names)
    index = {*index_names(names), *raw.index}
    _check_header(names, index, spec)
    if not len(table):
        raise SpecError(Problem("E076", f"'{spec.source}' has no rows below its header"))
    _check_types(table, spec)
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for name in names:
        if name in _no_inputs(spec):
            continue
        column = _column(name, raw, index, spec)
        if isinstance(column, LeftOut):
            left_out[name] = column.reason
        else:
            columns.append(column)
    if not columns:
        raise SpecError(_nothing_left(left_out, spec))
    inputs = _inputs(table, columns)
    return RawData(
        name=raw.name,
        inputs=inputs,
        targets=_numbers_or_texts(table[spec.target]),
        columns=tuple(columns),
        target=spec.target or "",
        parts=_texts(table[spec.column]) if spec.column else None,
        group=_texts(table[spec.group]) if spec.group else None,
        times=_times(spec.by, table, spec) if spec.by else None,
        weights=_weights(table, spec),
        lines=raw.lines,
        left_out=left_out,
        notes=(
            *raw.notes,
            *_of_the_word(names, spec),
            *_notes(raw, inputs, columns, left_out, spec.columns),
        ),
    )


def _no_inputs(spec: DataSpec) -> Collection[str]:
    """Return the columns that are none; what orders the rows is an input all the same."""
    return {name for key, name in spec.named.items() if key != "by"}


def _check_types(table: pa.Table, spec: DataSpec) -> None:
    """Refuse columns that are named for a use and whose values are of no type that it reads."""
    for key, name in spec.named.items():
        kind = table[name].type
        is_number = key in ("target", "weights")
        is_odd = not is_readable(kind) or (is_number and pa.types.is_temporal(kind))
        if is_odd:
            fault = f"column '{name}' of '{spec.source}' holds {kind}"
            raise SpecError(Problem("E074", fault, spec.places.get(key), help=_READ[key]))


def _column(name: str, raw: RawTable, index: Collection[str], spec: DataSpec) -> Column | LeftOut:
    if name in index and name not in spec.columns:
        return LeftOut("an index that pandas wrote is no input")
    wanted = spec.columns.get(name)
    return column_of(name, raw.table[name], wanted, name in raw.categories)


def _inputs(table: pa.Table, columns: Sequence[Column]) -> NDArray[np.float64]:
    inputs = np.empty((len(table), len(columns)))
    for k, column in enumerate(columns):
        inputs[:, k] = column.read(table[column.name])
    return inputs


def _numbers_or_texts(cells: pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers and booleans as they are, and all else as text."""
    kind = cells.type
    if (pa.types.is_boolean(kind) or pa.types.is_integer(kind)) and not cells.null_count:
        exact: NDArray[Any] = cells.to_numpy()
        return exact
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return numbers_of(cells)
    if is_text(kind):
        words = distinct(cells).present.to_pylist()
        numerals = numerals_of(words) or PLAIN
        if numerals != PLAIN and all(math.isfinite(numerals.number(word)) for word in words):
            return numbers_of(cells, numerals)
    return _texts(cells)


def _weights(table: pa.Table, spec: DataSpec) -> NDArray[Any] | None:
    name = spec.named.get("weights")
    return None if name is None else _numbers_or_texts(table[name])


def _times(name: str, table: pa.Table, spec: DataSpec) -> NDArray[np.float64]:
    """Return the numbers by which rows are ordered.

    Raises:
        SpecError: the column holds neither numbers nor dates.
    """
    cells = table[name]
    found = column_of(name, cells, spec.columns.get(name))
    of_one_value = DateColumn if pa.types.is_temporal(cells.type) else NumberColumn
    column = of_one_value(name) if isinstance(found, LeftOut) else found
    if column.kind == "category":
        fault = f"column '{name}' of '{spec.source}' holds neither numbers nor dates"
        help_ = "rows are ordered by time: name the column that says it"
        raise SpecError(Problem("E072", fault, spec.places.get("by"), help=help_))
    return column.read(cells)


def _texts(cells: pa.ChunkedArray) -> NDArray[Any]:
    """Return the text of each cell; equal ones are one object."""
    different = distinct(cells)
    texts = np.array([*different.texts.to_pylist(), ""], dtype=object)
    return texts[different.codes]


def _of_the_word(names: Sequence[str], spec: DataSpec) -> Iterator[str]:
    """Yield that `balanced` stands for no column, where there is one of this name."""
    if spec.weights == BALANCED and BALANCED in names:
        yield f"`weights: {BALANCED}` lets classes count alike: no column '{BALANCED}' is meant"


def _notes(
    raw: RawTable,
    inputs: NDArray[np.float64],
    columns: Sequence[Column],
    left_out: Mapping[str, str],
    dropped: Collection[str],
) -> Iterator[str]:
    """Yield what a person should know of how columns are read, who has said what is `dropped`."""
    for name, reason in left_out.items():
        if name in dropped:
            continue
        called = f"'{name}'" if name else "the first column, without a name,"
        yield f"{called} is left out: {reason}"
    for k, column in enumerate(columns):
        if column.written:
            yield f"'{column.name}' is read as {column.written}"
        odd = np.isnan(inputs[:, k])
        if odd.any() and is_text(raw.table[column.name].type):
            different = distinct(raw.table[column.name])
            odd &= ~different.missing_rows()
            if odd.any():
                yield _odd(column, different, odd, raw)


def _odd(column: Column, different: Distinct, odd: NDArray[np.bool_], raw: RawTable) -> str:
    """Return what a person should know of cells that are none of their column's kind."""
    count, first = int(odd.sum()), int(odd.argmax())
    text = reprlib.repr(different.texts[different.codes[first]].as_py())
    cells = f"{text}, {place_of(first, raw.lines)}," if count == 1 else f"{count:,} cells"
    such = "" if count == 1 else f", such as {text} in {place_of(first, raw.lines)},"
    return f"'{column.name}': {cells}{such} is no {column.kind} and counts as missing"


def _nothing_left(left_out: Mapping[str, str], spec: DataSpec) -> Problem:
    reasons = "; ".join(f"'{name}': {reason}" for name, reason in left_out.items())
    fault = f"'{spec.source}' has no column to learn from"
    fault += f" ({reasons})" if reasons else " beside the target"
    return Problem(
        "E072", fault, help="data: {columns: {NAME: category}} takes one in all the same"
    )


def index_names(names: Sequence[str]) -> list[str]:
    """Return the names by which one sees that pandas wrote an index: of the first column, none."""
    return [name for k, name in enumerate(names) if _INDEX.fullmatch(name) or not (k or name)]


def _check_header(names: Sequence[str], index: Collection[str], spec: DataSpec) -> None:
    """Refuse names that are missing or ambiguous, and columns asked for that are not among them."""
    if fault := _header_fault(names, index):
        raise SpecError(Problem("E072", f"'{spec.source}' {fault}"))
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    help_ = f"its columns: {listed}"
    if spec.target is None:
        fault = f"say which column of '{spec.source}' is the target"
        raise SpecError(Problem("E072", fault, spec.places.get("source"), help=help_))
    for key, name, place in _asked(spec):
        if name not in names:
            raise SpecError(_no_column(key, name, names, spec, place, help_))
    for key, what in _SAYS.items():
        if spec.named.get(key) == spec.target:
            fault = f"'{spec.target}' cannot be the target and say {what}"
            raise SpecError(Problem("E072", fault, spec.places.get(key)))
    if twice := [name for name in spec.columns if name in _no_inputs(spec)]:
        fault = f"'{twice[0]}' is no input, and has no kind under `columns:`"
        raise SpecError(Problem("E072", fault, spec.places.get("columns")))


def _asked(spec: DataSpec) -> Iterator[tuple[str, str, Place | None]]:
    """Yield the key by which the YAML names a column, the column, and where it is named."""
    for key, name in spec.named.items():
        yield key, name, spec.places.get(key)
    for name in spec.columns:
        yield "columns", name, spec.places.get(f"columns.{name}", spec.places.get("columns"))


def _no_column(
    key: str, name: str, names: Sequence[str], spec: DataSpec, place: Place | None, help_: str
) -> Problem:
    near = closest(name, (*names, BALANCED) if key == "weights" else names)
    hint = f"did you mean '{near}'?" if near else ""
    purpose = f" that says {_SAYS[key]}" if key in _SAYS else ""
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

"""Tables that are text: CSV files and their like, in any of the usual separators and encodings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from hpsearch.data import DataSpec, RawTable
from hpsearch.data.sources.delimited.rows import Line, RowLines
from hpsearch.data.sources.delimited.text_table import open_text


def load(spec: DataSpec) -> RawTable:
    """Return the table, each of its columns as text.

    Raises:
        SpecError: it is no table (E072), is damaged, or a row does not fit the header (E073).
    """
    with spec.path.open("rb") as file:
        text = open_text(file, spec.source)
        columns = [str(k) for k in range(len(text.names))]
        schema = pa.schema([pa.field(name, pa.string()) for name in columns])
        table = pa.Table.from_batches(text.batches(), schema).rename_columns(list(text.names))
        lines = RowLines(_ends(spec.path, spec.source))
        return RawTable(_stem(spec.path), table, lines=lines, notes=text.notes)


def _stem(path: Path) -> str:
    """Return a file's name without its endings, such as `houses` of `houses.csv.gz`."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def _ends(path: Path, source: str) -> Iterator[Line]:
    """Give the line on which each row ends; the file is read again where a message asks for one."""
    with path.open("rb") as file:
        ends = [*open_text(file, source).lines]  # nobody says when no more are asked for
    yield from ((end, []) for end in ends)

"""Tables that are text: CSV files and their like, in any of the usual separators and encodings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import pyarrow as pa

from hpsearch.data import DataSpec, RawTable
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
        lines = _FileLines(spec.path, spec.source)
        return RawTable(_stem(spec.path), table, lines=lines, notes=text.notes)


def _stem(path: Path) -> str:
    """Return a file's name without its endings, such as `houses` of `houses.csv.gz`."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


@dataclass(frozen=True, eq=False)
class _FileLines(Sequence[int]):
    """The line of a file on which each row ends; it is read again where a message asks for one."""

    path: Path
    source: str

    @cached_property
    def _ends(self) -> Sequence[int]:
        with self.path.open("rb") as file:
            return [*open_text(file, self.source).lines]

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> int: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[int]: ...
    def __getitem__(self, row: int | slice) -> int | Sequence[int]:
        return self._ends[row]

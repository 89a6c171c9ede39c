"""Read Parquet tables, a few rows at a time, so that a small file cannot unfold to much."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from hpsearch.data import DataSpec, RawTable
from hpsearch.data.columns.cells import is_text
from hpsearch.data.size import check_size
from hpsearch.errors import Problem, SpecError

_BATCH = 1 << 20  # values that are decoded at the same time
_WIDTH = 8  # bytes of a number in memory


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of a Parquet file, a few at a time; the file must stay open meanwhile.

    Attributes:
        schema: the names and types of the columns, as they are stored.
        metadata: what the file says of its size.
        batches: the rows. A text that stands in many of them stands once in the file, and is given
            so: text has a dictionary.
    """

    schema: pa.Schema
    metadata: pq.FileMetaData
    batches: Iterator[pa.RecordBatch]


def open_parquet(stored: BinaryIO, source: str) -> StoredRows:
    """Return the rows of an open file.

    Raises:
        SpecError: the file is damaged; also while its rows are read.
    """
    with _sound(source):
        with pq.ParquetFile(stored) as file:
            schema, metadata = file.schema_arrow, file.metadata
        texts = [field.name for field in schema if is_text(field.type)]
        file = pq.ParquetFile(stored, read_dictionary=texts)
    return StoredRows(schema, metadata, _batches(file, source))


def _batches(file: pq.ParquetFile, source: str) -> Iterator[pa.RecordBatch]:
    with _sound(source):
        for batch in file.iter_batches(max(1, _BATCH // max(1, len(file.schema_arrow.names)))):
            batch.validate(full=True)  # a damaged one refers to texts that are not there
            yield batch


@contextmanager
def _sound(source: str) -> Iterator[None]:
    """Raise what pyarrow says of a file as an error that a person can mend."""
    try:
        yield
    # pyarrow raises an OSError, too, where it can make no sense of the bytes
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        fault = f"'{source}' is not a sound Parquet file: {error}"
        raise SpecError(Problem("E073", fault)) from error


def load(spec: DataSpec) -> RawTable:
    """Return the table, its columns as they are stored.

    Rows are counted as they are read: what the file says of their number may be false.

    Raises:
        SpecError: the file is damaged, or unfolds to too much.
    """
    with spec.path.open("rb") as stored:
        size = os.fstat(stored.fileno()).st_size
        found = open_parquet(stored, spec.source)
        schema = found.schema
        check_size(f"'{spec.source}'", _size(found.metadata), size)
        batches: list[pa.RecordBatch] = []
        rows = 0
        for batch in found.batches:
            rows += len(batch)
            check_size(f"'{spec.source}'", _WIDTH * len(schema.names) * rows, size)
            batches.append(batch)
    table = pa.Table.from_batches(batches, None if batches else schema)
    return RawTable(
        spec.path.stem,
        table,
        index=tuple(_pandas_index(schema)),
        categories=tuple(
            field.name
            for field in schema
            if is_text(field.type) and pa.types.is_dictionary(field.type)
        ),
    )


def _pandas_index(schema: pa.Schema) -> list[str]:
    """Return the names of the columns that pandas has written for its index, as it says itself."""
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError):
        return []
    # an index that only counts is written as a rule, and has no column
    listed = found if isinstance(found, list) else []
    return [name for name in listed if isinstance(name, str) and name in schema.names]


def _size(metadata: pq.FileMetaData) -> int:
    """Return how many bytes the numbers take in memory, or all pages, whichever is more."""
    pages = sum(
        metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
    )
    numbers: int = metadata.num_rows * metadata.num_columns * _WIDTH
    return max(int(pages), numbers)

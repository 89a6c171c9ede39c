"""Read Parquet tables, a few rows at a time, so that a small file cannot unfold to much."""

from __future__ import annotations

import json
from io import BufferedReader

import pyarrow as pa
import pyarrow.parquet as pq

from hpsearch.data import DataSpec, RawTable
from hpsearch.data.columns.cells import is_text
from hpsearch.data.size import check_size
from hpsearch.errors import Problem, SpecError

_BATCH = 1 << 20  # values that are decoded at the same time
_WIDTH = 8  # bytes of a number in memory


def load(spec: DataSpec) -> RawTable:
    """Return the table, its columns as they are stored.

    Raises:
        SpecError: the file is damaged.
    """
    with spec.path.open("rb") as stored:
        try:
            return _read(stored, spec)
        # pyarrow raises an OSError, too, where it can make no sense of the bytes
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SpecError(
                Problem("E073", f"'{spec.source}' is not a sound Parquet file: {error}")
            ) from error


def _read(stored: BufferedReader, spec: DataSpec) -> RawTable:
    """Return the table, read a few rows at a time.

    Rows are counted as they are read: what the file says of their number may be false.
    """
    size = spec.path.stat().st_size
    with pq.ParquetFile(stored) as file:
        schema = file.schema_arrow
        check_size(f"'{spec.source}'", _size(file.metadata), size)
    # A text that stands in many rows stands once in the file, and is kept so in memory.
    repeated = [field.name for field in schema if is_text(field.type)]
    file = pq.ParquetFile(stored, read_dictionary=repeated)
    width = max(1, len(schema.names))
    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in file.iter_batches(max(1, _BATCH // width)):
        rows += len(batch)
        check_size(f"'{spec.source}'", _WIDTH * width * rows, size)
        batch.validate(full=True)  # a damaged one refers to texts that are not there
        batches.append(batch)
    table = pa.Table.from_batches(batches, None if batches else file.schema_arrow)
    plain = {field.name for field in schema if not pa.types.is_dictionary(field.type)}
    return RawTable(
        spec.path.stem,
        table,
        index=tuple(_pandas_index(schema)),
        categories=tuple(name for name in repeated if name not in plain),
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

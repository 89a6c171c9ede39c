"""Small data files to write, and checks of what is made of them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data import Dataset, DataSpec, Fold
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_USAGE, Problem, SpecError

BUNDLED = ("digits", "wine", "breast_cancer", "diabetes")
X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
"""Twenty rows of two inputs, and their classes."""


def refused(spec: DataSpec) -> Problem:
    """Return the first problem for which `prepare` refuses the data."""
    with pytest.raises(SpecError) as caught:
        prepare(spec)
    assert caught.value.exit_code == EXIT_USAGE
    return caught.value.problems[0]


def check_refused(spec: DataSpec, code: str, said: Sequence[str]) -> None:
    """Check that the data is refused with this code and all of these words."""
    problem = refused(spec)
    assert problem.code == code
    for words in said:
        assert words in f"{problem.message} {problem.hint} {problem.help}"


def same(a: Dataset, b: Dataset) -> bool:
    """Say whether two data sets are equal in every field, and in the types of their arrays."""
    if (a.whole is None) != (b.whole is None):
        return False
    pairs = [
        (getattr(a, field.name), getattr(b, field.name))
        for field in fields(Dataset)
        if field.name not in ("folds", "whole")
    ]
    pairs += [
        (getattr(one, field.name), getattr(other, field.name))
        for one, other in zip(_folds(a), _folds(b), strict=True)
        for field in fields(Fold)
    ]
    return all(
        np.array_equal(x, y) and x.dtype == y.dtype if isinstance(x, np.ndarray) else x == y
        for x, y in pairs
    )


def _folds(data: Dataset) -> Sequence[Fold]:
    return data.folds if data.whole is None else (*data.folds, data.whole)


def numbers_csv(rows: int = 20, /, **cells: Any) -> str:
    """Return a table x, z, y with classes 0 and 1; x3="a" replaces column x in row 3 (from 1)."""
    lines = ["x,z,y"]
    for row in range(1, rows + 1):
        values = {"x": row, "z": row * row, "y": row % 2}
        lines.append(
            ",".join(str(cells.get(f"{name}{row}", value)) for name, value in values.items())
        )
    return "\n".join(lines) + "\n"


def with_value(array: np.ndarray[Any, Any], at: Any, value: float) -> np.ndarray[Any, Any]:
    """Return a copy of the array, in float64, with another value in one place."""
    changed = array.astype(np.float64)
    changed[at] = value
    return changed


def idx_bytes(numbers: np.ndarray[Any, Any], code: int = 0x08) -> bytes:
    """Return an IDX file of these numbers, whose type has this code."""
    head = bytes([0, 0, code, numbers.ndim]) + struct.pack(f">{numbers.ndim}I", *numbers.shape)
    return head + numbers.astype(numbers.dtype.newbyteorder(">")).tobytes()


def tiny_mnist(train: int = 20, test: int = 4) -> dict[str, bytes]:
    """Return the four files of MNIST with a few images of 2 x 3 pixels in two classes."""
    pixels = np.arange((train + test) * 6, dtype=np.uint8).reshape(-1, 2, 3)
    labels = (np.arange(train + test) % 2).astype(np.uint8)
    return {
        "train-images-idx3-ubyte.gz": gzip.compress(idx_bytes(pixels[:train])),
        "train-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(labels[:train])),
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx_bytes(pixels[train:])),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(labels[train:])),
    }


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files by name into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


IMAGES = tiny_mnist()["train-images-idx3-ubyte.gz"]
LABELS = tiny_mnist()["train-labels-idx1-ubyte.gz"]
PLAIN_IMAGES = gzip.decompress(IMAGES)


def lying_parquet(path: Path, rows: int, lies: int) -> None:
    """Write a table of so many zeros, whose footer says in some places that there are ten rows.

    The bits of `lies` say in which of the places, the number of all rows being the first.
    """
    zeros = pa.array(np.zeros(rows, np.int8))
    table = pa.table({"x": zeros, "y": zeros})
    pq.write_table(table, path, compression="zstd", row_group_size=rows, write_statistics=False)
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    true = _varint(rows)
    footer, *parts = data[start:].split(true)
    assert len(parts) >= 3
    for place, part in enumerate(parts):
        footer += (_varint(10, len(true)) if lies >> place & 1 else true) + part
    path.write_bytes(data[:start] + footer)


def _varint(number: int, length: int = 1) -> bytes:
    """Return a number as Thrift writes it, in so many bytes at least."""
    left, found = number << 1, bytearray()
    while left or len(found) < length:
        found.append(left & 127 | 128)
        left >>= 7
    found[-1] &= 127
    return bytes(found)

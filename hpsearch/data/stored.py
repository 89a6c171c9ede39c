"""A data set as one file that any number of processes map into memory.

The file is in the safetensors format: eight bytes that give the length N of the header
(little-endian), N bytes of JSON, then the bytes of the arrays one after the other. The header says
where each array begins and ends; what is not an array stands in its metadata as a text of JSON, and
so does a sha256 of the header itself. Arrays with wide numbers come first and the header is padded
to a multiple of eight bytes, so that every number is aligned when the file is mapped.

The format is that of https://huggingface.co/docs/safetensors.

    >>> from tempfile import TemporaryDirectory
    >>> from hpsearch.data import DataSpec
    >>> from hpsearch.data.prepare import prepare
    >>> wine = prepare(DataSpec("wine"))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "wine.safetensors")
    ...     with path.open("wb") as file:
    ...         write(wine, file)
    ...     again = mapped(path)
    >>> again.classes, np.array_equal(again.inputs, wine.inputs), again.inputs.flags.owndata
    (('class_0', 'class_1', 'class_2'), True, False)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import Dataset, Fold, SplitRule
from hpsearch.data.columns import from_json, to_json

_FORMAT = "hpsearch.dataset.4"
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_ARRAYS = ("inputs", "targets", "test", "weights")
_LONGEST_HEADER = 100_000_000  # bytes: the limit of the format


def write(dataset: Dataset, file: BinaryIO) -> None:
    """Write the data set to a buffered file that is open for writing.

    The bytes are a function of the data set alone. At most one array is copied, and only if it is
    not contiguous in memory.
    """
    arrays = sorted(_arrays(dataset).items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header = _header(arrays, _facts(dataset))
    file.write(struct.pack("<Q", len(header)))
    file.write(header)
    for _, array in arrays:
        # as bytes in one dimension, so that the length of what is written is its size
        file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def mapped(path: Path) -> Dataset:
    """Return the data set of a file, its arrays mapped into memory and read when they are used.

    All processes that map the file share one copy of it in memory. Nothing that a process does to
    an array reaches the file or another process. The file must stay as it is while it is mapped:
    whoever replaces it writes another file and renames that.

    Raises:
        ValueError: the file was not written by `write`, was cut, or its header was changed. The
            arrays themselves are not looked at; only a digest of the whole file vouches for them.
        OSError: the file cannot be opened.
    """
    try:
        header, start = _read_header(path)
        # Copy on write, not read-only: torch warns of arrays that it could not write to.
        content = np.asarray(np.memmap(path, np.uint8, mode="c", offset=start))
        return _dataset(header, content)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"'{path}' is not a data set that can be read: {error}") from error


def _arrays(dataset: Dataset) -> Mapping[str, NDArray[Any]]:
    """Return every array of the data set by its name in the file."""
    found = {name: array for name in _ARRAYS if (array := getattr(dataset, name)) is not None}
    folds = {f"folds.{k}": fold for k, fold in enumerate(dataset.folds)}
    if dataset.whole is not None:
        folds["whole"] = dataset.whole
    for place, fold in folds.items():
        found |= {f"{place}.{part.name}": getattr(fold, part.name) for part in fields(Fold)}
    return {
        name: array.astype(array.dtype.newbyteorder("<"), copy=False)
        for name, array in found.items()
    }


def _facts(dataset: Dataset) -> str:
    """Return what is not an array, as JSON."""
    known = {
        part.name: getattr(dataset, part.name)
        for part in fields(Dataset)
        if part.name not in (*_ARRAYS, "folds", "whole", "rule", "columns")
    }
    folds = {"folds": len(dataset.folds), "whole": dataset.whole is not None}
    columns = [to_json(column) for column in dataset.columns]
    return _json({**known, **folds, "rule": asdict(dataset.rule), "columns": columns})


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _header(arrays: Sequence[tuple[str, NDArray[Any]]], facts: str) -> bytes:
    """Return the header for arrays that are written in this order."""
    metadata = {"format": _FORMAT, "dataset": facts}
    layout: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for name, array in arrays:
        begin, end = end, end + array.nbytes
        layout[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    metadata["sha256"] = _checksum(layout)
    header = _json(layout).encode()
    return header + b" " * (-len(header) % 8)


def _checksum(layout: object) -> str:
    return sha256(_json(layout).encode()).hexdigest()


def _read_header(path: Path) -> tuple[Mapping[str, Any], int]:
    """Return the checked header of a file, and where in the file its arrays begin."""
    found = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(found, _LONGEST_HEADER):  # before as much memory is allocated
            raise ValueError(f"its header cannot be {length:,} bytes long")
        header = json.loads(file.read(length))
    metadata = header["__metadata__"]
    written = metadata.pop("sha256")
    if _checksum(header) != written:
        raise ValueError("its header is damaged")
    if metadata["format"] != _FORMAT:
        raise ValueError(f"its format is {metadata['format']}, and {_FORMAT} is needed")
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    size = 8 + length + max(ends)
    if found != size:
        raise ValueError(f"it should have {size:,} bytes, and has {found:,}")
    return header, 8 + length


def _dataset(header: Mapping[str, Any], content: NDArray[np.uint8]) -> Dataset:
    """Return the data set of a header, its arrays being views of the content."""

    def view(name: str) -> NDArray[Any]:
        entry = header[name]
        begin, end = entry["data_offsets"]
        dtype = _DTYPES[entry["dtype"]]
        numbers: NDArray[Any] = content[begin:end].view(dtype).reshape(entry["shape"])
        return numbers

    def fold(place: str) -> Fold:
        return Fold(*(view(f"{place}.{part.name}") for part in fields(Fold)))

    facts = json.loads(header["__metadata__"]["dataset"])
    return Dataset(
        **{
            **facts,
            **{name: view(name) for name in _ARRAYS if name in header},
            "classes": tuple(facts["classes"]),
            "columns": tuple(from_json(column) for column in facts["columns"]),
            "notes": tuple(facts["notes"]),
            "folds": tuple(fold(f"folds.{k}") for k in range(facts["folds"])),
            "whole": fold("whole") if facts["whole"] else None,
            "rule": SplitRule(**facts["rule"]),
        }
    )

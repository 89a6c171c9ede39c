"""Read IDX files, the format of MNIST, gzipped or not.

A file holds a magic number (two zeros, the type of the numbers, how many dimensions there are), the
sizes of the dimensions, then the numbers, all big-endian.

Source: http://yann.lecun.com/exdb/mnist/ ("the IDX file format").
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.size import check_size
from hpsearch.errors import Problem, SpecError

IMAGES, LABELS = "*images*idx3*", "*labels*idx1*"
"""How the files of a folder are named, the tests' among them."""

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 4
_CHUNK = 1 << 20
_TEST = re.compile(r"(^|[-_.])(t10k|test)[-_.]")  # in the name of a file of the test split


def load(spec: DataSpec) -> RawData:
    """Return the images and labels of a folder; files named t10k-* or test-* are its test file.

    Raises:
        SpecError: the folder does not hold one pair of files, or one of them is damaged.
    """
    own, test = _found(spec.path, test=False), _found(spec.path, test=True)
    if own is None:
        fault = f"the folder '{spec.source}' has no IDX files to train on"
        help_ = f"looked for {IMAGES} and {LABELS}, gzipped or not"
        raise SpecError(Problem("E073", fault, spec.places.get("source"), help=help_))
    return replace(own, name=spec.path.resolve().name, test=test)


def pair(name: str, images: NDArray[Any], labels: NDArray[Any]) -> RawData:
    """Return images (rows, height, width) and labels (rows,) as one source.

    Raises:
        SpecError: they have other dimensions.
    """
    if images.ndim != 3 or labels.ndim != 1:
        found = f"{images.ndim} and {labels.ndim}"
        fault = f"{name}: images have 3 dimensions and labels 1, not {found}"
        raise SpecError(Problem("E073", fault))
    return RawData(name, images[:, None], labels, target="label", task="classification")


def read(path: Path) -> bytearray:
    """Return the contents of an IDX file, unzipped, exactly as long as its header says.

    Raises:
        SpecError: it is not an IDX file, is cut or too long, or claims too much memory.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else path.open("rb") as file:
            return _contents(file, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SpecError(Problem("E073", f"'{path}' is a damaged gzip file: {error}")) from error


def array(contents: bytearray) -> NDArray[Any]:
    """Return the numbers of an IDX file that `read` returned, in the machine's byte order."""
    shape = _shape(contents)
    numbers = np.frombuffer(contents, _TYPES[contents[2]], offset=4 + 4 * len(shape)).reshape(shape)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)


def _contents(file: gzip.GzipFile | BufferedReader, path: Path) -> bytearray:
    head = _take(file, 4)
    if not _is_magic(head):
        begin = head.hex(" ") or "nothing"
        raise SpecError(Problem("E073", f"'{path}' is not an IDX file: it begins with {begin}"))
    head += _take(file, 4 * head[3])
    if len(head) < 4 + 4 * head[3]:
        raise SpecError(Problem("E073", f"'{path}' ends inside its header"))
    size = math.prod(_shape(head)) * np.dtype(_TYPES[head[2]]).itemsize
    check_size(f"'{path}'", size, path.stat().st_size)
    contents = head + _take(file, size + 1)  # one byte more, to see that there is none
    if (found := len(contents) - len(head)) != size:
        has = f"only {found:,}" if found < size else "more"
        fault = f"'{path}' should hold {size:,} bytes after its header, and holds {has}"
        raise SpecError(Problem("E073", fault))
    return contents


def _is_magic(head: bytearray) -> bool:
    """Say whether a file that begins so is an IDX file."""
    return (
        len(head) == 4
        and head[:2] == b"\0\0"
        and head[2] in _TYPES
        and 1 <= head[3] <= _MOST_DIMENSIONS
    )


def _shape(contents: bytearray) -> tuple[int, ...]:
    return struct.unpack_from(f">{contents[3]}I", contents, 4)


def _take(file: gzip.GzipFile | BufferedReader, most: int) -> bytearray:
    """Read up to `most` bytes; memory grows with what is there, not with what a header claims."""
    taken = bytearray()
    while len(taken) < most and (chunk := file.read(min(_CHUNK, most - len(taken)))):
        taken += chunk
    return taken


def _found(folder: Path, test: bool) -> RawData | None:
    """Return the pair of files for training or for the test, None where there is neither."""
    images, labels = _find(folder, IMAGES, test), _find(folder, LABELS, test)
    if images and labels:
        return pair(images.name, array(read(images)), array(read(labels)))
    if lone := images or labels:
        raise SpecError(Problem("E073", f"'{lone}' stands alone: images and labels come together"))
    return None


def _find(folder: Path, pattern: str, test: bool) -> Path | None:
    """Return the file of this pattern, unzipped where it is there in both forms.

    Links that lead out of the folder are not followed.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        inside = path.is_file() and path.resolve().is_relative_to(folder.resolve())
        if inside and bool(_TEST.search(path.name)) == test:
            found.setdefault(path.name.removesuffix(".gz"), path)
    if len(found) > 1:
        names = ", ".join(f"'{path.name}'" for path in found.values())
        raise SpecError(Problem("E073", f"'{folder}' has more than one file {pattern}: {names}"))
    return next(iter(found.values()), None)

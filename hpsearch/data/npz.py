"""Read NumPy's .npz files: nothing is unpickled, and only checked headers allocate memory."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection, Sequence
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.size import check_size
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_KEYS = ("target", "column")  # of the section `data:`, which name arrays
_INPUTS = ("X", "x", "inputs")
_TARGETS = ("y", "targets", "target")
# characters of a header, which is a Python expression: longer ones can nest so deeply that they
# overflow the parser
_LONGEST = 1000
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load(spec: DataSpec) -> RawData:
    """Return the arrays `X` and `y` (or `spec.target`), with `X_test` and `y_test` as test file.

    Inputs are (rows, features), (rows, height, width), or (rows, channels, height, width) with the
    channels there or last.

    Raises:
        SpecError: an array is missing, or the file is damaged or holds anything but numbers and
            text.
    """
    with spec.path.open("rb") as stored:
        try:
            with zipfile.ZipFile(stored) as archive:
                return _raw(archive, spec)
        # zipfile raises a RuntimeError for a member that is encrypted or packed in an unknown way,
        # an OSError for one that lies outside the file; NumPy raises a TokenError for a header that
        # does not end
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            ValueError,
            RuntimeError,
            OSError,
            TokenError,
        ) as error:
            raise SpecError(
                Problem("E073", f"'{spec.source}' is not a sound .npz file: {error}")
            ) from error


def _raw(archive: zipfile.ZipFile, spec: DataSpec) -> RawData:
    names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    x = _choose(names, _INPUTS, "inputs", spec)
    y = _choose(names, (spec.target,) if spec.target else _TARGETS, "targets", spec)
    test = None
    if {f"{x}_test", f"{y}_test"} & names:
        x_test, y_test = (_choose(names, [f"{key}_test"], "a test file", spec) for key in (x, y))
        inputs, targets = _inputs(archive, x_test), _targets(archive, y_test)
        test = RawData("the test arrays", inputs, targets, target=y)
    parts = None
    if spec.column is not None:
        key = _choose(names, (spec.column,), "the parts of the split", spec)
        parts = _targets(archive, key).astype(np.str_)
    inputs, targets = _inputs(archive, x), _targets(archive, y)
    return RawData(spec.path.stem, inputs, targets, target=y, test=test, parts=parts)


def _choose(names: Collection[str], wanted: Sequence[str], what: str, spec: DataSpec) -> str:
    """Return the first of the wanted names that is there, or refuse the file."""
    for name in wanted:
        if name in names:
            return name
    near = closest(wanted[0], names) if len(wanted) == 1 else None
    place = next((spec.places.get(key) for key in _KEYS if getattr(spec, key) in wanted), None)
    raise SpecError(
        Problem(
            "E072",
            f"'{spec.source}' has no array '{' or '.join(wanted)}' for {what}",
            place,
            f"did you mean '{near}'?" if near else "",
            help=f"its arrays: {', '.join(sorted(names)) or 'none'}",
        )
    )


def _inputs(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    """Return an array of inputs; images without a channel get one."""
    inputs = _read(archive, key)
    return inputs[:, None] if inputs.ndim == 3 else inputs


def _targets(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    """Return an array of targets; a single column becomes one dimension."""
    targets = _read(archive, key)
    return targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets


def _read(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    """Return the numbers or texts of one array, in the machine's byte order."""
    info = archive.getinfo(f"{key}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array '{key}' is packed in a way that NumPy does not use")
    with archive.open(info) as file:
        _check_header(file, key, info)
    with archive.open(info) as file:
        numbers: NDArray[Any] = npy.read_array(file, allow_pickle=False, max_header_size=_LONGEST)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)


def _check_header(file: IO[bytes], key: str, info: zipfile.ZipInfo) -> None:
    """Refuse an array whose header does not agree with the bytes that are stored."""
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"array '{key}' is of the unsupported version {version}")
    shape, _, dtype = _HEADERS[version](file, max_header_size=_LONGEST)
    if dtype.kind not in "biufU":
        raise ValueError(f"array '{key}' holds {dtype}; only numbers and text are read")
    size = math.prod(shape) * dtype.itemsize
    if file.tell() + size != info.file_size:
        found = info.file_size - file.tell()
        raise ValueError(f"array '{key}' claims {size:,} bytes, and {found:,} are there")
    check_size(f"array '{key}'", size, info.compress_size)

"""NumPy's .npz files: nothing is unpickled, and nothing allocated before the headers were believed."""

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

from hpsearch.data import DataSpec, Raw
from hpsearch.data.size import check_size
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_INPUTS = ("X", "x", "inputs")
_TARGETS = ("y", "targets", "target")
_LONGEST = 1000  # signs of a header, which is an expression: deeper ones than that can hold overflow the parser
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load(spec: DataSpec) -> Raw:
    """The arrays `X` and `y` (or `spec.target`), with `X_test` and `y_test` as the test file where they are there.

    Inputs are (rows, features), (rows, height, width) or (rows, channels, height, width).
    """
    with spec.path.open("rb") as stored:
        try:
            with zipfile.ZipFile(stored) as archive:
                return _raw(archive, spec)
        # zipfile says by RuntimeError that a member is encrypted or packed in an unknown way, by OSError that it lies
        # outside the file; NumPy by TokenError that a header does not end
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


def _raw(archive: zipfile.ZipFile, spec: DataSpec) -> Raw:
    names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    x = _choose(names, _INPUTS, "inputs", spec)
    y = _choose(names, (spec.target,) if spec.target else _TARGETS, "targets", spec)
    test = None
    if {f"{x}_test", f"{y}_test"} & names:
        x_test, y_test = (_choose(names, [f"{key}_test"], "a test file", spec) for key in (x, y))
        test = Raw("the test arrays", _inputs(archive, x_test), _targets(archive, y_test), target=y)
    parts = None
    if spec.column is not None:
        parts = _targets(
            archive, _choose(names, (spec.column,), "the parts of the split", spec)
        ).astype(np.str_)
    return Raw(
        spec.path.stem, _inputs(archive, x), _targets(archive, y), target=y, test=test, parts=parts
    )


def _choose(names: Collection[str], wanted: Sequence[str], what: str, spec: DataSpec) -> str:
    for name in wanted:
        if name in names:
            return name
    near = closest(wanted[0], names) if len(wanted) == 1 else None
    raise SpecError(
        Problem(
            "E072",
            f"'{spec.source}' has no array '{' or '.join(wanted)}' for {what}",
            hint=f"did you mean '{near}'?" if near else "",
            help=f"its arrays: {', '.join(sorted(names)) or 'none'}",
        )
    )


def _inputs(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    inputs = _read(archive, key)
    return inputs[:, None] if inputs.ndim == 3 else inputs


def _targets(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    targets = _read(archive, key)
    return targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets


def _read(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    info = archive.getinfo(f"{key}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array '{key}' is packed in a way that NumPy does not use")
    with archive.open(info) as file:
        _check_header(file, key, info)
    with archive.open(info) as file:
        numbers: NDArray[Any] = npy.read_array(file, allow_pickle=False, max_header_size=_LONGEST)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)


def _check_header(file: IO[bytes], key: str, info: zipfile.ZipInfo) -> None:
    """Believe the header of one array only where the stored bytes bear it out."""
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"array '{key}' is of the unsupported version {version}")
    shape, _, dtype = _HEADERS[version](file, max_header_size=_LONGEST)
    if dtype.kind not in "biufU":
        raise ValueError(f"array '{key}' holds {dtype}; only numbers and text are read")
    size = math.prod(shape) * dtype.itemsize
    if file.tell() + size != info.file_size:
        raise ValueError(
            f"array '{key}' claims {size:,} bytes, and {info.file_size - file.tell():,} are there"
        )
    check_size(f"array '{key}'", size, info.compress_size)

"""Read NumPy's .npz files: nothing is unpickled, and only checked headers allocate memory."""

from __future__ import annotations

import math
import zipfile
import zlib
from tokenize import TokenError
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.size import check_size
from hpsearch.data.sources.arrays import source_of
from hpsearch.errors import Problem, SpecError

_ENDING = ".npy"  # of the members of the archive
# characters of a header, which is a Python expression: longer ones can nest so deeply that they
# overflow the parser
_LONGEST = 1000
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load(spec: DataSpec) -> RawData:
    """Return the arrays that `hpsearch.data.sources.arrays` chooses by their names.

    Raises:
        SpecError: an array is missing, or the file is damaged or holds anything but numbers and
            text.
    """
    with spec.path.open("rb") as stored:
        try:
            with zipfile.ZipFile(stored) as archive:
                names = [name for name in archive.namelist() if name.endswith(_ENDING)]
                known = {name.removesuffix(_ENDING) for name in names}
                return source_of(known, lambda key: _read(archive, key), spec)
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


def _read(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    """Return the numbers or texts of one array, in the machine's byte order."""
    info = archive.getinfo(key + _ENDING)
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

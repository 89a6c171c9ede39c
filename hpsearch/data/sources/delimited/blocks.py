"""The bytes of a text file, unzipped and in UTF-8, a block at a time.

Whoever reads goes through the file at a position of their own, so that one may still read its rows
while another looks for the line of a message.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from hpsearch.data.size import check_size
from hpsearch.errors import Problem, SpecError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Encoding = Literal["utf-8", "utf-16", "cp1252"]
BLOCK = 1 << 20
"""How many bytes are read at a time."""

WIDEST = 16 << 20
"""How many bytes a row may have."""

_CHUNK = 4 << 20  # bytes of whole rows
_GZIP = b"\x1f\x8b"


def raw_blocks(file: BinaryIO, source: str) -> Iterator[bytes]:
    """Yield the bytes of a file, unzipped where it begins as gzip files do.

    Raises:
        SpecError: a gzip file is damaged, or unfolds to more than `check_size` allows.
    """
    file.seek(0)
    return _unzipped(file, source) if file.read(len(_GZIP)) == _GZIP else _stored(file)


def utf8_blocks(file: BinaryIO, source: str, encoding: Encoding) -> Iterator[bytes]:
    """Yield the text of a file in UTF-8, without a byte order mark.

    Raises:
        SpecError: as by `raw_blocks`, or the bytes do not have the encoding. What is said to be
            UTF-8 is not looked at.
    """
    raw = raw_blocks(file, source)
    if encoding == "utf-8":
        yield next(raw, b"").removeprefix(codecs.BOM_UTF8)
        yield from raw
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in chain(raw, [b""]):
            yield decoder.decode(block, final=not block).encode()
    except UnicodeDecodeError as error:
        fault = f"'{source}' is not sound {encoding.upper()} text: {error.reason}"
        raise SpecError(Problem("E073", fault, help="save it as UTF-8")) from error


def utf8_stream(file: BinaryIO, source: str, encoding: Encoding) -> io.BufferedReader:
    """Return what `utf8_blocks` yields as a file, which does not close the other."""
    return io.BufferedReader(_Blocks(utf8_blocks(file, source, encoding)), BLOCK)


def whole_rows(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a few MiB at a time that end where a row does; of a row over `WIDEST`, its beginning.

    A quote must stand at both ends of a cell or at neither, and lines end with a line feed.
    """
    rest = b""
    while block := stream.read(_CHUNK):
        rest += block
        end = _end_of_rows(rest)
        if not end and len(rest) > WIDEST:
            end = len(rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _end_of_rows(chunk: bytes) -> int:
    """Return where the last complete row ends in bytes of which the first begins a row.

    A line that ends in a quoted cell, so after an odd number of quotes, ends no row.
    """
    end = chunk.rfind(b"\n") + 1
    if chunk.count(b'"', 0, end) % 2 == 0:
        return end
    codes = np.frombuffer(chunk, np.uint8)
    is_quoted = np.logical_xor.accumulate(codes == ord('"'))
    ends = np.flatnonzero((codes == ord("\n")) & ~is_quoted)
    return int(ends[-1]) + 1 if len(ends) else 0


def line_at(blocks: Iterable[bytes], offset: int) -> int:
    r"""Return the line (from 1) of the byte at an offset (from 0), which ends no line.

    >>> [line_at([b"a\r", b"\nb\rc\nd"], offset) for offset in (0, 3, 5, 7)]
    [1, 2, 3, 4]
    """
    line, last = 1, b""
    for block in blocks:
        begin = block[:offset]
        line += _line_ends(last + begin) - _line_ends(last)
        last, offset = begin[-1:], offset - len(begin)
        if not offset:
            break
    return line


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def _stored(file: BinaryIO) -> Iterator[bytes]:
    at = 0
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        if not block:
            return
        at += len(block)
        yield block


def _unzipped(file: BinaryIO, source: str) -> Iterator[bytes]:
    stored, size = file.seek(0, io.SEEK_END), 0
    try:
        with gzip.GzipFile(fileobj=io.BufferedReader(_Blocks(_stored(file)))) as unzipped:
            while block := unzipped.read(BLOCK):
                size += len(block)
                check_size(f"'{source}'", size, stored)
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SpecError(Problem("E073", f"'{source}' is a damaged gzip file: {error}")) from error


class _Blocks(io.RawIOBase):
    """The bytes of blocks, as a file that can only be read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes into a buffer; return how many, 0 at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        room = memoryview(buffer).cast("B")
        size = min(len(room), len(self._rest))
        room[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

"""Look at all bytes of a text file: whether they are text, in which encoding, and how regular."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np

from hpsearch.data.sources.delimited.blocks import Encoding, line_at, raw_blocks, utf8_blocks
from hpsearch.errors import Problem, SpecError

_QUOTE = ord('"')

_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # bytes that Windows-1252 does not use
# signs beyond ASCII, and bytes side by side that are not UTF-8, as "surrogateescape" decodes them
_SIGN = re.compile("[^\x00-\x7f\udc80-\udcff]")
_STRAYS = re.compile("[\udc80-\udcff]+")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of all bytes of a text file.

    Attributes:
        encoding: `utf-8`, with or without a byte order mark, `utf-16` or `cp1252`.
        is_regular: whether each quote opens or closes a cell or is doubled in it, and lines end as
            Unix or Windows ends them; then there are no two ways to read the file.
        note: what is unlike UTF-8, in words, or "".
    """

    encoding: Encoding
    is_regular: bool
    note: str


def survey(file: BinaryIO, source: str, encoding: Encoding, separator: str) -> Survey:
    """Return what is known of all bytes of a file that seems to have this encoding.

    Raises:
        SpecError: a character is 0, so that it is no text, or the encoding is none that is known.
    """
    utf8, quotes = _Utf8(), _Quotes(separator)
    for block in utf8_blocks(file, source, encoding):
        if b"\0" in block:
            line = line_at(utf8_blocks(file, source, encoding), utf8.size + block.index(b"\0"))
            fault = f"'{source}' is not text: line {line} has a character 0"
            help_ = "a workbook or an archive is not read, nor is UTF-16 without its first mark"
            raise SpecError(Problem("E073", fault, help=help_))
        utf8.add(block)
        quotes.add(block)
    utf8.add(b"")
    if utf8.fault:
        note = _check_windows(file, source, utf8.fault)
        return Survey("cp1252", quotes.are_regular(), note)
    return Survey(encoding, quotes.are_regular(), "it is UTF-16" if encoding == "utf-16" else "")


@dataclass(frozen=True, slots=True)
class _Fault:
    """The first byte of a file that is not UTF-8."""

    offset: int
    byte: int


class _Utf8:
    """Finds the first byte that is not UTF-8; `size` counts the bytes so far."""

    def __init__(self) -> None:
        self.size = 0
        self.fault: _Fault | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, block: bytes) -> None:
        """Look at the next bytes; b"" is the end."""
        self.size += len(block)
        if self.fault is None:
            try:
                self._decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                # what is decoded there is the block, after the begin of a sign in the one before
                offset = self.size - len(error.object) + error.start
                self.fault = _Fault(offset, error.object[error.start])


class _Quotes:
    """Finds out whether each quote opens or closes a cell, or is doubled in it.

    In any other place pyarrow and Python take it for different things: `"a"b` and `a, "b"`. A
    carriage return alone, in old files of the Mac, is no regular end of a line either.
    """

    def __init__(self, separator: str) -> None:
        self._edges = np.zeros(256, np.bool_)  # what may stand before and after a quoted cell
        self._edges[[*b'\r\n"', ord(separator)]] = True
        self._is_open = False  # after all bytes so far
        self._is_regular = True
        self._last = b"\n"  # the last byte, of which is not known yet what follows

    def add(self, block: bytes) -> None:
        """Look at the next bytes."""
        text = self._last + block
        self._is_regular &= text.count(b"\r", 0, -1) == text.count(b"\r\n")
        if self._is_regular and b'"' in text:
            codes = np.frombuffer(text, np.uint8)
            at = np.flatnonzero(codes == _QUOTE)
            was_open = self._is_open ^ (self._last == b'"')  # before the last byte
            opening, closing = at[int(was_open) :: 2], at[int(not was_open) :: 2]
            before, after = (
                codes[opening[opening > 0] - 1],
                codes[closing[closing < len(block)] + 1],
            )
            self._is_regular = bool(self._edges[before].all() and self._edges[after].all())
            self._is_open = was_open ^ (len(at) % 2 == 1)
        self._last = text[-1:]

    def are_regular(self) -> bool:
        """Say whether all quotes were regular, now that the file has ended."""
        return self._is_regular and not self._is_open and self._last != b"\r"


def _check_windows(file: BinaryIO, source: str, fault: _Fault) -> str:
    """Return a note that a file which is not UTF-8 is read as Windows-1252; refuse what is neither.

    A file that has as many signs of UTF-8 as places that are not UTF-8 is UTF-8, and damaged.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    signs = strays = undefined = 0
    for block in chain(raw_blocks(file, source), [b""]):
        text = decoder.decode(block, final=not block)
        signs += len(_SIGN.findall(text))
        strays += len(_STRAYS.findall(text))
        undefined += _UNDEFINED.search(block) is not None
    line = line_at(utf8_blocks(file, source, "utf-8"), fault.offset)
    has_mark = next(raw_blocks(file, source)).startswith(codecs.BOM_UTF8)
    if has_mark or undefined or signs >= strays:
        found = f"'{source}' is not UTF-8 text: byte 0x{fault.byte:02x} in line {line}"
        raise SpecError(Problem("E073", found, help="save it as UTF-8"))
    return f"it is not UTF-8 (line {line}), and was read as Windows-1252"

"""Find out how a text file with a table is written: its encoding, separator and first lines.

Nobody is asked, since a person seldom knows. The separator and the lines above the header are found
out from the beginning of the file, all else from the whole of it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from hpsearch.data.sources.delimited.blocks import Encoding, raw_blocks
from hpsearch.data.sources.delimited.survey import survey
from hpsearch.errors import Problem, SpecError

SEPARATORS = {",": "','", ";": "';'", "\t": "tabs", "|": "'|'"}
"""What may stand between two cells, and what it is called."""

_ROWS = 300  # from which the separator is found out
_SAYS = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# also with a decimal comma; there is one way to match, so that a long cell takes no longer
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written.

    Attributes:
        encoding: `utf-8`, with or without a byte order mark, `utf-16` or `cp1252`.
        separator: what stands between two cells.
        skipped: how many lines stand above the header that are no part of the table.
        is_regular: whether a quote stands at both ends of a cell or at neither, and lines end as
            Unix or Windows ends them; then there are no two ways to read the file.
        notes: what is unlike UTF-8 with commas, in words.
    """

    encoding: Encoding
    separator: str
    skipped: int
    is_regular: bool
    notes: tuple[str, ...]


def find_dialect(file: BinaryIO, source: str) -> Dialect:
    """Return how a file is written.

    Raises:
        SpecError: its columns are separated by something else than `SEPARATORS` (E072), or it is
            damaged, or no text, or in an encoding that is not known (E073).
    """
    first = next(raw_blocks(file, source), b"")
    has_mark = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    lines = list(io.StringIO(first.decode("utf-16" if has_mark else "utf-8-sig", "ignore"), ""))
    separator, skipped, notes = _layout(lines, source)
    found = survey(file, source, "utf-16" if has_mark else "utf-8", separator)
    return Dialect(
        found.encoding,
        separator,
        skipped,
        found.is_regular,
        tuple(filter(None, [*notes, found.note])),
    )


def _layout(lines: Sequence[str], source: str) -> tuple[str, int, list[str]]:
    """Return the separator, how many lines stand above the header, and notes on both."""
    said = _said_separator(lines, source)
    above = 1 if said else 0
    comments = next((k for k, line in enumerate(lines[above:]) if not line.startswith("#")), 0)
    below = lines[above + comments :]
    rows = {mark: _rows(below, mark) for mark in ([said] if said else SEPARATORS)}
    separator = max(rows, key=lambda mark: _merit(rows[mark]))  # the first of equals: a comma
    width = _usual_width(rows[separator])
    if width < 2 and not said:
        _check_blanks(below, source)
    last_comment = _rows(lines[above + comments - 1 : above + comments], separator)
    if comments and (not width or len(last_comment[0]) == width > 1):
        comments -= 1  # it is the header, the first name of which begins so
    return separator, above + comments, _notes(separator, said, comments)


def _said_separator(lines: Sequence[str], source: str) -> str:
    """Return the separator that the first line names, as Excel writes and reads it, or ""."""
    said = _SAYS.fullmatch(lines[0].rstrip("\r\n")) if lines else None
    if said and said[1] not in SEPARATORS:
        fault = f"'{source}' says in its first line that its columns are separated by '{said[1]}'"
        help_ = f"what may separate them: {', '.join(SEPARATORS.values())}"
        raise SpecError(Problem("E072", fault, help=help_))
    return said[1] if said else ""


def _notes(separator: str, said: str, comments: int) -> list[str]:
    notes = []
    if separator != ",":
        as_said = ", as its first line says" if said else ""
        notes.append(f"its columns are separated by {SEPARATORS[separator]}{as_said}")
    if comments:
        lines_are = "a comment (#) is" if comments == 1 else f"{comments} comments (#) are"
        notes.append(f"{lines_are} left out above its header")
    return notes


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the fields of some rows; [] is a row that cannot be read with this separator."""
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    rows: list[list[str]] = []
    while len(rows) < _ROWS:
        try:
            fields = next(reader, None)
        except csv.Error:
            rows.append([])
            continue
        if fields is None:
            break
        if len(fields) > 1 or "".join(fields).strip():  # no blank line
            rows.append(fields)
    return rows


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def _merit(rows: Sequence[Sequence[str]]) -> tuple[bool, float, float]:
    """Return how well a separator divides rows, of which the first is the header.

    What counts first is whether the header has as many fields as most rows, then how many rows
    have as many, then how many cells are numbers: a semicolon divides `1,5;2,5` into two. What is
    not in the header divides nothing: a lone column of text may have it in every cell.
    """
    width = _usual_width(rows)
    if width < 2 or len(rows[0]) < 2:
        return False, 0.0, 0.0
    share = sum(len(fields) == width for fields in rows) / len(rows)
    cells = [cell for fields in rows[1:] for cell in fields]
    numbers = sum(_NUMBER.fullmatch(cell.strip()) is not None for cell in cells)
    return len(rows[0]) == width, share, numbers / max(1, len(cells))


def _check_blanks(lines: Sequence[str], source: str) -> None:
    """Refuse rows that are as many words each, at least half of them numbers.

    R writes no name above the names of the rows, and so a word less in the header.
    """
    header, *rows = [words for line in lines if (words := line.split())][:_ROWS] or [[]]
    widths, cells = {*map(len, rows)}, [cell for words in rows for cell in words]
    numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in cells)
    is_even = len(header) > 1 and (widths == {len(header)} or widths == {len(header) + 1})
    if is_even and numbers >= len(cells) / 2:
        begin = reprlib.repr(" ".join(header))
        fault = f"'{source}' has its columns separated by blanks, and begins with {begin}"
        raise SpecError(Problem("E072", fault, help="separate them by commas or by tabs"))

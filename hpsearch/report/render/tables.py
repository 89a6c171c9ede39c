"""Tables and folded paragraphs for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from hpsearch.text import one_line

GAP = "  "
"""What stands between two columns."""

_NARROWEST = 20  # columns of a paragraph, however narrow the terminal is


@dataclass(frozen=True)
class PrintedColumn:
    """A column of a table: its title, and its cells from top to bottom."""

    title: str
    cells: Sequence[str]
    left: bool = False

    @property
    def width(self) -> int:
        """The width of its widest cell on a terminal."""
        return max(self._widths)

    def texts(self) -> Iterator[str]:
        """Give the title and the cells, padded to one width."""
        pad, widest = str.ljust if self.left else str.rjust, self.width
        cells = zip(self._lines, self._widths, strict=True)
        return (pad(text, widest + len(text) - width) for text, width in cells)

    @cached_property
    def _lines(self) -> Sequence[str]:
        texts = (self.title, *self.cells)
        return texts if "".join(texts).isprintable() else [*map(one_line, texts)]

    @cached_property
    def _widths(self) -> Sequence[int]:
        return [*map(len if "".join(self._lines).isascii() else cell_len, self._lines)]


def aligned(columns: Sequence[PrintedColumn]) -> list[str]:
    """Return the lines of a table; the first one has the titles."""
    rows = zip(*(column.texts() for column in columns), strict=True)
    return [GAP.join(cells).rstrip() for cells in rows]


def folded(title: str, text: str, width: int, indent: int = 10) -> str:
    """Return a text beside its title, in lines of at most `width` where its words allow that.

    Args:
        title: stands at the left of the first line.
        text: is broken between words only.
        width: of the terminal.
        indent: the columns that the title has.
    """
    room = max(_NARROWEST, width - indent)
    wrapped = textwrap.wrap(one_line(text), room, break_long_words=False, break_on_hyphens=False)
    return f"{one_line(title):<{indent}}" + ("\n" + " " * indent).join(wrapped)

"""The careful parser of text tables, and the lines of their rows."""

from __future__ import annotations

import io

import pytest

from hpsearch.data.sources.delimited.blocks import WIDEST
from hpsearch.data.sources.delimited.rows import RowLines, read_rows
from hpsearch.errors import SpecError


def test_lines_are_counted_from_where_the_text_stands() -> None:
    text = io.StringIO('a,b\n\n"x\ry",\r\n', newline="")
    assert list(read_rows(text, ",", "t", before=10)) == [(11, ["a", "b"]), (14, ["x\ry", ""])]
    with pytest.raises(SpecError, match="line 12: a quote is opened there and never closed"):
        list(read_rows(io.StringIO('a\n"b\nc\n'), ",", "t", before=10))


@pytest.mark.parametrize("sign", ["x", "€"])
def test_a_row_may_have_so_many_bytes_and_no_more(sign: str) -> None:
    size = len(sign.encode())
    cells = ",".join([sign * 100_000] * (WIDEST // (100_000 * size + 1)))
    row = cells + "," * (WIDEST - len(cells.encode()) - 1) + "\n"
    assert len(list(read_rows(io.StringIO(row * 2), ",", "t"))) == 2
    with pytest.raises(SpecError, match="line 2 is longer than 16 MiB"):
        list(read_rows(io.StringIO(row + "," + row), ",", "t"))


def test_lines_of_rows_are_a_sequence() -> None:
    def lines() -> RowLines:
        return RowLines((2 * k, []) for k in range(9))

    assert (lines()[-1], lines()[2], list(lines()[2:4]), len(lines())) == (16, 4, [4, 6], 9)
    with pytest.raises(IndexError):
        lines()[9]

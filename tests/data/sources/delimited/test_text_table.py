"""Text tables: pyarrow and the careful parser read the same, and what is wrong has its line."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.data.sources.delimited import blocks, text_table
from hpsearch.data.sources.delimited.text_table import TextTable, open_text
from hpsearch.errors import Problem, SpecError

TRICKY = [
    '"',
    ",",
    ";",
    "\t",
    "|",
    " ",
    "\n",
    "\r\n",
    "\r",
    "é",
    "\ufeff",
    "\u2028",
    "\x85",
    "\xa0",
]
TEXTS = st.lists(st.sampled_from([*TRICKY, "a", "1", "#", "'", "\\"]), max_size=6).map("".join)


def opened(text: str | bytes) -> TextTable:
    return open_text(io.BytesIO(text.encode() if isinstance(text, str) else text), "t.csv")


def rows(table: TextTable) -> list[tuple[str, ...]]:
    return [
        row for batch in table.batches() for row in zip(*batch.to_pydict().values(), strict=True)
    ]


def carefully(table: TextTable) -> TextTable:
    """Return the same table, for the careful parser."""
    return replace(table, dialect=replace(table.dialect, is_regular=False))


def outcome(table: TextTable) -> list[tuple[str, ...]] | Problem:
    try:
        return rows(table)
    except SpecError as error:
        return error.problems[0]


def refused(text: str | bytes) -> Problem:
    with pytest.raises(SpecError) as caught:
        rows(opened(text))
    return caught.value.problems[0]


@pytest.fixture
def chunks() -> Iterator[pytest.MonkeyPatch]:
    """Blocks of a few bytes, so that rows, cells and signs lie across their bounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_CHUNK", 7)
        yield patch


def test_cells_are_text_without_the_blanks_around_them() -> None:
    table = opened("a, b ,c\n 1 ,NA,\n1,5 x,\xa0null\t\n")
    assert table.names == ("a", "b", "c")
    assert rows(table) == [("1", "NA", ""), ("1", "5 x", "null")]
    assert {field.type for batch in table.batches() for field in batch.schema} == {pa.string()}
    assert table.notes == ()


def test_rows_are_read_again_from_the_first_one() -> None:
    table = opened("a,b\n1,2\n3,4\n")
    next(table.batches())
    assert rows(table) == rows(table) == [("1", "2"), ("3", "4")]


def test_names_that_stand_there_twice_come_through() -> None:
    table = opened("x,x,y\n1,2,3\n")
    assert table.names == ("x", "x", "y")
    assert rows(table) == [("1", "2", "3")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("\n \n\n", ()),
        ("a,b\n", ("a", "b")),
        ("a,b", ("a", "b")),
        ("\n  \r\n a,b\n\n", ("a", "b")),
        ('"two\nlines","a ""b"""\r\n', ("two\nlines", 'a "b"')),
        (",a\n", ("", "a")),
        (",,\n", ("", "", "")),
    ],
)
def test_a_header_may_be_all_there_is(text: str, found: tuple[str, ...]) -> None:
    table = opened(text)
    assert (table.names, rows(table), len(table.lines)) == (found, [], 0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_every_separator_and_end_of_line_reads_alike(mark: str, end: str) -> None:
    lines = [["a", "b"], ["1", '"x,;\t| y"'], ["2", '"""q"""'], ["", "z"]]
    table = opened(end.join(mark.join(line) for line in lines))
    assert rows(table) == rows(carefully(table)) == [("1", "x,;\t| y"), ("2", '"q"'), ("", "z")]
    assert list(table.lines) == [2, 3, 4]


def test_lines_may_end_in_different_ways() -> None:
    table = opened("a,b\r\n1,2\n3,4\r5,6\r\r\n7,8")
    assert rows(table) == [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8")]
    assert list(table.lines) == [2, 3, 4, 6]


def test_a_cell_with_a_line_break_is_one_cell() -> None:
    table = opened('a,b\n1,"x\ny\r\n\r\nz"\n\n2,w\n')
    assert rows(table) == [("1", "x\ny\r\n\r\nz"), ("2", "w")]
    assert list(table.lines) == [5, 7]


def test_the_lines_are_read_no_further_than_they_are_asked_for() -> None:
    table = opened('a,"b\nc"\n' + "1,2\n" * 3 + "3\n")
    assert (table.lines[2], table.lines[0]) == (5, 3)
    with pytest.raises(SpecError, match="line 6"):
        len(table.lines)


def test_the_lines_can_be_asked_for_while_the_rows_are_read(chunks: pytest.MonkeyPatch) -> None:
    table = opened("a,b\n" + "".join(f"{k},x\n\n" for k in range(9)))
    found = []
    for batch in table.batches():
        found += batch.to_pydict()["0"]
        assert table.lines[len(found) - 1] == 2 * len(found)
    assert found == [str(k) for k in range(9)]


def test_a_column_by_itself_has_an_empty_cell_but_no_blank_line() -> None:
    table = opened('text\nhello there\n\n""\n  \na;b\n')
    assert rows(table) == rows(carefully(table)) == [("hello there",), ("",), ("",), ("a;b",)]
    assert list(table.lines) == [2, 4, 5, 6]


def test_blanks_may_stand_before_a_quote() -> None:
    table = opened('"a", "b", "c"\n1, "x, y",  " z "\n')
    assert (table.names, rows(table)) == (("a", "b", "c"), [("1", "x, y", "z")])


def test_a_quote_in_a_cell_without_quotes_is_a_sign_like_others() -> None:
    assert rows(opened('a,b\n5" pipe,"x"\n"6"" pipe",y\n')) == [('5" pipe', "x"), ('6" pipe', "y")]


def test_a_line_of_blanks_is_no_row_of_several_columns() -> None:
    table = opened("a,b\n1,2\n \t \n3,4\n   \n")
    assert rows(table) == [("1", "2"), ("3", "4")]
    assert list(table.lines) == [2, 4]


def test_columns_without_name_and_value_at_the_end_are_left_out_with_a_note() -> None:
    table = opened("a,b,,\n1,2,,\n3,4, ,\n5,6\n")
    assert (table.names, rows(table)) == (("a", "b"), [("1", "2"), ("3", "4"), ("5", "6")])
    assert table.notes == ("the last 2 columns are left out, without a name or a value",)
    assert rows(carefully(table)) == rows(table)
    assert "the last column is" in opened("a,\n").notes[0]


@pytest.mark.parametrize("row", ["1,2,x,", '1,2,"x",'])
def test_a_value_in_a_column_without_a_name_is_refused(row: str) -> None:
    problem = refused(f"a,b,,\n3,4,,\n{row}\n")
    assert (problem.code, problem.help) == ("E072", "name it, or leave it out")
    assert "no name for column 3, and a value in it in row 2 (line 3)" in problem.message


def test_plain_and_quoted_tables_are_read_by_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    called, read = [], pyarrow.csv.read_csv

    def counted(*arguments: Any) -> pa.Table:
        called.append(1)
        return read(*arguments)

    monkeypatch.setattr(TextTable, "_careful", lambda *_: iter(()))
    monkeypatch.setattr(pyarrow.csv, "read_csv", counted)
    for text in (
        "a,b\n1,2\n",
        '\ufeff"a";"b"\r\n"x;\ny";"""2"""\r\n',
        "a|b\n1|\n".encode("utf-16"),
    ):
        assert len(rows(opened(text))) == 1
    assert len(called) == 3


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_what_is_written_is_read_by_both_parsers(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 4))
    cells = data.draw(st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=8))
    # Python leaves a line break in a cell as it is where no line ends so
    end = data.draw(st.sampled_from(["\n", "\r", "\r\n"]))
    mark = "," if width == 1 else data.draw(st.sampled_from(",;\t|"))
    text = io.StringIO()
    is_minimal = end == "\r\n" and data.draw(st.booleans())
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL if is_minimal else csv.QUOTE_ALL
    writer = csv.writer(text, delimiter=mark, lineterminator=end, quoting=quoting)
    writer.writerows([[f"c{k}" for k in range(width)], *cells])
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    expected = [tuple(cell.strip() for cell in row) for row in cells]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_CHUNK", data.draw(st.integers(1, 40)))
        table = opened(text.getvalue().encode(encoding))
        assert table.names == tuple(f"c{k}" for k in range(width))
        assert rows(table) == rows(carefully(table)) == expected
        assert len(table.lines) == len(cells)
        assert all(a < b for a, b in pairwise(table.lines))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from([*TRICKY, "a", ",", '"', "\n", '","', '"\n"']), max_size=30),
    st.sampled_from(["a,b\n", "a\n", "a,b,\n", "a;b;c\n", "sep=\t\na\tb\n"]),
    st.integers(1, 12),
)
def test_both_parsers_make_the_same_of_any_text(soup: list[str], header: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_CHUNK", chunk)
        try:
            table = opened(header + "".join(soup))
        except SpecError:
            return  # neither has begun
        assert outcome(table) == outcome(carefully(table))


def test_rows_before_a_wrong_one_are_given_and_those_after_a_blank_line_again_fast(
    chunks: pytest.MonkeyPatch,
) -> None:
    batches = opened("a,b\n1,2222\n3,4444\n  \n5,6666\n7777777\n").batches()
    assert [next(batches).to_pydict()["0"] for _ in range(3)] == [["1"], ["3"], ["5"]]
    with pytest.raises(SpecError, match=r"row 4 \(line 6\) of 't.csv' has 1 field, the header 2"):
        next(batches)


WRONG: dict[str, tuple[str, list[str], str]] = {
    "too short": (
        "x,y\n1,2\n3\n",
        ["row 2 (line 3)", "1 field, the header 2"],
        "number has no com",
    ),
    "too long": ("x;y\n1;2\n3;4;5\n", ["row 2 (line 3)", "3 fields, the"], "a cell with a ';' in"),
    "too long with tabs": ("x\ty\n1\t2\n1\t2\t3\n", ["row 2 (line 3)"], "with a tab in it"),
    "R's row names": (
        '"x","y"\n"1",5,6\n"2",7,8\n',
        ["row 1 (line 2)"],
        "names the rows has a name",
    ),
    "commas at the ends": ("x,y\n1,2,\n3,4,\n", ["row 1 (line 2)"], "end the header with a comma"),
    "a comment": ("x,y\n# 1, 2, 3\n1,2\n", ["row 1 (line 2)"], "begins with '#' is a row"),
    "a title": ("Sales\n\nx,y,z\n1,2,3\n", ["row 1 (line 3)"], "the first line names all columns"),
    "quote never closed": (
        'x,y\n1,2\n"3,4\n5,6\n',
        ["line 3: a quote is opened there and never"],
        "",
    ),
    "quote never closed, long": (
        'x,y\n1,2\n"3,4\n' + "5,6\n" * 40_000,
        ["line 3: a cell has more than 131,072 characters"],
        "",
    ),
    "text after a quote": ('x,y\n1,2\n"3"4,5\n', ["line 3: text follows a closing quote"], ""),
    "text after a quote in a later line": ('x,y\n1,"3\n4"5\n', ["line 3: text follows"], ""),
    "backslashes": ('x,y\n1,"a \\"b\\" c"\n', ["line 2: text follows a closing quote"], ""),
    "a long cell": ("x,y\n1," + "a" * 131_073 + "\n", ["line 2: a cell has more than 131,072"], ""),
    "a long line": ("x,y\n" + "1," * (9 << 20), ["line 2 is longer than 16 MiB"], ""),
    "a long row that fits": (
        ",".join(f"c{k}" for k in range(200)) + "\n" + ",".join(["x" * 99_999] * 200) + "\n",
        ["line 2 is longer than 16 MiB"],
        "",
    ),
    "a long header": ("x," * (9 << 20), ["line 1 is longer than 16 MiB"], ""),
    "a long row of short lines": (
        "x,y\n1,2\n" + f'"{"x" * 9999}\n",' * 1700,
        ["line 3 begins a row that is longer than 16 MiB"],
        "",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_refused_with_the_line(name: str) -> None:
    text, said, help_ = WRONG[name]
    problem = refused(text)
    assert problem.code == "E073"
    assert all(words in problem.message for words in said), problem
    assert help_ in problem.help


def test_a_table_may_have_a_hundred_thousand_columns() -> None:
    names = tuple(f"c{k}" for k in range(100_000))
    numbers = [",".join(str(k * row) for k in range(100_000)) for row in range(3)]
    table = opened("\n".join([",".join(names), *numbers]))
    assert table.names == names
    assert [row[99_999] for row in rows(table)] == ["0", "99999", "199998"]


def test_a_byte_order_mark_in_the_middle_stays_in_its_cell(chunks: pytest.MonkeyPatch) -> None:
    table = opened("a,b\n1,2\n3,4\n\ufeff5,6\n")
    assert rows(table) == [("1", "2"), ("3", "4"), ("\ufeff5", "6")]


@pytest.mark.parametrize("is_regular", [True, False])
def test_rows_that_were_given_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_regular: bool
) -> None:
    monkeypatch.setattr(blocks, "_CHUNK", 1 << 16)
    monkeypatch.setattr(blocks, "BLOCK", 1 << 16)
    monkeypatch.setattr(text_table, "_MEMORY", 1 << 18)
    path = tmp_path / "long.csv"
    path.write_text("a,b\n" + f"{'x' * 40},{'y' * 40}\n" * 40_000)
    with path.open("rb") as file:
        table = open_text(file, "long.csv")
        table = table if is_regular else carefully(table)
        tracemalloc.start()
        before, most, count = pa.total_allocated_bytes(), 0, 0
        for batch in table.batches():
            count += len(batch)
            most = max(most, pa.total_allocated_bytes() - before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 40_000
    assert most + peak < path.stat().st_size / 2


def test_a_packed_table_is_read_like_the_table_in_it(tmp_path: Path) -> None:
    text = "a;b\n1,5;x\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    with (tmp_path / "t.csv.gz").open("rb") as file:
        table = open_text(file, "t.csv.gz")
        assert (table.names, rows(table), table.lines[0]) == (("a", "b"), [("1,5", "x")], 2)
        assert table.notes == ("its columns are separated by ';'",)

"""All bytes of text files: which encoding they have, and whether they can be read in two ways."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data.sources.delimited import blocks
from hpsearch.data.sources.delimited.dialect import find_dialect
from hpsearch.data.sources.delimited.survey import Survey, survey
from hpsearch.errors import Problem, SpecError

MANY = b"1,2\n" * 700_000  # more than two blocks


def seen(data: bytes) -> Survey:
    return survey(io.BytesIO(data), "t.csv", "utf-8", ",")


def refused(data: bytes) -> Problem:
    with pytest.raises(SpecError) as caught:
        find_dialect(io.BytesIO(data), "t.csv")
    return caught.value.problems[0]


@pytest.mark.parametrize(
    "text", ["x,y\n", "\ufeffx,y\n", "é,€\n", "x,y\n" + "a" * 999_999 + "€😀\n"]
)
def test_utf8_is_nothing_to_note(text: str) -> None:
    assert seen(text.encode()) == Survey("utf-8", True, "")


@pytest.mark.parametrize("before", [b"", MANY])
def test_what_is_not_utf8_is_read_as_windows_1252_with_a_note(before: bytes) -> None:
    line = before.count(b"\n") + 2
    for text in ("naïve,€\n", "«Straße»,x\n", "x,é"):
        data = b"x,y\n" + before + text.encode("cp1252")
        note = f"it is not UTF-8 (line {line}), and was read as Windows-1252"
        assert seen(data) == Survey("cp1252", True, note)


@pytest.mark.parametrize(
    "data",
    [
        b"x,y\n" + "é,è\n".encode() * 2 + b"\xe9,1\n",
        b"x,y\n" + b"\xe9,1\n" + "é,è\n".encode() * 2,
        b"x,y\n\xe9,\x81\n",
        b"x,y\n\xe9,1\n" + MANY + b"\x9d,1\n",
        "\ufeffx,y\n1,2\n".encode() + b"\xe9,\xe9\n",
        b"x,y\n1,2\n" + "é,€\n".encode()[:-2],
    ],
    ids=["damaged", "damaged first", "undefined", "undefined late", "marked", "cut in a sign"],
)
def test_what_is_neither_utf8_nor_windows_1252_is_refused(data: bytes) -> None:
    problem = refused(data)
    assert (problem.code, problem.help) == ("E073", "save it as UTF-8")
    assert "'t.csv' is not UTF-8 text: byte 0x" in problem.message


def test_a_byte_that_is_not_utf8_is_named_with_its_line() -> None:
    data = "\ufeffx,y\r\né,1\r\n".encode() + b"1,2\n" * 300_000 + b"\xe9,1\n"
    assert "byte 0xe9 in line 300003" in refused(data).message


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", 1),
        ("x,y\n1,2\n".encode("utf-16-le"), 1),
        ("\ufeffx,y\n".encode("utf-32-le"), 1),
        (b"x,y\r\n\r1,\0\n", 3),
        ("x,y\n1,\0\n".encode("utf-16"), 2),
        (b"x,y\n" + MANY + b"\0", 700_002),
    ],
)
def test_what_is_not_text_is_refused(data: bytes, line: int) -> None:
    problem = refused(data)
    assert problem.code == "E073"
    assert f"'t.csv' is not text: line {line} has a character 0" in problem.message


@pytest.mark.parametrize(
    ("text", "is_regular"),
    [
        ("a,b\n1,2\n", True),
        ('"a","b"\r\n"x ""y""","\n"\r\n', True),
        ('\ufeff"a",b\n"","""",1', True),
        ('a,b\n1,"2"', True),
        ('a,b\n5" pipe,1\n', False),
        ('a,b\n"x"y,1\n', False),
        ('a, "b"\n', False),
        ('"a" ,b\n', False),
        ('"a";"b"\n', False),
        ('a,b\n"1,2\n', False),
        ("a,b\r1,2\r", False),
        ('a,b\n"1\r2",3\n', False),
        ("a,b\n1,2\r", False),
    ],
)
def test_a_quote_stands_at_both_ends_of_a_cell_or_at_neither(text: str, is_regular: bool) -> None:
    assert seen(text.encode()).is_regular == is_regular


@given(st.lists(st.sampled_from([b'"', b",", b"\r", b"\n", b"a", b'","', "é".encode()])))
def test_it_makes_no_difference_where_blocks_end(parts: list[bytes]) -> None:
    data = b"".join(parts)
    whole = seen(data)
    with pytest.MonkeyPatch.context() as patch:
        for size in (3, 4, 5):  # a mark has three
            patch.setattr(blocks, "BLOCK", size)
            assert seen(data) == whole

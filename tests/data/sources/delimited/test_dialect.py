"""How a text file is written: its separator, and what stands above its header."""

from __future__ import annotations

import io

import pytest

from hpsearch.data.sources.delimited.dialect import Dialect, find_dialect
from hpsearch.errors import Problem, SpecError


def found(text: str | bytes) -> Dialect:
    return find_dialect(io.BytesIO(text.encode() if isinstance(text, str) else text), "t.csv")


def refused(text: str | bytes) -> Problem:
    with pytest.raises(SpecError) as caught:
        found(text)
    return caught.value.problems[0]


SEPARATED: dict[str, tuple[str, str]] = {
    "nothing": ("", ","),
    "one column": ("x\n1\n2\n", ","),
    "one column of text": ("x\na;b\nc;d\n", ","),
    "a header": ("a;b\n", ";"),
    "decimal commas": ("x;y\n1,5;2,5\n3,5;4,5\n", ";"),
    "decimal commas in one row": ("x;y\n1,5;2,5\n", ";"),
    "decimal commas, units": ("x, cm;y, kg\n1,5;2,5\n3,5;4,5\n", ";"),
    "decimal commas, units in quotes": ('"x, cm";"y, kg"\n1,5;2,5\n', ";"),
    "lists in cells": ("x,y\na;b,1\nc;d,2\n", ","),
    "lists in all columns": ("x;z,y;z\na;b,c;d\n", ","),
    "quoted separators": ('"a;b","c"\n"1;2","3"\n', ","),
    "quoted line breaks": ('a;b\n"x,\ny,\nz";1\n"u,v\n\n";2\n', ";"),
    "text with commas": ("id\ttext\n1\tso, so\n2\tso\n3\twell, so, so\n", "\t"),
    "text with a quote": ('id|text\n1|5" pipe\n2|6" pipe, grey\n3|x\n', "|"),
    "rows that are too long": ("x,y\n" + "1,2,3\n" * 9, ","),
    "some rows that are too long": ("x;y\n" + "1,5;2,5\n" * 99 + "1;2;3\n", ";"),
    "blank lines above": ("\n  \nx;y\n1;2\n", ";"),
    "more rows alike": ("id;a, b\nu;v, w\nx;y\n", ";"),
    "as many as in the header": ("a, b;c\n" + "u,v;w,z\n" * 9 + "u,v;w,z;s\n", ";"),
    "rows that no comma divides": ('a, b;c\n"u, v";w\nx, y;z\n', ";"),
    "equal": ("a,b;c\nx,y;z\n", ","),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_the_separator_is_the_one_that_divides_all_rows_alike(name: str) -> None:
    text, separator = SEPARATED[name]
    dialect = found(text)
    assert (dialect.separator, dialect.skipped) == (separator, 0)


def test_only_an_unusual_separator_is_noted() -> None:
    assert found("a,b\n1,2\n").notes == ()
    assert found("a;b\n1;2\n").notes == ("its columns are separated by ';'",)
    assert found("a\tb\n1\t2\n").notes == ("its columns are separated by tabs",)
    assert found("a|b\n1|2\n".encode("utf-16")).notes == (
        "its columns are separated by '|'",
        "it is UTF-16",
    )


def test_a_long_run_of_digits_is_looked_at_once() -> None:
    assert found("a;b\n" + f"1;{'7' * 100_000}x\n" * 9).separator == ";"


def test_the_beginning_of_a_long_table_decides() -> None:
    assert found("a;b\n" + "1,5;2,5\n" * 300_000).separator == ";"


@pytest.mark.parametrize("first", ["sep=;\n", "sep=;\r\n", '"sep=;"\n', "\ufeffSEP=;\n"])
def test_the_separator_that_the_first_line_names_is_obeyed(first: str) -> None:
    dialect = found(first + "a,b\n1,2\n")
    assert (dialect.separator, dialect.skipped) == (";", 1)
    assert dialect.notes == ("its columns are separated by ';', as its first line says",)


def test_a_comma_that_the_first_line_names_is_nothing_to_note() -> None:
    dialect = found("sep=,\na;b,c\n")
    assert (dialect.separator, dialect.skipped, dialect.notes) == (",", 1, ())


def test_a_first_line_with_another_separator_is_refused() -> None:
    problem = refused("sep=:\na:b\n")
    assert problem.code == "E072"
    assert "are separated by ':'" in problem.message
    assert problem.help == "what may separate them: ',', ';', tabs, '|'"


@pytest.mark.parametrize(
    ("text", "skipped", "separator"),
    [
        ("# made by me\nx,y\n1,2\n", 1, ","),
        ("# made by me; for x, y, and z\n#\nx;y\n1;2\n", 2, ";"),
        ("sep=;\n# a, b\nx;y\n1;2\n", 2, ";"),
        ("#x,y\n1,2\n", 0, ","),
        ("# made by me\n#x,y\n1,2\n", 1, ","),
        ("# x\n", 0, ","),
        ("#x;y\n\n", 0, ","),
        ("# one column\nx\n1\n", 1, ","),
    ],
)
def test_comments_above_the_header_are_left_out(text: str, skipped: int, separator: str) -> None:
    dialect = found(text)
    assert (dialect.skipped, dialect.separator) == (skipped, separator)


def test_comments_that_are_left_out_are_noted() -> None:
    assert found("# me\nx,y\n").notes == ("a comment (#) is left out above its header",)
    assert found("# me\n#\nx,y\n").notes == ("2 comments (#) are left out above its header",)


@pytest.mark.parametrize(
    "text",
    [
        "x y z\n1 2 3\n4 5 6\n",
        "  x    y\n 1.5   a\n 2.5   b\n",
        "x y\nr1 1 2\nr2 3 4\n",
        '"x y" z\n"r1" 1 2\n"r2" 3 4\n',
    ],
)
def test_columns_that_blanks_separate_are_refused(text: str) -> None:
    problem = refused(text)
    assert (problem.code, problem.help) == ("E072", "separate them by commas or by tabs")
    assert "has its columns separated by blanks, and begins with " in problem.message


@pytest.mark.parametrize(
    "text", ["full name\nAda Byron\nAlan Turing\n", "a note\n1 2\n1 2 3\n", "a b\n"]
)
def test_a_column_of_several_words_is_one_column(text: str) -> None:
    assert found(text).separator == ","

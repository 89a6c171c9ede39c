"""CSV tables: what is read, and what is refused where."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from tests.helpers.sources import X, Y, check_refused, numbers_csv, refused, same


def test_the_columns_but_the_target_are_the_inputs(table: Callable[..., DataSpec]) -> None:
    data = prepare(table("a,y,b\n" + "1,0,2.5\n3,1,-4e1\n" * 10))
    assert [column.name for column in data.columns] == ["a", "b"]
    assert data.inputs[:2].tolist() == [[1, 2.5], [3, -40]]
    assert data.targets[:2].tolist() == [0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + numbers_csv(),
        numbers_csv().replace("\n", "\r\n"),
        numbers_csv() + "\n\n",
        numbers_csv().replace(",", ", "),
        numbers_csv().replace("x,z,y", '"x", "z", "y"'),
        numbers_csv().replace("1\n", "1  \n"),
        numbers_csv().replace(",", ";"),
        numbers_csv().replace(",", "\t"),
        numbers_csv().replace(",", "|"),
        "sep=;\n" + numbers_csv().replace(",", ";"),
        numbers_csv().encode("utf-16"),
        gzip.compress(numbers_csv().encode()),
    ],
    ids=[
        "byte order mark",
        "carriage returns",
        "blank lines",
        "blanks after commas",
        "quoted header",
        "blanks at ends",
        "semicolons",
        "tabs",
        "bars",
        "Excel's first line",
        "utf-16",
        "gzip",
    ],
)
def test_harmless_variants_of_a_csv_read_alike(
    table: Callable[..., DataSpec], text: str | bytes
) -> None:
    found = replace(prepare(table(text)), notes=())
    assert same(found, replace(prepare(table(numbers_csv())), notes=()))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "T.CSV.GZ", "t.tsv.gz"])
def test_the_ending_of_a_file_says_that_it_is_a_table(
    table: Callable[..., DataSpec], name: str
) -> None:
    text = numbers_csv().replace(",", "\t").encode()
    data = prepare(table(gzip.compress(text) if name.lower().endswith("gz") else text, name))
    assert data.name == name[0]
    assert "its columns are separated by tabs" in data.notes


def test_decimal_commas_are_read_between_semicolons(table: Callable[..., DataSpec]) -> None:
    rows = "".join(f"{k},5;{k % 2}\n" for k in range(20))
    data = prepare(table("x;y\n" + rows))
    assert data.inputs[:3, 0].tolist() == [0.5, 1.5, 2.5]
    assert "'x' is read as numbers with decimal ','" in data.notes


def test_text_in_another_encoding_is_read_and_said(table: Callable[..., DataSpec]) -> None:
    data = prepare(table(numbers_csv(y3="é", y5="é").encode("cp1252")))
    assert data.classes == ("0", "1", "é")
    assert any("Windows-1252" in note for note in data.notes)


def test_blanks_around_a_label_make_no_other_class(table: Callable[..., DataSpec]) -> None:
    assert prepare(table("x,y\n" + "1,a\n2, a \n3,b\n" * 5)).classes == ("a", "b")


def test_a_csv_longer_than_a_block_is_read_in_order(table: Callable[..., DataSpec]) -> None:
    data = prepare(table(numbers_csv(10_000)))
    assert np.array_equal(data.inputs[:, 0], np.arange(1, 10_001))


BAD_TABLES: dict[str, tuple[str | bytes, str | None, str, list[str]]] = {
    "no target given": (numbers_csv(), None, "E072", ["target", "its columns: x, z, y"]),
    "unknown target": (numbers_csv(), "yy", "E072", ["no column 'yy'", "did you mean 'y'?"]),
    "duplicate header": ("x,x,y\n1,2,3\n", "y", "E072", ["more than one column 'x'"]),
    "unnamed column": ("x,,y\n0,1,2\n", "y", "E072", ["no name for column 2"]),
    "only an index": (",y\n0,1\n1,2\n", "y", "E072", ["no column to learn from", "an index that"]),
    "only the target": ("y\n1\n2\n", "y", "E072", ["no column to learn from beside the target"]),
    "only constants": ("x,y\n1,1\n1,2\n", "y", "E072", ["no column to", "'x': 1 in every row"]),
    "open quote of long ago": (
        numbers_csv(x3='"3').replace("\n4,", "\n4,", 1),
        "y",
        "E073",
        ["line 4: a quote is opened there and never closed"],
    ),
    "quote in a cell": (numbers_csv(x3='"3"4'), "y", "E073", ["line 4: text follows a closing"]),
    "long cell": (numbers_csv(x3="a" * 200_000), "y", "E073", ["more than 131,072 characters"]),
    "thousands": (
        numbers_csv(x3="1,234"),
        "y",
        "E073",
        ["row 3 (line 4)", "a number has no comma"],
    ),
    "empty file": ("", "y", "E072", ["empty"]),
    "header alone": ("x,y\n", "y", "E076", ["no rows below its header"]),
    "short row": (
        numbers_csv() + "1,2\n",
        "y",
        "E073",
        ["row 21 (line 22)", "2 fields, the header 3"],
    ),
    "long row": ("x,y\n1,2,3\n", "y", "E073", ["row 1 (line 2)", "3 fields"]),
    "long rows all": ("x,y\n" + "1,2,3\n" * 9, "y", "E073", ["row 1 (line 2)"]),
    "open quote": (numbers_csv() + '"1,2,3\n', "y", "E073", ["line 22"]),
    "infinity": (
        numbers_csv(z5="-inf"),
        "y",
        "E074",
        ["column 'z', row 5 (line 6)", "-inf is not"],
    ),
    "beyond float64": (
        numbers_csv(z5="1e400"),
        "y",
        "E074",
        ["column 'z', row 5 (line 6)", "inf is not a finite"],
    ),
    "beyond float32": (numbers_csv(z5="1e39"), "y", "E074", ["column 'z', row 5", "too large"]),
    "target infinite": (
        numbers_csv(y4="inf"),
        "y",
        "E074",
        ["target 'y', row 4 (line 5)", "'inf'"],
    ),
    "target too large": (
        numbers_csv(y4="1e39"),
        "y",
        "E074",
        ["target 'y', row 4 (line 5)", "too large"],
    ),
    "long text": (
        numbers_csv(y4="a" * 1000),
        "y",
        "E075",
        ["target 'y', row 4 (line 5)", "1,000 characters"],
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_csv_is_refused_where_it_is_bad(table: Callable[..., DataSpec], name: str) -> None:
    text, target, code, said = BAD_TABLES[name]
    check_refused(table(text, target=target), code, said)


def test_a_target_like_no_column_gets_no_hint(
    table: Callable[..., DataSpec], arrays: Callable[..., DataSpec]
) -> None:
    for spec in (table(numbers_csv(), target="weight"), arrays({"target": "weight"}, X=X, y=Y)):
        assert refused(spec).hint == ""


@pytest.mark.parametrize(("columns", "end"), [(100, "c98, y"), (101, "c99, ...")])
def test_a_long_list_of_columns_is_cut(
    table: Callable[..., DataSpec], columns: int, end: str
) -> None:
    names = [f"c{k}" for k in range(columns - 1)] + ["y"]
    assert refused(table(",".join(names) + "\n", target=None)).help.endswith(end)


def test_a_bad_number_is_refused_with_its_line(table: Callable[..., DataSpec]) -> None:
    spec = table("x,y\n\n1,2\n\ninf,2\n" + "2,1\n" * 9)
    check_refused(spec, "E074", ["column 'x', row 2 (line 5)"])
    check_refused(table(numbers_csv(5000, x4500="inf")), "E074", ["row 4500 (line 4501)"])


def test_a_missing_target_is_said_with_its_line(table: Callable[..., DataSpec]) -> None:
    data = prepare(table(numbers_csv(y4="", y9="NA")))
    assert len(data.targets) == 18
    assert data.notes[0] == (
        "2 rows have no target and are left out, the first of them row 4 (line 5)"
    )


def test_a_long_label_takes_no_room_in_other_rows(table: Callable[..., DataSpec]) -> None:
    rows = [f"{k % 9},{'ab'[k % 2]}" for k in range(20_000)]
    spec = table("\n".join(["x,y", *rows, *[f"1,{'c' * 256}"] * 2]) + "\n")
    tracemalloc.start()
    data = prepare(spec)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data.classes) == 3
    assert peak < 10 << 20  # 20,000 texts of 256 characters take twice that

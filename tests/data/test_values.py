"""What a value is, whichever source it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data import Dataset, DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.values import advice
from tests.helpers.sources import check_refused, refused

ROWS = 40
Write = Callable[[Sequence[str]], DataSpec]


@pytest.fixture(params=["csv", "parquet", "npz"])
def labelled(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Return a function that writes labels as text, beside an input, into a file of some kind."""

    def write(labels: Sequence[str], **options: Any) -> DataSpec:
        name, texts = f"t.{request.param}", [labels[k % len(labels)] for k in range(ROWS)]
        if request.param == "csv":
            rows = [f'{k},"{text}"' for k, text in enumerate(texts)]
            (tmp_path / name).write_text("\n".join(["x,y", *rows]) + "\n")
        elif request.param == "parquet":
            pq.write_table(pa.table({"x": range(ROWS), "y": texts}), tmp_path / name)
        else:
            np.savez(tmp_path / name, X=np.arange(ROWS)[:, None], y=np.array(texts))
        return DataSpec(name, "y", folder=tmp_path, **options)

    return write


@pytest.fixture(params=["csv", "parquet"])
def column(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Return a function that writes a column of inputs as text into a table of some kind."""

    def write(cells: Sequence[str]) -> DataSpec:
        name, texts = f"t.{request.param}", [cells[k % len(cells)] for k in range(ROWS)]
        if request.param == "csv":
            rows = [f'"{text}",{k % 2}' for k, text in enumerate(texts)]
            (tmp_path / name).write_text("\n".join(["x,y", *rows]) + "\n")
        else:
            pq.write_table(pa.table({"x": texts, "y": [0, 1] * (ROWS // 2)}), tmp_path / name)
        return DataSpec(name, "y", folder=tmp_path)

    return write


MISSING = ["", " ", "NA", "na", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "<NA>", "#N/A"]


@pytest.mark.group("missing values")
@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("others", [["0", "1"], ["a", "b"], ["0.5", "1.25"]])
def test_a_missing_label_is_no_class(labelled: Write, missing: str, others: list[str]) -> None:
    problem = refused(labelled([*others * 2, missing]))
    assert problem.code == "E074"
    assert "target 'y', row 5" in problem.message
    assert "the value is missing" in problem.message


@pytest.mark.group("missing values")
@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_input_is_said_to_be_missing(column: Write, missing: str) -> None:
    check_refused(column(["1", "2", missing]), "E074", ["column 'x', row 3", "value is missing"])


@pytest.mark.group("missing values")
@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, None] * 20),
        pa.array([1.5, None] * 30),
        pa.array([True, None] * 30),
        pa.array(["1", None] * 30),
        pa.array(["1", None] * 30).dictionary_encode(),
        pa.array([1.0, float("nan")] * 30),
        pa.nulls(60),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_null_is_missing_wherever_it_stands(tmp_path: Path, values: pa.Array, name: str) -> None:
    numbers = [0, 1, 2] * 20
    pq.write_table(pa.table({"x": numbers, "y": numbers, name: values}), tmp_path / "t.parquet")
    problem = refused(DataSpec("t.parquet", "y", folder=tmp_path))
    assert problem.code == "E074"
    assert "missing" in problem.message


@pytest.mark.group("spellings")
@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1_11", "11_1"], ("11_1", "1_11")),
        (["01", "1"], ("01", "1")),
        (["1", "2", "10"], ("1", "2", "10")),
        (["01", "02", "10"], ("01", "02", "10")),
        (["+1", "1", "-1"], ("+1", "-1", "1")),
        (["0", "-0"], ("-0", "0")),
        (["0x10", "16"], ("0x10", "16")),
        (["1e1", "10"], ("10", "1e1")),
        (["1", "\u0661"], ("1", "\u0661")),
        (["True", "False"], ("False", "True")),
        (["true", "1"], ("1", "true")),
        (["inf", "max"], ("inf", "max")),
        (["1.0", "2.0"], ("1", "2")),
        (["1357924680135792468", "1357924680135792999"],) * 2,
        (["9" * 30, "9" * 29 + "8"], ("9" * 29 + "8", "9" * 30)),
    ],
)
def test_a_label_is_a_number_only_as_that_number_is_written(
    labelled: Write, labels: list[str], classes: Sequence[str]
) -> None:
    data = prepare(labelled(labels))
    assert (data.task, data.classes) == ("classification", tuple(classes))
    assert [data.classes[k] for k in data.targets[: len(labels)]] == [
        str(int(float(label))) if "." in label else label for label in labels
    ]


@pytest.mark.group("spellings")
@pytest.mark.parametrize("label", ["1.5", "2.50", "1e-05", "-3.0e2", ".5"])
def test_quantities_in_any_spelling_are_a_regression(labelled: Write, label: str) -> None:
    data = prepare(labelled([label, "0.25", "7"]))
    assert data.task == "regression"
    values = data.targets.astype(np.float64) * data.target_scale + data.target_center
    assert values[:3] == pytest.approx([float(label), 0.25, 7], abs=1e-5)


@pytest.mark.group("spellings")
@pytest.mark.parametrize("label", ["inf", "-inf", "Infinity"])
def test_an_infinity_among_numbers_is_no_class(labelled: Write, label: str) -> None:
    check_refused(labelled(["0", "1", label]), "E074", ["row 3", f"'{label}' is not a finite"])


@pytest.mark.group("spellings")
@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1", "2.5"], [1, 2.5]),
        (["007", "+1", "1.", ".5", "1e3", " 2 "], [7, 1, 1, 0.5, 1000, 2]),
        (["True", "False"], [1, 0]),
        (["true", "FALSE"], [1, 0]),
    ],
)
def test_inputs_are_the_same_numbers_in_every_table(
    column: Write, cells: list[str], numbers: list[float]
) -> None:
    assert prepare(column(cells)).inputs[: len(cells), 0].tolist() == numbers


@pytest.mark.group("spellings")
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("$3", "write 3,"),
        ("-$3", "write -3,"),
        ("3 \u20ac", "write 3,"),
        ("EUR 3.50", "write 3.50,"),
        ("3%", "write 3,"),
        ("1,234", "write 1234,"),
        ("1,234,567.8", "write 1234567.8,"),
        ("1,5", "write 1.5"),
        ("1_000", "write 1000,"),
        ("3 kg", "write 3,"),
        ("0x10", "write 16"),
        ("\u0661", "write 1"),
        ("True", "write 1 and 0"),
        ("inf", "smaller number"),
        ("2020-01-31", "date or a time"),
        ("31.01.2020 12:00", "date or a time"),
        ("12:30", "date or a time"),
        ("red", "encode text"),
    ],
)
def test_an_input_that_is_no_number_is_answered_with_what_to_do(
    column: Write, cell: str, said: str
) -> None:
    problem = refused(column(["1", "2", cell]))
    assert problem.code == "E074"
    assert "column 'x', row 3" in problem.message
    assert repr(cell) in problem.message
    assert said in problem.help


def test_a_number_among_true_and_false_is_refused(column: Write) -> None:
    check_refused(column(["true", "false", "1"]), "E074", ["row 3", "neither true nor false"])


def test_advice_about_a_long_text_is_short() -> None:
    assert "encode text" in advice("9 " * 5000)
    assert "encode text" in advice("\u0661" * 5000)


def kept(values: Any, tmp_path: Path, **options: Any) -> Dataset:
    """Return the data of a Parquet file with these targets."""
    pq.write_table(pa.table({"x": range(len(values)), "y": values}), tmp_path / "t.parquet")
    return prepare(DataSpec("t.parquet", "y", folder=tmp_path, **options))


@pytest.mark.group("spellings")
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.string()])
def test_integers_stay_integers_beyond_what_float64_holds(
    tmp_path: Path, kind: pa.DataType
) -> None:
    labels = [2**62 + 1, 2**62 + 2] * 20
    data = kept(pa.array([str(k) if kind == pa.string() else k for k in labels], kind), tmp_path)
    assert data.classes == (str(2**62 + 1), str(2**62 + 2))
    assert data.targets.tolist() == [0, 1] * 20


@pytest.mark.group("spellings")
def test_booleans_are_0_and_1_in_a_regression_of_any_table(tmp_path: Path) -> None:
    flags = [True, False, False, True] * 10
    of_flags = kept(flags, tmp_path, task="regression")
    of_text = kept([str(flag) for flag in flags], tmp_path, task="regression")
    assert np.array_equal(of_flags.targets, of_text.targets)

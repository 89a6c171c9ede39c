"""What a value is, whichever source it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data import Dataset, DataSpec
from hpsearch.data.columns import CategoryColumn
from hpsearch.data.prepare import prepare
from tests.helpers.sources import check_refused, refused

ROWS = 40
Write = Callable[..., DataSpec]


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
    data = prepare(labelled([*others * 2, missing]))
    known = prepare(labelled(others))
    assert data.classes == known.classes
    assert len(data.targets) == ROWS * 4 // 5
    assert (
        f"{ROWS // 5} rows have no target and are left out, the first of them row 5"
        in data.notes[0]
    )
    problem = refused(labelled([*others * 2, missing], missing="error"))
    assert problem.code == "E074"
    assert "target 'y', row 5" in problem.message
    assert "the value is missing" in problem.message


@pytest.mark.group("missing values")
@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_input_is_missing_however_that_is_spelled(column: Write, missing: str) -> None:
    data = prepare(column(["1", "2", missing]))
    assert np.array_equal(data.inputs[:3, 0], [1, 2, np.nan], equal_nan=True)
    spec = replace(column(["1", "2", missing]), missing="error")
    check_refused(spec, "E074", ["column 'x', row 3", "value is missing"])


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
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_null_is_missing_wherever_it_stands(tmp_path: Path, values: pa.Array, name: str) -> None:
    numbers = [0, 1, 2] * 20
    pq.write_table(pa.table({"x": numbers, "y": numbers, name: values}), tmp_path / "t.parquet")
    spec = DataSpec("t.parquet", "y", folder=tmp_path, missing="error")
    check_refused(spec, "E074", ["missing"])


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
    ("cells", "numbers"),
    [
        (["$3", "$1,234.50", "-$7"], [3, 1234.5, -7]),
        (["3 \u20ac", "0", "12 \u20ac"], [3, 0, 12]),
        (["EUR 3.50", "EUR 4"], [3.5, 4]),
        (["3%", "12 %"], [3, 12]),
        (["1,234", "7", "1,234,567.8"], [1234, 7, 1234567.8]),
        (["1,5", "-2,25", "3"], [1.5, -2.25, 3]),
        (["1.234,5", "2,5", "1.000.000"], [1234.5, 2.5, 1e6]),
        (["1 234,5", "2,5", "12\u00a0000"], [1234.5, 2.5, 12000]),
        (["1'234.5", "2"], [1234.5, 2]),
    ],
)
def test_numbers_that_are_dressed_alike_are_numbers(
    column: Write, cells: list[str], numbers: list[float]
) -> None:
    data = prepare(column(cells))
    assert data.inputs[: len(cells), 0].tolist() == numbers
    assert any(note.startswith("'x' is read as numbers with") for note in data.notes)


@pytest.mark.group("spellings")
@pytest.mark.parametrize("cell", ["1_000", "0x10", "\u0661", "red", "1;2", "3 kg", "$3"])
def test_another_text_among_numbers_makes_categories_of_a_few(column: Write, cell: str) -> None:
    data = prepare(column(["1", "2", cell]))
    (of_x,) = data.columns
    assert isinstance(of_x, CategoryColumn)
    assert of_x.categories == ("1", "2", cell)


@pytest.mark.parametrize("cell", ["unknown", "-", "1_000", "1;5"])
def test_another_text_beside_many_numbers_counts_as_missing(column: Write, cell: str) -> None:
    cells = [*(str(k * k) for k in range(19)), cell]
    data = prepare(column(cells))
    assert np.isnan(data.inputs[19, 0])
    assert data.inputs[18, 0] == 18**2
    (note,) = (note for note in data.notes if repr(cell) in note)
    assert "2 cells, such as" in note
    assert "in row 20" in note
    assert "no number and counts as missing" in note
    check_refused(replace(column(cells), missing="error"), "E074", ["column 'x', row 20"])


def test_infinity_is_refused_among_numbers(column: Write) -> None:
    cells = [*(str(k * k) for k in range(19)), "inf"]
    check_refused(column(cells), "E074", ["column 'x', row 20", "not a finite number"])


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

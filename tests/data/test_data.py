"""The data: what is read, what is refused, how it is split and scaled."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.data import LOADERS, RAREST, Dataset, DataSpec, Fold, Raw, baseline, mnist
from hpsearch.data.check import check_targets
from hpsearch.data.prepare import prepare
from hpsearch.data.scale import moments, scaling
from hpsearch.data.split import split, thinned
from hpsearch.errors import EXIT_USAGE, Problem, SpecError
from hpsearch.registry import resolve
from tests.helpers.real import needs_mnist

BUNDLED = ("digits", "wine", "breast_cancer", "diabetes")


def refused(spec: DataSpec) -> Problem:
    with pytest.raises(SpecError) as caught:
        prepare(spec)
    assert caught.value.exit_code == EXIT_USAGE
    return caught.value.problems[0]


def same(a: Dataset, b: Dataset) -> bool:
    pairs = [
        (getattr(a, field.name), getattr(b, field.name))
        for field in fields(Dataset)
        if field.name != "folds"
    ]
    pairs += [
        (getattr(one, field.name), getattr(other, field.name))
        for one, other in zip(a.folds, b.folds, strict=True)
        for field in fields(Fold)
    ]
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in pairs)


def numbers_csv(rows: int = 20, /, **cells: Any) -> str:
    """A table x, z, y of `rows` rows with classes 0 and 1; a cell like x3="a" replaces column x in row 3 (from 1)."""
    lines = ["x,z,y"]
    for row in range(1, rows + 1):
        values = {"x": row, "z": row * row, "y": row % 2}
        lines.append(
            ",".join(str(cells.get(f"{name}{row}", value)) for name, value in values.items())
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., DataSpec]:
    def write(
        text: str | bytes, name: str = "t.csv", target: str | None = "y", **options: Any
    ) -> DataSpec:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return DataSpec(name, target=target, folder=tmp_path, **options)

    return write


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[..., DataSpec]:
    def write(spec: dict[str, Any] | None = None, **stored: Any) -> DataSpec:
        np.savez(tmp_path / "a.npz", **stored)
        return DataSpec("a.npz", folder=tmp_path, **(spec or {}))

    return write


def idx_bytes(numbers: np.ndarray[Any, Any], code: int = 0x08) -> bytes:
    head = bytes([0, 0, code, numbers.ndim]) + struct.pack(f">{numbers.ndim}I", *numbers.shape)
    return head + numbers.astype(numbers.dtype.newbyteorder(">")).tobytes()


def tiny_mnist(train: int = 20, test: int = 4) -> dict[str, bytes]:
    pixels = np.arange((train + test) * 6, dtype=np.uint8).reshape(-1, 2, 3)
    labels = (np.arange(train + test) % 2).astype(np.uint8)
    return {
        "train-images-idx3-ubyte.gz": gzip.compress(idx_bytes(pixels[:train])),
        "train-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(labels[:train])),
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx_bytes(pixels[train:])),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(labels[train:])),
    }


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


# sources


@pytest.mark.parametrize("name", LOADERS)
def test_each_loader_in_the_table_is_there(name: str) -> None:
    assert callable(resolve(LOADERS[name]))


def test_importing_the_records_loads_no_library_that_reads_data() -> None:
    heavy = ["pandas", "pyarrow", "sklearn", "scipy", "torch"]
    code = f"import sys, hpsearch.data, hpsearch.data.prepare; sys.exit(str(set({heavy}) & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip()
        == "set()"
    )


@pytest.mark.parametrize(
    ("name", "task", "shape", "outputs"),
    [
        ("digits", "classification", (1, 8, 8), 10),
        ("wine", "classification", (13,), 3),
        ("breast_cancer", "classification", (30,), 2),
        ("diabetes", "regression", (10,), 1),
    ],
)
def test_a_bundled_source_has_its_task_and_shape(
    name: str, task: str, shape: tuple[int, ...], outputs: int
) -> None:
    data = prepare(DataSpec(name))
    assert (data.name, data.task, data.shape, data.outputs) == (name, task, shape, outputs)
    assert data.inputs.dtype == np.float32
    assert data.features == np.prod(shape)


def test_bundled_tables_name_their_columns_and_classes() -> None:
    data = prepare(DataSpec("breast_cancer"))
    assert data.columns[:2] == ("mean radius", "mean texture")
    assert data.classes == ("benign", "malignant")


def test_a_dataset_can_be_sent_to_another_process() -> None:
    data = prepare(DataSpec("wine"))
    assert same(pickle.loads(pickle.dumps(data)), data)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("digts", "'digits'"),
        ("trian.csv", "'train.csv'"),
        ("sub/trian.csv", "'sub/train.csv'"),
        ("nowhere/x.csv", ""),
    ],
)
def test_a_source_that_is_not_there_is_answered_with_a_near_name(
    tmp_path: Path, source: str, hint: str
) -> None:
    (tmp_path / "sub").mkdir()
    for folder in (tmp_path, tmp_path / "sub"):
        (folder / "train.csv").touch()
    problem = refused(DataSpec(source, folder=tmp_path))
    assert problem.code == "E070"
    assert str(tmp_path / source) in problem.message
    assert problem.hint == (f"did you mean {hint}?" if hint else "")
    assert "digits, wine, breast_cancer, diabetes, mnist" in problem.help


@pytest.mark.parametrize("name", ["t.txt", "t", "t.npy"])
def test_a_file_of_an_unknown_kind_is_refused_with_the_known_ones(
    table: Callable[..., DataSpec], name: str
) -> None:
    problem = refused(table("x,y\n", name))
    assert problem.code == "E070"
    assert "*.csv, *.parquet, *.npz" in problem.help


def test_a_name_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    assert refused(DataSpec("x" * 5000 + ".csv", folder=tmp_path)).code == "E070"


def test_a_path_is_relative_to_the_folder_of_the_spec(table: Callable[..., DataSpec]) -> None:
    assert len(prepare(table(numbers_csv())).inputs) == 20


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(numbers_csv())
    assert (
        len(prepare(DataSpec(str(tmp_path / "t.csv"), target="y", folder=Path("elsewhere"))).inputs)
        == 20
    )


def test_a_path_from_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text(numbers_csv())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(prepare(DataSpec("~/t.csv", target="y", folder=Path("elsewhere"))).inputs) == 20


def test_a_file_gives_the_dataset_a_name_fit_for_files(table: Callable[..., DataSpec]) -> None:
    assert prepare(table(numbers_csv(), "my data (2).csv")).name == "my-data-2"


# tables


def test_the_columns_but_the_target_are_the_inputs(table: Callable[..., DataSpec]) -> None:
    data = prepare(table("a,y,b\n" + "1,0,2.5\n3,1,-4e1\n" * 10))
    assert data.columns == ("a", "b")
    assert data.inputs[:2].tolist() == [[1, 2.5], [3, -40]]
    assert data.targets[:2].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["b", "a"], "classification", ("a", "b")),
        (["NA", "None"], "classification", ("NA", "None")),
        (["True", "False"], "classification", ("False", "True")),
        (["10", "2"], "classification", ("2", "10")),
        (["1.0", "2.0"], "classification", ("1", "2")),
        (["-1", "1"], "classification", ("-1", "1")),
        (["0.5", "1"], "regression", ()),
        ([str(k) for k in range(20)], "classification", tuple(str(k) for k in range(20))),
        ([str(k) for k in range(21)], "regression", ()),
    ],
)
def test_the_task_is_inferred_from_the_targets(
    table: Callable[..., DataSpec], labels: list[str], task: str, classes: tuple[str, ...]
) -> None:
    data = prepare(table("x,y\n" + "".join(f"{k},{labels[k % len(labels)]}\n" for k in range(210))))
    assert (data.task, data.classes) == (task, classes)


def test_a_task_that_is_given_is_not_inferred(table: Callable[..., DataSpec]) -> None:
    assert prepare(table(numbers_csv(), task="regression")).task == "regression"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + numbers_csv(),
        numbers_csv().replace("\n", "\r\n"),
        numbers_csv() + "\n\n",
        numbers_csv().replace(",", ", "),
        numbers_csv().replace("x,z,y", '"x", "z", "y"'),
        numbers_csv().replace("1\n", "1  \n"),
    ],
    ids=[
        "byte order mark",
        "carriage returns",
        "blank lines",
        "blanks after commas",
        "quoted header",
        "blanks at ends",
    ],
)
def test_harmless_variants_of_a_csv_read_alike(table: Callable[..., DataSpec], text: str) -> None:
    assert same(prepare(table(text)), prepare(table(numbers_csv())))


def test_blanks_around_a_label_make_no_other_class(table: Callable[..., DataSpec]) -> None:
    assert prepare(table("x,y\n" + "1,a\n2, a \n3,b\n" * 5)).classes == ("a", "b")


def test_a_csv_longer_than_a_block_is_read_in_order(table: Callable[..., DataSpec]) -> None:
    data = prepare(table(numbers_csv(10_000)))
    assert np.array_equal(data.inputs[:, 0], np.arange(1, 10_001))


BAD_TABLES: dict[str, tuple[str | bytes, str | None, str, list[str]]] = {
    "no target given": (numbers_csv(), None, "E072", ["target", "its columns: x, z, y"]),
    "unknown target": (numbers_csv(), "yy", "E072", ["no column 'yy'", "did you mean 'y'?"]),
    "duplicate header": ("x,x,y\n1,2,3\n", "y", "E072", ["more than one column 'x'"]),
    "unnamed column": (",x,y\n0,1,2\n", "y", "E072", ["column 1", "index"]),
    "only the target": ("y\n1\n2\n", "y", "E072", ["no column but the target"]),
    "semicolons": ("x;y\n1;2\n", "y", "E072", ["separated by commas"]),
    "empty file": ("", "y", "E072", ["empty"]),
    "header alone": ("x,y\n", "y", "E076", ["no rows"]),
    "short row": (
        numbers_csv() + "1,2\n",
        "y",
        "E073",
        ["row 21 (line 22)", "2 fields, the header 3"],
    ),
    "long row": ("x,y\n1,2,3\n", "y", "E073", ["row 1 (line 2)", "3 fields"]),
    "long rows all": ("x,y\n" + "1,2,3\n" * 9, "y", "E073", ["row 1 (line 2)"]),
    "open quote": (numbers_csv() + '"1,2,3\n', "y", "E073", ["line 22"]),
    "latin-1": (
        numbers_csv(y3="é").encode("latin-1"),
        "y",
        "E073",
        ["not UTF-8", "0xe9", "line 4"],
    ),
    "utf-16": (numbers_csv().encode("utf-16"), "y", "E073", ["not UTF-8", "line 1"]),
    "text column": (numbers_csv(x3="abc"), "y", "E074", ["column 'x', row 3 (line 4)", "'abc'"]),
    "decimal comma": (numbers_csv(x3='"1,5"'), "y", "E074", ["column 'x', row 3", "'1,5'"]),
    "missing value": (numbers_csv(z5=""), "y", "E074", ["column 'z', row 5 (line 6)", "missing"]),
    "NaN": (numbers_csv(z5="NaN"), "y", "E074", ["column 'z', row 5 (line 6)", "missing"]),
    "NA and a blank": (
        numbers_csv(z5="NA "),
        "y",
        "E074",
        ["column 'z', row 5 (line 6)", "missing"],
    ),
    "infinity": (numbers_csv(z5="-inf"), "y", "E074", ["column 'z', row 5 (line 6)", "'-inf'"]),
    "beyond float64": (
        numbers_csv(z5="1e400"),
        "y",
        "E074",
        ["column 'z', row 5 (line 6)", "'1e400'"],
    ),
    "beyond float32": (numbers_csv(z5="1e39"), "y", "E074", ["column 'z', row 5", "too large"]),
    "past blank line": ("x,y\n\n1,2\n\na,2\n", "y", "E074", ["column 'x', row 2 (line 5)"]),
    "past the first block": (
        numbers_csv(5000, x4500="?"),
        "y",
        "E074",
        ["column 'x', row 4500 (line 4501)"],
    ),
    "first of two": (
        numbers_csv(9000, x6="a", x8999="b"),
        "y",
        "E074",
        ["column 'x', row 6 (line 7)"],
    ),
    "target missing": (numbers_csv(y4=""), "y", "E074", ["column 'y', row 4 (line 5)", "missing"]),
    "target NaN": (numbers_csv(y4="nan"), "y", "E074", ["column 'y', row 4 (line 5)", "missing"]),
    "target infinite": (
        numbers_csv(y4="inf"),
        "y",
        "E074",
        ["column 'y', row 4 (line 5)", "'inf'"],
    ),
    "target too large": (numbers_csv(y4="1e39"), "y", "E074", ["target 'y', row 4", "too large"]),
    "long text": (
        numbers_csv(y4="a" * 1000),
        "y",
        "E075",
        ["column 'y', row 4", "1,000 characters"],
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_csv_is_refused_where_it_is_bad(table: Callable[..., DataSpec], name: str) -> None:
    text, target, code, said = BAD_TABLES[name]
    problem = refused(table(text, target=target))
    assert problem.code == code
    for words in said:
        assert words in f"{problem.message} {problem.hint} {problem.help}"


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


def test_all_bad_columns_are_told_at_once(table: Callable[..., DataSpec]) -> None:
    with pytest.raises(SpecError) as caught:
        prepare(table(numbers_csv(x2="red", x3="blue", z7="big", y9="")))
    assert [problem.message.split(":")[0] for problem in caught.value.problems] == [
        "column 'x', row 2 (line 3)",
        "column 'z', row 7 (line 8)",
        "column 'y', row 9 (line 10)",
    ]


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., DataSpec]:
    def write(columns: dict[str, Any], target: str | None = "y") -> DataSpec:
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        return DataSpec("t.parquet", target=target, folder=tmp_path)

    return write


LABELS = {
    "integers": ([1, 2] * 10, ("1", "2")),
    "floats": ([1.0, 2.0] * 10, ("1", "2")),
    "booleans": ([True, False] * 10, ("False", "True")),
    "text": (["a", "b"] * 10, ("a", "b")),
    "categories": (pa.array(["a", "b"] * 10).dictionary_encode(), ("a", "b")),
}


@pytest.mark.parametrize("kind", LABELS)
def test_a_parquet_table_is_read_like_a_csv(parquet: Callable[..., DataSpec], kind: str) -> None:
    labels, classes = LABELS[kind]
    columns = {
        "i": list(range(20)),
        "f": np.linspace(0, 1, 20),
        "b": [True, False] * 10,
        "y": labels,
    }
    data = prepare(parquet(columns))
    assert data.columns == ("i", "f", "b")
    assert data.inputs[19].tolist() == [19, 1, 0]
    assert data.classes == classes


def test_decimals_of_a_parquet_table_are_numbers(parquet: Callable[..., DataSpec]) -> None:
    prices = pa.array([Decimal(f"{k}.25") for k in range(40)])
    data = prepare(parquet({"x": prices, "y": prices}))
    assert data.task == "regression"
    assert data.inputs[:2].tolist() == [[0.25], [1.25]]


BAD_PARQUET: dict[str, tuple[dict[str, Any], str | None, str, list[str]]] = {
    "no target given": ({"x": [1], "y": [1]}, None, "E072", ["its columns: x, y"]),
    "text column": ({"x": ["a", "b"], "y": [1, 2]}, "y", "E074", ["column 'x', row 1", "'a'"]),
    "null": ({"x": [1, 2, None], "y": [1, 2, 1]}, "y", "E074", ["column 'x', row 3: the value is missing"]),
    "NaN": ({"x": [1, float("nan")], "y": [1, 2]}, "y", "E074", ["column 'x', row 2", "nan"]),
    "null target": ({"x": [1, 2], "y": ["a", None]}, "y", "E074", ["column 'y', row 2", "missing"]),
    "empty target": ({"x": [1, 2], "y": ["a", ""]}, "y", "E074", ["target 'y', row 2", "missing"]),
    "date column": ({"x": [date(2020, 1, 31)], "y": [1]}, "y", "E074", ["column 'x', row 1", "date"]),
    "date target": ({"x": [1], "y": [date(2020, 1, 31)]}, "y", "E074", ["column 'y', row 1", "date"]),
    "text column, no rows": (
        {"x": pa.array([], pa.string()), "y": pa.array([], pa.int64())}, "y", "E074", ["column 'x'", "string"]
    ),
    "no rows": ({"x": pa.array([], pa.int64()), "y": pa.array([], pa.int64())}, "y", "E076", ["no rows"]),
    "few bytes, many rows": (
        {"x": pa.nulls(20_000_000, pa.int8()), "y": pa.nulls(20_000_000, pa.int8())}, "y", "E073", ["over 100 times"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PARQUET)
def test_a_bad_parquet_table_is_refused_where_it_is_bad(
    parquet: Callable[..., DataSpec], name: str
) -> None:
    columns, target, code, said = BAD_PARQUET[name]
    problem = refused(parquet(columns, target))
    assert problem.code == code
    for words in said:
        assert words in f"{problem.message} {problem.help}"


def test_a_file_that_only_ends_in_parquet_is_refused(table: Callable[..., DataSpec]) -> None:
    assert refused(table("x,y\n1,2\n", "t.parquet")).code == "E073"


# npz


@pytest.mark.parametrize(
    ("shape", "dtype", "read_shape", "read_dtype"),
    [
        ((20, 3), np.float64, (3,), np.float32),
        ((20, 3), np.uint8, (3,), np.float32),
        ((20, 4, 5), np.uint8, (1, 4, 5), np.uint8),
        ((20, 3, 4, 5), np.uint8, (3, 4, 5), np.uint8),
        ((20, 3, 4, 5), ">f8", (3, 4, 5), np.float32),
        ((20, 2), bool, (2,), np.float32),
    ],
)
def test_arrays_are_read_by_their_dimensions(
    arrays: Callable[..., DataSpec],
    shape: tuple[int, ...],
    dtype: Any,
    read_shape: tuple[int, ...],
    read_dtype: Any,
) -> None:
    data = prepare(
        arrays(X=np.arange(np.prod(shape)).reshape(shape).astype(dtype), y=np.arange(20) % 2)
    )
    assert (data.shape, data.inputs.dtype) == (read_shape, read_dtype)


@pytest.mark.parametrize(("x", "y"), [("X", "y"), ("x", "targets"), ("inputs", "target")])
def test_the_usual_names_of_arrays_are_known(
    arrays: Callable[..., DataSpec], x: str, y: str
) -> None:
    assert len(prepare(arrays(**{x: np.ones((20, 2)), y: np.arange(20) % 2})).inputs) == 20


def test_the_target_names_the_array_of_targets(arrays: Callable[..., DataSpec]) -> None:
    stored = {
        "X": np.ones((20, 2)),
        "y": np.arange(20) % 2,
        "age": np.linspace(20, 60, 20)[:, None],
    }
    assert prepare(arrays({"target": "age"}, **stored)).task == "regression"


def test_test_arrays_are_the_test_split(arrays: Callable[..., DataSpec]) -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.array(["a", "b"] * 10)
    data = prepare(arrays(X=x, y=y, X_test=x[:4] + 100, y_test=y[1:5]))
    assert data.inputs[data.test].tolist() == (x[:4] + 100).tolist()
    assert data.targets[data.test].tolist() == [1, 0, 1, 0]
    assert (len(data.folds[0].train), len(data.folds[0].validation)) == (16, 4)


def test_arrays_in_fortran_order_are_the_same_data(arrays: Callable[..., DataSpec]) -> None:
    pixels = np.arange(240, dtype=np.uint8).reshape(20, 1, 3, 4)
    assert same(prepare(arrays(X=np.asfortranarray(pixels), y=Y)), prepare(arrays(X=pixels, y=Y)))


def test_a_large_array_that_is_not_packed_is_read(arrays: Callable[..., DataSpec]) -> None:
    assert prepare(arrays(X=np.zeros((20, 1000, 1000), np.uint8), y=Y)).features == 1_000_000


def test_a_small_array_that_is_packed_well_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=np.zeros((20, 10_000)), y=Y)
    assert prepare(DataSpec("a.npz", folder=tmp_path)).features == 10_000


X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


def with_value(array: np.ndarray[Any, Any], at: Any, value: float) -> np.ndarray[Any, Any]:
    changed = array.astype(np.float64)
    changed[at] = value
    return changed


BAD_ARRAYS: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str]]] = {
    "no inputs": ({"z": X, "y": Y}, {}, "E072", ["no array 'X or x or inputs'", "its arrays: y, z"]),
    "no targets": ({"X": X, "z": Y}, {}, "E072", ["no array 'y or targets or target'"]),
    "unknown target": ({"X": X, "ages": Y}, {"target": "age"}, "E072", ["no array 'age'", "did you mean 'ages'?"]),
    "half a test": ({"X": X, "y": Y, "X_test": X}, {}, "E072", ["no array 'y_test'"]),
    "pickled": ({"X": X, "y": np.array([None] * 20)}, {}, "E073", ["'y' holds object"]),
    "complex": ({"X": X.astype(complex), "y": Y}, {}, "E073", ["'X' holds complex"]),
    "one dimension": ({"X": X[:, 0], "y": Y}, {}, "E073", ["(20,)", "images (rows, channels"]),
    "five dimensions": ({"X": X.reshape(20, 2, 1, 1, 1), "y": Y}, {}, "E073", ["(20, 2, 1, 1, 1)"]),
    "text inputs": ({"X": X.astype(str), "y": Y}, {}, "E073", ["numbers are needed"]),
    "lengths": ({"X": X, "y": Y[:19]}, {}, "E073", ["20 rows of inputs", "(19,)"]),
    "two targets": ({"X": X, "y": X}, {}, "E073", ["(20, 2)"]),
    "no rows": ({"X": X[:0], "y": Y[:0]}, {}, "E076", ["no rows"]),
    "no columns": ({"X": X[:, :0], "y": Y}, {}, "E076", ["no columns"]),
    "NaN": ({"X": with_value(X, (2, 1), np.nan), "y": Y}, {}, "E074", ["column 2, row 3: nan"]),
    "NaN pixel": (
        {"X": with_value(X.reshape(20, 1, 2), (2, 0, 1), np.nan), "y": Y}, {}, "E074", ["pixel 1, 1, 2", "row 3: nan"]
    ),
    "infinite": ({"X": with_value(X, (4, 0), -np.inf), "y": Y}, {}, "E074", ["column 1, row 5: -inf"]),
    "too large": ({"X": with_value(X, (4, 0), 1e300), "y": Y}, {}, "E074", ["column 1, row 5: 1e+300 is too large"]),
    "NaN target": ({"X": X, "y": with_value(Y, 6, np.nan)}, {}, "E074", ["target 'y', row 7: nan"]),
    "empty target": ({"X": X, "y": np.array(["a", ""] * 10)}, {}, "E074", ["target 'y', row 2", "missing"]),
    "test width": ({"X": X, "y": Y, "X_test": X[:, :1], "y_test": Y}, {}, "E073", ["(1,), the others (2,)"]),
    "test NaN": (
        {"X": X, "y": Y, "X_test": with_value(X, (1, 0), np.nan), "y_test": Y}, {}, "E074", ["test arr", "row 2: nan"]
    ),
    "test label": ({"X": X, "y": Y, "X_test": X, "y_test": Y * 3}, {}, "E075", ["row 2, is '3'", "no other row"]),
    "test given twice": ({"X": X, "y": Y, "X_test": X, "y_test": Y}, {"test": 0.1}, "E076", ["test file of its own"]),
    "one class": ({"X": X, "y": Y * 0}, {}, "E075", ["one class only, '0'"]),
    "constant target": ({"X": X, "y": Y * 0 + 0.5}, {}, "E075", ["'y' is 0.5 in every row"]),
    "text regression": (
        {"X": X, "y": np.array(["1", "two"] * 10)}, {"task": "regression"}, "E075", ["row 2, is 'two'"]
    ),
    "continuous classes": (
        {"X": X, "y": with_value(Y, 3, 2.7)}, {"task": "classification"}, "E075", ["row 4, is 2.7", "task: regression"]
    ),
    "too many classes": (
        {"X": np.ones((2002, 1)), "y": np.arange(2002) // 2},
        {"task": "classification"}, "E075", ["1,001 different values", "task: regression"],
    ),
    "class of one row": (
        {"X": X, "y": np.array(["a", "b"] * 9 + ["a", "c"])}, {}, "E076", ["2 rows", "with one there is 'c'"]
    ),
    "classes of one row": (
        {"X": X, "y": np.array(list("abcdefghijklmnopqrst"))}, {}, "E076", ["are 'a', 'b'", "'e', ..."]
    ),
    "word among numbers": (
        {"X": X, "y": np.array([*map(str, range(19)), "N/A"])}, {}, "E076", ["mend row 20: 'N/A' is not a number"]
    ),
    "validation 0": ({"X": X, "y": Y}, {"validation": 0.0}, "E076", ["validation: 0"]),
    "negative test": ({"X": X, "y": Y}, {"test": -0.1}, "E076", ["test: -0.1"]),
    "shares of all": ({"X": X, "y": Y}, {"validation": 0.5, "test": 0.5}, "E076", ["leave rows for training"]),
    "no validation row": ({"X": X, "y": Y}, {"validation": 0.01}, "E076", ["0 for validation"]),
    "no test row": ({"X": X, "y": Y}, {"test": 0.01}, "E076", ["0 for test"]),
    "few training rows": (
        {"X": X, "y": np.arange(20) // 2}, {"validation": 0.5, "test": 0.3}, "E076", ["4 for training", "each class"]
    ),
    "rows of one": ({"X": X, "y": Y}, {"rows": 1}, "E076", ["1 rows are too few"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_refused_with_the_reason(arrays: Callable[..., DataSpec], name: str) -> None:
    stored, options, code, said = BAD_ARRAYS[name]
    problem = refused(arrays(options, **stored))
    assert problem.code == code
    for words in said:
        assert words in f"{problem.message} {problem.hint} {problem.help}"


def test_targets_that_are_neither_numbers_nor_text_are_refused() -> None:
    with pytest.raises(SpecError, match=r"E075.*complex128"):
        check_targets(Raw("made", X, Y.astype(complex)))


def test_words_are_not_taken_for_numbers_gone_wrong(arrays: Callable[..., DataSpec]) -> None:
    assert refused(arrays(X=X, y=np.array(["a", "b"] * 9 + ["a", "c"]))).help == ""


def test_a_thousand_classes_are_not_too_many(arrays: Callable[..., DataSpec]) -> None:
    spec = arrays(
        {"task": "classification", "test": 0}, X=np.ones((2000, 1)), y=np.arange(2000) // 2
    )
    assert prepare(spec).outputs == 1000


def test_the_targets_of_test_arrays_are_in_the_unit_of_the_others(
    arrays: Callable[..., DataSpec],
) -> None:
    numbers = np.linspace(-3, 7, 25)
    data = prepare(
        arrays(X=np.ones((20, 1)), y=numbers[:20], X_test=np.ones((5, 1)), y_test=numbers[20:])
    )
    assert data.target_center == pytest.approx(numbers[data.folds[0].train].mean())
    assert data.targets * data.target_spread + data.target_center == pytest.approx(
        numbers, abs=1e-6
    )


def npy(shape: tuple[int, ...], body: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + body


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (npy((10**13, 1)), "claims 80,000,000,000,000 bytes, and 0 are there"),
        (npy((2**62, 2**62)), "0 are there"),
        (npy((4, 1), bytes(24)), "claims 32 bytes, and 24 are there"),
        (npy((1, 1), bytes(24)), "claims 8 bytes, and 24 are there"),
        (npy((4 << 20, 1), bytes(32 << 20)), "over 100 times"),
        (b"\x93NUMPY\x03" + npy((1, 1), bytes(8))[7:], "unsupported version (3, 0)"),
        (header("(" * 90), "EOF in multi-line statement"),
        (header("-" * 9000 + "1"), "Header info length (9001) is large"),
        (b"no array", "magic"),
        (b"", "not a sound .npz"),
    ],
    ids=[
        "10^13 values",
        "overflow",
        "cut",
        "too long",
        "bomb",
        "version",
        "no end",
        "deep",
        "no header",
        "empty",
    ],
)
def test_an_array_is_refused_before_room_is_made_for_it(
    tmp_path: Path, member: bytes, said: str
) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", member)
        archive.writestr("y.npy", npy((1,), bytes(8)))
    tracemalloc.start()
    problem = refused(DataSpec("a.npz", folder=tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (problem.code, said in problem.message) == ("E073", True)
    assert peak < 4 << 20


# IDX folders


def test_an_idx_folder_is_read_with_its_own_test_file(tmp_path: Path) -> None:
    write_files(tmp_path / "set", tiny_mnist())
    data = prepare(DataSpec("set", folder=tmp_path))
    assert (data.name, data.task, data.shape) == ("set", "classification", (1, 2, 3))
    assert data.inputs.dtype == np.uint8
    assert data.test.tolist() == [20, 21, 22, 23]
    assert data.inputs[20].ravel().tolist() == list(range(120, 126))
    assert (len(data.folds[0].train), len(data.folds[0].validation)) == (16, 4)


def test_an_idx_folder_without_a_test_file_is_split(tmp_path: Path) -> None:
    write_files(tmp_path, {k: v for k, v in tiny_mnist().items() if k.startswith("train")})
    data = prepare(DataSpec(".", folder=tmp_path))
    assert [len(part) for part in (data.folds[0].train, data.folds[0].validation, data.test)] == [
        12,
        4,
        4,
    ]


def test_idx_labels_are_classes_however_many_there_are(tmp_path: Path) -> None:
    images, labels = np.zeros((60, 2, 2), np.uint8), np.repeat(np.arange(30, dtype=np.uint8), 2)
    write_files(
        tmp_path, {"images-idx3-ubyte": idx_bytes(images), "labels-idx1-ubyte": idx_bytes(labels)}
    )
    assert len(prepare(DataSpec(".", folder=tmp_path, test=0)).classes) == 30


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
def test_idx_numbers_of_other_types_become_float32(tmp_path: Path, code: int, dtype: str) -> None:
    images, labels = (
        np.arange(-40, 40).reshape(20, 2, 2).astype(dtype),
        (np.arange(20) % 2).astype(np.uint8),
    )
    write_files(
        tmp_path, {"images-idx3": idx_bytes(images, code), "labels-idx1": idx_bytes(labels)}
    )
    data = prepare(DataSpec(".", folder=tmp_path))
    assert data.inputs.dtype == np.float32
    assert data.inputs[0].ravel().tolist() == [-40, -39, -38, -37]


IMAGES, SOME_LABELS = (
    tiny_mnist()["train-images-idx3-ubyte.gz"],
    tiny_mnist()["train-labels-idx1-ubyte.gz"],
)
PLAIN = gzip.decompress(IMAGES)
BAD_IDX = {
    "nothing": (b"", "nothing"),
    "wrong magic": (b"\x01" + PLAIN[1:], "not an IDX file: it begins with 01"),
    "unknown type": (PLAIN[:2] + b"\x0a" + PLAIN[3:], "not an IDX file"),
    "five dimensions": (PLAIN[:3] + b"\x05" + PLAIN[4:], "not an IDX file"),
    "cut header": (PLAIN[:10], "ends inside its header"),
    "cut": (PLAIN[:-1], "should hold 120 bytes after its header, and holds only 119"),
    "too long": (PLAIN + b"\0", "holds more"),
    "cut gzip": (IMAGES[:-12], "damaged gzip file"),
    "flipped gzip": (IMAGES[:-6] + b"\xff\xff" + IMAGES[-4:], "damaged gzip file"),
    "terabytes": (
        idx_bytes(np.zeros((0, 0, 0), np.uint8))[:4] + struct.pack(">3I", 10**6, 10**4, 10**4),
        "4 GiB",
    ),
    "a bomb": (
        idx_bytes(np.zeros((0, 0, 0), np.uint8))[:4] + struct.pack(">3I", 10**4, 10**3, 10),
        "over 100 times",
    ),
    "two dimensions": (idx_bytes(np.zeros((20, 4), np.uint8)), "images have 3 dimensions"),
    "fewer images": (
        idx_bytes(np.zeros((19, 2, 2), np.uint8)),
        "19 rows of inputs, but targets of shape (20,)",
    ),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_a_bad_idx_file_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    data, said = BAD_IDX[name]
    write_files(tmp_path, {"images-idx3-ubyte": data, "labels-idx1-ubyte": SOME_LABELS})
    problem = refused(DataSpec(".", folder=tmp_path))
    assert problem.code == "E073"
    assert said in problem.message


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no IDX files to train on"),
        ({"images-idx3": IMAGES}, "images-idx3' stands alone"),
        (
            {"images-idx3": IMAGES, "labels-idx1": SOME_LABELS, "t10k-images-idx3": IMAGES},
            "t10k-images-idx3' stands alone",
        ),
        (
            {"a-images-idx3": IMAGES, "b-images-idx3": IMAGES, "labels-idx1": SOME_LABELS},
            "more than one file",
        ),
    ],
)
def test_a_folder_must_hold_one_pair_of_idx_files(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    write_files(tmp_path, files)
    problem = refused(DataSpec(".", folder=tmp_path))
    assert (problem.code, said in problem.message) == ("E073", True)


def test_an_unzipped_idx_file_is_taken_before_its_zipped_twin(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"images-idx3": IMAGES, "images-idx3.gz": b"damaged", "labels-idx1": SOME_LABELS}
    )
    assert len(prepare(DataSpec(".", folder=tmp_path)).inputs) == 20


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "secret", {"images-idx3": IMAGES, "labels-idx1": SOME_LABELS})
    (tmp_path / "set").mkdir()
    for name in ("images-idx3", "labels-idx1"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "secret" / name)
    assert "no IDX files" in refused(DataSpec("set", folder=tmp_path)).message


# MNIST


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A tiny MNIST that passes for the real one, in no place yet."""
    files = tiny_mnist()
    contents = {
        name: hashlib.sha256(gzip.decompress(data)).hexdigest() for name, data in files.items()
    }
    monkeypatch.setattr(mnist, "CONTENTS", contents)
    monkeypatch.setattr(mnist, "MIRRORS", (f"{(tmp_path / 'nowhere').as_uri()}/",))
    monkeypatch.setenv("HPSEARCH_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return files


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of what lies in `tmp_path/served`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None: ...

    serving = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))
    )
    thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()
    thread.join()


def test_mnist_zipped_in_another_way_is_the_same(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    write_files(tmp_path / "own/mnist", small_mnist)
    first = prepare(DataSpec("mnist"))
    again = {
        name: gzip.compress(gzip.decompress(data), 1, mtime=1) for name, data in small_mnist.items()
    }
    write_files(tmp_path / "own/mnist", again)
    assert prepare(DataSpec("mnist")).digest == first.digest


@pytest.mark.parametrize("place", ["own/mnist", "cache/hpsearch/mnist"])
def test_mnist_is_found_in_both_places(
    tmp_path: Path, small_mnist: dict[str, bytes], place: str
) -> None:
    write_files(tmp_path / place, small_mnist)
    data = prepare(DataSpec("mnist"))
    assert (data.name, len(data.folds[0].train), len(data.folds[0].validation), len(data.test)) == (
        "mnist",
        16,
        4,
        4,
    )


def test_mnist_is_looked_for_in_the_users_folder_first(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    write_files(tmp_path / "own/mnist", small_mnist)
    write_files(tmp_path / "cache/hpsearch/mnist", dict.fromkeys(small_mnist, b"damaged"))
    assert prepare(DataSpec("mnist")).name == "mnist"


def test_mnist_is_downloaded_once_into_the_cache(
    tmp_path: Path, small_mnist: dict[str, bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "served", small_mnist)
    monkeypatch.setattr(mnist, "MIRRORS", (server + "missing/", server))
    first = prepare(DataSpec("mnist"))
    cache = tmp_path / "cache/hpsearch/mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(small_mnist)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    assert prepare(DataSpec("mnist")).digest == first.digest


def test_only_what_the_cache_lacks_is_downloaded(
    tmp_path: Path, small_mnist: dict[str, bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    *have, lack = small_mnist
    write_files(tmp_path / "cache/hpsearch/mnist", {name: small_mnist[name] for name in have})
    write_files(tmp_path / "served", {lack: small_mnist[lack]})
    monkeypatch.setattr(mnist, "MIRRORS", (server,))
    assert prepare(DataSpec("mnist")).name == "mnist"


def test_a_download_that_is_not_mnist_leaves_nothing_behind(
    tmp_path: Path, small_mnist: dict[str, bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "served", {name: gzip.compress(PLAIN) for name in small_mnist})
    monkeypatch.setattr(mnist, "MIRRORS", (server,))
    monkeypatch.setattr(mnist, "CONTENTS", dict.fromkeys(small_mnist, "0" * 64))
    assert "not the standard file" in refused(DataSpec("mnist")).message
    assert not list((tmp_path / "cache/hpsearch/mnist").iterdir())


def test_mnist_that_cannot_be_had_is_answered_with_the_files_and_the_places(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    problem = refused(DataSpec("mnist"))
    assert problem.code == "E071"
    for words in [
        *small_mnist,
        str(tmp_path / "own/mnist"),
        str(tmp_path / "cache/hpsearch/mnist"),
    ]:
        assert words in problem.help


def test_without_variables_the_cache_is_in_the_home_folder(
    tmp_path: Path, small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HPSEARCH_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    places = f"$HPSEARCH_DATA/mnist or {tmp_path / '.cache/hpsearch/mnist'}"
    assert refused(DataSpec("mnist")).help.endswith(places)


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    assert refused(DataSpec("mnist")).code == "E071"


def test_mnist_with_another_checksum_is_refused(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    write_files(
        tmp_path / "own/mnist", small_mnist | {"t10k-images-idx3-ubyte.gz": gzip.compress(PLAIN)}
    )
    problem = refused(DataSpec("mnist"))
    assert problem.code == "E071"
    assert "own/mnist/t10k-images-idx3-ubyte.gz' is not the standard MNIST file" in problem.message


@needs_mnist
def test_the_real_mnist_stays_bytes_and_keeps_its_test_file() -> None:
    data = prepare(DataSpec("mnist"))
    assert data.inputs.dtype == np.uint8
    assert (data.shape, data.classes) == ((1, 28, 28), tuple("0123456789"))
    assert [len(part) for part in (data.folds[0].train, data.folds[0].validation, data.test)] == [
        48_000,
        12_000,
        10_000,
    ]
    assert data.test[0] == 60_000
    assert data.targets[data.test[:5]].tolist() == [7, 2, 1, 0, 4]  # as everybody knows them
    # the mean and deviation that everybody uses are of all 60,000: 0.1307 and 0.3081 of 255
    assert data.folds[0].center.item() / 255 == pytest.approx(0.1307, abs=1e-3)
    assert data.folds[0].spread.item() / 255 == pytest.approx(0.3081, abs=1e-3)


@needs_mnist
def test_the_real_mnist_can_be_cut_for_a_smoke_run() -> None:
    data = prepare(DataSpec("mnist", rows=256))
    assert [len(part) for part in (data.folds[0].train, data.folds[0].validation, data.test)] == [
        205,
        51,
        256,
    ]
    assert len(np.unique(data.targets[data.folds[0].train])) == 10


@needs_mnist
def test_the_real_mnist_refuses_a_share_for_test() -> None:
    assert refused(DataSpec("mnist", test=0.1)).code == "E076"


# the split

CLASSES = st.lists(st.integers(10, 60), min_size=1, max_size=6)
SHARES = st.floats(0.02, 0.35)


@given(CLASSES, SHARES, SHARES, st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_each_class_has_its_share_of_validation_and_test_within_one_row(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    groups = np.repeat(np.arange(len(counts)), counts)
    rows = len(groups)
    sizes = round(validation * rows), round(test * rows)
    parts = split(groups, *sizes, seed)
    for part, size in zip(parts[1:], sizes, strict=True):
        share = np.array(counts) * size / rows
        assert (np.abs(np.bincount(groups[part], minlength=len(counts)) - share) <= 1).all()


@given(st.lists(st.integers(2, 9), min_size=1, max_size=9), st.data())
@settings(max_examples=200, deadline=None)
def test_a_split_is_a_partition_of_the_sizes_asked_for(
    counts: list[int], data: st.DataObject
) -> None:
    groups = np.random.default_rng(len(counts)).permutation(
        np.repeat(np.arange(len(counts)), counts)
    )
    spare = len(groups) - len(counts)
    validation = data.draw(st.integers(1, spare))
    test = data.draw(st.integers(0, spare - validation))
    parts = split(groups, validation, test, seed=0)
    assert [len(part) for part in parts[1:]] == [validation, test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    assert all((np.diff(part) > 0).all() for part in parts)
    # and training sees every class
    assert len(np.unique(groups[parts[0]])) == len(counts)


@given(CLASSES, st.integers(1, 100), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_thinned_rows_keep_the_shares_of_the_classes_within_one_row(
    counts: list[int], most: int, seed: int
) -> None:
    groups = np.repeat(np.arange(len(counts)), counts)
    rows = np.flatnonzero(np.arange(len(groups)) % 3)
    kept = thinned(rows, groups, most, seed)
    assert len(kept) == min(most, len(rows))
    assert np.isin(kept, rows).all()
    assert (np.diff(kept) > 0).all()
    share = np.bincount(groups[rows], minlength=len(counts)) * len(kept) / len(rows)
    assert (np.abs(np.bincount(groups[kept], minlength=len(counts)) - share) <= 1).all()


def test_a_class_rounded_up_in_one_part_is_rounded_down_in_the_next() -> None:
    groups = np.repeat(np.arange(4), 10)
    train, validation, test = split(groups, validation=6, test=6, seed=0)
    assert (
        sorted(np.bincount(groups[validation])) == sorted(np.bincount(groups[test])) == [1, 1, 2, 2]
    )
    assert np.bincount(groups[train]).tolist() == [7, 7, 7, 7]


def test_a_split_that_leaves_a_class_no_row_to_train_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 seats do not fit in 1"):
        split(np.array([0, 0, 1, 1]), validation=2, test=1, seed=0)


def test_another_seed_keeps_other_rows() -> None:
    rows, groups = np.arange(100), np.zeros(100, np.int64)
    assert thinned(rows, groups, 10, seed=0).tolist() != thinned(rows, groups, 10, seed=1).tolist()


def test_one_row_of_each_class_is_enough_to_train(arrays: Callable[..., DataSpec]) -> None:
    data = prepare(
        arrays({"validation": 0.3, "test": 0.2}, X=X, y=np.array(list("abcdefghij") * 2))
    )
    assert sorted(data.targets[data.folds[0].train].tolist()) == list(range(10))


def test_one_row_less_than_that_is_refused(arrays: Callable[..., DataSpec]) -> None:
    spec = arrays({"validation": 0.35, "test": 0.2}, X=X, y=np.array(list("abcdefghij") * 2))
    assert "9 for training" in refused(spec).message


def test_one_row_is_enough_to_validate_and_to_test(arrays: Callable[..., DataSpec]) -> None:
    data = prepare(arrays({"validation": 0.05, "test": 0.05}, X=X, y=Y))
    assert (len(data.folds[0].validation), len(data.test)) == (1, 1)


@pytest.mark.parametrize("name", BUNDLED)
def test_shares_are_of_all_rows(name: str) -> None:
    data = prepare(DataSpec(name))
    fifth = round(0.2 * len(data.inputs))
    assert (len(data.folds[0].validation), len(data.test)) == (fifth, fifth)
    assert len(data.folds[0].train) == len(data.inputs) - 2 * fifth


def test_a_share_of_zero_leaves_no_test_rows() -> None:
    data = prepare(DataSpec("wine", test=0))
    assert (len(data.folds[0].train), len(data.folds[0].validation), len(data.test)) == (142, 36, 0)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_the_same_spec_gives_the_same_dataset(name: str) -> None:
    assert same(prepare(DataSpec(name)), prepare(DataSpec(name)))


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_another_split_seed_gives_another_split(name: str) -> None:
    one, other = (prepare(DataSpec(name, split_seed=seed)) for seed in (0, 1))
    assert one.folds[0].train.tolist() != other.folds[0].train.tolist()
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("rows", "sizes"), [(100, (75, 25, 100)), (2, (1, 1, 2)), (10_000, (1079, 359, 359))]
)
def test_rows_cuts_training_and_validation_together(rows: int, sizes: tuple[int, ...]) -> None:
    data = prepare(DataSpec("digits", rows=rows))
    assert (len(data.folds[0].train), len(data.folds[0].validation), len(data.test)) == sizes


def test_the_rows_that_are_kept_were_in_the_same_part_before() -> None:
    whole, cut = prepare(DataSpec("digits")), prepare(DataSpec("digits", rows=100))
    for part in ("train", "validation"):
        assert np.isin(getattr(cut.folds[0], part), getattr(whole.folds[0], part)).all()
    assert np.isin(cut.test, whole.test).all()


# scaling


@pytest.mark.parametrize("scale", ["standard", "unit"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_scaling_does_not_look_at_validation_or_test(
    table: Callable[..., DataSpec], scale: str, part: str
) -> None:
    before = prepare(table(numbers_csv(), scale=scale))
    row = int((before.test if part == "test" else before.folds[0].validation)[0]) + 1
    after = prepare(table(numbers_csv(**{f"x{row}": 1e6}), scale=scale))
    assert after.inputs[row - 1, 0] == 1e6
    assert np.array_equal(after.folds[0].center, before.folds[0].center)
    assert np.array_equal(after.folds[0].spread, before.folds[0].spread)


def test_scaling_looks_at_training(table: Callable[..., DataSpec]) -> None:
    before = prepare(table(numbers_csv()))
    after = prepare(table(numbers_csv(**{f"x{before.folds[0].train[0] + 1}": 1e6})))
    assert after.folds[0].center[0] != before.folds[0].center[0]


@pytest.mark.parametrize("name", ["wine", "diabetes", "digits"])
def test_standard_inputs_have_mean_0_and_deviation_1(name: str) -> None:
    data = prepare(DataSpec(name))
    scaled = (
        data.inputs[data.folds[0].train].astype(np.float64) - data.folds[0].center
    ) / data.folds[0].spread
    axes = (0,) if scaled.ndim == 2 else (0, 2, 3)
    # center and spread are float32, so exact to 6e-8 of values up to about 100 deviations large
    assert scaled.mean(axis=axes) == pytest.approx(0, abs=1e-5)
    assert scaled.std(axis=axes) == pytest.approx(1, abs=1e-5)


def test_images_are_scaled_by_one_number_per_channel(arrays: Callable[..., DataSpec]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5)).astype(np.uint8)
    data = prepare(arrays(X=pixels, y=Y))
    trained = pixels[data.folds[0].train].astype(np.float64)
    assert data.folds[0].center.shape == data.folds[0].spread.shape == (3, 1, 1)
    assert data.folds[0].center.ravel() == pytest.approx(trained.mean(axis=(0, 2, 3)))
    assert data.folds[0].spread.ravel() == pytest.approx(trained.std(axis=(0, 2, 3)))


def test_unit_divides_by_the_largest_absolute_value() -> None:
    inputs = np.array([[1.0, -8, 0], [2, 4, 0], [99, 99, 99]])
    center, spread = scaling(inputs, np.array([0, 1]), "unit")
    assert (center.tolist(), spread.tolist()) == ([0, 0, 0], [2, 8, 1])


def test_none_leaves_the_inputs_and_still_standardises_the_targets() -> None:
    data = prepare(DataSpec("diabetes", scale="none"))
    assert (set(data.folds[0].center.tolist()), set(data.folds[0].spread.tolist())) == (
        {0.0},
        {1.0},
    )
    assert data.target_spread > 1


def test_a_column_that_does_not_vary_has_spread_1() -> None:
    # the mean of 1000 times 0.1 is not 0.1 in floating point, which must not become a tiny deviation
    inputs = np.full((1000, 1), 0.1)
    assert scaling(inputs, np.arange(1000), "standard")[1].tolist() == [1]
    assert scaling(np.full((5, 1, 2, 2), 7, np.uint8), np.arange(5), "standard")[1].tolist() == [
        [[1]]
    ]


def test_a_deviation_too_small_for_float32_is_1() -> None:
    assert scaling(np.array([[1e-60], [2e-60]]), np.arange(2), "standard")[1].tolist() == [1]


def test_moments_are_exact_far_from_zero() -> None:
    center, spread = moments(1e9 + np.array([[0.0], [1], [2], [3]]), np.arange(4))
    assert center.item() == 1e9 + 1.5
    assert spread.item() == pytest.approx(1.25**0.5)


def test_moments_of_more_rows_than_a_block_are_those_of_all() -> None:
    inputs = np.random.default_rng(0).normal(3, 2, (10_000, 2))
    center, spread = moments(inputs, np.arange(9_000))
    assert center == pytest.approx(inputs[:9_000].mean(axis=0))
    assert spread == pytest.approx(inputs[:9_000].std(axis=0))


def test_regression_targets_are_standardised_on_the_training_rows() -> None:
    data = prepare(DataSpec("diabetes"))
    trained = data.targets[data.folds[0].train]
    assert data.targets.dtype == np.float32
    assert (trained.mean(), trained.std()) == (
        pytest.approx(0, abs=1e-6),
        pytest.approx(1, abs=1e-6),
    )
    raw: Raw = LOADERS.load("diabetes")(DataSpec("diabetes"))
    assert data.targets * data.target_spread + data.target_center == pytest.approx(
        raw.targets, rel=1e-5
    )


def test_class_numbers_are_not_scaled() -> None:
    data = prepare(DataSpec("wine"))
    assert data.targets.dtype == np.int64
    assert (data.target_center, data.target_spread) == (0, 1)


# the digest


@pytest.mark.parametrize("change", [{"x3": 3.5}, {"y3": 0}, {"y3": 2, "y5": 2}])
def test_the_digest_changes_when_one_value_changes(
    table: Callable[..., DataSpec], change: dict[str, Any]
) -> None:
    assert prepare(table(numbers_csv(**change))).digest != prepare(table(numbers_csv())).digest


@pytest.mark.parametrize("options", [{"validation": 0.3}, {"test": 0.1}, {"rows": 8}])
def test_the_digest_changes_with_the_split(
    table: Callable[..., DataSpec], options: dict[str, Any]
) -> None:
    assert prepare(table(numbers_csv(), **options)).digest != prepare(table(numbers_csv())).digest


def test_the_digest_changes_with_the_unit_of_the_target(table: Callable[..., DataSpec]) -> None:
    cells = {f"y{row}": row / 4 for row in range(1, 21)}
    doubled = {name: 2 * value for name, value in cells.items()}
    one, other = prepare(table(numbers_csv(**cells))), prepare(table(numbers_csv(**doubled)))
    assert np.array_equal(one.targets, other.targets)
    assert one.digest != other.digest


def test_the_digest_does_not_depend_on_where_the_file_lies(table: Callable[..., DataSpec]) -> None:
    assert (
        prepare(table(numbers_csv(), "a.csv")).digest
        == prepare(table(numbers_csv(), "b.csv")).digest
    )


# the baseline


def dataset(
    targets: Any, train: list[int], validation: list[int], classes: tuple[str, ...] = ()
) -> Dataset:
    rows, none = len(targets), np.zeros(0, np.int64)
    return Dataset(
        name="made",
        task="classification" if classes else "regression",
        inputs=np.zeros((rows, 1), np.float32),
        targets=np.array(targets, np.int64) if classes else np.array(targets, np.float32),
        classes=classes,
        target_center=0.0,
        target_spread=1.0,
        folds=(
            Fold(
                np.array(train),
                np.array(validation),
                np.zeros(1, np.float32),
                np.ones(1, np.float32),
            ),
        ),
        whole=None,
        test=none,
        columns=(),
        digest="",
    )


def test_the_baseline_of_classes_gives_their_training_frequencies() -> None:
    data = dataset([0, 0, 0, 1, 0, 1, 1, 1], [0, 1, 2, 3], [4, 5, 6, 7], classes=("a", "b"))
    loss, metric = baseline(data)
    assert loss == pytest.approx(-(np.log(0.75) + 3 * np.log(0.25)) / 4)
    assert metric == 0.25


def test_a_class_that_training_lacks_is_no_infinite_loss() -> None:
    data = dataset([0, 1, 2], [0, 1], [2], classes=("a", "b", "c"))
    assert baseline(data).loss == pytest.approx(-np.log(RAREST))


def test_the_baseline_of_numbers_is_the_training_mean() -> None:
    data = dataset([1.0, 3, 2, 6], [0, 1], [2, 3])
    # the mean is 2; squared errors 0 and 16, and around the validation rows' own mean 4 and 4
    assert baseline(data) == (8, -1)


def test_the_baseline_of_rows_that_are_all_alike_has_r2_of_0() -> None:
    assert baseline(dataset([1.0, 3, 5, 5], [0, 1], [2, 3])).metric == 0


def test_the_baseline_of_folds_is_the_mean_of_theirs() -> None:
    data = dataset([1.0, 3, 2, 6], [0, 1], [3])
    turned = replace(data.folds[0], validation=np.array([2]))
    assert baseline(replace(data, folds=(*data.folds, turned))).loss == 8


# damage


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to eight of them changed, or cut, or doubled in part."""
    changed = bytearray(data)
    match rng.integers(4):
        case 0:
            return data[: rng.integers(len(data))]
        case 1:
            at = rng.integers(len(data))
            return data[:at] + data[at // 2 :]
        case _:
            for at in rng.integers(len(data), size=rng.integers(1, 9)):
                changed[at] = rng.integers(256)
            return bytes(changed)


def sound_files() -> dict[str, bytes]:
    npz, parquet = io.BytesIO(), io.BytesIO()
    np.savez_compressed(npz, X=X, y=np.array(["a", "b"] * 10))
    pq.write_table(pa.table({"x": X[:, 0], "z": X[:, 1], "y": ["a", "b"] * 10}), parquet)
    return {
        "t.csv": numbers_csv().encode(),
        "t.npz": npz.getvalue(),
        "t.parquet": parquet.getvalue(),
        "images-idx3": IMAGES,
    }


@pytest.mark.parametrize("name", sound_files())
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    write_files(tmp_path, {"labels-idx1": SOME_LABELS})
    spec = DataSpec("." if "idx" in name else name, target="y", folder=tmp_path)
    codes = set()
    for _ in range(150):
        (tmp_path / name).write_bytes(damaged(sound_files()[name], rng))
        try:
            prepare(spec)
        except SpecError as error:
            codes.add(error.problems[0].code)
    assert "E073" in codes
    assert "E070" not in codes

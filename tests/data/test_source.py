"""Which loader reads a source, and what is said where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.data import LOADERS, DataSpec, RawData, RawTable, source
from hpsearch.data.prepare import prepare
from hpsearch.data.sources.delimited import load as read_table
from hpsearch.errors import SpecError
from hpsearch.registry import Registry
from tests.helpers.sources import IMAGES, LABELS, X, numbers_csv, refused, write_files


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
    assert "*.parquet, *.npz" in problem.help


def test_a_name_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    assert refused(DataSpec("x" * 5000 + ".csv", folder=tmp_path)).code == "E070"


def test_a_path_is_relative_to_the_folder_of_the_spec(table: Callable[..., DataSpec]) -> None:
    assert len(prepare(table(numbers_csv())).inputs) == 20


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(numbers_csv())
    spec = DataSpec(str(tmp_path / "t.csv"), target="y", folder=Path("elsewhere"))
    assert len(prepare(spec).inputs) == 20


def test_a_path_from_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text(numbers_csv())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(prepare(DataSpec("~/t.csv", target="y", folder=Path("elsewhere"))).inputs) == 20


def load_blanks(spec: DataSpec) -> RawData:
    """A loader as a stranger writes it, for the line `"*.txt"` of the table."""
    numbers = np.loadtxt(spec.path)
    return RawData(spec.path.stem, numbers[:, :-1], numbers[:, -1])


@pytest.fixture
def _blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that makes that loader known."""
    lines = {**LOADERS, "*.txt": "tests.data.test_source:load_blanks"}
    monkeypatch.setattr(source, "LOADERS", Registry(LOADERS.kind, lines))


@pytest.mark.parametrize("reads_first", [True, False])
def test_a_file_that_is_written_while_it_is_read_is_refused(
    table: Callable[..., DataSpec], monkeypatch: pytest.MonkeyPatch, reads_first: bool
) -> None:
    spec = table("a,y\n1,0\n2,1\n")

    def load(spec: DataSpec) -> RawTable:
        found = read_table(spec) if reads_first else None
        with spec.path.open("a") as file:
            file.write("3,0\nhalf a ro" if found is None else "3,0\n")
        return found or read_table(spec)

    monkeypatch.setattr("hpsearch.data.sources.delimited.load", load)
    problem = refused(spec)
    assert problem.code == "E070"
    assert "was written while it was read" in problem.message


@pytest.mark.usefixtures("_blanks")
def test_a_new_kind_of_source_costs_a_function_and_a_line(tmp_path: Path) -> None:
    (tmp_path / "sizes.TXT").write_text("".join(f"{k} {2 * k} {k % 2}\n" for k in range(20)))
    data = prepare(DataSpec("sizes.TXT", folder=tmp_path))
    assert (data.name, data.task, data.inputs.shape) == ("sizes", "classification", (20, 2))
    assert "*.txt" in refused(DataSpec("sizes.md", folder=tmp_path)).help


@pytest.mark.usefixtures("_blanks")
def test_what_a_new_loader_returns_is_checked_like_all_else(tmp_path: Path) -> None:
    (tmp_path / "sizes.txt").write_text("1 2 0\n3 inf 1\n" * 5)
    problem = refused(DataSpec("sizes.txt", folder=tmp_path))
    assert (problem.code, "column 2, row 2: inf is not a finite number" in problem.message) == (
        "E074",
        True,
    )


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with one to eight of them changed, cut short, or doubled in part."""
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
    """Return one small file of each format."""
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
    write_files(tmp_path, {"labels-idx1": LABELS})
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

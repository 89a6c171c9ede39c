"""Four commands from real files, as they are, to predictions: init, bayes, export, predict."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from experiments.real_tables import TABLES, write_tables
from hpsearch.errors import EXIT_OK
from tests.helpers.commands import AS_MODULE, ended

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all tables as CSV files."""
    folder: Path = tmp_path_factory.mktemp("tables")
    write_tables(folder)
    return folder


def predictions(folder: Path, source: str, target: str | None = None) -> list[dict[str, str]]:
    """Go from a file to predictions for it, in four commands; return these."""
    aim = [] if target is None else ["--target", target]
    for command in (
        ["init", source, *aim],
        ["bayes", "--budget", "3", "--epochs", "3", "--study", "study"],
        ["export", "study", "-o", "model"],
        ["predict", "model", source, "-o", "predictions.csv"],
    ):
        done = ended(folder, *AS_MODULE, *command)
        assert done.returncode == EXIT_OK, f"{' '.join(command)}: {done.stderr}"
    with (folder / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", TABLES)
def test_a_real_table_is_predicted(tables: Path, tmp_path: Path, name: str) -> None:
    item, target = name.split("/")[1], TABLES[name]
    (tmp_path / f"{item}.csv").symlink_to(tables / f"{item}.csv")
    table = pd.read_csv(tables / f"{item}.csv")
    found = predictions(tmp_path, f"{item}.csv", target)
    assert len(found) == len(table)
    answers = [row["prediction"] for row in found]
    if pd.api.types.is_numeric_dtype(table[target]):
        assert np.isfinite(np.array(answers, float)).all()
    else:
        assert {*answers} <= {*table[target].dropna().astype(str)}


def _with_semicolons(folder: Path) -> str:
    rng = np.random.default_rng(0)
    rows = [
        f"{size:.2f};{'ja' if size > 50 else 'nein'};{size * 1.5 + rng.normal():.3f}"
        for size in rng.uniform(10, 90, 200)
    ]
    text = "Fl\u00e4che;Balkon;preis\n" + "\n".join(rows).replace(".", ",") + "\n"
    (folder / "rows.csv").write_bytes(text.encode("cp1252"))
    return "rows.csv"


def _of_pandas(folder: Path) -> str:
    rng = np.random.default_rng(0)
    days = pd.date_range("2025-01-01", periods=300, freq="D")
    kinds = pd.Categorical(rng.choice(["a", "b", "c"], 300))
    frame = pd.DataFrame({"day": days, "kind": kinds, "n": pd.array([1, None, 3] * 100, "Int64")})
    frame["preis"] = days.month + frame["kind"].cat.codes + rng.normal(size=300)
    frame.set_index(pd.Index(range(1000, 1300), name="key")).to_parquet(folder / "rows.parquet")
    return "rows.parquet"


@pytest.mark.parametrize("write", [_with_semicolons, _of_pandas])
def test_a_table_of_another_kind_is_predicted(tmp_path: Path, write: Callable[[Path], str]) -> None:
    source = write(tmp_path)
    answers = [float(row["prediction"]) for row in predictions(tmp_path, source, "preis")]
    assert len(answers) in (200, 300)
    assert np.isfinite(answers).all()


def test_a_folder_of_images_is_predicted(tmp_path: Path) -> None:
    digits = load_digits()
    for k, (image, label) in enumerate(zip(digits.images[:500], digits.target, strict=False)):
        (tmp_path / "images" / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = (image * 15).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / str(label) / f"{k}.png")
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    found = predictions(tmp_path, "images")
    assert len(found) == 500
    right = [row["file"].split("/")[0] == row["prediction"] for row in found]
    assert np.mean(right) > 0.3

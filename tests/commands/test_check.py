"""`check`: what is said of data and of a search before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hpsearch.errors import EXIT_OK, EXIT_USAGE
from tests.helpers.models import MIXED

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Run) -> Run:
    """A function that checks beside a table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(MIXED)

    return partial(run_here, "check")


def test_every_column_is_shown_with_what_it_holds(check: Run) -> None:
    code, out, _ = check("--data", "t.csv", "--target", "z")
    lines = [line.split() for line in out.splitlines()]
    assert code == EXIT_OK
    assert ["n", "number", "20.0%", "2", "0", "to", "40"] in lines
    assert ["c", "category", "24.4%", "4", "green,", "red,", "blue"] in lines
    assert any(line[:3] == ["day", "date", "-"] for line in lines)
    assert "regression of z" in out.splitlines()[0]


def test_nothing_is_trained_or_kept(check: Run) -> None:
    before = sorted(Path().iterdir())
    _, out, _ = check("--data", "t.csv", "--target", "y")
    assert sorted(Path().iterdir()) == before
    assert "a whole training costs" in out
    assert "9 parameters are searched" in out


def test_doubts_are_told(check: Run) -> None:
    split = "data.split={validation: 0.4, test: 0}"
    _, out, _ = check("--data", "t.csv", "--target", "y", "--set", split)
    assert "note: 'z' alone tells y: will it be known when you predict?" in out


def test_weights_of_rows_are_told_and_a_column_that_is_not_there_has_its_place(check: Run) -> None:
    yaml = "data: {source: t.csv, target: y, weights: %s}\n"
    Path("hpsearch.yaml").write_text(yaml % "z")
    _, out, _ = check()
    assert (
        "90 rows of 3 inputs (1 number, 1 category, 1 date), 2 classes of y, weighted by z" in out
    )
    Path("hpsearch.yaml").write_text(yaml % "balnced")
    code, _, said = check()
    assert (code, "hpsearch.yaml:1:43" in said) == (EXIT_USAGE, True)
    assert "^^^^^^^ did you mean 'balanced'?" in said


def test_the_same_is_told_as_json(check: Run) -> None:
    found = json.loads(check("--data", "t.csv", "--target", "z", "--json")[1])
    assert [column["name"] for column in found["columns"]] == ["n", "c", "day", "y"]
    least, most = found["nominal_seconds"]
    assert 0 < least <= most
    assert found["points"] is None


def test_images_have_no_columns(check: Run) -> None:
    _, out, said = check()
    assert out.startswith("digits: 1,797 images")
    assert "this is the built-in example" in said


def test_a_space_that_is_wrong_is_refused_as_by_a_search(check: Run) -> None:
    Path("hpsearch.yaml").write_text("data: {source: wine}\nparameters: {widht: {values: [1]}}\n")
    code, _, said = check()
    assert (code, "did you mean 'width'?" in said) == (EXIT_USAGE, True)

"""`init`, and a search of data without a YAML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.config.spec import networks_of, parse
from hpsearch.config.starter import starter
from hpsearch.data import RawData
from hpsearch.data.columns import CategoryColumn, number_columns
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_CANNOT_WRITE, EXIT_OK, EXIT_USAGE
from tests.helpers.models import MIXED

Run = Callable[..., tuple[int, str, str]]
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name.strip() == name)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Run) -> Run:
    """A function that runs a command beside a table."""
    monkeypatch.chdir(tmp_path)

    return run_here


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    lines = MIXED.splitlines()
    table = [f"id,{lines[0]}", *(f"k{k},{line}" for k, line in enumerate(lines[1:]))]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(table) + "\n")
    return path


def test_it_writes_what_was_found_of_every_column(run: Run, rows: Path) -> None:
    code, _, said = run("init", "rows.csv", "--target", "z")
    assert code == EXIT_OK
    assert "90 rows of 4 inputs (1 number, 2 categories, 1 date), regression of z" in said
    assert "next:  hpsearch bayes --time 15m" in said
    text = Path("hpsearch.yaml").read_text()
    for line in ("n: number", "c: category", "day: date", "y: category", "id: drop    # a diff"):
        assert f"\n    {line}" in text
    data = prepare(networks_of(parse(text, "hpsearch.yaml", Path())).data)
    assert [column.name for column in data.columns] == ["n", "c", "day", "y"]
    assert (len(data.folds), data.notes) == (5, ())


@pytest.mark.parametrize(
    ("target", "line"),
    [("z", "# weights: COLUMN   "), ("y", "# weights: balanced   ")],
)
def test_it_says_how_rows_may_count_more_than_others(
    run: Run, rows: Path, target: str, line: str
) -> None:
    run("init", "rows.csv", "--target", target)
    assert f"\n  {line}" in Path("hpsearch.yaml").read_text()


def test_what_it_writes_is_searched(run: Run, rows: Path) -> None:
    run("init", "rows.csv", "--target", "z", "-o", "mine.yaml")
    code, out, _ = run("random", "mine.yaml", "--budget", "1", "--smoke")
    assert (code, "winner" in out) == (EXIT_OK, True)


def test_a_yaml_in_another_folder_finds_the_data(run: Run, rows: Path) -> None:
    Path("spaces").mkdir()
    assert run("init", "rows.csv", "--target", "z", "-o", "spaces/mine.yaml")[0] == EXIT_OK
    code, out, _ = run("random", "spaces/mine.yaml", "--budget", "1", "--smoke")
    assert (code, "winner" in out) == (EXIT_OK, True)


def test_nothing_is_written_over(run: Run, rows: Path) -> None:
    Path("hpsearch.yaml").write_text("mine")
    code, _, said = run("init", "rows.csv", "--target", "z")
    assert (code, "nothing is written over" in said) == (EXIT_CANNOT_WRITE, True)
    assert Path("hpsearch.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.csv", "--target", "z"], "there is no"),
        (["rows.csv"], "say which column"),
        (["rows.csv", "--target", "zz"], "did you mean 'z'?"),
    ],
)
def test_data_that_cannot_be_used_leave_nothing(
    run: Run, rows: Path, arguments: list[str], said: str
) -> None:
    code, _, errors = run("init", *arguments)
    assert (code, said in errors) == (EXIT_USAGE, True)
    assert not Path("hpsearch.yaml").exists()


def test_it_writes_the_space_that_is_named(run: Run, rows: Path) -> None:
    assert run("init", "rows.csv", "--target", "z", "--space", "all")[0] == EXIT_OK
    text = Path("hpsearch.yaml").read_text()
    assert "  # its steps\n  optimizer: " in text
    assert "channels" not in text
    spec = networks_of(parse(text, "hpsearch.yaml", Path()))
    assert len(spec.space.parameters) > 20


def test_data_that_come_along_are_written_without_columns(run: Run) -> None:
    assert run("init", "wine")[0] == EXIT_OK
    assert "columns:" not in Path("hpsearch.yaml").read_text()


def test_data_are_searched_in_a_space_by_its_name(run: Run, rows: Path) -> None:
    flags = ("--space", "all", "--smoke", "--budget", "1")
    code, out, _ = run("random", "--data", "rows.csv", "--target", "z", *flags)
    assert (code, "winner" in out) == (EXIT_OK, True)


def test_data_are_searched_without_a_yaml(run: Run, rows: Path) -> None:
    code, out, said = run("random", "--data", "rows.csv", "--target", "z", "--smoke")
    assert (code, "winner" in out) == (EXIT_OK, True)
    assert "regression of z" in said
    assert "runs/rows-random" in said


def test_data_and_target_stand_over_those_of_a_yaml(run: Run, rows: Path) -> None:
    Path("hpsearch.yaml").write_text("data: {source: wine}\n")
    code, _, said = run("random", "--data", "rows.csv", "--target", "y", "--smoke")
    assert (code, "2 classes of y" in said) == (EXIT_OK, True)


@given(NAMES, NAMES, st.lists(NAMES, max_size=4, unique=True), st.dictionaries(NAMES, NAMES))
def test_any_names_make_a_yaml_that_says_them_again(
    source: str, target: str, names: list[str], left_out: dict[str, str]
) -> None:
    columns: Any = (*number_columns(names), CategoryColumn("c!", ("a",)))
    left_out = {name: "why" for name in left_out if name not in names}
    raw = RawData("x", np.zeros((1, 1)), np.zeros(1), columns, left_out=left_out)
    spec = networks_of(parse(starter(source, target, raw), "f", Path())).data
    assert (spec.source, spec.target) == (source, target)
    kinds = {name: one.kind for name, one in spec.columns.items()}
    expected = {**dict.fromkeys(names, "number"), "c!": "category"}
    assert kinds == {**expected, **dict.fromkeys(left_out, "drop")}


def test_a_source_with_test_rows_of_its_own_is_not_asked_for_others() -> None:
    one = RawData("x", np.zeros((1, 1)), np.zeros(1))
    raw = replace(one, test=one)
    data = networks_of(parse(starter("mnist", None, raw), "f", Path())).data
    assert (data.validation, data.test, data.folds) == (0.2, None, None)


@pytest.mark.parametrize("rows", [50, 5_000, 100_000, 10**7])
def test_a_space_suits_the_size_of_the_data(rows: int) -> None:
    raw = RawData("x", np.broadcast_to(0.0, (rows, 1)), np.broadcast_to(False, rows))
    spec = networks_of(parse(starter("t.csv", "y", raw), "f", Path()))
    assert all(int(size) <= rows for size in spec.space.parameters["batch_size"].values() or ())

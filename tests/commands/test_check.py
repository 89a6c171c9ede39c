"""`check`: what is said of data and of a search before anything runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hpsearch.engine import timing
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
    assert "note: 'z' alone tells y: will it be known when you predict? If not, drop it" in out


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
    ends = [(one["name"], one["seconds"]) for one in found["corners"]]
    assert ends == [("cheapest", None), ("dearest", None)]
    said = found["forecast"]
    assert (said["trials"], said["time"], said["probed"]) == (50, 1800, False)
    low, high = said["seconds"]
    assert low == pytest.approx(high * 11 / 50)  # of 50 epochs, with a patience of 10


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "50 trials train for .* to .*, as early as .*\n[0-9,]+ to [0-9,]+ fit into 30 min"),
        (["--budget", "7", "--time", "90s"], "7 trials train for .*\n.* fit into 1 min 30 s"),
        (["--set", "patience=0"], "50 trials train for about .*\nabout [0-9,]+ fit"),
        (["--workers", "3"], "with 3 workers"),
        (["--workers", "1", "--threads", "2"], "with 1 worker of 2 threads"),
    ],
)
def test_a_search_is_forecast(check: Run, flags: list[str], said: str) -> None:
    assert re.search(said, check("--data", "t.csv", "--target", "y", *flags)[1])


def test_few_rows_that_validate_are_answered_with_folds_once(check: Run) -> None:
    folds = "split: {folds: 5} lets each row validate once"
    _, out, _ = check("--data", "wine")
    assert f"advice: 36 rows that validate give an unsteady loss; {folds}" in out
    assert check("--data", "t.csv", "--target", "y")[1].count(folds) == 1
    assert "advice" not in check("--data", "wine", "--set", "data.split={folds: 5}")[1]


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_TIMED", 0.01)


@pytest.mark.usefixtures("_quick")
def test_a_probe_times_the_ends_of_the_space_here(check: Run) -> None:
    before = sorted(Path().iterdir())
    space = "parameters: {width: {min: 2, max: 32}, lr: {min: 1e-4, max: 1e-2}}"
    Path("own.yaml").write_text(f"data: {{source: wine}}\nrunner: {{name: inline}}\n{space}\n")
    code, out, _ = check("own.yaml", "--probe", "--device", "cpu", "--budget", "8")
    assert code == EXIT_OK
    lines = [line.split() for line in out.splitlines()]
    ends = {line[0]: line for line in lines if line and line[0] in ("cheapest", "dearest")}
    assert [ends[name][-1] for name in ends] == ["width=2", "width=32"]
    assert "timed over a few steps on cpu; a worker held " in out
    assert re.search(
        "8 trials take .* to .* with 1 worker, as early as trainings stop\n.* fit", out
    )
    assert sorted(Path().iterdir()) == [Path("own.yaml"), *before]


@pytest.mark.slow
def test_a_probe_measures_the_memory_of_workers(check: Run) -> None:
    flags = ("--probe", "--device", "cpu", "--workers", "2", "--set", "width=2048", "--json")
    found = json.loads(check("--data", "wine", *flags)[1])
    cheapest, dearest = found["corners"]
    assert 0 < cheapest["seconds"] < dearest["seconds"]
    # three layers of 2048 units, with gradients and two moments of Adam at least in part
    assert dearest["memory"] > 3 * 4 * 2 * 2048**2 > cheapest["memory"] > 0
    assert found["forecast"]["worker_memory"] > dearest["memory"]
    assert found["forecast"]["probed"]


def test_a_space_is_named_beside_data(check: Run) -> None:
    _, out, _ = check("--data", "t.csv", "--target", "y", "--space", "learning-rate")
    assert "5 parameters are searched" in out
    Path("own.yaml").write_text("data: {source: wine}\nparameters: {depth: {values: [1, 2]}}\n")
    _, out, said = check("--data", "t.csv", "--target", "y", "--space", "own.yaml")
    assert "1 parameter is searched, 2 points" in out
    assert "own.yaml: passed over, as no part of a space: data" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--space", "bsic"], "did you mean 'basic'?"),
        (["--space", "mine"], "basic, learning-rate, all, or a YAML file"),
        (["--space", "none.yaml"], "cannot read none.yaml"),
        (["own.yaml", "--space", "all"], "own.yaml says what is searched"),
    ],
)
def test_a_space_that_cannot_be_is_refused(check: Run, arguments: list[str], said: str) -> None:
    Path("own.yaml").write_text("data: {source: wine}\n")
    code, _, errors = check(*arguments)
    assert (code, said in errors) == (EXIT_USAGE, True)


def test_a_space_is_refused_beside_the_yaml_of_a_folder(check: Run) -> None:
    Path("hpsearch.yaml").write_text("data: {source: wine}\n")
    code, _, said = check("--data", "wine", "--space", "all")
    assert (code, "hpsearch.yaml says what is searched" in said) == (EXIT_USAGE, True)


def test_images_have_no_columns(check: Run) -> None:
    _, out, said = check()
    assert out.startswith("digits: 1,797 images")
    assert "this is the built-in example" in said


def test_a_space_that_is_wrong_is_refused_as_by_a_search(check: Run) -> None:
    Path("hpsearch.yaml").write_text("data: {source: wine}\nparameters: {widht: {values: [1]}}\n")
    code, _, said = check()
    assert (code, "did you mean 'width'?" in said) == (EXIT_USAGE, True)

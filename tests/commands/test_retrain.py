"""A new model with the settings of a trial: what it is trained on, and what it is worth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpsearch.cli import cli
from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_CANNOT_WRITE, EXIT_IN_USE, EXIT_OK, EXIT_USAGE
from hpsearch.model.folder import load
from hpsearch.report.board.view import board
from hpsearch.study.lock import Lock
from hpsearch.study.store import Store, read

Run = Callable[..., tuple[int, str, str]]
YAML = """
data: {{source: wine{more}}}
train: {{epochs: 4, batch_size: 16}}
parameters: {{width: {{values: [4, 8]}}}}
runner: {{name: inline}}
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of held out rows, and one of folds and seeds."""
    folder: Path = tmp_path_factory.mktemp("searched")
    for name, more, seeds in (("held", "", "1"), ("folds", ", split: {folds: 2}", "2")):
        (folder / f"{name}.yaml").write_text(YAML.format(more=more))
        command = ["grid", str(folder / f"{name}.yaml"), "--seeds", seeds, "-q"]
        command += ["--study", str(folder / name)]
        assert cli.main(command, standalone_mode=False) == EXIT_OK
    return folder


@pytest.fixture
def run(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Run) -> Run:
    """A function that runs a command beside copies of these studies."""
    shutil.copytree(searched, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return run_here


def record(model: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(Path(model, "model.json").read_text())
    return found


def test_it_is_trained_on_rows_that_validated_and_scored_on_those_of_the_test(run: Run) -> None:
    before = board(read(Path("held")))
    assert before.winner is not None
    code, _, said = run("retrain", "held", "-o", "m")
    assert (code, "(2 evaluations so far)" in said) == (EXIT_OK, True)
    found = record("m")
    epochs = before.winner.best_epoch
    expected = {"on": "validation", "rows": 142, "seeds": 1, "epochs": epochs}
    assert (found["retrained"], [*found["metrics"]]) == (expected, ["test"])
    data = prepare(DataSpec("wine"))
    answers = load(Path("m")).answers(data.inputs[data.test])
    right = answers.argmax(1) == data.targets[data.test]
    assert found["metrics"]["test"]["accuracy"] == pytest.approx(right.mean())
    losses = -np.log(answers[np.arange(len(right)), data.targets[data.test]])
    assert found["metrics"]["test"]["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert "It is a new model with the settings of trial" in Path("m", "README.md").read_text()


def test_a_score_on_the_test_rows_is_counted_once_and_is_not_the_winners(run: Run) -> None:
    before = board(read(Path("held")))
    for name in ("m", "again"):
        assert run("retrain", "held", "-o", name, "-q")[0] == EXIT_OK
    after = read(Path("held"))
    assert [one.model for one in after.evaluations] == ["own", "retrained"]
    assert after.evaluations[1].loss == record("m")["metrics"]["test"]["loss"]
    assert board(after).test == before.test
    other = 1 - after.evaluations[0].number
    assert run("retrain", "held", str(other), "-o", "other", "-q")[0] == EXIT_OK
    assert len(read(Path("held")).evaluations) == 3
    assert run("export", "held", str(other), "-o", "kept", "-q")[0] == EXIT_OK
    assert [*record("kept")["metrics"]] == ["validation"]


def test_on_all_rows_nothing_is_scored_and_nothing_counted(run: Run) -> None:
    before = {path: path.read_bytes() for path in Path("held").rglob("*") if path.is_file()}
    code, out, _ = run("retrain", "held", "-o", "m", "--on", "all", "--seeds", "3", "--json")
    told = json.loads(out)
    assert (code, told["metrics"], told["retrained"]["rows"]) == (EXIT_OK, {}, 178)
    assert [one["replicate"] for one in record("m")["model"]["members"]] == [0, 1, 2]
    assert {path: path.read_bytes() for path in before} == before
    assert "none was left to score it on" in Path("m", "README.md").read_text()
    assert "no rows are left" in run("retrain", "held", "-o", "m", "--on", "all", "--force")[2]


def test_from_other_seeds_it_is_scored_on_rows_that_validate_as_well(run: Run) -> None:
    assert run("retrain", "held", "-o", "m", "--on", "train", "--seeds", "2", "-q")[0] == EXIT_OK
    found = record("m")
    assert [*found["metrics"]] == ["validation", "test"]
    assert found["retrained"]["rows"] == 106


def test_of_a_winner_over_folds_it_is_the_model_that_was_tested(run: Run) -> None:
    assert run("export", "folds", "-o", "kept", "-q")[0] == EXIT_OK
    assert run("retrain", "folds", "-o", "m", "-q")[0] == EXIT_OK
    kept, new = (Path(name, "model.safetensors").read_bytes() for name in ("kept", "m"))
    assert new == kept
    assert len(read(Path("folds")).evaluations) == 1


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["folds", "--on", "train"], EXIT_USAGE, "error[E195]: over folds all rows but the test"),
        (["held", "7"], EXIT_USAGE, "its trials are 0 to 1"),
        (["begun"], EXIT_USAGE, "error[E195]: begun has no winner"),
        (["begun", "0"], EXIT_USAGE, "error[E195]: trial 0 has come to nothing"),
        (["held", "-o", "held.yaml"], EXIT_CANNOT_WRITE, "held.yaml is there already"),
        (["held", "--data", "none.csv"], EXIT_USAGE, "error[E070]"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, command: list[str], code: int, said: str) -> None:
    study = read(Path("held"))
    with Store.create(Path("begun"), study.meta) as store:
        store.record_wave(study.history.trials[:1])
    found, out, errors = run("retrain", *([] if "-o" in command else ["-o", "m"]), *command)
    assert (found, out, Path("m").exists()) == (code, "", False)
    assert said.replace("begun", study.meta.name) in errors
    assert read(Path("held")) == study


def test_test_rows_are_not_scored_where_that_could_not_be_counted(run: Run) -> None:
    with Lock(Path("held")):
        assert run("retrain", "held", "-o", "m")[0] == EXIT_IN_USE
        assert run("retrain", "held", "-o", "all", "--on", "all")[0] == EXIT_OK
    assert not Path("m").exists()

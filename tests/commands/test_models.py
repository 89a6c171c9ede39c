"""From a file to predictions: `export` and `predict`, as a person types them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from hpsearch.commands import export
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_CANNOT_WRITE, EXIT_DAMAGED, EXIT_OK, EXIT_USAGE
from hpsearch.model import folder
from hpsearch.study.artefacts import FOLDER
from hpsearch.study.record import TestEvaluation
from hpsearch.study.trial import Interval
from tests.helpers.commands import AS_MODULE, ended
from tests.helpers.histories import done
from tests.helpers.models import MIXED, spec_of
from tests.report.board.boards import study as invented

Run = Callable[..., tuple[int, str, str]]
YAML = """
data: {source: t.csv, target: y, columns: {z: drop}}
train: {epochs: 3}
parameters: {width: {values: [8, 16]}}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search of two trials that has ended, and its winner's model."""
    folder: Path = tmp_path_factory.mktemp("searched")
    (folder / "t.csv").write_text(MIXED)
    (folder / "t.yaml").write_text(YAML)
    for command in (["grid", "t.yaml", "--study", "study"], ["export", "study", "-o", "model"]):
        done = ended(folder, *AS_MODULE, *command, "-q")
        assert done.returncode == EXIT_OK, done.stderr
    return folder


@pytest.fixture
def run(
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_here: Run,
) -> Run:
    """A function that runs a command in a copy of that folder."""
    here = Path(shutil.copytree(study, tmp_path / "here"))
    monkeypatch.chdir(here)

    return run_here


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_row_gets_a_prediction(run: Run) -> None:
    code, out, said = run("predict", "model", "t.csv")
    found = rows(out)
    assert (code, said) == (EXIT_OK, "note: not used: z\n")
    assert [row["row"] for row in found] == [str(k) for k in range(1, 91)]
    assert {row["prediction"] for row in found} <= {"a", "b"}


def test_probabilities_have_a_column_for_each_class(run: Run) -> None:
    run("predict", "model", "t.csv", "--proba", "-o", "p.csv")
    for row in rows(Path("p.csv").read_text()):
        shares = {name: float(row[f"p({name})"]) for name in "ab"}
        assert sum(shares.values()) == pytest.approx(1)
        assert row["prediction"] == max(shares, key=shares.__getitem__)


def test_columns_may_be_shuffled_more_and_of_new_values(run: Run) -> None:
    before = rows(run("predict", "model", "t.csv", "--proba")[1])
    lines = [line.split(",") for line in MIXED.splitlines()]
    shuffled = [[day, "more", c, n] for n, c, day, _, _ in lines]
    shuffled[0][1] = "extra"
    shuffled[1:3] = [["", "", "pink", "unknown"], shuffled[2]]
    Path("new.csv").write_text("\n".join(";".join(cells) for cells in shuffled) + "\n")
    code, out, said = run("predict", "model", "new.csv", "--proba")
    assert code == EXIT_OK
    assert "note: its columns are separated by ';'\nnote: not used: extra\n" in said
    assert rows(out)[1:] == before[1:]


def test_what_is_odd_about_the_rows_is_said(run: Run) -> None:
    Path("new.csv").write_text("n,c,day\n7,red,2026-01-01\n?!,pink,soon\n,,2026-02-01\n")
    code, out, said = run("predict", "model", "new.csv")
    assert (code, len(rows(out))) == (EXIT_OK, 3)
    assert said.splitlines() == [
        "note: 'n': 1 of 3 cells are no number: taken as missing",
        "note: 'c': 1 of 3 cells are categories that training did not tell apart",
        "note: 'day': 1 of 3 cells are no date: taken as missing",
    ]
    assert run("predict", "model", "new.csv", "--explain")[2].splitlines() == [
        "column  read as   missing  unreadable  not told apart",
        "n       number          1           1               -",
        "c       category        1           -               1",
        "day     date            -           1               -",
    ]
    assert run("predict", "model", "new.csv", "-q")[2] == ""


def test_a_study_predicts_with_its_winner(run: Run) -> None:
    code, out, said = run("predict", "study", "t.csv")
    assert (code, out) == (EXIT_OK, run("predict", "model", "t.csv")[1])
    assert said.startswith("note: the model is that of trial ")
    shutil.rmtree(Path("study", FOLDER))
    code, _, said = run("predict", "study", "t.csv")
    assert (code, "export study -o FOLDER  trains it again" in said) == (EXIT_USAGE, True)


def test_the_model_needs_neither_its_study_nor_its_data(run: Run, tmp_path: Path) -> None:
    before = run("predict", "model", "t.csv")
    shutil.move("model", tmp_path / "elsewhere")
    shutil.rmtree("study")
    assert run("predict", str(tmp_path / "elsewhere"), "t.csv") == before


def test_a_figure_that_is_not_defined_on_the_test_rows_is_left_out(run: Run) -> None:
    head, *lines = MIXED.splitlines()
    parted = [
        f"{line},{'validation' if k >= 60 else 'test' if k < 30 and ',a,' in line else 'train'}"
        for k, line in enumerate(lines)
    ]
    Path("parts.csv").write_text("\n".join([f"{head},part", *parted]) + "\n")
    changes = ["data.source=parts.csv", "data.split={column: part}"]
    sets = [word for change in changes for word in ("--set", change)]
    searched = run("grid", "t.yaml", "--study", "area", "--metric", "auc", *sets)
    assert (searched[0], "auc not defined, loss " in searched[1]) == (EXIT_OK, True)
    assert run("export", "area", "-o", "area-model")[0] == EXIT_OK
    metrics = json.loads(Path("area-model", "model.json").read_text())["metrics"]
    assert [*metrics["validation"]] == ["1 - auc", "auc"]
    assert [*metrics["test"]] == ["loss"]


def test_any_trial_can_be_taken_out(run: Run) -> None:
    _, out, _ = run("export", "study", "1", "-o", "one", "--json")
    told = json.loads(out)
    record = json.loads(Path("one", "model.json").read_text())
    (one,) = record["model"]["members"]
    assert (told["trial"], one["trial"], record["trial"]) == (1, 1, 1)
    assert record["metrics"]["validation"]["loss"] > 0
    assert record["command"] == "hpsearch export study 1 -o one"


def test_a_trial_of_folds_answers_with_the_mean_of_its_networks(run: Run) -> None:
    sets = ["--set", "data.split={folds: 3}", "--seeds", "2"]
    assert run("grid", "t.yaml", "--study", "folds", *sets)[0] == EXIT_OK
    winner = json.loads(run("leaderboard", "folds", "--format", "json")[1])["winner"]["number"]
    for number, networks in ((winner, 2), (1 - winner, 6)):
        assert run("export", "folds", str(number), "-o", f"of-{number}")[0] == EXIT_OK
        record = json.loads(run("show", f"of-{number}", "--json")[1])
        assert len(record["model"]["members"]) == networks
        card = Path(f"of-{number}", "README.md").read_text()
        assert f"It is {networks} networks with these settings" in card
        found = rows(run("predict", f"of-{number}", "t.csv", "--proba")[1])
        assert [*found[0]] == ["row", "prediction", "std", "p(a)", "p(b)"]
        assert 0 < max(float(row["std"]) for row in found) < 0.5


def test_the_winner_of_several_seeds_is_tested_as_it_predicts(run: Run) -> None:
    assert run("grid", "t.yaml", "--study", "seeds", "--seeds", "3")[0] == EXIT_OK
    assert run("export", "seeds", "-o", "three")[0] == EXIT_OK
    data = prepare(spec_of(Path.cwd(), "y"))
    probabilities = folder.load(Path("three")).answers(data.inputs[data.test])
    right = probabilities[range(len(data.test)), data.targets[data.test]]
    tested = json.loads(Path("three", "model.json").read_text())["metrics"]["test"]["loss"]
    assert tested == pytest.approx(float(-np.log(right).mean()), rel=1e-5)


def test_a_figure_of_the_test_rows_has_its_interval() -> None:
    tested = TestEvaluation(2, 0.25, 0.9, "ab" * 32, loss_interval=Interval(0.125, 0.5))
    of_study = invented(evaluations=(tested,))
    found = dict(export._metrics(of_study, 2, done(0.1), "ab" * 32))
    assert found["test"] == {"loss": 0.25, "accuracy": 0.9, "loss_low": 0.125, "loss_high": 0.5}


def test_a_model_says_what_it_is(run: Run) -> None:
    code, out, _ = run("show", "model")
    assert (code, "A model that predicts y" in out) == (EXIT_OK, True)
    record = json.loads(run("show", "model", "--json")[1])
    assert record == json.loads(Path("model", "model.json").read_text())
    code, _, said = run("show", "model", "3")
    assert (code, "which has no trials" in said) == (EXIT_USAGE, True)


def test_rows_come_from_a_pipe(study: Path) -> None:
    done = subprocess.run(
        [*AS_MODULE, "predict", "model", "-"],
        cwd=study,
        input=MIXED,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(rows(done.stdout)) == 90


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["predict", "model", "none.csv"], EXIT_USAGE, "E070"),
        (["predict", "here", "t.csv"], EXIT_USAGE, "there is no model.json in here"),
        (["predict", "model", "t.yaml"], EXIT_USAGE, "has no column 'n', 'c', 'day'"),
        (["predict", "model", "t.csv", "-o", "t.csv"], EXIT_CANNOT_WRITE, "--force replaces it"),
        (["export", "study", "-o", "model"], EXIT_CANNOT_WRITE, "model is there already"),
        (["export", "study", "-o", "study", "--force"], EXIT_CANNOT_WRITE, "is there already"),
        (["export", "study", "7", "-o", "m"], EXIT_USAGE, "its trials are 0 to 1"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, command: list[str], code: int, said: str) -> None:
    before = sorted(str(path) for path in Path().rglob("*"))
    found, out, errors = run(*command)
    assert (found, out) == (code, "")
    assert said in errors
    assert "Traceback" not in errors
    assert sorted(str(path) for path in Path().rglob("*")) == before


def test_a_file_of_onnx_answers_as_predict_does(run: Run) -> None:
    code, _, said = run("export", "study", "-o", "m.onnx", "--format", "onnx")
    assert (code, "onnxruntime answers its reference rows" in said) == (EXIT_OK, True)
    session = onnxruntime.InferenceSession("m.onnx")
    frame = pd.read_csv("t.csv", keep_default_na=False, dtype={"c": str})
    given = {
        "n": pd.to_numeric(frame["n"]).to_numpy(np.float64),
        "c": frame["c"].to_numpy(),
        "day": pd.to_datetime(frame["day"]).to_numpy("datetime64[s]").astype(np.float64),
    }
    prediction, probabilities = session.run(["prediction", "probabilities"], given)
    answered = rows(run("predict", "model", "t.csv", "--proba")[1])
    assert prediction.tolist() == [row["prediction"] for row in answered]
    for k, name in enumerate("ab"):
        expected = [float(row[f"p({name})"]) for row in answered]
        assert probabilities[:, k] == pytest.approx(expected, rel=1e-5)
    said = session.get_modelmeta().custom_metadata_map
    weights = json.loads(Path("model", "model.json").read_text())["weights"]["sha256"]
    assert (said["weights"], said["command"]) == (
        weights,
        "hpsearch export study 0 -o m.onnx --format onnx",
    )


def test_without_what_onnx_needs_it_is_said_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, _, said = run("export", "study", "-o", "m.onnx", "--format", "onnx")
    assert (code, Path("m.onnx").exists()) == (EXIT_USAGE, False)
    assert "E194" in said
    assert "needs onnxruntime, which is not installed" in said
    assert "pip install 'hpsearch[onnx]'" in said


def test_weights_that_were_changed_are_no_model(run: Run) -> None:
    for path in Path("study", "artefacts").iterdir():
        path.write_bytes(b"something else")
    code, _, said = run("export", "study", "-o", "m", "--data", "none.csv")
    assert (code, "E070" in said, Path("m").exists()) == (EXIT_USAGE, True, False)
    Path("model", "model.safetensors").write_bytes(b"something else")
    assert run("predict", "model", "t.csv")[0] == EXIT_DAMAGED

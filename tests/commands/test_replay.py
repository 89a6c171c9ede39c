"""Trials that are trained again: `replay`, and `export` where weights were not kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpsearch.cli import cli
from hpsearch.engine.device import processor
from hpsearch.errors import (
    EXIT_CONFIG_DIFFERS,
    EXIT_DIFFERS,
    EXIT_NO_DATA,
    EXIT_OK,
    EXIT_USAGE,
)
from hpsearch.study.layout import SEMANTICS
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import Store, read
from hpsearch.study.trial import Done, Failed, Result
from tests.helpers.models import MIXED
from tests.helpers.studies import whole

Run = Callable[..., tuple[int, str, str]]
YAML = """
data: {source: t.csv, target: y, columns: {z: drop}, split: {folds: 2}}
train: {epochs: 4, batch_size: 16}
parameters: {lr: {min: 1e-3, max: 1, log: true}, width: {min: 4, max: 12}}
search: {seeds: 2, halving: true, confirm: true}
runner: {name: inline}
"""
LAST, REPEAT = 2, 8  # the last segment of trial 0, and what repeats trial 1


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of brackets, folds, seeds and repeats, and with its data."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "t.csv").write_text(MIXED)
    (folder / "t.yaml").write_text(YAML)
    command = ["random", str(folder / "t.yaml"), "--study", str(folder / "study"), "-q"]
    assert cli.main([*command, "--budget", "7"], standalone_mode=False) == EXIT_OK
    history = read(folder / "study").history
    assert [trial.number for trial in history.segments[0]] == [0, LAST]
    assert [trial.number for trial in history.runs[1]] == [1, REPEAT]
    return folder


@pytest.fixture
def run(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Run) -> Run:
    """A function that runs a command beside a copy of that study, whose data lie where they lay."""
    shutil.copytree(searched / "study", tmp_path / "study")
    monkeypatch.chdir(tmp_path)
    return run_here


def write(name: str, study: StudyRecord, results: Mapping[int, Result], **meta: Any) -> None:
    """Write a study that is like another one, but for some results and what it says of itself."""
    with Store.create(Path(name), replace(study.meta, **meta)) as store:
        store.record_wave(study.history.trials)
        store.record_results({**study.history.results, **results})
        for evaluation in study.evaluations:
            store.record_test(evaluation)


def files(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_winner_with_all_its_segments_and_repeats_comes_to_the_same(run: Run) -> None:
    before = files("study")
    code, out, said = run("replay", "study", "0")
    assert out == "same: trial 0 has come to what the study says, to the last bit\n"
    assert (code, "(run 2 of trial 0)" in said) == (EXIT_OK, True)
    assert files("study") == before


def test_a_changed_number_is_found(run: Run) -> None:
    study = whole(Path("study"))
    result = study.history.results[LAST]
    assert isinstance(result, Done)
    one, *others = result.replicates
    changed = replace(result, replicates=(replace(one, loss=one.loss + 0.25), *others))
    write("changed", study, {LAST: changed})
    code, out, _ = run("replay", "changed", "0", "--json", "-q")
    told = json.loads(out)
    assert (code, told["outcome"], told["others"]) == (EXIT_DIFFERS, "differs", "")
    expected = {"figure": "replicate 0, fold 0: loss", "study": one.loss + 0.25, "here": one.loss}
    assert told["differences"] == [{"trial": LAST, **expected}]
    code, out, _ = run("replay", "changed", "0", "-q")
    assert f"trial {LAST}, replicate 0, fold 0: loss: {one.loss + 0.25} in the study" in out
    assert "(by 0.25)" in out


def test_where_another_processor_computes_the_same_need_not_come(run: Run) -> None:
    study = whole(Path("study"))
    versions = json.loads(study.meta.versions)
    assert versions["processor"] == processor("cpu")
    older = json.dumps({**versions, "processor": "abacus"})
    write("older", study, {}, versions=older)
    code, out, _ = run("replay", "older", "0", "-q")
    assert (code, out.startswith("same: ")) == (EXIT_OK, True)
    assert "note: begun with processor abacus (now " in out
    result = study.history.results[0]
    write("changed", study, {0: replace(result, curve=())}, versions=older)
    code, out, _ = run("replay", "changed", "0", "-q")
    assert (code, out.startswith("cannot be expected here: begun with processor abacus (now ")) == (
        EXIT_CONFIG_DIFFERS,
        True,
    )
    assert "trial 0, epoch 1: train_loss: none in the study" in out


def test_a_device_that_is_not_here_is_another_processor(run: Run) -> None:
    study = whole(Path("study"))
    write("gpu", study, {}, device="cuda:7")
    code, out, _ = run("replay", "gpu", "1", "-q")
    assert (code, "device cuda:7 (now c" in out) == (EXIT_OK, True)


def test_data_that_have_moved_are_named(run: Run, searched: Path) -> None:
    write("elsewhere", whole(Path("study")), {}, folder="/nowhere")
    code, _, said = run("replay", "elsewhere", "1")
    assert (code, "hpsearch replay STUDY --data PATH" in said) == (EXIT_NO_DATA, True)
    data = searched / "t.csv"
    assert run("replay", "elsewhere", "1", "--data", str(data))[0] == EXIT_OK
    Path("other.csv").write_text(data.read_text().replace("red", "blue"))
    code, _, said = run("replay", "elsewhere", "1", "--data", "other.csv")
    assert (code, "is not what this study was begun with" in said) == (EXIT_CONFIG_DIFFERS, True)


def test_what_has_no_result_cannot_come_to_it_again(run: Run) -> None:
    study = whole(Path("study"))
    write("crashed", study, dict.fromkeys((1, REPEAT), Failed("killed", "SIGKILL")))
    code, out, said = run("replay", "crashed", "1")
    assert (code, out) == (EXIT_USAGE, "")
    assert "error[E196]: trial 1 has come to nothing: killed: SIGKILL" in said
    with Store.create(Path("begun"), study.meta) as store:
        store.record_wave(study.history.trials[:1])
    assert (
        "error[E196]: trial 0 has come to nothing: it has not ended"
        in run("replay", "begun", "0")[2]
    )
    assert "error[E196]: study has no winner" in run("replay", "begun")[2].replace("begun", "study")


def test_a_study_that_trained_otherwise_is_not_trained_again(run: Run) -> None:
    study = whole(Path("study"))
    write("older", study, {}, semantics=SEMANTICS + 1)
    assert run("replay", "older", "1")[0] == EXIT_CONFIG_DIFFERS
    code, _, said = run("export", "older", "1", "-o", "m")
    assert (code, "the version that began it trained otherwise" in said) == (EXIT_USAGE, True)


def test_lost_weights_are_trained_again_byte_for_byte(run: Run) -> None:
    numbers = ["0", ""]  # the winner was trained once more on all folds
    for number in numbers:
        assert run("export", "study", *number.split(), "-o", f"kept{number}")[0] == EXIT_OK
    shutil.rmtree("study/artefacts")
    before = files("study")
    for number in numbers:
        code, _, said = run("export", "study", *number.split(), "-o", f"again{number}")
        assert (code, "is trained again for its weights: the artefact " in said) == (EXIT_OK, True)
        assert (
            files(f"again{number}")[f"again{number}/model.safetensors"]
            == (files(f"kept{number}")[f"kept{number}/model.safetensors"])
        )
        kept, again = (
            json.loads(Path(f"{name}{number}", "model.json").read_text())
            for name in ("kept", "again")
        )
        assert again["trained_again"]["notes"] == []
        assert (again["metrics"], "trained_again" in kept) == (kept["metrics"], False)
    assert "test" in again["metrics"]
    assert files("study") == before


def test_weights_that_differ_from_what_the_study_says_are_told(run: Run) -> None:
    study = whole(Path("study"))
    result = study.history.results[0]
    write("changed", study, {0: replace(result, curve=())})
    code, _, said = run("export", "changed", "0", "-o", "m")
    note = "trial 0, epoch 1: train_loss: none in the study"
    assert (code, f"note: {note}" in said) == (EXIT_OK, True)
    notes = json.loads(Path("m", "model.json").read_text())["trained_again"]["notes"]
    assert notes[0].startswith(note)


def test_nothing_is_trained_for_a_folder_that_is_there(run: Run) -> None:
    shutil.rmtree("study/artefacts")
    Path("m").mkdir()
    code, _, said = run("export", "study", "1", "-o", "m")
    assert (code == EXIT_OK, "trained again" in said) == (False, False)


@pytest.mark.slow
def test_trials_of_several_arrays_and_of_wide_company_come_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_here: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    space = "parameters: {lr: {min: 1e-3, max: 1, log: true}, width: {min: 30, max: 200}}"
    digits = "data: {source: digits, split: {folds: 8}}\ntrain: {epochs: 3}"
    members = "search: {seeds: 5, halving: true}"  # 40 of a trial, of which an array takes 32
    Path("members.yaml").write_text("\n".join([digits, space, members]))
    Path("wide.yaml").write_text("\n".join(["data: {source: digits}", space]))
    for name, budget, trials in (("members", "3", (0, 1)), ("wide", "40", (1, 30))):
        command = ("random", f"{name}.yaml", "--budget", budget, "--study", name, "-q")
        assert run_here(*command)[0] == EXIT_OK
        for number in trials:
            assert run_here("replay", name, str(number), "-q")[0] == EXIT_OK, (name, number)

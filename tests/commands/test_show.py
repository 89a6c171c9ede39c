"""`hpsearch show`: one trial of a study, or what a surrogate has learned from all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hpsearch.errors import EXIT_CANNOT_WRITE, EXIT_NO_WINNER, EXIT_OK, EXIT_USAGE
from hpsearch.report.board.view import board
from hpsearch.study.trial import Trial
from tests.helpers.commands import loaded
from tests.helpers.histories import done
from tests.helpers.studies import create
from tests.report.trial.studies import CONFIG, STUDY

Show = Callable[..., tuple[int, str, str]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, run_here: Show, tmp_path: Path) -> Show:
    monkeypatch.chdir(tmp_path)

    return partial(run_here, "show")


def keep(folder: Path, only: Sequence[int] = range(13), **changes: object) -> None:
    """Write a study with some of the trials of `STUDY`."""
    history = STUDY.history
    with create(folder, config=CONFIG, **changes) as store:
        store.record_wave([trial for trial in history.trials if trial.number in only])
        store.record_results({n: result for n, result in history.results.items() if n in only})


@pytest.mark.slow
def test_a_study_and_a_number_in_any_way(show: Show, tmp_path: Path) -> None:
    keep(tmp_path / "runs" / "mine")
    for arguments in (("mine", "3"), ("runs/mine", "3"), ("3",)):
        code, out, _ = show(*arguments)
        assert (code, out.splitlines()[0]) == (EXIT_OK, "digits-random: trial 3")
    assert "what a model expects" in show("mine")[1]
    assert show()[1] == show("mine")[1]


def test_the_default_surrogate_is_shown_without_torch_and_scikit_learn(tmp_path: Path) -> None:
    keep(tmp_path / "mine")
    assert not loaded("show", str(tmp_path / "mine")) & {"torch", "sklearn"}


def test_a_number_is_a_study_where_one_is_called_so(show: Show, tmp_path: Path) -> None:
    keep(tmp_path / "runs" / "3")
    assert "what a model expects" in show("3")[1]


def test_json_and_a_page(show: Show, tmp_path: Path) -> None:
    keep(tmp_path / "runs" / "mine")
    code, out, err = show("--json", "-o", "page.html")
    assert code == EXIT_OK
    assert json.loads(out, parse_constant=pytest.fail)["surrogate"] == "gp"
    assert json.loads(show("--json", "--surrogate", "ann")[1])["surrogate"] == "ann"
    assert "page.html" in err
    assert "</svg>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.loads(show("2", "--json", "--quiet", "-o", "page.html")[1])["number"] == 2
    assert "trial 2" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("strategy", ["manual", "grid", "random", "bayes"])
def test_any_strategys_study_can_be_looked_at(show: Show, tmp_path: Path, strategy: str) -> None:
    keep(tmp_path / "runs" / "mine", strategy=strategy)
    assert show()[0] == EXIT_OK


def test_the_model_is_that_of_the_study_with_its_weight_of_time(show: Show, tmp_path: Path) -> None:
    flags = json.dumps([[["search", "surrogate"], "ann", "--surrogate ann"]])
    keep(tmp_path / "runs" / "mine", strategy="bayes", time_weight=0.5, overrides=flags)
    found = json.loads(show("--json")[1])
    assert (found["surrogate"], found["target"]) == ("ann", "score")
    best = min(point["score"] for point in found["slices"][0]["points"])
    weighed = board(replace(STUDY, meta=replace(STUDY.meta, time_weight=0.5)))
    assert best == pytest.approx(min(row.score for row in weighed.rows if row.score is not None))


def test_what_is_missing_is_said(show: Show, tmp_path: Path) -> None:
    keep(tmp_path / "runs" / "few", only=[0, 1, 2])
    code, out, err = show("few")
    assert (code, out) == (EXIT_NO_WINNER, "")
    assert "takes 3 trials that succeeded, and digits-random has 2" in err
    assert "--budget 13" in err
    with create(tmp_path / "runs" / "bare", config="data: {source: digits}") as store:
        store.record_wave([Trial(0, {}, "default", 0, 0, origin="default")])
        store.record_results({0: done(0.5)})
    code, out, err = show("bare")
    assert (code, out) == (EXIT_USAGE, "")
    assert "searches no parameter" in err
    assert show("bare", "0")[0] == EXIT_OK


def test_presets_that_are_no_points_of_the_space_are_counted(show: Show, tmp_path: Path) -> None:
    with create(tmp_path / "runs" / "mine", config=CONFIG, strategy="manual") as store:
        store.record_wave(
            [
                Trial(n, {"lr": 0.01, "width": 8 + n}, "hand-picked", 0, n, origin="picked")
                for n in range(4)
            ]
        )
        store.record_results({n: done(0.5 + n) for n in range(4)})
    code, _, err = show()
    assert code == EXIT_NO_WINNER
    assert "none in its space (4 outside of it)" in err
    assert show("mine", "1")[0] == EXIT_OK


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "under runs/ there are: mine"),
        (("mine", "13"), "its trials are 0 to 12"),
        (("99",), "has no trial 99"),
        (("mine", "x"), "'x'"),
        (("mine", "-o", "nowhere/page.html"), "nowhere/page.html"),
        (("mine", "--surrogate", "forrest"), "did you mean 'forest'?"),
        (("mine", "3", "--surrogate", "ann"), "trial 3 was asked for, which has no surrogate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_usage_is_2(show: Show, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    keep(tmp_path / "runs" / "mine")
    code, out, err = show(*arguments)
    assert (code, out) == (EXIT_USAGE, "")
    assert said in err
    assert "Traceback" not in err


def test_without_any_study_the_way_to_one_is_said(show: Show, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    assert "begin one" in show()[2]


def test_a_page_is_written_over_by_the_next_one(show: Show, tmp_path: Path) -> None:
    keep(tmp_path / "runs" / "mine")
    for number in ("1", "2"):
        assert show("mine", number, "-o", "page.html")[0] == EXIT_OK
    assert "trial 2" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.group("what is not ours")
@pytest.mark.parametrize(
    "name",
    [
        *("runs/mine/study.db", "runs/mine/config.yaml", "runs/mine/study.db-wal", "notes.txt"),
        *(
            "runs/mine/artefacts/page",
            "empty.html",
            "other.html",
            "link.html",
            "runs/mine/study.lock",
        ),
    ],
)
def test_what_is_no_page_of_ours_is_left_alone(show: Show, tmp_path: Path, name: str) -> None:
    keep(tmp_path / "runs" / "mine")
    for file, text in {
        "runs/mine/config.yaml": "data: {source: digits}",
        "notes.txt": "mine",
        "empty.html": "",
        "other.html": "<!doctype html>\n<p>hpsearch</p>",
    }.items():
        (tmp_path / file).write_text(text)
    (tmp_path / "runs" / "mine" / "artefacts").mkdir()
    (tmp_path / "link.html").symlink_to("runs/mine/study.db")
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = show("mine", "1", "-o", name)
    assert (code, out) == (EXIT_CANNOT_WRITE, "")
    assert err.startswith("error[E173]: ")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_force_writes_over_anything(show: Show, tmp_path: Path) -> None:
    keep(tmp_path / "runs" / "mine")
    (tmp_path / "notes.txt").write_text("mine")
    assert "--force writes over it" in show("mine", "1", "-o", "notes.txt")[2]
    assert show("mine", "1", "-o", "notes.txt", "--force")[0] == EXIT_OK
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["x" * 300 + ".html", "", ".", "loop", "notes/page.html"])
def test_what_is_no_name_of_a_file_is_no_place_for_a_page(
    show: Show, tmp_path: Path, name: str
) -> None:
    keep(tmp_path / "runs" / "mine")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "notes").write_text("mine")
    code, out, err = show("mine", "1", "-o", name)
    assert (code, out) == (EXIT_USAGE, "")
    assert err.startswith("error[E093]: ")

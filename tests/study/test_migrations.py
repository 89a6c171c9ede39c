"""Files of earlier versions: read and shown as they are, and resumed as files of this version."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.cli import cli
from hpsearch.errors import EXIT_CONFIG_DIFFERS, EXIT_DAMAGED, EXIT_OK, DamagedStudy, DiskFull
from hpsearch.study import layout
from hpsearch.study.folder import CONFIG, FILE
from hpsearch.study.history import History
from hpsearch.study.layout import SEMANTICS, VERSION
from hpsearch.study.record import Session, StudyRecord, TestEvaluation
from hpsearch.study.store import Store, read
from hpsearch.study.trial import (
    Done,
    Epoch,
    Failed,
    FailureKind,
    Interval,
    Replicate,
    Result,
    Trial,
)
from tests.helpers import earlier, version6
from tests.helpers.boards import study_lines
from tests.helpers.disk import largest
from tests.helpers.faulty import TIMEOUT
from tests.helpers.studies import META, said, whole

ROOT = Path(__file__).parents[2]
STORED = ("6-finished", "6-interrupted", "7-finished", "8-finished")
BOARD = (earlier.STORED / "6-board.txt").read_text(encoding="utf-8").splitlines()


def version(folder: Path) -> int:
    """Return the version of a study's file, which stands in its header."""
    return int.from_bytes((folder / FILE).read_bytes()[60:64])


def state(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a folder and of those below it."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def hpsearch(*arguments: object) -> int:
    """Run a command in this process; return its exit code."""
    code = cli.main([*map(str, arguments)], standalone_mode=False)
    assert isinstance(code, int)
    return code


def resumed(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Resume a study by the command line."""
    command = [sys.executable, "-m", "hpsearch", "resume", str(folder), *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)


class TestReading:
    def test_the_stored_studies_are_what_their_board_says(self, tmp_path: Path) -> None:
        found = study_lines(earlier.stored("6-finished", tmp_path / "finished"))
        assert found == BOARD
        half = study_lines(earlier.stored("6-interrupted", tmp_path / "interrupted"))
        assert half == BOARD[: len(half)]
        assert 0 < len(half) < len(BOARD)

    def test_what_words_said_is_in_records(self, tmp_path: Path) -> None:
        study = read(earlier.stored("6-finished", tmp_path / "study"))
        origins = [trial.origin for trial in study.history.trials]
        expected = ["picked", "default", *["random"] * 7, *["promoted"] * 6, *["repeat"] * 4]
        assert origins == expected
        assert (study.meta.objective, study.meta.metric) == ("networks", "accuracy")
        assert study.meta.has_cost
        (evaluation,) = study.evaluations
        assert evaluation.number == 6
        last = study.history.results[14]
        assert isinstance(last, Done)
        assert evaluation.weights == last.weights

    @pytest.mark.parametrize("name", STORED)
    def test_it_is_shown_and_exported_and_stays_as_it_was(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = earlier.stored(name, tmp_path / "study")
        before = state(folder)
        printed = {}
        for arguments in (
            ("leaderboard",),
            *(("leaderboard", "--format", kind) for kind in ("csv", "json", "md")),
            ("show",),
            ("show", 2),
            ("show", "--json"),
            ("show", 2, "--json"),
        ):
            command, *rest = arguments
            code = hpsearch(command, folder, *rest)
            said = capsys.readouterr()
            assert (code, said.err) == (EXIT_OK, ""), arguments
            printed[arguments] = said.out
            assert state(folder) == before
        rows = list(csv.DictReader(io.StringIO(printed["leaderboard", "--format", "csv"])))
        assert len(rows) == (9 if name.startswith("6") else 3)
        board = json.loads(printed["leaderboard", "--format", "json"])
        assert board["schema_version"] == 2
        assert {row["state"] for row in board["trials"]} <= {"done", "pruned"}
        assert json.loads(printed["show", 2, "--json"])["origin"] == "random"

    def test_all_that_version_6_knew_is_read(self, tmp_path: Path) -> None:
        study = everything()
        version6.write(tmp_path / "study", study)
        assert said(whole(tmp_path / "study")) == said(study)

    def test_in_version_7_only_a_trials_own_model_was_tested_without_intervals(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = earlier.stored("7-finished", tmp_path / "study")
        before = read(folder)
        (evaluation,) = before.evaluations
        assert (len(before.history.done), version(folder)) == (3, 7)
        assert (evaluation.number, evaluation.model) == (2, "own")
        assert evaluation.loss_interval is evaluation.metric_interval is None
        Store.open(folder).close()
        assert (read(folder), version(folder)) == (before, VERSION)
        assert hpsearch("leaderboard", folder) == EXIT_OK
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test")]
        assert "accuracy 88.89 %" in line
        assert "interval" not in line

    def test_a_changed_letter_is_damage(self, tmp_path: Path) -> None:
        folder = earlier.stored("6-finished", tmp_path / "study")
        data = (folder / FILE).read_bytes()
        assert data.count(b"hand-picked") == 1
        (folder / FILE).write_bytes(data.replace(b"hand-picked", b"hand-ticked"))
        refused(folder, "not what was written")

    @pytest.mark.parametrize(("number", "age"), [(5, "older"), (VERSION + 1, "newer")])
    def test_other_versions_are_refused(self, number: int, age: str, tmp_path: Path) -> None:
        folder = earlier.stored("6-finished", tmp_path / "study")
        data = bytearray((folder / FILE).read_bytes())
        data[60:64] = number.to_bytes(4)
        (folder / FILE).write_bytes(data)
        words = f"is of version {number}; this hpsearch reads versions 6 to {VERSION}"
        problem = refused(folder, words)
        assert problem.value.problems[0].help == f"use the {age} hpsearch that made it"


def everything() -> StudyRecord:
    """Return a study with all that there was in version 6."""
    curve = (Epoch(1, 1, 1.0, 0.5, math.nan), Epoch(1, 2, math.nan, math.nan, math.nan))
    kinds: tuple[FailureKind, ...] = ("diverged", "error", "timeout", "memory", "killed")
    trials = [
        Trial(0, {"lr": 0.1, "norm": True}, "default", 0, 0, origin="default"),
        Trial(1, {"lr": 0.2, "depth": 1}, "near the best 3", 0, 1, origin="guided", seed_group=4),
        Trial(2, {}, "grid", 0, 2, origin="grid"),
        Trial(3, {}, "a word of its own", 0, 3, origin="strategy", until_epoch=3),
        Trial(4, {}, "expected improvement 2 (3 trials)", 0, 4, None, 0, 2.5, origin="model"),
        Trial(5, {"lr": 0.1}, "confirm, round 1 of 2", 1, 5, 0, 1, origin="repeat"),
        Trial(6, {}, "one of the best 1 of 2 at epoch 3", 1, 6, 3, 0, None, 3, 9, 1, "promoted"),
        *(
            Trial(7 + k, {}, "random", 2, 7 + k, origin="random")
            for k, _ in enumerate([*kinds, "pending"])
        ),
    ]
    replicates = tuple(Replicate(k, fold, 0.25, math.nan, 7) for k in (0, 1) for fold in (0, 1))
    done = Done(0.5, math.nan, 1.0, 2e9, 30, 9, 7)
    results: dict[int, Result] = {
        0: replace(done, loss_se=0.1, replicates=replicates, artefacts={"weights": "ab" * 32}),
        1: replace(done, curve=tuple(at for at in curve if at.epoch == 1)),
        3: replace(done, paused=True),
    }
    for number, kind in enumerate(kinds, 7):
        its_curve = tuple(replace(at, number=number) for at in curve)
        results[number] = Failed(kind, f"a reason: {number}", 0.5, its_curve, len(curve))
    history = History(tuple(trials), {number: results[number] for number in sorted(results)})
    evaluations = (TestEvaluation(0, 0.5, 0.75, "ab" * 32), TestEvaluation(1, math.nan, math.nan))
    meta = replace(META, semantics=1)  # all that is migrated from version 6 asked other questions
    return StudyRecord(meta, history, evaluations, (Session(1.5, 130), Session(2.0, 0)))


def refused(folder: Path, words: str) -> pytest.ExceptionInfo[DamagedStudy]:
    """See that nobody can use a study, that it is said why, and that it stays as it is."""
    before = state(folder)
    for use in (read, Store.open):
        with pytest.raises(DamagedStudy, match=words) as problem:
            use(folder)
        assert problem.value.exit_code == EXIT_DAMAGED
    for command in ("leaderboard", "show", "resume"):
        assert hpsearch(command, folder) == EXIT_DAMAGED
    assert state(folder) == before
    return problem


@pytest.fixture
def _same_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this version ask the questions that version 6 asked, as later ones ask those of today."""
    monkeypatch.setattr(layout, "SEMANTICS", 1)


@pytest.mark.usefixtures("_same_questions")
class TestWriting:
    @pytest.mark.parametrize("name", STORED)
    def test_it_becomes_one_of_this_version_and_says_the_same(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = earlier.stored(name, tmp_path / "study")
        before = whole(folder)
        assert any(result.curve for result in before.history.results.values())
        monkeypatch.setattr(layout, "SEMANTICS", before.meta.semantics)
        assert version(folder) == int(name[0])
        with Store.open(folder) as store:
            assert store.study() == read(folder)
            store.record_session(Session(1.0, 0))
        assert version(folder) == VERSION
        after = whole(folder)
        assert replace(after, sessions=before.sessions) == before
        assert after.sessions == (*before.sessions, Session(1.0, 0))
        assert sorted(path.name for path in folder.iterdir()) == [FILE, "study.lock"]

    def test_the_intervals_of_tests_from_now_on_are_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = earlier.stored("7-finished", tmp_path / "study")
        (first,) = read(folder).evaluations
        monkeypatch.setattr(layout, "SEMANTICS", read(folder).meta.semantics)
        second = TestEvaluation(1, 0.5, 0.75, None, Interval(0.4, 0.6), Interval(0.7, 0.8))
        with Store.open(folder) as store:
            store.record_test(second)
        assert read(folder).evaluations == (first, second)

    def test_all_that_version_6_knew_is_kept(self, tmp_path: Path) -> None:
        version6.write(tmp_path / "study", everything())
        Store.open(tmp_path / "study").close()
        assert version(tmp_path / "study") == VERSION
        assert said(whole(tmp_path / "study")) == said(everything())

    def test_a_journal_that_a_kill_has_left_is_read_as_well(self, tmp_path: Path) -> None:
        folder = earlier.stored("6-finished", tmp_path / "study")
        with_journal = tmp_path / "killed"
        connection = earlier.opened(folder)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT name FROM study").fetchone()
        earlier.change(folder, "INSERT INTO session (wall_seconds, exit) VALUES (7.0, 130)")
        shutil.copytree(folder, with_journal)
        connection.close()
        assert (with_journal / f"{FILE}-wal").stat().st_size
        assert read(with_journal).sessions[-1] == Session(7.0, 130)
        Store.open(with_journal).close()
        assert read(with_journal).sessions[-1] == Session(7.0, 130)
        assert sorted(path.name for path in with_journal.iterdir()) == [FILE, "study.lock"]

    def test_a_full_disk_leaves_it_as_it_was(self, tmp_path: Path) -> None:
        folder = earlier.stored("6-finished", tmp_path / "study")
        before, whole = state(folder), read(folder)
        with largest(20_000), pytest.raises(DiskFull):
            Store.open(folder)
        assert before.items() <= state(folder).items()
        with Store.open(folder) as store:
            assert store.study() == whole

    @pytest.mark.parametrize("stride", [6, pytest.param(1, marks=pytest.mark.slow)])
    def test_a_kill_at_any_step_loses_nothing(self, stride: int, tmp_path: Path) -> None:
        """The k-th time that something on the disk is changed, the process is killed."""
        begun = earlier.stored("6-finished", tmp_path / "begun")
        whole, code, steps = read(begun), -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            folder = tmp_path / str(steps)
            shutil.copytree(begun, folder)
            command = [sys.executable, "-c", _KILLED, str(folder), str(steps)]
            code = subprocess.run(command, cwd=ROOT, timeout=TIMEOUT, check=False).returncode
            assert read(folder) == whole
            with Store.open(folder) as store:
                assert store.study() == whole
            steps += stride
        assert code == 0
        assert steps > 10


# Opens a study, and is killed before the k-th change of a file, or statement.
_KILLED = """
import os, signal, sqlite3, sys
from functools import partial
from pathlib import Path
from hpsearch.study import layout
from hpsearch.study.store import Store
layout.SEMANTICS = 1
left = int(sys.argv[2])
def struck(function):
    def wrapped(*given, **more):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*given, **more)
    return wrapped
for name in ("replace", "unlink", "rmdir", "fsync", "mkdir"):
    setattr(os, name, struck(getattr(os, name)))
class Connection(sqlite3.Connection):
    def execute(self, sql, *values):
        if sql.strip() and sql.split()[0] in ("COMMIT", "PRAGMA"):
            return struck(super().execute)(sql, *values)
        return super().execute(sql, *values)
real = sqlite3.connect
sqlite3.connect = lambda *given, **more: real(*given, **more, factory=Connection)
with Store.open(Path(sys.argv[1])):
    left = -1
"""


class TestResuming:
    @pytest.mark.parametrize("is_edited", [False, True])
    def test_a_key_of_another_strategy_is_accepted_as_stored(
        self, is_edited: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = earlier.stored("6-finished", tmp_path / "study")
        text = read(folder).meta.config + "search: {rounds: 3, points: 7}\n"
        earlier.change(folder, "UPDATE study SET config = ?", text)
        if is_edited:  # as a person may, who raises a limit
            edited = text.replace("points: 7", "points: 7, max_retries: 3")
            (folder / CONFIG).write_text(edited)
        for arguments in (("leaderboard", folder), ("show", folder), ("show", folder, 3)):
            assert hpsearch(*arguments) == EXIT_OK
            assert capsys.readouterr().err == ""

    def test_one_that_asked_other_questions_is_shown_and_not_resumed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = earlier.stored("6-interrupted", tmp_path / "study")
        before = read(folder)
        assert before.meta.semantics < SEMANTICS
        begun = json.loads(before.meta.versions)["hpsearch"]
        for command in ("leaderboard", "show"):
            assert hpsearch(command, folder) == EXIT_OK
        capsys.readouterr()
        assert hpsearch("resume", folder) == EXIT_CONFIG_DIFFERS == 78
        said = capsys.readouterr()
        assert not said.out
        assert said.err.startswith("error[E178]: ")
        assert f"was begun by hpsearch {begun}, which asked other questions" in said.err
        assert f"it is finished by hpsearch {begun}" in said.err
        assert read(folder) == before
        assert version(folder) == 6  # so that the version that began it can read it

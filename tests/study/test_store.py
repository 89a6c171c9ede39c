"""A study's memory: what goes in comes out, one writer, and whatever was committed stays."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import (
    EXIT_CANNOT_WRITE,
    EXIT_DAMAGED,
    EXIT_IN_USE,
    CannotWrite,
    DamagedStudy,
    DiskFull,
    StudyInUse,
)
from hpsearch.study.folder import FILE
from hpsearch.study.history import History
from hpsearch.study.record import Session, TestEvaluation
from hpsearch.study.seal import contents
from hpsearch.study.store import Store, read
from hpsearch.study.trial import (
    Done,
    Epoch,
    Failed,
    FailureKind,
    Interval,
    Origin,
    Replicate,
    Result,
    Trial,
)
from tests.helpers.histories import done
from tests.helpers.studies import META, create, whole

ANY = st.floats().map(lambda value: value + 0.0)  # SQLite knows no -0.0
FINITE = ANY.filter(math.isfinite)
POSITIVE = st.floats(0, 1e300)
COUNT = st.integers(0, 2**62)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARAMS = st.dictionaries(TEXT, st.one_of(st.booleans(), st.integers(), FINITE, TEXT), max_size=5)
SEGMENTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"parent": 0, "replicate": 1},
        {"until_epoch": 3},
        {"seed_group": 2},
        {"parent": 0, "start_epoch": 3, "until_epoch": 9},
    ]
)
ORIGINS: st.SearchStrategy[Origin] = st.sampled_from(get_args(Origin))
KINDS: st.SearchStrategy[FailureKind] = st.sampled_from(get_args(FailureKind))
CURVE = st.lists(st.tuples(ANY, ANY, ANY), max_size=4)
REPLICATES = st.builds(Replicate, COUNT, COUNT, FINITE, ANY, COUNT)


@st.composite
def results(draw: st.DrawFn, number: int) -> Result | None:
    curve = tuple(Epoch(number, n, *figures) for n, figures in enumerate(draw(CURVE), 1))
    kind = draw(st.sampled_from(["done", "failed", "pending"]))
    if kind == "done":
        counts = draw(st.tuples(COUNT, COUNT, COUNT))
        figures = draw(FINITE), draw(ANY), draw(POSITIVE), draw(POSITIVE)
        return Done(
            *figures,
            *counts,
            curve,
            loss_se=draw(st.none() | POSITIVE),
            replicates=tuple(draw(st.lists(REPLICATES, max_size=3))),
            paused=draw(st.booleans()),
            artefacts=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
            reported_cost=draw(st.none() | POSITIVE),
            measures=draw(st.dictionaries(TEXT, FINITE, max_size=3)),
            halved=draw(st.booleans()),
        )
    if kind == "failed":
        return Failed(draw(KINDS), draw(TEXT), draw(POSITIVE), curve, draw(COUNT))
    return None


@st.composite
def histories(draw: st.DrawFn) -> History:
    trials = []
    for n, params in enumerate(draw(st.lists(PARAMS, max_size=4))):
        segment: dict[str, Any] = draw(SEGMENTS) if n else {}
        improvement = draw(st.none() | FINITE)
        one = Trial(n, params, draw(TEXT), draw(COUNT), draw(COUNT), origin=draw(ORIGINS))
        trials.append(replace(one, expected_improvement=improvement, **segment))
    found = {trial.number: draw(results(trial.number)) for trial in trials}
    return History(
        tuple(trials), {number: result for number, result in found.items() if result is not None}
    )


def kept(value: float) -> float:
    """Return what is stored of a number that may be none."""
    return value if math.isfinite(value) else math.nan


def comparable(result: Result) -> str:
    """Return a text that is equal for equal results, also where there are NaNs."""
    curve = [
        (e.number, e.epoch, kept(e.train_loss), kept(e.loss), kept(e.metric)) for e in result.curve
    ]
    if isinstance(result, Done):
        runs = tuple(replace(one, metric=kept(one.metric)) for one in result.replicates)
        result = replace(result, metric=kept(result.metric), replicates=runs)
    return f"{result} {curve}"


class Rows(list[Any]):
    """Rows that were fetched, as a cursor gives them."""

    def fetchall(self) -> Rows:
        return self

    def fetchone(self) -> Any:
        return self[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


EVALUATIONS = (
    TestEvaluation(1, 0.25, 0.9, "ab" * 32, Interval(0.125, 0.375), Interval(0.85, 0.95)),
    TestEvaluation(0, 0.5, 0.8, None, Interval(0.4, 0.6)),
    TestEvaluation(2, 0.75, 0.7),
)


def record(store: Store, trials: int) -> None:
    """Write down a wave of so many trials."""
    store.record_wave([Trial(n, {"x": n}, "", 0, n) for n in range(trials)])


class TestRoundTrip:
    @given(history=histories())
    @settings(max_examples=60, deadline=None)
    def test_a_history_comes_back_as_it_was(self, history: History) -> None:
        with tempfile.TemporaryDirectory() as name:
            with create(Path(name) / "study") as store:
                store.record_wave(history.trials)
                store.record_results(history.results)
            found = whole(Path(name) / "study").history
        assert found.trials == history.trials
        assert [list(map(type, t.params.values())) for t in found.trials] == [
            list(map(type, t.params.values())) for t in history.trials
        ]
        assert {n: comparable(r) for n, r in found.results.items()} == {
            n: comparable(r) for n, r in history.results.items()
        }

    def test_what_a_study_is_comes_back_as_it_was(self, folder: Path) -> None:
        meta = replace(
            META, rows=256, budget=None, config="a: 1\nb: 'ä'\n", seed=2**63 - 1, time_weight=0.1
        )
        meta = replace(meta, device_memory=2**37)
        Store.create(folder, meta).close()
        assert read(folder).meta == meta

    def test_evaluations_and_sessions_come_back_in_their_order(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 3)
            for evaluation in EVALUATIONS:
                store.record_test(evaluation)
            store.record_session(Session(3.5, 130))
            store.record_session(Session(1.5, 0))
        assert read(folder).evaluations == EVALUATIONS
        assert read(folder).sessions == (Session(3.5, 130), Session(1.5, 0))

    def test_an_evaluation_without_a_number_is_still_one(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 1)
            store.record_test(TestEvaluation(0, math.inf, math.nan))
        (evaluation,) = read(folder).evaluations
        assert math.isnan(evaluation.loss)
        assert math.isnan(evaluation.metric)

    def test_a_study_can_be_amended(self, folder: Path) -> None:
        other = replace(META, budget=99, config="a: 2", overrides="[1]")
        with create(folder) as store:
            store.amend(other)
        assert read(folder).meta == other


class TestTransitions:
    def test_a_result_is_never_overwritten(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 1)
            store.record_results({0: replace(done(0.5), curve=(Epoch(0, 1, 1.0, 1.0, 0.5),))})
            longer = (Epoch(0, 1, 2.0, 2.0, 0.5), Epoch(0, 2, 2.0, 2.0, 0.5))
            store.record_results({0: replace(done(0.1), curve=longer)})
            store.record_results({0: Failed("error", "too late")})
        (result,) = whole(folder).history.results.values()
        assert result == replace(done(0.5), curve=(Epoch(0, 1, 1.0, 1.0, 0.5),))

    @pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
    def test_a_loss_that_is_no_number_cannot_be_written(self, folder: Path, loss: float) -> None:
        with create(folder) as store:
            record(store, 1)
            with pytest.raises(sqlite3.IntegrityError):
                store.record_results({0: done(loss)})
            assert store.study().history.pending

    @pytest.mark.parametrize("cost", [-1.0, math.inf])
    def test_a_cost_that_nothing_can_have_cannot_be_written(
        self, folder: Path, cost: float
    ) -> None:
        with create(folder) as store:
            record(store, 1)
            with pytest.raises(sqlite3.IntegrityError):
                store.record_results({0: replace(done(0.5), reported_cost=cost)})
            assert store.study().history.pending

    def test_of_a_cohort_all_results_are_written_or_none(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 2)
            with pytest.raises(sqlite3.IntegrityError):
                store.record_results({0: done(0.5), 1: done(math.nan)})
            assert len(store.study().history.pending) == 2

    def test_a_number_cannot_be_asked_for_twice(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 1)
            with pytest.raises(sqlite3.IntegrityError):
                record(store, 2)
            assert len(store.study().history) == 1


class TestOneWriter:
    def test_a_second_one_is_refused_and_told_who_writes(self, folder: Path) -> None:
        with (
            create(folder),
            pytest.raises(StudyInUse, match=f"in use by process {os.getpid()}") as refused,
        ):
            Store.open(folder)
        assert refused.value.exit_code == EXIT_IN_USE

    def test_the_next_one_goes_on_where_the_last_has_ended(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 1)
        with Store.open(folder) as store:
            store.record_results({0: done(0.5)})
        assert read(folder).history.results == {0: done(0.5)}

    def test_it_knows_what_another_one_wrote_just_before(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create(folder).close()

        def write(place: Path) -> None:
            monkeypatch.undo()
            with Store.open(place) as other:
                record(other, 1)

        monkeypatch.setattr("hpsearch.study.store.refuse_shared", write)  # before the lock is taken
        with Store.open(folder) as store:
            assert len(store.history()) == 1

    def test_it_reads_again_only_what_it_has_written(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 3)
            store.record_results({1: done(0.5)})
            before = store.history()
            store.record_session(Session(1.0, 0))
            assert store.history() is before
            store.record_results({2: replace(done(0.25), metric=math.inf)})
            after = store.history()
            assert after.trials[1] is before.trials[1]
            assert after.results[1] is before.results[1]
            assert repr(after.results[2]) == repr(read(folder).history.results[2])

    def test_a_reader_sees_what_was_committed_while_it_is_written(self, folder: Path) -> None:
        with create(folder) as store:
            for number in range(30):
                store.record_wave([Trial(number, {"x": number}, "", number, number)])
                assert len(read(folder).history) == number + 1

    def test_a_reader_sees_one_moment(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A result that is written while tables are read is wholly there or not at all."""
        with create(folder) as store:
            record(store, 2)
            store.record_results({0: replace(done(0.5), curve=(Epoch(0, 1, 1.0, 1.0, 0.5),))})

            def slowly(execute: Any) -> Any:
                statements = 0

                def execute_slowly(sql: str) -> Any:
                    nonlocal statements
                    statements += 1
                    rows = execute(sql).fetchall()
                    if statements == 1:  # all trials are read before all else
                        monkeypatch.undo()
                        curve = (Epoch(1, 1, 1.0, 1.0, 0.5),)
                        store.record_results({1: replace(done(0.5), curve=curve)})
                        store.record_test(TestEvaluation(1, 0.5, 0.5))
                    return Rows(rows)

                return contents(execute_slowly)

            monkeypatch.setattr("hpsearch.study.reading.contents", slowly)
            study = read(folder)
            assert len(store.study().history.results) == 2
        assert [trial.number for trial in study.history.pending] == [1]
        assert not study.evaluations

    def test_nothing_lies_beside_it_that_a_reader_could_not_do_without(self, folder: Path) -> None:
        """A kill leaves what is there, and readers could not roll a hot journal back."""
        create(folder).close()
        seen: set[str] = set()
        with subprocess.Popen(
            [sys.executable, "-c", OPENER, str(folder)], cwd=Path(__file__).parents[2]
        ) as opener:
            while opener.poll() is None:
                seen.update(path.name for path in folder.iterdir())
        assert f"{FILE}-wal" in seen
        assert f"{FILE}-journal" not in seen

    def test_a_closed_study_is_one_file_and_stays_so_when_it_is_read(self, folder: Path) -> None:
        with create(folder) as store:
            record(store, 1)
        read(folder)
        assert sorted(path.name for path in folder.iterdir()) == [FILE, "study.lock"]


class TestBeginning:
    def test_a_study_is_not_begun_twice(self, folder: Path) -> None:
        create(folder).close()
        with pytest.raises(CannotWrite, match="hpsearch resume") as refused:
            create(folder)
        assert refused.value.exit_code == EXIT_CANNOT_WRITE

    def test_one_that_is_in_use_is_said_to_be_so(self, folder: Path) -> None:
        with create(folder), pytest.raises(StudyInUse):
            create(folder)

    def test_an_empty_folder_will_do(self, folder: Path) -> None:
        folder.mkdir()
        create(folder).close()
        assert read(folder).meta == META

    def test_somebody_elses_folder_is_left_alone(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "thesis.tex").touch()
        with pytest.raises(CannotWrite, match="not empty"):
            create(folder)
        assert [path.name for path in folder.iterdir()] == ["thesis.tex"]

    def test_what_a_killed_beginning_has_left_is_no_hindrance(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "study.lock").touch()
        (folder / "study.db.new").write_bytes(b"half")
        create(folder).close()
        assert read(folder).meta == META

    def test_a_file_in_the_way_is_said_to_be_so(self, folder: Path) -> None:
        folder.write_text("mine")
        with pytest.raises(CannotWrite, match="cannot write to"):
            create(folder)

    def test_the_command_to_go_on_can_be_pasted(self, tmp_path: Path) -> None:
        create(tmp_path / "my study").close()
        with pytest.raises(CannotWrite, match=f"hpsearch resume '{tmp_path}/my study'"):
            create(tmp_path / "my study")


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()


def newer(path: Path) -> None:
    create(path.parent / "other").close()
    (path.parent / "other" / FILE).replace(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()


def cut(path: Path) -> None:
    create(path.parent / "other").close()
    path.write_bytes((path.parent / "other" / FILE).read_bytes()[:5000])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("not a database, but a letter of some length" * 9),
    "zero bytes": lambda path: path.touch(),
    "another program's": foreign,
    "of a newer version": newer,
    "cut off": cut,
    "without a study": lambda path: None,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("use", [read, Store.open])
def test_what_is_no_study_is_refused_and_left_untouched(
    folder: Path, damage: str, use: Callable[[Path], object]
) -> None:
    folder.mkdir()
    DAMAGES[damage](folder / FILE)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(DamagedStudy) as refused:
        use(folder)
    assert refused.value.exit_code == EXIT_DAMAGED
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_full_disk_is_said_to_be_full_and_what_was_committed_stays(folder: Path) -> None:
    store = create(folder)
    record(store, 1)
    store._connection.execute("PRAGMA max_page_count = 1")  # what a full disk looks like to SQLite
    with pytest.raises(DiskFull, match="hpsearch resume"):
        store.record_wave([Trial(n, {"x": "long" * 1000}, "", 1, n) for n in range(1, 50)])
    store.close()
    assert len(read(folder).history) == 1


OPENER = """
import sys
from pathlib import Path
from hpsearch.study.record import Session
from hpsearch.study.store import Store
for _ in range(8):
    with Store.open(Path(sys.argv[1])) as store:
        store.record_session(Session(1.0, 0))
"""

# It says each number whose result is committed, and goes on with the next one, until it is killed.
WRITER = """
import sys
from pathlib import Path
from hpsearch.study.store import Store
from hpsearch.study.trial import Trial
from tests.helpers.histories import done
with Store.open(Path(sys.argv[1])) as store:
    number = len(store.study().history.results)
    while True:
        if number == len(store.study().history):
            store.record_wave([Trial(number, {"x": number}, "", number, number)])
        store.record_results({number: done(float(number))})
        print(number, flush=True)
        number += 1
"""


@pytest.mark.slow
def test_a_kill_between_or_in_commits_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    create(folder).close()
    rng, said = random.Random(0), -1
    for _ in range(10):
        command = [sys.executable, "-c", WRITER, str(folder)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert process.stdout is not None
        assert int(process.stdout.readline()) == said + 1
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        said = max([said + 1, *(int(line) for line in process.stdout.read().split())])
        process.stdout.close()
        process.wait()
        results = read(folder).history.results
        assert set(range(said + 1)) <= set(results)
        assert all(result == done(float(number)) for number, result in results.items())
        said = len(results) - 1

"""What a winner is not known to be better than."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.report.board.view import Board, board, record
from hpsearch.study.history import History
from hpsearch.study.record import StudyRecord, TestEvaluation
from hpsearch.study.store import read
from hpsearch.study.trial import Failed, Interval, Origin, Replicate, Result, Trial, averaged
from tests.helpers.histories import done
from tests.helpers.studies import META, create
from tests.report.board.boards import study


def in_folds(
    *losses: Sequence[float],
    floor: float | None = 2.0,
    default: int = 0,
    evaluations: tuple[TestEvaluation, ...] = (),
) -> StudyRecord:
    """Return a study of trials with these losses on each fold."""
    trials, results = [], dict[int, Result]()
    for number, own in enumerate(losses):
        origin: Origin = "default" if number == default else "random"
        trials.append(Trial(number, {"x": number}, "", 0, number, origin=origin))
        parts = [Replicate(0, fold, loss, 0.5, 1) for fold, loss in enumerate(own)]
        results[number] = averaged(done(0.0), parts)
    meta = replace(META, baseline_loss=floor)
    return replace(
        study(meta=meta, evaluations=evaluations), history=History(tuple(trials), results)
    )


class TestTest:
    @pytest.mark.group("worthless results")
    @pytest.mark.parametrize(
        ("rows", "said"), [(1, ("only 1 row to",)), (19, ("only 19 rows to",)), (20, ())]
    )
    def test_few_rows_that_test_are_said_to_be_few(self, rows: int, said: tuple[str, ...]) -> None:
        meta = replace(META, data=json.dumps({"rows": {"test": rows}}))
        tested = (TestEvaluation(2, 0.1, 0.97),)
        found = board(study(meta=meta, evaluations=tested)).notes
        assert tuple(note[: note.index(" test")] for note in found) == said
        assert board(study(meta=meta)).notes == ()


def notes(record: StudyRecord) -> tuple[str, ...]:
    return board(record).notes


class TestMemory:
    RESULTS: Mapping[int, Result] = {
        0: done(0.5),
        1: replace(done(0.3), halved=True),
        2: Failed("memory", "it takes more than the 0.6 GB that a worker may hold"),
        3: replace(done(0.4), halved=True),
    }

    def found(self, *numbers: int) -> Board:
        points = [{"x": number} for number in range(len(numbers))]
        results = {k: self.RESULTS[number] for k, number in enumerate(numbers)}
        return board(study(points, results, meta=replace(META, baseline_loss=None)))

    def test_a_study_that_had_enough_has_no_word_of_it(self) -> None:
        assert not any("memory" in note for note in self.found(0, 0).notes)

    def test_trials_of_halved_arrays_are_named(self) -> None:
        (note,) = self.found(0, 1, 3).notes
        assert note.startswith("trials 1, 2 were trained in smaller arrays than planned")
        (note,) = self.found(0, 1).notes
        assert note.startswith("trial 1 was trained in smaller arrays than planned")
        shown = record(self.found(0, 1))
        assert shown["notes"] == [note]
        assert {one["number"]: one["halved"] for one in shown["trials"]} == {0: False, 1: True}

    def test_what_was_halved_is_known_from_the_file(self, tmp_path: Path) -> None:
        trial = Trial(0, {"x": 0}, "", 0, 0)
        with create(tmp_path / "study", baseline_loss=None) as store:
            store.record_wave([trial])
            store.record_results({0: self.RESULTS[1]})
        (note,) = notes(read(tmp_path / "study"))
        assert note.startswith("trial 0 was trained in smaller arrays than planned")

    def test_trials_that_did_not_fit_are_named(self) -> None:
        (note,) = self.found(0, 2).notes
        assert note == (
            "trial 1 did not fit into memory: with more of it the search may end otherwise"
        )

    def test_of_many_trials_the_first_ones_are_named(self) -> None:
        note = self.found(*[0], *[2] * 12).notes[0]
        assert note.startswith("trials 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more did not fit")

    def test_a_repetition_of_a_halved_trial_leaves_it_marked(self) -> None:
        first = Trial(0, {"x": 0}, "", 0, 0)
        again = Trial(1, {"x": 0}, "", 1, 1, parent=0, replicate=1)
        for marks in ((True, False), (False, True)):
            results = {k: replace(done(0.5), halved=mark) for k, mark in enumerate(marks)}
            history = History((first, again), results)
            one = board(replace(study(), history=history))
            assert one.rows[0].halved


class TestBaseline:
    @pytest.mark.group("worthless results")
    def test_a_winner_that_may_owe_it_to_chance_is_said_to(self) -> None:
        winner, other = [0.80, 1.00, 0.90], [1.50, 1.40, 1.60]
        # 0.9 ± 0.058; of three folds 2.92 standard errors are 0.17
        assert notes(in_folds(other, winner, floor=1.08)) == ()
        (note,) = notes(in_folds(other, winner, floor=1.06))
        assert note == (
            "the winner cannot be told from one constant prediction for every row: the loss to be "
            "expected of it is 0.160 ± 0.058 below the baseline"
        )

    @pytest.mark.group("worthless results")
    @pytest.mark.parametrize(("high", "said"), [(1.9, False), (2.0, True), (2.5, True)])
    def test_an_interval_of_the_test_that_reaches_the_baseline_is_noticed(
        self, high: float, said: bool
    ) -> None:
        tested = TestEvaluation(1, 1.0, 0.5, None, Interval(0.5, high))
        found = notes(in_folds([1.5, 1.5], [0.5, 0.5], evaluations=(tested,)))
        assert (found != ()) == said
        assert all("on the test rows" in note and "of its loss reaches" in note for note in found)

    @pytest.mark.group("worthless results")
    def test_it_is_said_once(self) -> None:
        tested = TestEvaluation(1, 1.0, 0.5, None, Interval(0.5, 2.0))
        found = notes(in_folds([0.6, 0.7], [0.5, 0.8], floor=0.5, evaluations=(tested,)))
        assert found == ("the winner is no better than one constant prediction for every row",)


class TestDefault:
    @pytest.mark.group("worthless results")
    def test_a_difference_within_noise_is_said(self) -> None:
        (note,) = notes(in_folds([0.52, 0.53, 0.54], [0.50, 0.53, 0.51]))
        assert note.startswith("the winner cannot be told from the default settings: the loss to")
        assert note.endswith("below theirs")
        assert notes(in_folds([0.60, 0.63, 0.61], [0.50, 0.53, 0.51])) == ()

    @pytest.mark.group("worthless results")
    def test_default_settings_that_have_won_are_said_to(self) -> None:
        said = ("the default settings have won: nothing better was found",)
        assert notes(in_folds([0.1, 0.1], [0.5, 0.5])) == said
        assert notes(in_folds([0.1, 0.1])) == ()


class TestRandomTrials:
    @pytest.mark.group("worthless results")
    def test_a_winner_like_the_median_random_trial_is_said_to_be(self) -> None:
        alike = [[0.50 + 0.001 * n, 0.60 - 0.001 * n, 0.55] for n in range(6)]
        (note,) = notes(in_folds([0.9, 0.9, 0.9], *alike))
        assert note.startswith("the winner cannot be told from a random trial: the loss to be")
        worse = [[1.50 + 0.001 * n, 1.60 - 0.001 * n, 1.55] for n in range(6)]
        assert notes(in_folds([1.9, 1.9, 1.9], alike[0], *worse)) == ()

    def test_few_random_trials_have_no_median_to_speak_of(self) -> None:
        alike = [[0.50 + 0.001 * n, 0.60 - 0.001 * n, 0.55] for n in range(4)]
        assert notes(in_folds([0.9, 0.9, 0.9], *alike)) == ()

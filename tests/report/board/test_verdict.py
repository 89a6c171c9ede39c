"""What the lines below a table say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hpsearch.report.board.verdict import fate, verdict
from hpsearch.report.board.view import board, record
from hpsearch.study.record import StudyRecord, TestEvaluation
from hpsearch.study.trial import Result
from tests.helpers.histories import done
from tests.helpers.studies import META
from tests.report.board.boards import BOARD, DIVERGED, POINTS, study
from tests.report.board.test_worth import in_parts, repeated


def test_a_study_without_a_success_says_why() -> None:
    lines = dict(verdict(board(study(results={3: DIVERGED}))))
    assert lines["winner"] == "none: no trial has succeeded"
    assert lines["failed"].startswith("1 of 5 trials (1 diverged); trial 3 diverged: training")


def test_a_study_without_trials_has_a_verdict() -> None:
    assert dict(verdict(board(study([], {}))))["winner"] == "none: no trial has succeeded"


def test_a_more_expensive_best_is_mentioned_beside_the_winner() -> None:
    lines = dict(verdict(board(study(), time_weight=10.0)))
    assert lines["best"] == "trial 2: loss 0.09240, accuracy 97.50 %, at a higher cost"


def test_a_slower_best_is_mentioned_where_no_cost_is_counted() -> None:
    results: dict[int, Result] = {
        0: replace(done(0.40, flops=0.0, seconds=9.0), loss_se=0.05),
        1: replace(done(0.44, flops=0.0, seconds=1.0), loss_se=0.01),
    }
    uncounted = replace(META, has_cost=False, metric=None)
    near = board(study(POINTS[:2], results, meta=uncounted), by="seconds")
    lines = dict(verdict(near))
    assert lines["winner"] == "trial 1: loss 0.4400 ± 0.010"
    assert lines["best"] == (
        "trial 0: loss 0.4000 ± 0.050, within one standard error and in a longer time"
    )


def test_pruned_trials_are_counted_and_said_to_be_so() -> None:
    results: dict[int, Result] = {0: replace(done(0.5), paused=True), 1: done(0.4)}
    lines = dict(verdict(board(study(POINTS[:2], results))))
    assert lines["pruned"].startswith("1 of 2 trials at a rung: their loss is that of the epochs")
    assert lines["default"].endswith(", pruned at a rung")


def test_evaluations_at_the_test_split_are_counted() -> None:
    two = (TestEvaluation(0, 0.3, 0.9), TestEvaluation(2, 0.1, 0.97))
    assert dict(verdict(board(study(evaluations=two))))["test"].endswith(" (2 evaluations)")
    assert dict(verdict(BOARD))["test"].endswith(" (1 evaluation)")


class TestExpected:
    """What is to be expected of the winner, and how much its loss flatters it."""

    def said(self, losses: list[list[float]], **changes: Any) -> str:
        found = repeated(losses)
        one = board(StudyRecord(replace(META, **changes), found, (), ()))
        return dict(verdict(one))["expect"]

    def test_a_first_loss_is_held_against_the_repetitions(self) -> None:
        assert self.said([[0.075, 0.083, 0.091], [0.20, 0.25, 0.25]]) == (
            "loss 0.08700 on new data: its first loss flattered it by 0.0120 ± 0.0028"
        )

    def test_one_that_was_too_high_is_said_to_be_no_flattery(self) -> None:
        assert self.said([[0.095, 0.083, 0.091], [0.20, 0.25, 0.25]]) == (
            "loss 0.08700 on new data: its first loss did not flatter it (-0.0080 ± 0.0028)"
        )

    def test_a_single_repetition_has_no_standard_error(self) -> None:
        assert self.said([[0.075, 0.083], [0.20, 0.25]]).endswith("flattered it by 0.0080")

    def test_what_is_minimised_has_its_name(self) -> None:
        data = json.dumps({"source": "digits", "minimized": "1 - accuracy"})
        assert self.said([[0.075, 0.083], [0.20, 0.25]], data=data).startswith(
            "1 - accuracy 0.08300 on new data: its first 1 - accuracy flattered it"
        )

    def test_a_function_has_no_data(self) -> None:
        said = self.said([[0.075, 0.083], [0.20, 0.25]], data="{}", metric=None)
        assert said.startswith("loss 0.08300 of another run: ")

    @pytest.mark.parametrize(
        ("seeds", "words"), [(False, "on new data"), (True, "with other seeds on the same rows")]
    )
    def test_folds_and_seeds_tell_it_as_well(self, seeds: bool, words: str) -> None:
        found = in_parts([[0.0, 0.9], [0.6, 0.5]], seeds)
        one = board(StudyRecord(META, found, (), ()))
        assert dict(verdict(one))["expect"].startswith(f"loss 0.7500 {words}: its loss flatters it")
        assert record(one)["expected"] == {
            "loss": pytest.approx(0.75),
            "loss_se": pytest.approx(0.15),
            "flattery": pytest.approx(0.3),
            "flattery_se": pytest.approx(0.3),
            "by": "seeds" if seeds else "folds",
        }

    def test_where_nothing_tells_it_the_way_is_said(self) -> None:
        assert dict(verdict(BOARD))["expect"] == (
            "a higher loss on new data; folds or repetitions (--confirm of random and bayes) "
            "would say by how much"
        )
        assert record(BOARD)["expected"] is None

    def test_a_single_trial_was_not_chosen(self) -> None:
        assert "expect" not in dict(verdict(board(study(POINTS[:1], {0: done(0.5)}))))


def test_the_baseline_is_explained_only_where_there_is_one() -> None:
    assert "baseline" in dict(verdict(BOARD))
    bare = replace(META, baseline_loss=None, baseline_metric=None)
    assert "baseline" not in dict(verdict(board(study(meta=bare))))


def test_the_fate_of_a_trial_is_one_word() -> None:
    assert [fate(row) for row in BOARD.rows[3:]] == ["diverged", "pending"]

"""What the lines below a table say."""

from __future__ import annotations

from dataclasses import replace

from hpsearch.report.board.verdict import fate, verdict
from hpsearch.report.board.view import board
from hpsearch.study.store import TestEvaluation
from hpsearch.study.trial import Result
from tests.helpers.histories import done
from tests.helpers.studies import META
from tests.report.board.boards import BOARD, DIVERGED, POINTS, study


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
    near = board(study(POINTS[:2], results, meta=replace(META, has_cost=False, metric=None)))
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
    assert dict(verdict(board(study(evaluations=two))))["test"].endswith("; 2 evaluations)")
    assert dict(verdict(BOARD))["test"].endswith("; 1 evaluation)")


def test_the_baseline_is_explained_only_where_there_is_one() -> None:
    assert "baseline" in dict(verdict(BOARD))
    bare = replace(META, baseline_loss=None, baseline_metric=None)
    assert "baseline" not in dict(verdict(board(study(meta=bare))))


def test_the_fate_of_a_trial_is_one_word() -> None:
    assert [fate(row) for row in BOARD.rows[3:]] == ["diverged", "pending"]

"""The rows of a board, its best, winner and default, and what it is as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.report.board.text import (
    DisplayOptions,
    as_csv,
    as_markdown,
    as_table,
    columns,
    ordered,
)
from hpsearch.report.board.verdict import verdict
from hpsearch.report.board.view import Board, board, canonical, pareto_front, record
from hpsearch.study.history import History
from hpsearch.study.record import TestEvaluation
from hpsearch.study.trial import Failed, Interval, Result, Trial
from tests.helpers.histories import done, of_points
from tests.helpers.studies import META
from tests.report.board.boards import BOARD, POINTS, RESULTS, study

UNCOUNTED = replace(META, has_cost=False)


class TestBoard:
    def test_rows_are_in_order_of_loss_and_those_without_one_come_last(self) -> None:
        assert [row.number for row in BOARD.rows] == [2, 0, 1, 3, 4]
        assert [row.state for row in BOARD.rows] == ["done", "done", "done", "failed", "pending"]

    def test_without_a_weight_of_time_the_winner_is_the_best(self) -> None:
        assert BOARD.winner is BOARD.best is BOARD.rows[0]

    def test_with_a_weight_of_time_a_cheaper_trial_may_win(self) -> None:
        weighed = board(study(), time_weight=10.0)
        assert weighed.winner is not None
        assert weighed.best is not None
        assert (weighed.winner.number, weighed.best.number) == (1, 2)

    def test_the_cheapest_within_one_standard_error_of_the_best_wins(self) -> None:
        results: dict[int, Result] = {
            0: replace(done(0.40, flops=9e12), loss_se=0.05),
            1: replace(done(0.44, flops=1e12), loss_se=0.01),
            2: replace(done(0.46, flops=1e9), loss_se=0.01),
        }
        near = board(study(POINTS[:3], results))
        assert near.best is not None
        assert near.winner is not None
        assert (near.best.number, near.winner.number) == (0, 1)

    def test_by_seconds_the_measured_time_is_the_price(self) -> None:
        slow = {0: done(0.5, flops=1e9, seconds=9.0), 1: done(0.4, flops=1e15, seconds=1.0)}
        both = [board(study(POINTS[:2], dict(slow)), 10.0, by) for by in ("cost", "seconds")]
        assert [one.winner and one.winner.number for one in both] == [0, 1]

    def test_where_no_cost_is_counted_the_price_is_always_seconds(self) -> None:
        slow = {0: done(0.5, flops=0.0, seconds=9.0), 1: done(0.6, flops=0.0, seconds=1.0)}
        one = board(study(POINTS[:2], dict(slow), meta=UNCOUNTED), 10.0, "cost")
        assert one.price == "seconds"
        assert one.winner
        assert one.winner.number == 1
        assert [(row.cost, row.flops) for row in one.rows] == [(None, None)] * 2

    def test_a_trial_that_is_slower_and_worse_is_not_pareto_optimal_by_seconds(self) -> None:
        results = {0: done(0.5, flops=0.0, seconds=9.0), 1: done(0.4, flops=0.0, seconds=1.0)}
        one = board(study(POINTS[:2], dict(results), meta=UNCOUNTED), by="seconds")
        assert [(row.number, row.pareto_optimal) for row in one.rows] == [(1, True), (0, False)]

    def test_seconds_decide_nothing_where_nobody_has_asked_for_them(self) -> None:
        results: dict[int, Result] = {
            0: replace(done(0.40, flops=0.0, seconds=9.0), loss_se=0.05),
            1: replace(done(0.44, flops=0.0, seconds=1.0), loss_se=0.01),
        }
        kept = study(POINTS[:2], results, meta=UNCOUNTED)
        found = [board(kept), board(kept, by="seconds")]
        assert [one.winner and one.winner.number for one in found] == [0, 1]
        assert [sum(row.pareto_optimal for row in one.rows) for one in found] == [0, 2]

    def test_the_default_is_the_first_trial_of_that_origin_whatever_its_reason_says(self) -> None:
        trials = (
            Trial(0, POINTS[0], "default", 0, 0, origin="picked"),
            Trial(1, POINTS[1], "the usual settings", 0, 1, origin="default"),
        )
        history = History(trials, {0: done(0.5), 1: done(0.6)})
        one = board(replace(study(), history=history))
        assert one.default
        assert one.default.number == 1
        assert board(replace(study(), history=History(trials[:1]))).default is None

    def test_a_metric_is_shown_only_where_the_study_has_one(self) -> None:
        assert BOARD.rows[0].metric == 0.975
        bare = board(study(meta=replace(META, metric=None)))
        assert {row.metric for row in bare.rows} == {None}

    def test_a_trial_that_was_dropped_is_pruned(self) -> None:
        one = board(study(POINTS[:1], {0: replace(done(0.5), paused=True)}))
        assert (one.rows[0].state, one.rows[0].early) == ("pruned", ", pruned at a rung")

    def test_the_evaluation_is_the_winners(self) -> None:
        first, second = TestEvaluation(0, 0.3, 0.9), TestEvaluation(2, 0.1, 0.97)
        assert board(study(evaluations=(first,))).test is None
        assert board(study(evaluations=(first, second))).test == second

    def test_the_evaluation_of_a_model_that_was_retrained_is_not_the_winners(self) -> None:
        new, own = TestEvaluation(2, 0.1, 0.97, model="retrained"), TestEvaluation(2, 0.2, 0.9)
        assert board(study(evaluations=(new,))).test is None
        assert board(study(evaluations=(new, own))).test == own

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
    def test_points_that_no_other_beats_are_pareto_optimal(
        self, pairs: list[tuple[int, int]]
    ) -> None:
        points = [(float(loss), float(price), number) for number, (loss, price) in enumerate(pairs)]
        optimal = pareto_front(points)

        def beats(a: tuple[float, float, int], b: tuple[float, float, int]) -> bool:
            return a[0] <= b[0] and a[1] <= b[1] and a[:2] != b[:2]

        front = {point for point in points if not any(beats(other, point) for other in points)}
        assert {points[number][:2] for number in optimal} == {point[:2] for point in front}

    def test_the_canonical_rows_leave_out_what_was_measured(self) -> None:
        slower = {n: replace(r, seconds=r.seconds * 7) for n, r in RESULTS.items()}
        assert canonical(study(results=slower)) == canonical(study())
        assert canonical(study(results={**RESULTS, 0: done(0.25)})) != canonical(study())


class TestRecord:
    def test_it_is_json_without_a_number_that_is_none(self) -> None:
        evaluations = (TestEvaluation(0, math.inf, math.nan),)
        odd = board(study(POINTS[:1], {0: replace(done(0.5), metric=math.nan)}, evaluations))
        found = json.loads(json.dumps(record(odd), allow_nan=False))
        assert found["winner"]["metric"] is None
        none = {"loss": None, "metric": None}
        assert found["test"] == {**none, "interval": none, "evaluations": 1}

    def test_it_has_the_trials_that_ended(self) -> None:
        found = record(BOARD)
        assert [trial["number"] for trial in found["trials"]] == [2, 0, 1, 3]
        assert found["trials"][3]["failure"] == "diverged: training loss 9.12e+03 after epoch 1"

    def test_its_keys_are_those_that_are_documented(self) -> None:
        found = record(BOARD)
        assert found["schema_version"] == 2
        assert list(found) == [
            "schema_version", "study", "strategy", "seed", "data", "minimized", "metric_name",
            "best", "winner", "default", "baseline", "expected", "test", "notes", "trials",
            "replicates", "wall_seconds", "exit",
        ]  # fmt: skip
        assert list(found["best"]) == [
            "number", "params", "loss", "loss_se", "metric", "seconds", "flops",
        ]  # fmt: skip
        assert list(found["default"]) == ["number", "loss"]
        assert list(found["trials"][0]) == [
            "number", "state", "params", "loss", "loss_se", "metric", "seconds", "flops", "epochs",
            "failure", "cohort", "halved",
        ]  # fmt: skip

    def test_a_study_without_trials_has_a_record(self) -> None:
        found = record(board(study([], {})))
        assert {found[name] for name in ("best", "winner", "default", "test")} == {None}

    def test_what_a_study_does_not_have_is_null(self) -> None:
        bare = replace(
            META, metric=None, has_cost=False, baseline_loss=None, baseline_metric=None, data="null"
        )
        results: dict[int, Result] = {
            0: replace(done(0.5, flops=0.0), metric=math.nan),
            1: Failed("error", "x"),
        }
        evaluations = (TestEvaluation(0, 0.4, math.nan),)
        one = board(study(POINTS[:2], results, evaluations, bare))
        found = json.loads(json.dumps(record(one), allow_nan=False))
        assert found["baseline"] == {"loss": None, "metric": None}
        assert found["data"] is None
        assert (found["winner"]["metric"], found["winner"]["flops"]) == (None, None)
        assert (found["test"]["loss"], found["test"]["metric"]) == (0.4, None)

    @pytest.mark.parametrize("state", ["pending", "failed"])
    def test_a_trial_without_a_loss_has_no_place_among_the_others(self, state: str) -> None:
        rows = [row for row in BOARD.rows if row.state == state]
        assert all((row.loss, row.score, row.pareto_optimal) == (None, None, False) for row in rows)


TIED: dict[int, Result] = {
    0: done(0.25, flops=3e9),
    1: done(0.25, flops=1e9),
    2: done(0.25, flops=2e9),
}


class TestEquals:
    """Trials of one loss, as there are many where accuracies are compared."""

    @pytest.mark.group("equal losses")
    def test_the_cheapest_of_equals_wins_and_stands_first(self) -> None:
        one = board(study(POINTS[:3], TIED))
        assert one.winner is one.best is one.rows[0]
        assert [row.number for row in one.rows] == [1, 2, 0]

    @pytest.mark.group("equal losses")
    def test_of_equal_cost_the_lower_number_wins(self) -> None:
        one = board(study(POINTS[:3], {n: done(0.25) for n in range(3)}))
        assert [row.number for row in one.rows] == [0, 1, 2]
        assert one.winner is one.best is one.rows[0]

    @pytest.mark.group("equal losses")
    def test_where_no_cost_is_counted_the_lower_number_wins(self) -> None:
        """Seconds are another thing each time, and must not decide."""
        results: dict[int, Result] = {
            n: done(0.25, flops=0.0, seconds=seconds) for n, seconds in enumerate((9.0, 1.0, 5.0))
        }
        one = board(study(POINTS[:3], results, meta=replace(META, has_cost=False)))
        assert [row.number for row in one.rows] == [0, 1, 2]
        assert one.winner is one.best is one.rows[0]

    @pytest.mark.group("equal losses")
    def test_by_seconds_the_fastest_of_equals_wins(self) -> None:
        results: dict[int, Result] = {
            n: done(0.25, seconds=seconds) for n, seconds in enumerate((9.0, 1.0, 5.0))
        }
        one = board(study(POINTS[:3], results), by="seconds")
        assert [row.number for row in one.rows] == [1, 2, 0]

    @pytest.mark.group("equal losses")
    def test_repeated_trials_of_equal_means_go_by_their_cost(self) -> None:
        results: dict[int, Result] = {
            n: replace(done(0.25, flops=4e9 - n * 1e9), loss_se=0.0) for n in range(3)
        }
        one = board(study(POINTS[:3], results))
        assert one.winner is one.best is one.rows[0]
        assert one.rows[0].number == 2

    @pytest.mark.group("equal losses")
    def test_the_best_of_a_history_is_the_cheapest_of_equals(self) -> None:
        """Its weights are kept, and it is repeated."""
        assert [trial.number for trial, _ in of_points(POINTS[:3], TIED).done] == [1, 2, 0]


BY_ACCURACY = replace(
    META,
    data=json.dumps({"source": "wine", "minimized": "1 - accuracy"}),
    baseline_loss=0.6,
    baseline_metric=0.4,
)


class TestMinimized:
    """A study that minimises 1 - accuracy: no figure of it is called a loss that is none."""

    TESTED = TestEvaluation(2, 0.1678, 0.96, None, Interval(0.125, 0.25), Interval(0.94, 0.97))
    ONE = board(study(evaluations=(TESTED,), meta=BY_ACCURACY))

    @pytest.mark.group("names of figures")
    def test_in_json_each_figure_has_its_own_name(self) -> None:
        found = record(self.ONE)
        assert found["minimized"] == "1 - accuracy"
        assert found["winner"]["1 - accuracy"] == 0.0924
        assert found["baseline"] == {"1 - accuracy": 0.6, "metric": 0.4}
        assert found["test"] == {
            "loss": 0.1678,
            "1 - accuracy": pytest.approx(0.04),
            "metric": 0.96,
            "interval": {
                "loss": (0.125, 0.25),
                "1 - accuracy": pytest.approx((0.03, 0.06)),
                "metric": (0.94, 0.97),
            },
            "evaluations": 1,
        }
        for part in (found["winner"], found["best"], found["default"], *found["trials"]):
            assert "loss" not in part
            assert "1 - accuracy" in part

    @pytest.mark.group("names of figures")
    @pytest.mark.parametrize("text", [as_csv, as_markdown])
    def test_a_table_names_what_is_minimised(
        self, text: Callable[[Board, DisplayOptions], str]
    ) -> None:
        head = text(self.ONE, DisplayOptions()).splitlines()[0]
        assert "1 - accuracy" in head
        assert "loss" not in head

    @pytest.mark.group("names of figures")
    def test_its_column_goes_by_either_name(self) -> None:
        for name in ("1 - accuracy", "loss"):
            shown = DisplayOptions(sort=name, columns=(name,))
            assert columns(self.ONE, shown) == ["loss"]
            assert ordered(self.ONE, shown)[0].number == 2

    @pytest.mark.group("names of figures")
    def test_the_verdict_compares_the_test_rows_by_the_same_figure(self) -> None:
        lines = dict(verdict(self.ONE))
        assert lines["winner"] == "trial 2: 1 - accuracy 0.09240, accuracy 97.50 %"
        assert lines["test"] == (
            "1 - accuracy 0.04000 (95 % interval 0.0300 to 0.0600), accuracy 96.00 % (94.0 % to "
            "97.0 %), loss 0.1678 (0.125 to 0.250), on rows that no trial has seen (1 evaluation)"
        )
        assert "a lower 1 - accuracy and" in lines["*"]


BY_RMSE = replace(
    META,
    metric="rmse",
    data=json.dumps({"source": "houses", "minimized": "rmse"}),
    baseline_loss=39085.4,
    baseline_metric=39085.4,
)
IN_EUROS: dict[int, Result] = {
    0: replace(done(15941.2), metric=15941.2),
    1: replace(done(14228.4), metric=14228.4, loss_se=107.85),
    2: replace(done(1_234_567.8), metric=1_234_567.8),
}


class TestMinimizedMetric:
    """A study that minimises a metric itself, in the unit of its target."""

    TESTED = TestEvaluation(1, 0.2582, 24163.7, None, None, Interval(21000.0, 27000.0))
    ONE = board(study(POINTS[:3], IN_EUROS, (TESTED,), BY_RMSE))

    @pytest.mark.group("names of figures")
    def test_it_has_one_column(self) -> None:
        assert columns(self.ONE, DisplayOptions())[:3] == ["loss", "loss_se", "seconds"]
        head, *rows = str(as_table(self.ONE, DisplayOptions(), 80)).splitlines()
        assert head.split()[:3] == ["#", "rmse", "±"]
        texts = (" 14,228 ", " 15,941 ", " 1,234,568 ")
        assert all(text in row for text, row in zip(texts, rows, strict=False))

    @pytest.mark.parametrize("name", ["rmse", "metric", "loss"])
    def test_its_column_goes_by_each_of_its_names(self, name: str) -> None:
        shown = DisplayOptions(sort=f"-{name}", columns=(name,))
        assert columns(self.ONE, shown) == ["loss"]
        assert [row.number for row in ordered(self.ONE, shown)] == [2, 0, 1]

    @pytest.mark.parametrize(("name", "order"), [("r2", [2, 0, 1]), ("rmse", [1, 0, 2])])
    def test_beside_a_loss_the_better_metrics_come_first(self, name: str, order: list[int]) -> None:
        one = board(study(POINTS[:3], IN_EUROS, meta=replace(META, metric=name)))
        shown = DisplayOptions(sort=name, columns=(name,))
        assert columns(one, shown) == ["metric"]
        assert [row.number for row in ordered(one, shown)] == order

    @pytest.mark.group("names of figures")
    def test_in_json_it_has_its_own_name(self) -> None:
        found = record(self.ONE)
        assert (found["minimized"], found["metric_name"]) == ("rmse", "rmse")
        assert (found["winner"]["rmse"], found["winner"]["rmse_se"]) == (14228.4, 107.85)
        assert found["baseline"] == {"rmse": 39085.4, "metric": 39085.4}
        interval = {"loss": None, "rmse": (21000.0, 27000.0), "metric": (21000.0, 27000.0)}
        assert found["test"] == {
            "loss": 0.2582,
            "rmse": 24163.7,
            "metric": 24163.7,
            "interval": interval,
            "evaluations": 1,
        }

    def test_csv_has_it_once_with_all_digits(self) -> None:
        lines = as_csv(self.ONE, DisplayOptions(columns=("loss", "loss_se"))).splitlines()
        assert lines[:2] == ["number,state,rmse,rmse_se", "1,done,14228.4,107.85"]

    @pytest.mark.group("names of figures")
    def test_the_verdict_says_it_once(self) -> None:
        lines = dict(verdict(self.ONE))
        assert lines["winner"] == "trial 1: rmse 14,228 ± 108"
        assert lines["test"].startswith(
            "rmse 24,164 (95 % interval 21,000 to 27,000), loss 0.2582, on rows"
        )
        assert lines["default"] == "trial 0: rmse 15,941"

    def test_the_best_has_the_smallest(self) -> None:
        assert self.ONE.winner is not None
        assert self.ONE.winner.number == 1
        assert self.ONE.notes == ()


class TestNotes:
    """What makes results worth less than they look."""

    @pytest.mark.group("worthless results")
    @pytest.mark.parametrize(("floor", "said"), [(0.0924, True), (0.05, True), (0.1, False)])
    def test_a_winner_that_is_no_better_than_a_constant_is_said_to_be(
        self, floor: float, said: bool
    ) -> None:
        one = board(study(meta=replace(META, baseline_loss=floor)))
        assert any("no better than one constant" in note for note in one.notes) == said
        assert record(one)["notes"] == list(one.notes)

    @pytest.mark.group("worthless results")
    def test_doubts_about_the_data_stand_below_the_table(self) -> None:
        doubted = replace(META, data=json.dumps({"notes": ["only 1 row to validate"]}))
        one = board(study(meta=doubted))
        assert one.notes == ("only 1 row to validate",)
        assert ("note", "only 1 row to validate") in verdict(one)

    def test_a_study_without_a_baseline_or_a_winner_has_none(self) -> None:
        bare = replace(META, baseline_loss=None, baseline_metric=None, data="{}")
        assert board(study(meta=bare)).notes == board(study([], {})).notes == ()

    @pytest.mark.group("worthless results")
    def test_a_metric_that_is_not_defined_is_said_to_be(self) -> None:
        results: dict[int, Result] = {0: replace(done(0.5), metric=math.nan)}
        tested = (TestEvaluation(0, 0.4, math.nan),)
        one = board(study(POINTS[:1], results, tested, replace(META, metric="r2")))
        lines = dict(verdict(one))
        assert lines["winner"] == "trial 0: loss 0.5000, r2 not defined"
        assert lines["test"].startswith("loss 0.4000, r2 not defined")
        by_r2 = replace(META, metric="r2", data=json.dumps({"minimized": "1 - r2"}))
        one = board(study(POINTS[:1], {0: done(0.5)}, tested, by_r2))
        assert dict(verdict(one))["test"].startswith("r2 not defined, loss 0.4000, on rows")
        shown = as_markdown(one, DisplayOptions()) + as_csv(one, DisplayOptions())
        assert "nan" not in shown.replace("nan)", "")

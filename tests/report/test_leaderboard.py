"""What a study is worth: figures, rows, the verdict, and how they are written; and what is shown while it runs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hpsearch.errors import SpecError
from hpsearch.report.board.progress import Lines, LiveView, Subject, sparkline
from hpsearch.report.board.text import (
    FORMATS,
    Shown,
    as_csv,
    as_json,
    as_markdown,
    as_table,
    columns,
    ordered,
)
from hpsearch.report.board.view import Board, board, canonical, pareto
from hpsearch.report.render import figures
from hpsearch.search.loop import Asked, Told
from hpsearch.space.space import Params
from hpsearch.study.history import History
from hpsearch.study.store import Look, Session, Study
from hpsearch.study.trial import Done, Epoch, Failed, Result, Trial
from tests.helpers.histories import done
from tests.helpers.studies import META

POINTS: list[Params] = [
    {"lr": 0.001, "width": 64, "optimizer": "adam", "skip": False},
    {"lr": 0.02, "width": 8, "optimizer": "sgd", "skip": True},
    {"lr": 0.0003, "width": 128, "optimizer": "momentum", "momentum": 0.9, "skip": False},
    {"lr": 0.1, "width": 16, "optimizer": "adam", "skip": False},
    {"lr": 0.01, "width": 32, "optimizer": "adam", "skip": False},
]
RESULTS: dict[int, Result] = {
    0: Done(0.25, 0.90, 2.0, 2e9, 100, 10, 7),
    1: Done(0.50, 0.80, 0.5, 1e8, 100, 10, 3),
    2: Done(0.0924, 0.975, 12.5, 9e9, 100, 10, 9),
    3: Failed("diverged: training loss 9.12e+03 after epoch 1", 0.1, (Epoch(3, 1, 9e3, 9e3, 0.1),)),
}


def study(
    points: Sequence[Params] = POINTS,
    results: dict[int, Result] | None = None,
    looks: tuple[Look, ...] = (),
) -> Study:
    trials = [
        Trial(n, params, "random" if n else "default", n, n) for n, params in enumerate(points)
    ]
    return Study(
        META,
        History(tuple(trials), RESULTS if results is None else results),
        looks,
        (Session(3.0, 0),),
    )


BOARD = board(study(looks=(Look(2, 0.1, 0.97),)))


def table(shown: Shown | None = None, width: int = 200, of: Board = BOARD) -> list[str]:
    return str(as_table(of, shown or Shown(), width)).splitlines()


class TestFigures:
    def test_numbers_of_a_column_have_the_decimals_that_the_smallest_needs(self) -> None:
        assert figures.decimals([0.0924, 2.303, None], 4) == ["0.09240", "2.30300", "-"]

    def test_large_numbers_need_no_decimals(self) -> None:
        assert figures.decimals([12345.6, 99999.0], 4) == ["12346", "99999"]

    def test_numbers_of_many_sizes_are_written_with_powers_of_ten(self) -> None:
        assert figures.decimals([1.234e-6, 0.01, 0.0], 3) == ["1.23e-06", "1.00e-02", "0"]
        assert figures.decimals([1.0, 1e30], 4) == ["1.000e+00", "1.000e+30"]

    @given(st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=8), st.integers(1, 17))
    def test_the_smallest_number_keeps_its_significant_digits(
        self, values: list[float], digits: int
    ) -> None:
        texts = figures.decimals(values, digits)
        smallest = min(values)
        assert float(texts[values.index(smallest)]) == pytest.approx(
            smallest, rel=0.51 * 10.0 ** (1 - digits)
        )

    @given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8))
    def test_the_points_of_a_column_are_one_below_the_other(self, values: list[float]) -> None:
        texts = figures.decimals(values, 4)
        assert len({len(text.partition(".")[2]) for text in texts}) == 1

    def test_durations_have_as_many_decimals_as_are_worth_reading(self) -> None:
        assert figures.seconds([0.0549, None]) == ["0.055", "-"]
        assert figures.seconds([0.0549, 12.5]) == ["0.05", "12.50"]
        assert figures.seconds([3.2, 4321.0]) == ["3", "4321"]

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0.42, "0.42 s"),
            (0.012, "0.012 s"),
            (9.96, "10 s"),
            (12.3, "12 s"),
            (59.6, "1 min 00 s"),
            (200, "3 min 20 s"),
            (7500, "2 h 05 min"),
        ],
    )
    def test_a_span_of_time_is_written_for_people(self, seconds: float, text: str) -> None:
        assert figures.duration(seconds) == text

    def test_very_many_have_a_prefix(self) -> None:
        assert figures.prefixed([284954232.0, 12.0, 3e12, None]) == ["285 M", "12", "3 T", "-"]

    def test_settings_are_written_as_they_are_set(self) -> None:
        assert figures.settings(POINTS[1], 3) == "lr=0.02 width=8 optimizer=sgd skip=true"


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

    def test_the_look_is_the_winners(self) -> None:
        assert board(study(looks=(Look(0, 0.3, 0.9),))).test is None
        assert board(study(looks=(Look(0, 0.3, 0.9), Look(2, 0.1, 0.97)))).test == Look(
            2, 0.1, 0.97
        )

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
    def test_a_star_is_for_those_whom_no_other_beats(self, pairs: list[tuple[int, int]]) -> None:
        points = [(float(loss), float(price), number) for number, (loss, price) in enumerate(pairs)]
        stars = pareto(points)

        def beats(a: tuple[float, float, int], b: tuple[float, float, int]) -> bool:
            return a[0] <= b[0] and a[1] <= b[1] and a[:2] != b[:2]

        front = {point for point in points if not any(beats(other, point) for other in points)}
        assert {points[number][:2] for number in stars} == {point[:2] for point in front}

    def test_the_canonical_rows_leave_out_what_was_measured(self) -> None:
        slower = {n: replace(r, seconds=r.seconds * 7) for n, r in RESULTS.items()}
        assert canonical(study(results=slower)) == canonical(study())
        assert canonical(study(results={**RESULTS, 0: done(0.25)})) != canonical(study())


class TestRecord:
    def test_it_is_json_without_a_number_that_is_none(self) -> None:
        odd = board(
            study(
                POINTS[:1], {0: replace(done(0.5), metric=math.nan)}, (Look(0, math.inf, math.nan),)
            )
        )
        found = json.loads(as_json(odd, Shown()), parse_constant=lambda name: pytest.fail(name))
        assert found["winner"]["metric"] is None
        assert found["test"] == {"loss": None, "metric": None, "looks": 1}

    def test_it_has_the_trials_that_ended(self) -> None:
        found = json.loads(as_json(BOARD, Shown()))
        assert [trial["number"] for trial in found["trials"]] == [2, 0, 1, 3]
        assert found["trials"][3]["reason"] == "diverged: training loss 9.12e+03 after epoch 1"

    def test_its_keys_are_those_that_are_documented(self) -> None:
        found = json.loads(as_json(BOARD, Shown()))
        assert list(found) == [
            "schema_version", "study", "strategy", "seed", "data", "best", "winner", "default", "baseline", "test",
            "trials", "replicates", "wall_seconds", "exit",
        ]  # fmt: skip
        assert list(found["best"]) == [
            "number",
            "params",
            "loss",
            "loss_se",
            "metric",
            "seconds",
            "flops",
        ]
        assert list(found["default"]) == ["number", "loss"]
        assert list(found["trials"][0]) == [
            "number", "state", "params", "loss", "loss_se", "metric", "seconds", "flops", "epochs", "reason", "cohort",
        ]  # fmt: skip

    def test_a_study_without_trials_has_a_record(self) -> None:
        found = json.loads(as_json(board(study([], {})), Shown()))
        assert (found["best"], found["winner"], found["default"], found["test"]) == (
            None,
            None,
            None,
            None,
        )


class TestOrder:
    @pytest.mark.parametrize(
        ("column", "numbers"),
        [
            ("score", [2, 0, 1, 3, 4]),
            ("number", [0, 1, 2, 3, 4]),
            ("seconds", [3, 1, 0, 2, 4]),
            ("metric", [2, 0, 1, 3, 4]),  # the best first, although it is the largest
            ("accuracy", [2, 0, 1, 3, 4]),
            ("lr", [2, 0, 4, 1, 3]),
            ("momentum", [2, 0, 1, 3, 4]),  # those without one come last
            ("optimizer", [0, 3, 4, 2, 1]),
        ],
    )
    def test_rows_are_sorted_by_any_column(self, column: str, numbers: list[int]) -> None:
        rows = ordered(BOARD, Shown(sort=column))
        if column in ("momentum", "optimizer"):  # equal ones stay in the order of the board
            assert {row.number for row in rows} == set(numbers)
            rows = (
                sorted(rows, key=lambda row: numbers.index(row.number))
                if column == "momentum"
                else rows
            )
        assert rows[0].number == numbers[0]
        if column not in ("momentum", "optimizer"):
            assert [row.number for row in rows] == numbers

    def test_only_the_first_are_shown(self) -> None:
        assert [row.number for row in ordered(BOARD, Shown(top=2, sort="number"))] == [0, 1]

    @pytest.mark.parametrize("shown", [Shown(sort="widht"), Shown(columns=("loss", "widht"))])
    def test_a_slip_is_answered_with_the_column_that_is_meant(self, shown: Shown) -> None:
        with pytest.raises(SpecError, match="did you mean 'width'"):
            as_table(BOARD, shown, 100)

    def test_a_score_is_shown_where_time_has_a_weight(self) -> None:
        assert "score" not in columns(BOARD, Shown())
        assert "score" in columns(board(study(), time_weight=0.1), Shown())


class TestTable:
    def test_this_is_how_it_looks(self) -> None:
        assert table(
            Shown(columns=("loss", "accuracy", "seconds", "lr", "optimizer", "momentum", "skip"))
        ) == [
            "            #      loss  accuracy  seconds        lr  optimizer  momentum  skip",
            "winner    * 2   0.09240   97.50 %    12.50  0.000300  momentum      0.900  false",
            "default   * 0   0.25000   90.00 %     2.00  0.001000  adam              -  false",
            "          * 1   0.50000   80.00 %     0.50  0.020000  sgd               -  true",
            "            3  diverged         -     0.10  0.100000  adam              -  false",
            "            4   pending         -        -  0.010000  adam              -  false",
            "baseline        2.30000   10.00 %",
            "",
            "winner    trial 2: loss 0.09240, accuracy 97.50 %",
            "test      loss 0.1000, accuracy 97.00 % (on rows that no trial has seen; 1 look)",
            "default   trial 0: loss 0.2500, accuracy 90.00 %",
            "failed    1 of 5 trials (1 diverged); trial 3 diverged: training loss 9.12e+03 after epoch 1",
            "*         no other trial has both a lower loss and a lower cost",
            "baseline  what one constant prediction for every row is worth",
        ]

    @pytest.mark.parametrize("width", [40, 60, 80, 120])
    def test_no_line_is_wider_than_the_terminal(self, width: int) -> None:
        for text in table(width=width):
            assert len(text) <= width or " " not in text[10:].strip()

    def test_what_has_no_room_is_named_and_the_winners_settings_are_written_out(self) -> None:
        text = " ".join(" ".join(table(width=60)).split())
        assert "settings lr=0.0003 width=128 optimizer=momentum momentum=0.9" in text
        assert "no room for" in text
        assert "settings" not in " ".join(table(width=200))

    def test_how_many_are_not_shown_is_said(self) -> None:
        assert "3 more" in table(Shown(top=2))

    def test_nothing_stands_at_the_end_of_a_line_but_text(self) -> None:
        assert all(text == text.rstrip() for text in table(Shown(top=3)))

    def test_the_winner_is_green_and_failed_trials_are_faint(self) -> None:
        spans = as_table(BOARD, Shown(), 200).spans
        assert [str(span.style) for span in spans] == ["bold", "bold green", "dim", "dim", "dim"]

    def test_a_study_without_a_success_says_why(self) -> None:
        lines = table(of=board(study(results={3: RESULTS[3]})))
        assert "winner    none: no trial has succeeded" in lines
        assert any(text.startswith("failed    1 of 5 trials") for text in lines)

    def test_a_study_without_trials_has_a_table(self) -> None:
        assert "winner    none: no trial has succeeded" in table(of=board(study([], {})))

    def test_a_more_expensive_best_is_mentioned_beside_the_winner(self) -> None:
        lines = table(of=board(study(), time_weight=10.0))
        assert "best      trial 2: loss 0.09240, accuracy 97.50 %, at a higher cost" in lines

    @pytest.mark.parametrize("precision", [1, 2, 17])
    def test_any_precision_can_be_had(self, precision: int) -> None:
        assert table(Shown(precision=precision))


class TestOtherFormats:
    def test_csv_has_all_digits_and_every_row(self) -> None:
        rows = list(csv.DictReader(io.StringIO(as_csv(BOARD, Shown()))))
        assert [row["number"] for row in rows] == ["2", "0", "1", "3", "4"]
        assert float(rows[0]["loss"]) == 0.0924
        assert rows[4]["loss"] == ""

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
    def test_a_text_that_a_spreadsheet_would_compute_is_neutralised(self, text: str) -> None:
        odd = board(study([{text: text}], {0: done(0.5)}))
        header, row = csv.reader(
            io.StringIO(as_csv(odd, Shown(columns=("loss", text))), newline="")
        )
        assert (header[3], row[3]) == ("'" + text, "'" + text)

    def test_a_carriage_return_ends_no_row(self) -> None:
        odd = board(study([{"a": "x\r=1"}], {0: done(0.5)}))
        assert as_csv(odd, Shown(columns=("a",))).splitlines() == [
            "number,state,a",
            "0,done,x\\r=1",
        ]

    def test_a_negative_number_stays_a_number(self) -> None:
        odd = board(study(POINTS[:1], {0: replace(done(0.5), loss=-0.5)}))
        assert as_csv(odd, Shown(columns=("loss",))).splitlines()[1] == "0,done,-0.5"

    def test_markdown_is_a_table_and_a_list(self) -> None:
        lines = as_markdown(BOARD, Shown(columns=("loss", "optimizer"))).splitlines()
        assert lines[:3] == [
            "|  | # | loss | optimizer |",
            "| :--- | ---: | ---: | :--- |",
            lines[2],
        ]
        assert lines[2] == "| winner | * 2 | 0.09240 | momentum |"
        assert "- **winner** trial 2: loss 0.09240, accuracy 97.50 %" in lines

    def test_markdown_is_not_broken_by_what_a_person_wrote(self) -> None:
        odd = board(study([{"a": "x|y"}], {0: done(0.5)}))
        assert "x\\|y" in as_markdown(odd, Shown(columns=("a",)))

    @pytest.mark.parametrize("name", FORMATS)
    def test_no_format_stumbles_over_an_empty_study(self, name: str) -> None:
        FORMATS[name](board(study([], {})), Shown())


SUBJECT = Subject("digits-random: random, seed 0", 12, "accuracy", lambda params: 10)


def told(history: History, results: dict[int, Result]) -> Told:
    return Told(results, history.told(results))


class TestProgress:
    def test_a_line_is_printed_for_each_trial_that_ends(self) -> None:
        out = io.StringIO()
        lines = Lines(Console(file=out, width=40), SUBJECT)
        history = study(results={}).history
        with lines:
            lines.show(Asked(history.trials))
            lines.show(Epoch(0, 1, 1.0, 1.0, 0.5))
            lines.show(event := told(history, {0: RESULTS[0], 3: RESULTS[3]}))
            lines.show(told(event.history, {1: RESULTS[1]}))
        assert out.getvalue().splitlines() == [
            "[ 1/12] trial  0: loss 0.25, accuracy 90.00 %, best epoch 7 of 10, 2 s  best so far",
            "[ 2/12] trial  3: diverged: training loss 9.12e+03 after epoch 1",
            "[ 3/12] trial  1: loss 0.5, accuracy 80.00 %, best epoch 3 of 10, 0.5 s",
        ]

    def test_where_trials_are_dropped_on_their_way_whole_trainings_are_counted(self) -> None:
        out = io.StringIO()
        lines = Lines(Console(file=out, width=40), replace(SUBJECT, whole=10))
        trials = (Trial(0, {}, "", 0, 0, upto=3), Trial(1, {}, "", 1, 1, of=0, start=3, upto=10))
        at_rung = replace(done(0.5), epochs=3, best_epoch=3, paused=True)
        lines.show(event := told(History(trials), {0: at_rung}))
        lines.show(told(event.history, {1: done(0.4)}))
        assert out.getvalue().splitlines() == [
            "[ 0.3/12] trial  0: loss 0.5, accuracy 50.00 %, best epoch 3 of 3 so far, 1 s  best so far",
            "[ 1.0/12] trial  0: loss 0.4, accuracy 60.00 %, best epoch 7 of 10, 1 s  best so far",
        ]

    def test_the_live_view_follows_legs_by_the_number_of_their_trial(self) -> None:
        view = LiveView(Console(file=io.StringIO(), width=80), replace(SUBJECT, whole=10))
        trials = (Trial(0, {}, "", 0, 0, upto=3), Trial(1, {}, "", 1, 1, of=0, start=3, upto=10))
        view.show(Asked(trials[1:]))
        assert view._running.expected == {0: 7}
        view.show(Epoch(0, 4, 1.0, 1.0, 0.5))
        assert view._running.done[0] == 1
        view.show(told(History(trials, {0: done(0.5)}), {1: done(0.4)}))
        assert view._running.expected == {0: 1}

    def test_the_live_view_shows_the_best_what_runs_and_how_far_it_is(self) -> None:
        out = io.StringIO()
        console = Console(file=out, width=80, height=40, force_terminal=True, color_system=None)
        history = study(results={}).history
        view = LiveView(console, SUBJECT)
        with view:
            console.print(view._render())
            view.show(Asked(history.trials))
            view.show(told(history, {0: RESULTS[0], 3: RESULTS[3]}))
            for epoch in range(1, 4):
                view.show(Epoch(1, epoch, 1.0, 1.0 / epoch, 0.5))
            out.truncate(0)
            console.print(view._render())
        text = out.getvalue()
        assert "digits-random: random, seed 0" in text
        assert "0.2500   90.00 %" in text
        assert "0.3333" in text
        assert "█▃▁" in text
        assert "2/12" in text
        assert "1 failed" in text
        assert "3/30" in text  # three trials of ten epochs at most; two have ended without any

    def test_a_sparkline_is_lowest_where_the_value_is(self) -> None:
        assert sparkline([3.0, 2.0, 1.0]) == "█▅▁"
        assert sparkline([1.0, 1.0]) == "▁▁"
        assert sparkline([]) == ""

    def test_a_value_that_is_no_number_is_a_dot(self) -> None:
        assert sparkline([math.nan, 2.0, math.inf, 1.0]) == "·█·▁"

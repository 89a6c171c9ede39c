"""How a board is written: as a table, CSV, Markdown and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from hpsearch.errors import SpecError
from hpsearch.report.board.text import (
    FORMATS,
    DisplayOptions,
    as_csv,
    as_json,
    as_markdown,
    as_table,
    columns,
    ordered,
)
from hpsearch.report.board.view import Board, board, record
from hpsearch.study.layout import StudyMeta
from hpsearch.study.record import TestEvaluation
from hpsearch.study.trial import Result
from tests.helpers.histories import done
from tests.helpers.studies import META
from tests.report.board.boards import BOARD, POINTS, RESULTS, study

FUNCTION = replace(
    META,
    name="parabola",
    metric=None,
    has_cost=False,
    baseline_loss=None,
    baseline_metric=None,
    data="{}",
)


def table(shown: DisplayOptions | None = None, width: int = 200, of: Board = BOARD) -> list[str]:
    return str(as_table(of, shown or DisplayOptions(), width)).splitlines()


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
            ("momentum", [2, 0, 1, 3, 4]),  # those without one stay in the order of the board
            ("optimizer", [0, 3, 4, 2, 1]),
            ("-score", [1, 0, 2, 3, 4]),
            ("-seconds", [2, 0, 1, 3, 4]),
            ("-metric", [1, 0, 2, 3, 4]),
            ("-lr", [3, 1, 4, 0, 2]),
            ("-optimizer", [1, 2, 4, 3, 0]),
        ],
    )
    def test_rows_are_sorted_by_any_column(self, column: str, numbers: list[int]) -> None:
        rows = ordered(BOARD, DisplayOptions(sort=column))
        assert [row.number for row in rows] == numbers

    def test_only_the_first_are_shown(self) -> None:
        rows = ordered(BOARD, DisplayOptions(top=2, sort="number"))
        assert [row.number for row in rows] == [0, 1]

    @pytest.mark.parametrize(
        "shown", [DisplayOptions(sort="widht"), DisplayOptions(columns=("loss", "widht"))]
    )
    def test_a_slip_is_answered_with_the_column_that_is_meant(self, shown: DisplayOptions) -> None:
        with pytest.raises(SpecError, match="did you mean 'width'"):
            as_table(BOARD, shown, 100)

    def test_a_score_is_shown_where_time_has_a_weight(self) -> None:
        assert "score" not in columns(BOARD, DisplayOptions())
        assert "score" in columns(board(study(), time_weight=0.1), DisplayOptions())

    @pytest.mark.parametrize("name", ["metric", "accuracy", "cost", "flops"])
    def test_a_column_that_the_study_does_not_have_is_unknown(self, name: str) -> None:
        with pytest.raises(SpecError, match=f"no column is called '{name}'"):
            columns(board(study(meta=FUNCTION)), DisplayOptions(columns=(name,)))

    def test_a_parameter_with_the_name_of_a_fact_has_a_column_of_its_own(self) -> None:
        one = board(study([{"epochs": 50, "cost": 0.5}], {0: done(0.5)}, meta=FUNCTION))
        assert columns(one, DisplayOptions()) == [
            "loss", "seconds", "params.epochs", "params.cost",
        ]  # fmt: skip
        asked = ("epochs", "params.epochs", "params.cost")
        written = as_csv(one, DisplayOptions(columns=asked))
        assert written.splitlines()[1] == "0,done,10,50,0.5"


class TestTable:
    def test_this_is_how_it_looks(self) -> None:
        names = ("loss", "accuracy", "seconds", "lr", "optimizer", "momentum", "skip")
        assert table(DisplayOptions(columns=names)) == [
            "            #      loss  accuracy  seconds        lr  optimizer  momentum  skip",
            "winner    * 2   0.09240   97.50 %    12.50  0.000300  momentum      0.900  false",
            "default   * 0   0.25000   90.00 %     2.00  0.001000  adam              -  false",
            "          * 1   0.50000   80.00 %     0.50  0.020000  sgd               -  true",
            "            3  diverged         -     0.10  0.100000  adam              -  false",
            "            4   pending         -        -  0.010000  adam              -  false",
            "baseline        2.30000   10.00 %",
            "",
            "winner    trial 2: loss 0.09240, accuracy 97.50 %",
            "expect    a higher loss on new data; folds or repetitions (--confirm of random and"
            " bayes) would say by how much",
            "test      loss 0.1000, accuracy 97.00 %, on rows that no trial has seen"
            " (1 evaluation)",
            "default   trial 0: loss 0.2500, accuracy 90.00 %",
            "failed    1 of 5 trials (1 diverged); trial 3 diverged: training loss 9.12e+03 after"
            " epoch 1",
            "*         Pareto-optimal: no other trial has both a lower loss and a lower cost",
            "baseline  what one constant prediction for every row is worth",
        ]

    def test_a_study_without_metric_cost_and_baseline_looks_like_this(self) -> None:
        results: dict[int, Result] = {
            0: replace(done(0.25, flops=0.0, seconds=2.0), metric=math.nan),
            1: replace(done(0.5, flops=0.0, seconds=0.5), metric=math.nan),
            2: replace(done(0.75, flops=0.0, seconds=3.0), metric=math.nan),
        }
        points = [{"x": 0.5}, {"x": 1.0}, {"x": 2.0}]
        assert table(of=board(study(list(points), results, meta=FUNCTION))) == [
            "        #    loss  seconds      x",
            "winner  0  0.2500     2.00  0.500",
            "        1  0.5000     0.50  1.000",
            "        2  0.7500     3.00  2.000",
            "",
            "winner    trial 0: loss 0.2500",
            "note      the default settings have won: nothing better was found",
        ]

    def test_a_metric_that_is_no_accuracy_is_a_number(self) -> None:
        lines = table(of=board(study(meta=replace(META, metric="r2"))))
        assert lines[0].split()[:3] == ["#", "loss", "r2"]
        assert "winner    trial 2: loss 0.09240, r2 0.9750" in lines

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
        assert "3 more" in table(DisplayOptions(top=2))

    def test_nothing_stands_at_the_end_of_a_line_but_text(self) -> None:
        assert all(text == text.rstrip() for text in table(DisplayOptions(top=3)))

    def test_the_winner_is_green_and_failed_trials_are_faint(self) -> None:
        text = as_table(BOARD, DisplayOptions(), 200)
        styles = {str(span.style): text.plain[span.start : span.end] for span in text.spans}
        assert len(styles["bold green"].splitlines()) == 1
        assert len(styles["dim"].splitlines()) == 3

    @pytest.mark.parametrize("precision", [1, 2, 17])
    def test_any_precision_can_be_had(self, precision: int) -> None:
        assert table(DisplayOptions(precision=precision))


class TestOtherFormats:
    def test_csv_has_all_digits_and_every_row(self) -> None:
        rows = list(csv.DictReader(io.StringIO(as_csv(BOARD, DisplayOptions()))))
        assert [row["number"] for row in rows] == ["2", "0", "1", "3", "4"]
        assert float(rows[0]["loss"]) == 0.0924
        assert rows[4]["loss"] == ""

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\uff1d1"])
    def test_a_text_that_a_spreadsheet_would_compute_is_neutralised(self, text: str) -> None:
        odd = board(study([{text: text}], {0: done(0.5)}))
        written = as_csv(odd, DisplayOptions(columns=("loss", text)))
        header, row = csv.reader(io.StringIO(written, newline=""))
        assert (header[3], row[3]) == ("'" + text, "'" + text)

    def test_a_carriage_return_ends_no_row(self) -> None:
        odd = board(study([{"a": "x\r=1"}], {0: done(0.5)}))
        written = as_csv(odd, DisplayOptions(columns=("a",)))
        assert written.splitlines() == ["number,state,a", "0,done,x\\r=1"]

    def test_a_negative_number_stays_a_number(self) -> None:
        odd = board(study(POINTS[:1], {0: replace(done(0.5), loss=-0.5)}))
        assert as_csv(odd, DisplayOptions(columns=("loss",))).splitlines()[1] == "0,done,-0.5"

    def test_markdown_is_a_table_and_a_list(self) -> None:
        lines = as_markdown(BOARD, DisplayOptions(columns=("loss", "optimizer"))).splitlines()
        assert lines[0] == "|  | # | loss | optimizer |"
        assert lines[1] == "| :--- | ---: | ---: | :--- |"
        assert lines[2] == "| winner | \\* 2 | 0.09240 | momentum |"
        assert "- **winner** trial 2: loss 0.09240, accuracy 97.50 %" in lines

    def test_markdown_is_not_broken_by_what_a_person_wrote(self) -> None:
        odd = board(study([{"a": "x|y\\|z\n<img>[a](b)"}], {0: done(0.5)}))
        written = as_markdown(odd, DisplayOptions(columns=("a",)))
        assert r"x\|y\\\|z\\n\<img>\[a\](b)" in written

    def test_json_is_the_record_whatever_is_shown(self) -> None:
        shown = DisplayOptions(top=1, columns=("lr",), precision=1)
        assert json.loads(as_json(BOARD, shown)) == record(BOARD)

    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("meta", [META, FUNCTION], ids=["networks", "function"])
    def test_no_format_stumbles_over_an_empty_study(self, name: str, meta: StudyMeta) -> None:
        FORMATS[name](board(study([], {}, meta=meta)), DisplayOptions())

    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format_has_a_test_evaluation_without_a_metric(self, name: str) -> None:
        evaluations = (TestEvaluation(2, 0.1, math.nan),)
        one = board(study(POINTS, RESULTS, evaluations, FUNCTION))
        written = FORMATS[name](one, DisplayOptions())
        assert "nan" not in written.lower()

"""Boards of trainers of one's own: a maximised metric as itself, measures, reported costs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from hpsearch.report.board.live import LiveView
from hpsearch.report.board.progress import Subject, outcome
from hpsearch.report.board.text import DisplayOptions, as_csv, as_json, as_table, columns
from hpsearch.report.board.verdict import verdict
from hpsearch.report.board.view import Board, board
from hpsearch.report.trial.facts import facts
from hpsearch.report.trial.page import as_page
from hpsearch.report.trial.text import as_text
from hpsearch.report.trial.view import record, trial_report
from hpsearch.search.loop import CohortFinished, WaveStarted
from hpsearch.space.parameters import Real
from hpsearch.space.space import Params, Space
from hpsearch.study.history import History
from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Done, Epoch, Failed, Result, Trial
from tests.helpers.studies import META

COMMAND = replace(
    META,
    name="mine",
    objective="command",
    metric="accuracy",
    has_cost=False,
    baseline_loss=None,
    baseline_metric=None,
    data=json.dumps({"minimized": "-accuracy"}),
)


def reported(accuracy: float, cost: float | None = None, **measures: float) -> Done:
    """Return a result as a trainer that maximises its accuracy reports it."""
    curve = tuple(Epoch(0, n, float("nan"), -accuracy * n / 3, accuracy * n / 3) for n in (1, 2, 3))
    return Done(-accuracy, accuracy, 2.0, 0.0, 0, 3, 3, curve, None, (), False, {}, cost, measures)


def study(*results: Result, **meta: object) -> StudyRecord:
    """Return a study of trials with these results, one after another."""
    trials = tuple(Trial(k, {"lr": 0.1 * (k + 1)}, "random", 0, k) for k in range(len(results)))
    history = History(trials, dict(enumerate(results)))
    kept = replace(COMMAND, **meta)  # type: ignore[arg-type]
    return StudyRecord(kept, history, (), ())


THREE = study(
    reported(0.5, val_loss=1.25), reported(0.75, val_loss=0.5), Failed("error", "it ended with 3")
)


def table(found: Board, *names: str, sort: str = "score") -> list[str]:
    """Return the lines of a table."""
    return str(as_table(found, DisplayOptions(columns=names, sort=sort), 200)).splitlines()


def test_a_metric_that_is_maximised_is_shown_as_itself_with_what_else_was_reported() -> None:
    assert table(board(THREE)) == [
        "        #  accuracy  val_loss  seconds     lr",
        "winner  1    0.7500     0.500     2.00  0.200",
        "        0    0.5000     1.250     2.00  0.100",
        "        2     error         -     0.00  0.300",
        "",
        "winner    trial 1: accuracy 0.7500",
        "failed    1 of 3 trials (1 error); trial 2 error: it ended with 3",
        "maximize  accuracy: more of it is better",
    ]


def test_a_loss_of_another_name_is_named() -> None:
    data = json.dumps({"minimized": "val_loss"})
    found = board(study(Done(0.5, float("nan"), 1.0, 0.0, 0, 1, 1), metric=None, data=data))
    assert "val_loss" in table(found)[0]
    assert dict(verdict(found))["minimize"] == "val_loss: less of it is better"


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [("accuracy", ["1", "0", "2"]), ("-accuracy", ["0", "1", "2"]), ("val_loss", ["1", "0", "2"])],
)
def test_rows_are_sorted_by_it_and_by_what_was_reported(sort: str, numbers: list[str]) -> None:
    lines = table(board(THREE), "accuracy", sort=sort)[1:4]
    assert [line.replace("winner", "").split()[0] for line in lines] == numbers


def test_a_measure_with_the_name_of_something_else_has_a_column_of_its_own() -> None:
    found = board(study(reported(0.5, lr=7.0, seconds=8.0)))
    names = columns(found, DisplayOptions())
    assert names == ["loss", "measures.lr", "measures.seconds", "seconds", "lr"]
    assert as_csv(found, DisplayOptions()).splitlines()[1] == "0,done,0.5,7.0,8.0,2.0,0.1"


def test_a_column_that_has_two_names_is_shown_once() -> None:
    asked = DisplayOptions(columns=("loss", "accuracy", "lr", "val_loss", "lr"))
    assert columns(board(THREE), asked) == ["loss", "lr", "val_loss"]


def test_a_measure_whose_name_begins_with_a_minus_sorts_rows_either_way() -> None:
    found = board(study(reported(0.5, **{"-loss": 2.0}), reported(0.75, **{"-loss": 1.0})))
    first = [table(found, "accuracy", sort=sort)[1] for sort in ("-loss", "--loss")]
    assert [line.replace("winner", "").split()[0] for line in first] == ["1", "0"]


def test_a_table_in_a_file_has_the_metric_itself() -> None:
    rows = list(csv.DictReader(as_csv(board(THREE), DisplayOptions()).splitlines()))
    assert [row["accuracy"] for row in rows] == ["0.75", "0.5", ""]


def test_json_has_what_is_minimised_the_metric_and_what_was_reported() -> None:
    found = json.loads(as_json(board(THREE), DisplayOptions()))
    first = found["trials"][0]
    assert (first["-accuracy"], first["metric"], first["measures"]) == (
        -0.75,
        0.75,
        {"val_loss": 0.5},
    )
    assert found["minimized"] == "-accuracy"


def test_trials_are_marked_where_all_have_reported_a_cost_and_nowhere_else() -> None:
    priced = board(study(reported(0.5, 1.0), reported(0.75, 8.0), reported(0.25, 4.0)))
    assert [(row.number, row.pareto_optimal) for row in priced.rows] == [
        (1, True), (0, True), (2, False),
    ]  # fmt: skip
    assert "cost" in table(priced)[0].split()
    assert dict(verdict(priced))["*"] == (
        "Pareto-optimal: no other trial has both a higher accuracy and a lower cost"
    )
    partly = board(study(reported(0.5, 1.0), reported(0.75)))
    assert not any(row.pareto_optimal for row in partly.rows)
    assert "cost" not in table(partly)[0].split()


def test_of_equals_the_cheapest_wins_where_costs_are_reported_else_the_first() -> None:
    costs, without = [3.0, 1.0], [None, None]
    winners = [
        board(study(*(reported(0.5, cost) for cost in some))).winner for some in (costs, without)
    ]
    assert [one and one.number for one in winners] == [1, 0]


def test_one_trial_says_how_far_it_is_from_others_and_where_its_log_is() -> None:
    space = Space({"lr": Real(0.0, 1.0)})
    report = replace(trial_report(THREE, Known(space), 0), log="runs/mine/trials/0/log.txt")
    said = dict(facts(report))
    assert said["accuracy"] == "0.5000"
    assert said["compared"].startswith("0.250 below the winner (trial 1)")
    assert said["measures"] == "val_loss 1.25"
    assert said["log"] == "runs/mine/trials/0/log.txt"
    assert record(report)["measures"] == {"val_loss": 1.25}
    text = str(as_text(report, 100))
    assert "accuracy by epoch\n" in text
    assert "training" not in text
    page = as_page(report)
    assert "accuracy by epoch" in page
    assert "loss by epoch" not in page


class Known:
    """What a config says of a trainer's settings: they are what is searched."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.fixed: Params = {}

    def settings(self, params: Params) -> Params:
        """Return the params."""
        return params


def test_the_live_view_shows_the_metric_itself() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=40, force_terminal=True, color_system=None)
    subject = Subject("mine", 3, None, lambda params: 3, 1, "-accuracy", "-accuracy")
    view = LiveView(console, subject)
    with view:
        view.show(CohortFinished({0: THREE.history.results[0]}, THREE.history))
        view.show(WaveStarted(THREE.history.trials[2:]))
        view.show(Epoch(2, 1, float("nan"), -0.25, 0.25))
        out.truncate(0)
        console.print(view._render())
    text = out.getvalue()
    assert "best  accuracy" in text
    assert "   1    0.7500" in text
    assert "training: accuracy by epoch" in text
    assert " 0.25 " in text


def test_progress_shows_the_metric_itself() -> None:
    history = THREE.history
    said = outcome(reported(0.75), history, None, "-accuracy")
    assert said == "accuracy 0.75, best epoch 3 of 3, 2 s  best so far"

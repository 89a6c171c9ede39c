"""What a surrogate has learned, for the terminal."""

from __future__ import annotations

import json

import pytest

from hpsearch.report.surrogate.page import as_page
from hpsearch.report.surrogate.text import as_text
from hpsearch.report.surrogate.view import SurrogateView, record
from hpsearch.space.space import Space
from hpsearch.strategies.surrogate_report import surrogate_report
from hpsearch.study.history import History
from tests.helpers.histories import CUBE, MIXED, done, sampled
from tests.report.surrogate.views import view

EQUAL = sampled(MIXED, 8).with_results({n: done(0.5) for n in range(8)})
HUGE = sampled(CUBE, 8).with_results({n: done((1e-300, 1.0, 1e308)[n % 3]) for n in range(8)})


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = str(as_text(view(MIXED, 40), width)).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.slow
def test_a_slice_is_lowest_where_the_loss_is() -> None:
    lines = str(as_text(view(CUBE, 60), 80)).splitlines()
    at = next(position for position, line in enumerate(lines) if line.startswith("x  "))
    drawn = lines[at + 1][10:45]
    assert abs(drawn.index("▁") + drawn.rindex("▁") - 2 * 0.3 * 35) <= 6
    labels = [line.split()[0] for line in lines[at + 1 : at + 5]]
    assert labels == ["loss", "±", "gain", "trials"]


def test_a_choice_has_a_line_for_each_value() -> None:
    lines = str(as_text(view(MIXED, 40), 80)).splitlines()
    at = next(position for position, line in enumerate(lines) if line.startswith("optimizer  "))
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["sgd", "momentum", "adam"]
    counts = [int(line.split()[-1]) for line in lines[at + 1 : at + 4]]
    assert sum(counts) == 40


def test_a_model_that_leaves_nothing_out_says_nothing_of_it() -> None:
    report = surrogate_report(CUBE, sampled(CUBE, 12), "ann")
    assert "left out" not in str(as_text(SurrogateView("s", "bayes", "loss", report), 80))


@pytest.mark.parametrize(
    ("space", "history"), [(MIXED, EQUAL), (CUBE, HUGE)], ids=["equal", "huge"]
)
def test_odd_losses_can_be_looked_at(space: Space, history: History) -> None:
    report = surrogate_report(space, history, "gp")
    odd = SurrogateView("s", "bayes", "loss", report)
    assert str(as_text(odd, 80))
    assert as_page(odd)
    assert json.dumps(record(odd), allow_nan=False)

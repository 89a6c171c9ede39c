"""The live view of a search."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from hpsearch.report.board.live import LiveView
from hpsearch.runners import WorkCrashed
from hpsearch.search.loop import CohortRetried, WaveStarted
from hpsearch.study.history import History
from hpsearch.study.trial import Epoch, Trial
from tests.helpers.histories import done
from tests.report.board.boards import RESULTS, study
from tests.report.board.test_progress import SUBJECT, finished


def test_it_follows_segments_by_the_number_of_their_trial() -> None:
    view = LiveView(Console(file=io.StringIO(), width=80), replace(SUBJECT, whole=10))
    trials = (
        Trial(0, {}, "", 0, 0, until_epoch=3),
        Trial(1, {}, "", 1, 1, parent=0, start_epoch=3, until_epoch=10),
    )
    view.show(WaveStarted(trials[1:]))
    assert view._running.expected == {0: 7}
    view.show(Epoch(0, 4, 1.0, 1.0, 0.5))
    assert view._running.done[0] == 1
    view.show(finished(History(trials, {0: done(0.5)}), {1: done(0.4)}))
    assert view._running.expected == {0: 1}


def test_the_epochs_of_a_cohort_that_is_retried_are_forgotten() -> None:
    view = LiveView(Console(file=io.StringIO(), width=80), SUBJECT)
    trials = study().history.trials[:2]
    view.show(WaveStarted(trials))
    view.show(Epoch(0, 1, 1.0, 1.0, 0.5))
    view.show(CohortRetried(trials, WorkCrashed("killed", "the process died")))
    assert (view._running.done[0], view._running.losses) == (0, {})


def test_it_shows_the_best_what_runs_and_how_far_it_is() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=40, force_terminal=True, color_system=None)
    history = study(results={}).history
    view = LiveView(console, SUBJECT)
    with view:
        console.print(view._render())
        view.show(WaveStarted(history.trials))
        view.show(finished(history, {0: RESULTS[0], 3: RESULTS[3]}))
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


@pytest.mark.parametrize("most", [1, 10])
def test_a_bar_of_epochs_is_shown_where_there_are_several(most: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    view = LiveView(console, replace(SUBJECT, epochs=lambda params: most))
    view.show(WaveStarted(study(results={}).history.trials))
    console.print(view._render())
    assert ("left of this wave" in out.getvalue()) == (most > 1)


def test_of_a_repetition_it_is_said_whose_it_is() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    view = LiveView(console, SUBJECT)
    view.show(WaveStarted((Trial(7, {}, "", 1, 1, parent=3, replicate=1),)))
    view.show(Epoch(7, 1, 1.0, 0.5, 0.5))
    console.print(view._render())
    assert "7  0.5       ▁ (run 2 of trial 3)" in out.getvalue()


def test_a_column_of_metrics_is_shown_only_where_there_is_one() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    view = LiveView(console, replace(SUBJECT, metric=None))
    view.show(finished(study(results={}).history, {0: RESULTS[0]}))
    console.print(view._render())
    heads = next(line for line in out.getvalue().splitlines() if line.startswith("best"))
    assert heads.split() == ["best", "loss", "seconds", "settings"]

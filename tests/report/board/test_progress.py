"""The lines that a search prints while it runs."""

from __future__ import annotations

import io
import math
from dataclasses import replace

from rich.console import Console

from hpsearch.report.board.progress import Lines, Subject, outcome
from hpsearch.runners import WorkCrashed
from hpsearch.search.loop import CohortFinished, CohortRetried, Event, WaveStarted
from hpsearch.study.history import History
from hpsearch.study.trial import Epoch, Failed, Notice, Result, Trial
from tests.helpers.histories import done
from tests.report.board.boards import RESULTS, study

SUBJECT = Subject("digits-random: random, seed 0", 12, "accuracy", lambda params: 10)


def finished(history: History, results: dict[int, Result]) -> CohortFinished:
    return CohortFinished(results, history.with_results(results), "")


def printed(subject: Subject, *events: Event) -> list[str]:
    out = io.StringIO()
    with Lines(Console(file=out, width=40), subject) as lines:
        for event in events:
            lines.show(event)
    return out.getvalue().splitlines()


def test_a_line_is_printed_for_each_trial_that_ends() -> None:
    history = study(results={}).history
    first = finished(history, {0: RESULTS[0], 3: RESULTS[3]})
    second = finished(first.history, {1: RESULTS[1]})
    events = (WaveStarted(history.trials), Epoch(0, 1, 1.0, 1.0, 0.5), first, second)
    assert printed(SUBJECT, *events) == [
        "[ 1/12] trial  0: loss 0.25, accuracy 90.00 %, best epoch 7 of 10, 2 s  best so far",
        "[ 2/12] trial  3: diverged: training loss 9.12e+03 after epoch 1",
        "[ 3/12] trial  1: loss 0.5, accuracy 80.00 %, best epoch 3 of 10, 0.5 s",
    ]


def test_of_a_repetition_it_is_said_whose_it_is() -> None:
    trials = (Trial(0, {}, "", 0, 0), Trial(1, {}, "", 1, 1, parent=0, replicate=2))
    event = finished(History(trials, {0: done(0.5)}), {1: done(0.4)})
    retried = CohortRetried(trials[1:], WorkCrashed("killed", "the process died"))
    assert printed(SUBJECT, event, retried) == [
        "[ 2/12] trial  1 (run 3 of trial 0): loss 0.4, accuracy 60.00 %, best epoch 7 of 10, 1 s",
        "trial 1 (run 3 of trial 0): killed: the process died; tried again",
    ]


def test_where_trials_are_dropped_on_their_way_whole_trainings_are_counted() -> None:
    trials = (
        Trial(0, {}, "", 0, 0, until_epoch=3),
        Trial(1, {}, "", 1, 1, parent=0, start_epoch=3, until_epoch=10),
    )
    at_rung = replace(done(0.5), epochs=3, best_epoch=3, paused=True)
    first = finished(History(trials), {0: at_rung})
    second = finished(first.history, {1: done(0.4)})
    assert printed(replace(SUBJECT, whole=10), first, second) == [
        "[ 0.3/12] trial  0: loss 0.5, accuracy 50.00 %, best epoch 3 of 3 so far, 1 s"
        "  best so far",
        "[ 1.0/12] trial  0: loss 0.4, accuracy 60.00 %, best epoch 7 of 10, 1 s  best so far",
    ]


def test_of_what_has_no_metric_and_no_epochs_only_loss_and_time_are_said() -> None:
    result = replace(done(0.5), metric=math.nan, epochs=1, best_epoch=1)
    history = History((Trial(0, {}, "", 0, 0),), {0: result})
    assert outcome(result, history, None) == "loss 0.5, 1 s  best so far"


def test_a_large_error_is_said_in_full_and_once() -> None:
    result = replace(done(43120.7), metric=43120.7, epochs=1, best_epoch=1)
    history = History((Trial(0, {}, "", 0, 0),), {0: result})
    assert outcome(result, history, None, "rmse") == "rmse 43,121, 1 s  best so far"


def test_notices_and_retried_cohorts_are_printed() -> None:
    trials = study().history.trials[:2]
    failure = WorkCrashed("killed", "the process died")
    assert printed(SUBJECT, Notice("ending"), CohortRetried(trials, failure)) == [
        "ending",
        "trials 0, 1: killed: the process died; tried again",
    ]


def test_without_a_budget_trials_are_only_counted() -> None:
    history = study(results={}).history
    (line,) = printed(replace(SUBJECT, budget=None), finished(history, {0: RESULTS[0]}))
    assert line.startswith("[1] trial 0: loss 0.25")


def test_a_result_is_shown_where_all_trials_have_failed_in_a_repetition() -> None:
    trials = tuple(Trial(n, {}, "", n, n, parent=0 if n else None, replicate=n) for n in range(3))
    results: dict[int, Result] = {0: done(0.5), 1: Failed("diverged", "it did"), 2: done(0.5)}
    assert outcome(done(0.5), History(trials, results), None).endswith(", 1 s")

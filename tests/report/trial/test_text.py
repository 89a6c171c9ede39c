"""One trial for the terminal."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.config.spec import NetworkSpec, networks_of, parse
from hpsearch.report.trial.text import as_text
from hpsearch.report.trial.view import trial_report
from hpsearch.study.history import History
from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Done, Replicate, Trial
from tests.helpers.histories import done
from tests.helpers.studies import META
from tests.report.trial.studies import SPEC, STUDY, points


def shown(number: int, width: int = 100, of: StudyRecord = STUDY) -> str:
    return str(as_text(trial_report(of, SPEC, number), width))


def test_this_is_how_it_looks() -> None:
    assert shown(2, 88).splitlines()[:21] == [
        "digits-random: trial 2",
        "",
        "place       the winner, the best, 1st of 11 by loss; * Pareto-optimal: no other trial",
        "            has both a lower loss and a lower cost",
        "loss        0.1200 ± 0.020, the mean of 2 runs (0.1000, 0.1400); its first run was 0.020",
        "            too low",
        "accuracy    88.00 %",
        "price       1 s here; cost 0.060 s (1 GFLOPs)",
        "epochs      10, of which 7 was the best",
        "compared    1.22 below the default (trial 0); 1.01 below the median of the others; 2.18",
        "            below the constant predictor",
        "asked       drawn at random; wave 0, cohort 2",
        "",
        "lr          0.05301  0.0001 ─────────────────────●── 0.1",
        "width       36            8 ────────────●─────────── 64",
        "optimizer   adam",
        "fixed       epochs=12",
        "defaults    model=mlp depth=2 skip=none activation=relu norm=none init=fan_normal",
        "            init_scale=1 pretrain=none bayesian=none dropout=0 dropconnect=0 l1=0 l2=0",
        "            beta1=0.9 beta2=0.999 eps=1e-08 clip_norm=0 schedule=constant warmup=0",
        "            batch_size=64 patience=8",
    ]


@pytest.mark.group("names of figures")
def test_what_is_minimised_bears_its_name() -> None:
    data = json.dumps({"minimized": "1 - accuracy"})
    text = shown(2, 1000, replace(STUDY, meta=replace(STUDY.meta, data=data)))
    assert "1 - accuracy 0.1200 ± 0.020" in text
    assert "1st of 11 by 1 - accuracy" in text


def test_it_says_how_it_compares_and_how_lucky_its_first_run_was() -> None:
    assert "its first run was 0.020 too low" in shown(2, 1000)
    assert "above the winner (trial 2)" in shown(3, 1000)
    assert "below the default (trial 0)" in shown(2, 1000)


def test_it_says_of_what_it_is_compared_with_that_it_was_pruned() -> None:
    first = STUDY.history.ended[0]
    assert isinstance(first, Done)
    history = STUDY.history.with_results({0: replace(first, paused=True)})
    pruned = replace(STUDY, history=history)
    assert "below the default (trial 0, pruned at a rung)" in shown(2, 1000, pruned)
    text = shown(0, 1000, pruned)
    assert "pruned at epoch 10: its loss is that of the epochs that it ran" in text


def test_the_number_of_a_repetition_shows_the_trial() -> None:
    assert "trial 12 is run 2 of this one" in shown(12)
    assert shown(12).splitlines()[0] == shown(2).splitlines()[0]


def test_the_number_of_a_later_segment_shows_the_trial() -> None:
    went_on = Trial(13, points(12)[4], "one of the best", 9, 9, parent=4, start_epoch=3)
    history = History((*STUDY.history.trials, went_on), {**STUDY.history.results, 13: done(0.1)})
    text = shown(13, of=replace(STUDY, history=history))
    assert "trial 13 is a later part of this one" in text
    assert text.splitlines()[0] == "digits-random: trial 4"


def test_a_best_that_was_confirmed_may_stand_below_luckier_ones() -> None:
    lucky = replace(STUDY, history=STUDY.history.with_results({4: done(0.11)}))
    assert (
        "the winner, the best, 2nd of 11 by loss (those before it ran fewer times and were lucky)"
        in shown(2, 1000, lucky)
    )


def test_a_failed_and_a_pending_trial_say_so() -> None:
    assert re.search(r"state +failed: diverged: at once", shown(1))
    trials = (*STUDY.history.trials, Trial(13, points(1)[0], "random", 9, 9))
    pending = replace(STUDY, history=History(trials, STUDY.history.results))
    assert re.search(r"state +pending", shown(13, of=pending))


def test_why_it_was_asked_for_is_said_with_what_was_expected() -> None:
    assert (
        "expected improvement 0.1 (3 trials); wave 0, cohort 3; its expected improvement was 0.25 "
        "standard deviations of a run's noise" in shown(3, 1000)
    )
    assert "the default settings come first; wave 0" in shown(0, 1000)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("number", range(13))
def test_no_line_is_wider_than_the_terminal(number: int, width: int) -> None:
    assert max(map(len, shown(number, width).splitlines())) <= width


def test_a_score_is_said_where_time_has_a_weight() -> None:
    weighed = replace(STUDY, meta=replace(STUDY.meta, time_weight=0.1))
    assert re.search(
        r"score +0\.\d+ \(loss \+ 0\.1 log10\(cost / median cost\)\)", shown(2, of=weighed)
    )
    timed = replace(weighed, meta=replace(weighed.meta, has_cost=False))
    assert "log10(seconds / median seconds)" in shown(2, of=timed)


def test_what_a_study_does_not_have_is_not_mentioned() -> None:
    meta = replace(STUDY.meta, metric=None, has_cost=False, baseline_loss=None)
    text = shown(2, 1000, replace(STUDY, meta=meta))
    assert "accuracy" not in text
    assert "FLOPs" not in text
    assert "constant predictor" not in text
    assert re.search(r"^price +1 s$", text, re.MULTILINE)
    assert "no other trial" not in text


def test_a_single_epoch_is_not_mentioned() -> None:
    one = replace(done(0.11), epochs=1, best_epoch=1)
    text = shown(4, 1000, replace(STUDY, history=STUDY.history.with_results({4: one})))
    assert "of which" not in text


def test_a_trial_without_searched_settings_has_a_report() -> None:
    bare: NetworkSpec = networks_of(parse("data: {source: digits}", "", Path()))
    trial = Trial(0, {}, "default", 0, 0, origin="default")
    one = StudyRecord(META, History((trial,), {0: done(0.1)}), (), ())
    assert "defaults" in str(as_text(trial_report(one, bare, 0), 80))


def test_the_losses_of_folds_are_listed_up_to_a_few() -> None:
    runs = tuple(Replicate(k, 0, 0.1 + k / 100, 0.9, 3) for k in range(20))
    result = Done(0.2, 0.9, 1.0, 1e9, 10, 3, 3, (), 0.01, runs)
    many = replace(STUDY, history=STUDY.history.with_results({5: result}))
    assert "the mean of 20 runs (0.1000, 0.1100" in shown(5, 1000, many)
    assert ", ...)" in shown(5, 1000, many)

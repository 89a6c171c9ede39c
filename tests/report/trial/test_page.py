"""One trial as a page."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hpsearch.report.trial.page import as_page
from hpsearch.report.trial.view import trial_report
from hpsearch.study.record import StudyRecord
from tests.helpers.histories import done
from tests.report.render.pages import EVIL, assert_self_contained
from tests.report.trial.studies import SPEC, STUDY, curve


def page(number: int, of: StudyRecord = STUDY) -> str:
    return as_page(trial_report(of, SPEC, number))


@pytest.mark.parametrize("number", range(4))
def test_a_trial_has_its_curves_and_settings(number: int) -> None:
    text = page(number)
    assert_self_contained(text)
    assert "<b>adam</b>" in text or "<b>momentum</b>" in text
    assert ("<polyline" in text) == (number != 1)  # it has diverged at once


def test_what_a_person_wrote_is_escaped() -> None:
    text = page(2, replace(STUDY, meta=replace(STUDY.meta, name=EVIL)))
    assert_self_contained(text)
    assert "&lt;script&gt;" in text


def test_a_metric_has_a_chart_only_where_there_is_one() -> None:
    bare = replace(STUDY, meta=replace(STUDY.meta, metric=None))
    assert (page(4).count("<svg"), page(4, bare).count("<svg")) == (2, 1)
    assert "accuracy by epoch" in page(4)


def test_a_best_epoch_whose_metric_is_no_number_is_not_marked() -> None:
    epochs = tuple(replace(at, metric=math.nan) for at in curve(4, 2.0, 0.5, 0.4))
    result = replace(done(0.4), best_epoch=3, curve=epochs)
    text = page(4, replace(STUDY, history=STUDY.history.with_results({4: result})))
    assert_self_contained(text)
    assert text.count("<circle") == 1


def test_repetitions_are_faint() -> None:
    assert "mean repeat" in page(2)
    assert "The runs that repeat the first one are faint." in page(2)
    assert "are faint" not in page(4)

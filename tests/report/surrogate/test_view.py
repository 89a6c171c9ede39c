"""What is said of a surrogate, and what it is as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hpsearch.report.surrogate.view import judged, notes, record, surprises
from hpsearch.strategies.surrogate_report import surrogate_report
from tests.helpers.histories import CUBE, MIXED, done, sampled
from tests.report.surrogate.views import view


@pytest.mark.slow
def test_a_search_by_halving_says_of_what_its_losses_are() -> None:
    halved = replace(view(), dropped=5)
    assert any(note.startswith("5 trials were pruned and left out") for note in notes(halved))
    early = replace(halved, epoch=3)
    assert any(note.startswith("Every loss is that at epoch 3") for note in notes(early))
    assert not any("pruned" in note for note in notes(early))
    assert (record(early)["dropped"], record(early)["epoch"]) == (5, 3)


@pytest.mark.slow
def test_notes_are_whole_sentences() -> None:
    outside = replace(view().report, outside=1)
    for note in notes(replace(view(), report=outside, dropped=1)):
        assert note[0].isupper() or note[0].isdigit()
        assert note.endswith(".")


@pytest.mark.slow
def test_a_loss_that_nothing_near_it_explains_is_a_surprise() -> None:
    history = sampled(CUBE, 40)
    odd = history.with_results({5: done(history.done[-1][1].loss)})
    (check,) = surrogate_report(CUBE, odd, "gp").cross_validations
    assert surprises(check)[0].number == 5
    assert surprises(check)[0].standardized_error > 2
    assert dict(judged(check, "loss"))["  trial 5"].startswith("worse than expected: ")


def test_json_has_every_figure() -> None:
    found = json.loads(json.dumps(record(view(MIXED, 40)), allow_nan=False))
    assert found["schema_version"] == 2
    for one in found["slices"]:
        names = ("positions", "mean", "std", "success", "improvement")
        assert {len(one[name]) for name in names} == {len(one["values"])}
    (check,) = found["cross_validations"]
    assert {one["number"] for one in check["trials"]} == set(range(40))
    assert found["predictive_scores"]["trials"] > 0

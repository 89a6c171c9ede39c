"""What differs between a result that a study keeps and that of another training."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from hpsearch.study.differences import Difference, differences
from hpsearch.study.trial import WEIGHTS, Epoch, Failed, Replicate, Result
from tests.helpers.histories import done

KEPT = replace(
    done(0.25),
    loss_se=0.01,
    curve=(Epoch(3, 1, 1.0, 2.0, 0.5), Epoch(3, 2, 0.5, math.nan, math.nan)),
    replicates=(Replicate(0, 0, 0.2, 0.7, 4), Replicate(1, 0, 0.3, 0.8, 6)),
    artefacts={WEIGHTS: "a", "pause 0.0": "b"},
)


def named(here: Result, study: Result = KEPT, **flags: bool) -> list[str]:
    return [one.figure for one in differences(3, study, here, **flags)]


def test_another_time_is_no_difference_and_neither_is_another_number_in_a_curve() -> None:
    curve = tuple(replace(at, number=7) for at in KEPT.curve)
    assert named(replace(KEPT, seconds=9.0, curve=curve)) == []


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"loss": math.nextafter(0.25, 1.0)}, "loss"),
        ({"loss_se": 0.5}, "loss_se"),
        ({"metric": 0.5}, "metric"),
        ({"flops": 0.5}, "flops"),
        ({"steps": 1}, "steps"),
        ({"epochs": 1}, "epochs"),
        ({"best_epoch": 1}, "best_epoch"),
        ({"paused": True}, "state"),
        ({"curve": (KEPT.curve[0], Epoch(3, 2, 0.6, math.nan, math.nan))}, "epoch 2: train_loss"),
        ({"artefacts": {WEIGHTS: "other", "pause 0.0": "b"}}, WEIGHTS),
        ({"artefacts": {WEIGHTS: "a"}}, "pause 0.0"),
    ],
)
def test_the_last_bit_of_every_figure_counts(change: dict[str, Any], figure: str) -> None:
    assert named(replace(KEPT, **change)) == [figure]


def test_each_replicate_and_each_epoch_counts() -> None:
    replicates = (KEPT.replicates[0], replace(KEPT.replicates[1], loss=0.31))
    curve = KEPT.curve[:1]
    found = named(replace(KEPT, replicates=replicates, curve=curve))
    more = [f"epoch 2: {name}" for name in ("train_loss", "loss", "metric")]
    assert found == ["replicate 1, fold 0: loss", *more]


def test_an_infinite_loss_is_what_a_study_keeps_as_none() -> None:
    curve = (KEPT.curve[0], replace(KEPT.curve[1], loss=math.inf))
    assert named(replace(KEPT, curve=curve)) == []


def test_weights_of_other_versions_have_another_digest() -> None:
    other = replace(KEPT, artefacts={**KEPT.artefacts, WEIGHTS: "other"})
    assert named(other, with_weights=False) == []


def test_a_failure_is_compared_by_its_reason_and_its_curve() -> None:
    failed = Failed("diverged", "training loss 9", 1.0, KEPT.curve)
    assert named(replace(failed, seconds=2.0), failed) == []
    assert named(replace(failed, message="training loss 8"), failed) == ["state"]
    assert named(KEPT, failed)[0] == "state"


def test_a_difference_says_by_how_much() -> None:
    assert str(Difference(3, "loss", 0.5, 0.25)).endswith(": 0.5 in the study, 0.25 here (by 0.25)")
    assert str(Difference(3, "state", "done", None)).endswith(": done in the study, none here")

"""What a trainer reports, and what a segment of its training has come to."""

from __future__ import annotations

import math
import re

import pytest

from hpsearch.objectives.reports import Reporting, Reports
from hpsearch.study.trial import Done, Failed


def test_what_counts_is_the_report_without_an_epoch_or_else_the_last_epoch() -> None:
    reports = Reports(Reporting(epochs=9), number=0)
    for epoch in (1, 2):
        reports.take({"epoch": epoch, "loss": 1 / epoch})
    last = reports.result(1.0, "")
    reports.take({"loss": 0.125})
    final = reports.result(1.0, "")
    assert isinstance(last, Done)
    assert isinstance(final, Done)
    assert (last.loss, final.loss) == (0.5, 0.125)


def epochs_reported(*epochs: float, until: int | None = None, start: int = 0) -> Reports:
    """Return reports of these epochs, each with its own number as the loss, of a training of 9."""
    reports = Reports(Reporting(epochs=9), 0, start, until)
    for epoch in epochs:
        reports.take({"epoch": epoch, "loss": float(epoch)})
    return reports


def test_the_last_epoch_counts_in_whatever_order_they_come() -> None:
    result = epochs_reported(1, 3, 2).result(1.0, "")
    assert isinstance(result, Done)
    assert (result.loss, result.epochs, len(result.curve)) == (3.0, 3, 3)


def test_a_training_that_passes_over_its_pause_has_paused_with_the_epoch_before() -> None:
    reports = epochs_reported(2, 4, until=3)
    result = reports.result(1.0, "")
    assert reports.at_end
    assert isinstance(result, Done)
    assert (result.loss, result.epochs, result.paused) == (2.0, 3, True)


@pytest.mark.parametrize(
    ("start", "until", "epochs", "message"),
    [
        (0, 3, [4], "it reported epoch 4, but none from 1 to 3"),
        (0, 1, [9], "it reported epoch 9, but not 1"),
        (3, None, [1, 2, 3], "it reported epoch 3, but none from 4 to 9"),
    ],
)
def test_epochs_of_other_segments_alone_are_no_result(
    start: int, until: int | None, epochs: list[int], message: str
) -> None:
    result = epochs_reported(*epochs, until=until, start=start).result(1.0, "")
    assert isinstance(result, Failed)
    assert (result.kind, result.message) == ("error", message)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert epochs_reported(1.0, 2.0).result(1.0, "").epochs == 2


@pytest.mark.parametrize("cost", [-1, math.nan, math.inf, "3", True])
def test_a_cost_is_a_number_from_0_on(cost: object) -> None:
    message = f"'cost' is no number from 0 on but {cost!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        Reports(Reporting(), number=0).take({"loss": 1.0, "cost": cost})


@pytest.mark.parametrize("epoch", [0, 1.5, True, "1", math.nan, math.inf])
def test_an_epoch_is_a_whole_number_above_0(epoch: object) -> None:
    with pytest.raises(ValueError, match="'epoch' is no whole number above 0"):
        Reports(Reporting(epochs=3), number=0).take({"loss": 1.0, "epoch": epoch})


def test_a_loss_that_is_no_finite_number_has_diverged() -> None:
    reports = Reports(Reporting(), number=0)
    reports.take({"loss": math.nan})
    result = reports.result(1.0, "")
    assert isinstance(result, Failed)
    assert (result.kind, result.message) == ("diverged", "loss is nan")


@pytest.mark.parametrize(
    ("start", "until", "epochs", "said"),
    [
        (0, 3, [1, 2], "the program has ended before the epoch where it was to pause (UNTIL)"),
        (0, 3, [], "the program reports no epochs"),
        (0, 3, [1, 2, 3], ""),
        (0, 3, [2, 4], ""),
        (3, 9, [4, 5], ""),  # a whole training has no pause at its end
        (0, None, [1, 2], ""),
    ],
)
def test_who_ends_before_a_pause_is_told_what_follows(
    start: int, until: int | None, epochs: list[int], said: str
) -> None:
    reports = epochs_reported(*epochs, until=until, start=start)
    if not epochs:
        reports.take({"loss": 1.0})
    remark = reports.remark(reports.result(1.0, ""), "program", "UNTIL")
    assert remark.startswith(said)
    assert bool(remark) == bool(said)


def test_a_failure_says_enough() -> None:
    reports = epochs_reported(until=3)
    assert reports.remark(reports.result(1.0, ""), "program", "UNTIL") == ""

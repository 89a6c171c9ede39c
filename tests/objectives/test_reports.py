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
    last = reports.result(1.0)
    reports.take({"loss": 0.125})
    final = reports.result(1.0)
    assert isinstance(last, Done)
    assert isinstance(final, Done)
    assert (last.loss, final.loss) == (0.5, 0.125)


@pytest.mark.parametrize("cost", [-1, math.nan, math.inf, "3", True])
def test_a_cost_is_a_number_from_0_on(cost: object) -> None:
    message = f"'cost' is no number from 0 on but {cost!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        Reports(Reporting(), number=0).take({"loss": 1.0, "cost": cost})


@pytest.mark.parametrize("epoch", [0, 1.5, True, "1"])
def test_an_epoch_is_a_whole_number_above_0(epoch: object) -> None:
    with pytest.raises(ValueError, match="'epoch' is no whole number above 0"):
        Reports(Reporting(epochs=3), number=0).take({"loss": 1.0, "epoch": epoch})


def test_a_loss_that_is_no_finite_number_has_diverged() -> None:
    reports = Reports(Reporting(), number=0)
    reports.take({"loss": math.nan})
    result = reports.result(1.0)
    assert isinstance(result, Failed)
    assert (result.kind, result.message) == ("diverged", "loss is nan")

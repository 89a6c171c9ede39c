"""Surrogates' reports of made-up searches."""

from __future__ import annotations

from hpsearch.report.surrogate.view import SurrogateView
from hpsearch.space.space import Space
from hpsearch.strategies.surrogate_report import surrogate_report
from tests.helpers.histories import CUBE, sampled


def view(space: Space = CUBE, trials: int = 30, name: str = "mine") -> SurrogateView:
    """Return what a Gaussian process has learned from so many random trials."""
    report = surrogate_report(space, sampled(space, trials), "gp")
    return SurrogateView(name, "bayes", "loss", report)

"""What a surrogate model has learned from a search as records, as sentences and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpsearch.report.render import figures
from hpsearch.report.render.records import SCHEMA_VERSION, finite
from hpsearch.strategies.surrogate_report import (
    CrossValidation,
    HeldOutPrediction,
    Slice,
    SurrogateReport,
)

SAFE = 0.95
"""From this chance of success on, nothing is said of failures."""

_DIGITS = 3
_LISTED = 3  # trials that are listed as surprises at most
_SURPRISING = 2.0  # standard deviations


@dataclass(frozen=True, slots=True)
class SurrogateView:
    """A surrogate's report, and what it is about.

    Attributes:
        study: the name of the study.
        strategy: the one that asked for its trials.
        target: the name of what the surrogate has learned: what is minimised, or the score where
            time has a weight.
        dropped: how many trials were pruned, and are left out of the report.
        epoch: the one at which all losses were compared; None for those of whole trainings.
    """

    study: str
    strategy: str
    target: str
    report: SurrogateReport
    dropped: int = 0
    epoch: int | None = None

    @property
    def title(self) -> str:
        """The name of the study, the surrogate, and how many trials it was fitted to."""
        found = self.report
        return f"{self.study}: what a model expects ({found.surrogate}, of {found.trials} trials)"


def notes(view: SurrogateView) -> Iterator[str]:
    """Yield what a reader has to know first, in whole sentences."""
    found = view.report
    yield (
        f"Each parameter is varied while the others stay as in trial {found.trial}; what matters "
        f"most comes first. One run's {view.target} has a noise of "
        f"± {figures.brief(view.target, found.noise, 2)}."
    )
    if view.epoch is not None:
        yield (
            f"Every {view.target} is that at epoch {view.epoch}, where trials were compared, "
            "since too few were trained to their end."
        )
    elif view.dropped:
        were = f"{view.dropped} trials were" if view.dropped > 1 else "1 trial was"
        yield (
            f"{were} pruned and left out, since a {view.target} after fewer epochs cannot be "
            "compared."
        )
    if found.outside:
        are = f"{found.outside} trials are" if found.outside > 1 else "1 trial is"
        yield f"{are} outside of the space, and left out."
    yield from _predictive(found)


def _predictive(found: SurrogateReport) -> Iterator[str]:
    """Yield how well the surrogate would have predicted the search while it went on."""
    scores = found.predictive_scores
    if scores.trials:
        yield (
            f"Each of {scores.trials} trials was predicted from those before it: the log density "
            f"is {scores.density:.2f} and the root mean square error {scores.rmse:.2f}, in units "
            "of the standard deviation of all trials. A model that knows only mean and standard "
            "deviation has -1.42 and 1."
        )


def lowest(one: Slice) -> int:
    """Return the position among a slice's values of the one with the lowest mean."""
    return min(range(len(one.values)), key=lambda at: one.mean[at])


def doubt(one: Slice) -> str:
    """Return how likely success is where it is least likely; empty where success is certain."""
    chance = min(one.success)
    worst = figures.word(one.values[one.success.index(chance)], _DIGITS)
    return f"success {100 * chance:.0f} % at {worst}" if chance < SAFE else ""


def judged(check: CrossValidation, target: str) -> Iterator[tuple[str, str]]:
    """Yield how far the model can be trusted, in words, each with its title."""
    explained = 1.0 - (check.rmse / check.loss_std) ** 2 if check.loss_std else 0.0
    said = (
        f"it explains {100 * explained:.0f} % of the variance"
        if explained > 0
        else "it explains nothing"
    )
    yield (
        _KINDS.get(check.kind, check.kind),
        f"off by {figures.brief(target, check.rmse, 3)} (root mean square) where the mean of all "
        f"is off by {figures.brief(target, check.loss_std, 3)}: {said}; "
        f"{100 * check.within(1):.0f} % are within one standard deviation (68 % would be right), "
        f"{100 * check.within(2):.0f} % within two (95 %)",
    )
    for one in surprises(check):
        way = "worse" if one.standardized_error > 0 else "better"
        yield (
            f"  trial {one.number}",
            f"{way} than expected: {figures.brief(target, one.loss, _DIGITS)}, not "
            f"{within(one.expected, one.std, target)}",
        )


_KINDS = {"leave-one-out": "left out"}
"""How trials were held out from the model, in a word or two."""


def surprises(check: CrossValidation) -> list[HeldOutPrediction]:
    """Return the trials whose losses were furthest from what the model expected."""
    far = sorted(check.predictions, key=lambda one: -abs(one.standardized_error))
    return [one for one in far[:_LISTED] if abs(one.standardized_error) > _SURPRISING]


def within(mean: float, std: float, target: str) -> str:
    """Return a mean with as many digits as its standard deviation leaves it, and that."""
    return " ± ".join(figures.metrics(target, [mean, std], 2))


def record(view: SurrogateView) -> dict[str, Any]:
    """Return what `--json` prints: every figure of every slice.

    None stands where there is no number.
    """
    found = view.report
    return {
        "schema_version": SCHEMA_VERSION,
        "study": view.study,
        "strategy": view.strategy,
        "target": view.target,
        "surrogate": found.surrogate,
        "trials": found.trials,
        "outside": found.outside,
        "dropped": view.dropped,
        "epoch": view.epoch,
        "winner": found.trial,
        "cut": finite(found.cut),
        "noise": finite(found.noise),
        "slices": [_slice(one, view.target) for one in found.slices],
        "cross_validations": [_check(check, view.target) for check in found.cross_validations],
        "predictive_scores": {
            "log_density": finite(found.predictive_scores.density),
            "rmse": finite(found.predictive_scores.rmse),
            "trials": found.predictive_scores.trials,
        },
    }


_ALONG = ("positions", "mean", "std", "success", "improvement")


def _slice(one: Slice, target: str) -> dict[str, Any]:
    return {
        "parameter": one.name,
        "ordered": one.ordered,
        "trial": one.trial,
        "value": one.value,
        "swing": finite(one.swing),
        "values": list(one.values),
        **{name: [finite(v) for v in getattr(one, name)] for name in _ALONG},
        "points": [{"number": p.number, "value": p.value, target: p.loss} for p in one.points],
    }


def _check(check: CrossValidation, target: str) -> dict[str, Any]:
    return {
        "kind": check.kind,
        "rmse": finite(check.rmse),
        f"{target}_std": finite(check.loss_std),
        "within_1": check.within(1),
        "within_2": check.within(2),
        "trials": [
            {
                "number": one.number,
                target: finite(one.loss),
                "expected": finite(one.expected),
                "std": finite(one.std),
            }
            for one in check.predictions
        ],
    }

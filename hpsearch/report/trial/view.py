"""One trial as records: how it was set, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hpsearch.errors import Problem, SpecError
from hpsearch.report.board.view import Board, Row, board, named
from hpsearch.report.render import figures
from hpsearch.report.render.records import SCHEMA_VERSION, finite
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params, Space
from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Epoch, Trial


class SettingsSource(Protocol):
    """What a study's config says of the settings of its trials."""

    @property
    def space(self) -> Space:
        """The settings that are searched."""

    @property
    def fixed(self) -> Params:
        """The settings that all trials have in common."""

    def settings(self, params: Params) -> Params:
        """Return all settings of a trial: searched, fixed and default ones."""


@dataclass(frozen=True, slots=True)
class SearchedSetting:
    """A searched setting of a trial.

    `position` says where in its range the value is, from 0 at `low` to 1 at `high`; a choice has
    none.
    """

    name: str
    value: Value
    position: float | None
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """All that is known of one trial.

    Attributes:
        trial: the trial itself.
        asked: the trial of the number that was asked for: `trial`, or one that repeats it or goes
            on with it.
        rank: 1 for the lowest score; None for a trial without one.
        searched: the settings that tell it from other trials.
        fixed: the settings that all trials have in common.
        defaults: the settings that nobody has set.
        curves: the epochs of each of its runs, with the number of the repetition.
        log: the path of what a trainer of one's own has printed; empty where there is none.
        printed: its last lines, where the trial has failed.
    """

    board: Board
    row: Row
    trial: Trial
    asked: Trial
    rank: int | None
    searched: tuple[SearchedSetting, ...]
    fixed: Params
    defaults: Params
    curves: tuple[tuple[int, Sequence[Epoch]], ...]
    log: str = ""
    printed: Sequence[str] = ()

    @property
    def settings(self) -> Params:
        """All settings."""
        return (
            {one.name: one.value for one in self.searched} | dict(self.fixed) | dict(self.defaults)
        )

    @property
    def title(self) -> str:
        """The name of the study, and the number of the trial."""
        return f"{self.board.meta.name}: trial {self.row.number}"


def trial_report(study: StudyRecord, known: SettingsSource, number: int) -> TrialReport:
    """Return the report of a trial, or of the one that the trial of this number belongs to.

    Raises:
        SpecError: there is no such trial.
    """
    trials = study.history.trials
    if not 0 <= number < len(trials):
        there = (
            f"its trials are 0 to {len(trials) - 1}" if trials else "nothing has been asked for yet"
        )
        raise SpecError(Problem("E096", f"{study.meta.name} has no trial {number}", help=there))
    asked = trials[number]
    trial = asked if asked.parent is None else trials[asked.parent]
    now = board(study)
    row = next(row for row in now.rows if row.number == trial.number)
    ended = study.history.ended
    runs = [run for run in study.history.runs[trial.number] if run.number in ended]
    settings = known.settings(trial.params)
    rest = {name: value for name, value in settings.items() if name not in trial.params}
    return TrialReport(
        board=now,
        row=row,
        trial=trial,
        asked=asked,
        rank=None if row.score is None else 1 + now.rows.index(row),
        searched=tuple(_searched(known.space, name, v) for name, v in trial.params.items()),
        fixed={name: value for name, value in rest.items() if name in known.fixed},
        defaults={name: value for name, value in rest.items() if name not in known.fixed},
        curves=tuple((run.replicate, ended[run.number].curve) for run in runs),
    )


def _searched(space: Space, name: str, value: Value) -> SearchedSetting:
    parameter = space.parameters.get(name)
    if parameter is None or not parameter.ordered or value not in parameter:
        return SearchedSetting(name, value, None)
    ends = parameter.grid(2)  # a number of one value has that alone
    low, high = figures.word(ends[0]), figures.word(ends[-1])
    return SearchedSetting(name, value, parameter.encode(value)[0], low, high)


_FIGURES = (
    "loss",
    "loss_se",
    "first_loss",
    "score",
    "metric",
    "seconds",
    "cost",
    "flops",
    "epochs",
    "best_epoch",
)


def record(report: TrialReport) -> dict[str, Any]:
    """Return what `--json` prints; None stands where there is no number."""
    row, now, trial = report.row, report.board, report.trial
    name = now.minimized
    of_trainer = {
        "measures": dict(row.measures),
        "log": report.log or None,
        "printed": [*report.printed],
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "study": now.meta.name,
        "strategy": now.meta.strategy,
        "number": row.number,
        "state": row.state,
        "failure": row.failure,
        "minimized": name,
        "metric_name": now.meta.metric,
        **{named(figure, name): getattr(row, figure) for figure in _FIGURES},
        **(of_trainer if now.meta.objective != "networks" else {}),
        "pareto_optimal": row.pareto_optimal,
        "rank": report.rank,
        "ended": now.ended,
        "winner": now.winner and now.winner.number,
        "best": now.best and now.best.number,
        "default": now.default and now.default.number,
        "baseline": now.meta.baseline_loss,
        "origin": trial.origin,
        "reason": trial.reason,
        "expected_improvement": trial.expected_improvement,
        "wave": trial.wave,
        "cohort": trial.cohort,
        "params": dict(trial.params),
        "settings": report.settings,
        "runs": [
            {"replicate": run.replicate, "fold": run.fold, name: run.loss} for run in row.replicates
        ],
        "curves": [
            {"replicate": number, "epochs": [_epoch(at) for at in curve]}
            for number, curve in report.curves
        ],
    }


def _epoch(at: Epoch) -> dict[str, Any]:
    names = ("train_loss", "loss", "metric")
    return {"epoch": at.epoch, **{name: finite(getattr(at, name)) for name in names}}

"""`show`: one trial of a study; without a number, what was learned; or an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from json import dumps
from pathlib import Path

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.page import writable, write
from hpsearch.commands.studies import find_study, meant
from hpsearch.errors import EXIT_OK, Problem, SpecError, TooFewTrials
from hpsearch.model.card import card
from hpsearch.model.record import RECORD, read_record
from hpsearch.objectives.trainers import LOG
from hpsearch.objectives.trial_folder import printed
from hpsearch.report.board.view import board
from hpsearch.report.surrogate import page as surrogate_page
from hpsearch.report.surrogate import text as surrogate_text
from hpsearch.report.surrogate import view as surrogate_view
from hpsearch.report.trial import page as trial_page
from hpsearch.report.trial import text as trial_text
from hpsearch.report.trial import view as trial_view
from hpsearch.search.plan import Plan
from hpsearch.strategies.surrogate_report import NEEDED, surrogate_report, usable
from hpsearch.study.folder import trial_folder
from hpsearch.study.record import StudyRecord
from hpsearch.study.store import read
from hpsearch.text import shell_word

_LAST_LINES = 10  # of the log of a trial that has failed


def show(
    *,
    study: str | None,
    number: int | None,
    surrogate: str | None,
    page: str | None,
    force: bool,
    json: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Print one trial, or what is expected along each parameter; return the exit code."""
    path = writable(page, force)
    if study is not None and (Path(study) / RECORD).is_file():
        given = {"trials": number, "surrogate": surrogate, "page": page}
        _refuse_beside(f"{study} is a model", study, given)
        output.emit(_model(Path(study), json))
        return EXIT_OK
    name, number = meant(study, number)
    folder = find_study(name)
    if number is not None:
        _refuse_beside(f"trial {number} was asked for", str(folder), {"surrogate": surrogate})
    kept = read(folder, curves_of=number)
    plan = Plan.of_study(kept.meta)
    results = console.result(no_color)
    if number is None:  # only what is asked for is made: a page of many trials takes long
        searched = _searched(kept, plan, folder, surrogate or plan.options.explained_by)
        record = partial(surrogate_view.record, searched)
        html = partial(surrogate_page.as_page, searched)
        text = partial(surrogate_text.as_text, searched, results.width)
    else:
        report = trial_view.trial_report(kept, plan.objective, number)
        log = trial_folder(folder, report.asked.run) / LOG
        if log.is_file():
            last = printed(log, _LAST_LINES) if report.row.state == "failed" else ()
            report = replace(report, log=str(log), printed=last)
        record, html = partial(trial_view.record, report), partial(trial_page.as_page, report)
        text = partial(trial_text.as_text, report, results.width)
    if path:
        write(path, html())
    if json:
        output.emit(dumps(record(), indent=2, allow_nan=False))
    else:
        console.emit(text(), results)
    if path and not quiet:
        console.note("", f"the page is in {path}", no_color=no_color)
    return EXIT_OK


def _refuse_beside(what: str, place: str, given: Mapping[str, object]) -> None:
    """Raise an error for what was given and does not go with what is shown."""
    if names := [name for name, value in given.items() if value is not None]:
        message = f"{what}, which has no {' and no '.join(names)}"
        raise SpecError(Problem("E096", message, help=f"hpsearch show {shell_word(place)}"))


def _model(folder: Path, json: bool) -> str:
    """Return what is printed of an exported model."""
    record = read_record(folder)
    return dumps(record, indent=2, allow_nan=False) if json else card(record)


def _searched(
    study: StudyRecord, plan: Plan, folder: Path, surrogate: str
) -> surrogate_view.SurrogateView:
    """Return what a surrogate makes of a study.

    Raises:
        SpecError: nothing is searched, or no surrogate is called so.
        TooFewTrials: there is nothing to fit it to.
    """
    meta, place, space = study.meta, shell_word(str(folder)), plan.objective.space
    if not space.parameters:
        message = f"{meta.name} searches no parameter, so there is nothing to model"
        help = f"one of its trials:  hpsearch show {place} 0"
        raise SpecError(Problem("E097", message, help=help))
    history, epoch = plan.comparable(study.history.scored(meta.time_weight, meta.has_cost))
    ended = len(usable(space, history).done)
    if ended < NEEDED:
        had = ended or "none"
        message = f"a model takes {NEEDED} trials that succeeded, and {meta.name} has {had}"
        budget = max(meta.budget or 0, len(study.history)) + NEEDED
        help = f"more of them:  hpsearch resume {place} --budget {budget}"
        if outside := len(history.done) - ended:  # such as presets: others of the kind do not help
            message += f" in its space ({outside} outside of it)"
            help = f"one of its trials:  hpsearch show {place} 0"
        raise TooFewTrials(Problem("E098", message, help=help))
    winner = board(study).winner
    number = winner.number if winner else None
    found = surrogate_report(space, history, surrogate, number)
    return surrogate_view.SurrogateView(
        study=meta.name,
        strategy=meta.strategy,
        target="score" if meta.time_weight else meta.minimized,
        report=found,
        dropped=sum(result.paused for _, result in study.history.done),
        epoch=epoch,
    )

"""`show`: one trial of a study; or, without a number, what a model makes of the whole search."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpsearch.commands import console
from hpsearch.commands.page import writable, write
from hpsearch.commands.studies import RUNS, find_study
from hpsearch.errors import EXIT_OK, Problem, SpecError, TooFewTrials
from hpsearch.report.board.view import board
from hpsearch.report.pages import outlook_page, sheet_page
from hpsearch.report.surrogate import text as view
from hpsearch.report.trial import text as one
from hpsearch.search.plan import Plan
from hpsearch.strategies.surrogate_report import NEEDED, outlook, usable
from hpsearch.study.store import FILE, Study, read


def show(given: Mapping[str, Any]) -> int:
    """Print one trial, or what is expected along each parameter. Returns the exit code."""
    page = writable(given["page"])
    name, number = _meant(given["study"], given["number"])
    folder = find_study(name)
    study = read(folder)
    plan = Plan.of(study.meta)
    results = console.result(given["no_color"])
    if number is None:
        found = _searched(study, plan, folder)
        record, html, text = (
            view.record(found),
            outlook_page(found),
            view.as_text(found, results.width),
        )
    else:
        sheet = one.sheet(study, plan.spec, number)
        record, html, text = one.record(sheet), sheet_page(sheet), one.as_text(sheet, results.width)
    if page:
        write(page, html)
    if given["json"]:
        console.emit(json.dumps(record, indent=2, allow_nan=False))
    else:
        console.emit(console.rendered(text, results))
    if page and not given["quiet"]:
        console.progress(given["no_color"]).print(
            f"\nthe page is in {page}", soft_wrap=True, markup=False
        )
    return EXIT_OK


def _meant(study: str | None, number: int | None) -> tuple[str | None, int | None]:
    """A number alone is that of a trial of the newest study, unless a study is called so."""
    alone = study is not None and number is None and study.isdecimal()
    if (
        study is not None
        and alone
        and not any((path / FILE).exists() for path in (Path(study), RUNS / study))
    ):
        return None, int(study)
    return study, number


def _searched(study: Study, plan: Plan, folder: Path) -> view.Searched:
    """What the study's own surrogate makes of it.

    Raises:
        SpecError: nothing is searched.
        TooFewTrials: there is nothing to fit it to.
    """
    place, spec = shlex.quote(str(folder)), plan.spec
    if not spec.space.parameters:
        message = f"{study.meta.name} searches no parameter, so there is nothing to model"
        raise SpecError(
            Problem("E097", message, help=f"one of its trials:  hpsearch show {place} 0")
        )
    history, epoch = plan.comparable(study.history.weighed(study.meta.time_weight))
    ended = len(usable(spec.space, history).done)
    if ended < NEEDED:
        message = f"a model takes {NEEDED} trials that succeeded, and {study.meta.name} has {ended or 'none'}"
        budget = max(study.meta.budget or 0, len(study.history)) + NEEDED
        help = f"more of them:  hpsearch resume {place} --budget {budget}"
        if outside := len(history.done) - ended:  # such as presets: others of the kind do not help
            message += f" in its space ({outside} outside of it)"
            help = f"one of its trials:  hpsearch show {place} 0"
        raise TooFewTrials(Problem("E098", message, help=help))
    winner = board(study).winner
    found = outlook(spec.space, history, spec.search.surrogate, winner.number if winner else None)
    target = "score" if study.meta.time_weight else "loss"
    dropped = sum(result.paused for _, result in study.history.done)
    return view.Searched(study.meta.name, study.meta.strategy, target, found, dropped, epoch)

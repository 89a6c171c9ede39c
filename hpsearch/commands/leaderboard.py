"""`leaderboard`: what a study has found so far, also while it runs."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.studies import find_study
from hpsearch.errors import EXIT_NO_WINNER, EXIT_OK
from hpsearch.report.board.text import FORMATS, DisplayOptions, as_table
from hpsearch.report.board.view import board
from hpsearch.search.plan import Plan
from hpsearch.space.space import Params
from hpsearch.study.history import Price
from hpsearch.study.layout import StudyMeta
from hpsearch.study.reading import uncollected
from hpsearch.study.store import read

_READ = 1_000  # rows of a table, of which people read no more


@uncollected()  # until the board is gone: to look for cycles in it takes long as well
def leaderboard(
    *,
    study: str | None,
    top: int | None,
    sort: str,
    columns: str | None,
    format: str,
    precision: int,
    time_weight: float | None,
    by: Price,
    no_color: bool,
) -> int:
    """Print a study's board; return the exit code."""
    if top is None and format == "table":
        top = _READ
    shown = DisplayOptions(top, sort, _names(columns or ""), precision)
    kept = read(find_study(study))
    now = replace(board(kept, time_weight, by), settings=_settings_of(kept.meta))
    if format == "table":
        out = console.result(no_color)
        console.emit(as_table(now, shown, out.width), out)
    else:
        output.emit(FORMATS[format](now, shown))
    return EXIT_OK if now.winner else EXIT_NO_WINNER


def _names(columns: str) -> tuple[str, ...]:
    """Return the names in a list of them, in which one with a comma is quoted as in CSV."""
    rows = csv.reader(columns.splitlines(), skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row if name.strip())


def _settings_of(meta: StudyMeta) -> Callable[[Params], Params]:
    """Return what gives all settings of a trial; the study's config is read where one is asked."""
    plan = cache(Plan.of_study)
    return lambda params: plan(meta).objective.settings(params)

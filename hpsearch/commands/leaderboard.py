"""`leaderboard`: what a study has found so far, also while it runs."""

from __future__ import annotations

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.studies import find_study
from hpsearch.errors import EXIT_NO_WINNER, EXIT_OK
from hpsearch.report.board.text import FORMATS, DisplayOptions, as_table
from hpsearch.report.board.view import board
from hpsearch.study.store import read


def leaderboard(
    *,
    study: str | None,
    top: int | None,
    sort: str,
    columns: str | None,
    format: str,
    precision: int,
    time_weight: float | None,
    by: str,
    no_color: bool,
) -> int:
    """Print a study's board; return the exit code."""
    now = board(read(find_study(study)), time_weight, by)
    names = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
    shown = DisplayOptions(top, sort, names, precision)
    if format == "table":
        out = console.result(no_color)
        console.emit(as_table(now, shown, out.width), out)
    else:
        output.emit(FORMATS[format](now, shown))
    return EXIT_OK if now.winner else EXIT_NO_WINNER

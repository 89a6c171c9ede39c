"""`leaderboard`: what a study has found so far, also while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpsearch.commands import console
from hpsearch.commands.studies import find_study
from hpsearch.errors import EXIT_NO_WINNER, EXIT_OK
from hpsearch.report.board.text import FORMATS, Shown, as_table
from hpsearch.report.board.view import board
from hpsearch.study.store import read


def leaderboard(given: Mapping[str, Any]) -> int:
    """Print a study's board. Returns the exit code."""
    now = board(read(find_study(given["study"])), given["time_weight"], given["by"])
    names = tuple(name.strip() for name in (given["columns"] or "").split(",") if name.strip())
    shown = Shown(given["top"], given["sort"], names, given["precision"])
    if given["format"] == "table":
        out = console.result(given["no_color"])
        console.emit(console.rendered(as_table(now, shown, out.width), out))
    else:
        console.emit(FORMATS[given["format"]](now, shown))
    return EXIT_OK if now.winner else EXIT_NO_WINNER

"""The verdict of a board in words: what won, what it is worth, and what a reader has to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hpsearch.report.board.view import Board, Row
from hpsearch.report.render import figures

_DIGITS = 4


def verdict(
    board: Board, precision: int = _DIGITS, hidden: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Return the lines below a table, each with its title.

    Args:
        board: what is judged.
        precision: the significant digits of losses.
        hidden: the titles of columns for which there was no room.
    """
    return [
        *_winner(board, precision, bool(hidden)),
        *_test(board, precision),
        *_others(board, precision),
        *_dropped(board),
        *_notes(board, hidden),
    ]


def fate(row: Row) -> str:
    """Return what became of a trial without a loss, in one word."""
    return (row.failure or row.state).partition(":")[0]


def optimal(board: Board) -> str:
    """Return what it means that a trial of a board is Pareto-optimal."""
    price = "lower cost" if board.price == "cost" else "shorter time"
    return f"Pareto-optimal: no other trial has both a lower {board.minimized} and a {price}"


def _worth(
    board: Board,
    precision: int,
    loss: float | None,
    metric: float | None,
    error: float | None = None,
) -> str:
    """Return what is minimised, with its standard error, and the metric in words.

    Where the metric says that it is not defined, what is made of it need not say so as well.
    """
    name, words = board.minimized, []
    if loss is not None or board.metric is None:
        (text,) = figures.metrics(name, [loss], precision)
        margin = "" if error is None else f" ± {figures.metrics(name, [error], 2)[0]}"
        words = [f"{name} {text}{margin}"]
    if board.metric is not None:
        words += [figures.measured(board.metric, metric, precision)]
    return ", ".join(words)


def _of(row: Row, board: Board, precision: int) -> str:
    return (
        f"trial {row.number}: {_worth(board, precision, row.loss, row.metric, row.loss_se)}"
        f"{row.early}"
    )


def _winner(board: Board, precision: int, with_settings: bool) -> Iterator[tuple[str, str]]:
    if board.winner is None:
        yield "winner", "none: no trial has succeeded"
        return
    yield "winner", _of(board.winner, board, precision)
    if with_settings and board.winner.params:
        yield "settings", figures.settings(board.winner.params, precision)


def _test(board: Board, precision: int) -> Iterator[tuple[str, str]]:
    if test := board.test:
        count = len(board.evaluations)
        evaluations = "1 evaluation" if count == 1 else f"{count} evaluations"
        worth = _worth(board, precision, board.test_minimized, test.metric)
        if board.minimized != "loss":
            worth += f", loss {figures.decimals([test.loss], precision)[0]}"
        yield "test", f"{worth} (on rows that no trial has seen; {evaluations})"


def _others(board: Board, precision: int) -> Iterator[tuple[str, str]]:
    """Return the best and the default trial, where they did not win."""
    best, default = board.best, board.default
    if best is not None and best is not board.winner:
        higher = "at a higher cost" if board.price == "cost" else "in a longer time"
        within = "within one standard error and " if best.loss_se else ""
        yield "best", f"{_of(best, board, precision)}, {within}{higher}"
    if default is not None and default is not board.winner and default.loss is not None:
        yield "default", _of(default, board, precision)


def _dropped(board: Board) -> Iterator[tuple[str, str]]:
    """Return how many trials were pruned, and how many failed."""
    count = len(board.rows)
    pruned = sum(row.state == "pruned" for row in board.rows)
    if pruned:
        yield (
            "pruned",
            f"{pruned} of {count} trials at a rung: their {board.minimized} is that of the epochs "
            "that they ran",
        )
    failed = [row for row in board.rows if row.state == "failed"]
    if failed:
        counts = Counter(map(fate, failed)).items()
        kinds = ", ".join(f"{number} {kind}" for kind, number in counts)
        first = failed[0]
        yield (
            "failed",
            f"{len(failed)} of {count} trials ({kinds}); trial {first.number} {first.failure}",
        )


def _notes(board: Board, hidden: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return what a reader has to know, and what the marks and lines of the table mean."""
    for note in board.notes:
        yield "note", note
    if any(row.pareto_optimal for row in board.rows):
        yield "*", optimal(board)
    if board.meta.baseline_loss is not None:
        yield "baseline", "what one constant prediction for every row is worth"
    if hidden:
        yield "no room", f"for {', '.join(hidden)}: a wider terminal, or --columns, shows them"

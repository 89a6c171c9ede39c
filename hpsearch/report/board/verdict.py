"""The verdict of a board in words: what won, what it is worth, and what a reader has to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hpsearch.metrics import LOSS
from hpsearch.report.board.view import Board, Row
from hpsearch.report.board.worth import Expectation
from hpsearch.report.render import figures
from hpsearch.study.record import TestEvaluation
from hpsearch.study.trial import Interval

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
        *_expected(board, precision),
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
    better = f"a {figures.better(board.minimized)} {board.label}"
    return f"Pareto-optimal: no other trial has both {better} and a {price}"


def _of(row: Row, board: Board, precision: int) -> str:
    """Return what is minimised of a trial, with its standard error, and its metric in words."""
    name = board.minimized
    (text,) = figures.losses(name, [row.loss], precision)
    margin = "" if row.loss_se is None else f" ± {figures.metrics(name, [row.loss_se], 2)[0]}"
    words = [f"{board.label} {text}{margin}"]
    if board.metric is not None:
        words += [figures.measured(board.metric, row.metric, precision)]
    return f"trial {row.number}: {', '.join(words)}{row.early}"


def _winner(board: Board, precision: int, with_settings: bool) -> Iterator[tuple[str, str]]:
    if board.winner is None:
        yield "winner", "none: no trial has succeeded"
        return
    yield "winner", _of(board.winner, board, precision)
    if with_settings and board.winner.params:
        yield "settings", figures.settings(board.winner.params, precision)


def _expected(board: Board, precision: int) -> Iterator[tuple[str, str]]:
    """Return what is to be expected of the winner elsewhere, and how much its loss flatters it."""
    name, expected, has_rows = board.label, board.expected, "source" in (board.data or {})
    if expected is None:
        if board.winner and board.ended > 1 and has_rows:
            ways = "folds or repetitions (--confirm of random and bayes)"
            worse = figures.worse(board.minimized)
            yield "expect", f"a {worse} {name} on new data; {ways} would say by how much"
        return
    (loss,) = figures.losses(board.minimized, [expected.loss.value], precision)
    where = "on new data" if has_rows else "of another run"
    if expected.by == "seeds":
        where = "with other seeds on the same rows"
    yield "expect", f"{name} {loss} {where}: {_flattery(expected, board)}"


def _flattery(expected: Expectation, board: Board) -> str:
    (amount, error, _), name = expected.flattery, board.label
    is_first = expected.by == "repetitions"
    its = f"its first {name}" if is_first else f"its {name}"
    size, margin = figures.metrics(board.minimized, [abs(amount), error], 2)
    margin = "" if error is None else f" ± {margin}"
    if amount > 0:
        return f"{its} {'flattered' if is_first else 'flatters'} it by {size}{margin}"
    sign = "-" if amount else ""
    return f"{its} {'did' if is_first else 'does'} not flatter it ({sign}{size}{margin})"


def _test(board: Board, precision: int) -> Iterator[tuple[str, str]]:
    if test := board.test:
        count = len(board.evaluations)
        evaluations = "1 evaluation" if count == 1 else f"{count} evaluations"
        said = "95 % interval "
        words = []
        for name, value, interval in _tested(board, test):
            text = figures.measured(name, value, precision)
            if interval:
                text += f" ({said}{figures.between(name, interval, precision)})"
                said = ""
            words.append(text)
        yield "test", f"{', '.join(words)}, on rows that no trial has seen ({evaluations})"


def _tested(
    board: Board, test: TestEvaluation
) -> Iterator[tuple[str, float | None, Interval | None]]:
    """Yield the figures of a test with their intervals: what is minimised, the metric, the loss.

    Where the metric is not defined, what is made of it need not say so as well.
    """
    name, value = board.minimized, board.test_minimized
    if value is not None or board.metric is None:
        yield name, value, board.test_interval
    if board.metric is not None:
        yield board.metric, test.metric, test.metric_interval
    if name != LOSS:
        yield LOSS, test.loss, test.loss_interval


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
            f"{pruned} of {count} trials at a rung: their {board.label} is that of the epochs "
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
    if board.label != board.minimized:
        yield "maximize", f"{board.label}: more of it is better"
    elif board.meta.objective != "networks" and board.label != LOSS:
        yield "minimize", f"{board.label}: less of it is better"
    if any(row.pareto_optimal for row in board.rows):
        yield "*", optimal(board)
    if board.meta.baseline_loss is not None:
        yield "baseline", "what one constant prediction for every row is worth"
    if hidden:
        yield "no room", f"for {', '.join(hidden)}: a wider terminal, or --columns, shows them"

"""What makes a winner worth less than it looks, in words: what it cannot be told from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from hpsearch.report.board.worth import Estimate
from hpsearch.report.render import figures
from hpsearch.study.history import History
from hpsearch.study.trial import Failed

if TYPE_CHECKING:  # a board has doubts
    from hpsearch.report.board.view import Board

_FEW_ROWS = 20  # of fewer rows that test, a figure is mostly chance
_FEW = 5  # random trials, of fewer than which the median is no typical one
_NAMED = 10  # trials of a note
_CONSTANT = "one constant prediction for every row"


def doubts(board: Board, history: History) -> Iterator[str]:
    """Yield what the winner of a board is not known to be better than, and what its test is worth.

    Where it is no better than a constant prediction, the rest goes without saying.
    """
    yield from _about_the_test(board)
    yield from _about_memory(board, history)
    if said := list(_about_the_baseline(board)):
        yield said[0]
        return
    yield from _about_the_default(board, history)
    yield from _about_random_trials(board, history)


def _about_the_test(board: Board) -> Iterator[str]:
    rows = (board.data or {}).get("rows", {}).get("test", 0)
    if board.test and 0 < rows < _FEW_ROWS:
        count = "1 row" if rows == 1 else f"{rows} rows"
        yield f"only {count} to test: what the test says is mostly chance"


def _about_memory(board: Board, history: History) -> Iterator[str]:
    """Yield which trials another machine would train otherwise, since it has more memory."""
    if halved := [row.number for row in board.rows if row.halved]:
        yield (
            f"{_named(halved)} {_were(halved)} trained in smaller arrays than planned, for lack of "
            "memory: with more of it the last digits may be others"
        )
    failed = {
        trial.number if trial.parent is None else trial.parent
        for trial in history.trials
        if isinstance(result := history.results.get(trial.number), Failed)
        and result.kind == "memory"
    }
    if failed:
        which = _named(failed)
        yield f"{which} did not fit into memory: with more of it the search may end otherwise"


def _named(numbers: Collection[int]) -> str:
    """Return trials by their numbers, the first ones of many."""
    first = ", ".join(map(str, sorted(numbers)[:_NAMED]))
    more = len(numbers) - _NAMED
    return f"trial{'s' * (len(numbers) > 1)} {first}{f' and {more} more' if more > 0 else ''}"


def _were(numbers: Collection[int]) -> str:
    return "was" if len(numbers) == 1 else "were"


def _about_the_baseline(board: Board) -> Iterator[str]:
    """Yield each way in which the winner is no better than a constant prediction, worst first."""
    winner, floor, ends = board.winner, board.meta.baseline_loss, board.test_interval
    if winner is None or winner.loss is None or floor is None:
        return
    if winner.loss >= floor:
        yield f"the winner is no better than {_CONSTANT}"
    if board.expected and not (below := board.expected.below(floor)).is_beyond_noise:
        yield f"the winner cannot be told from {_CONSTANT}: {_apart(board, below, 'the baseline')}"
    if ends and ends.high >= floor:
        yield (
            f"on the test rows the winner cannot be told from {_CONSTANT}: the interval of its "
            f"{board.label} reaches the baseline"
        )


def _about_the_default(board: Board, history: History) -> Iterator[str]:
    if board.default is None or board.default.loss is None or board.ended < 2:
        return
    if board.default is board.winner:
        yield "the default settings have won: nothing better was found"
    elif board.expected:
        below = board.expected.below_trial(history, board.default.number)
        if below and not below.is_beyond_noise:
            words = _apart(board, below, "theirs")
            yield f"the winner cannot be told from the default settings: {words}"


def _about_random_trials(board: Board, history: History) -> Iterator[str]:
    if not board.expected:
        return
    origins = {trial.number: trial.origin for trial in history.trials}
    numbers = [
        row.number for row in board.rows if row.state == "done" and origins[row.number] == "random"
    ]
    if len(numbers) >= _FEW:
        below = board.expected.below_median(history, numbers)
        if not below.is_beyond_noise:
            words = _apart(board, below, "that of the median one")
            yield f"the winner cannot be told from a random trial: {words}"


def _apart(board: Board, below: Estimate, other: str) -> str:
    """Return in words how far the loss to be expected of the winner is below another one."""
    name = board.label
    size, error = figures.metrics(board.minimized, [abs(below.value), below.error], 2)
    is_above = figures.as_shown(board.minimized, below.value) < 0
    side = "above" if is_above else "below"
    return f"the {name} to be expected of it is {size} ± {error} {side} {other}"

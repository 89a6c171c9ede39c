"""The leaderboard as a table for people, as CSV, Markdown or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest
from operator import attrgetter, itemgetter

from rich.text import Text

from hpsearch.errors import Problem, SpecError
from hpsearch.metrics import LOSS, METRICS, larger_is_better, minimized_name
from hpsearch.registry import closest
from hpsearch.report.board.verdict import fate, verdict
from hpsearch.report.board.view import Board, Row, named, record
from hpsearch.report.render import figures
from hpsearch.report.render.tables import GAP, PrintedColumn, aligned, folded
from hpsearch.space.parameters import Value
from hpsearch.text import markdown, spreadsheet_cell

_FACTS = ("loss", "loss_se", "metric", "score", "seconds", "cost", "flops", "epochs", "best_epoch")
_WORDS = ("state", "cohort", "reason", "failure")

FIGURES = ("number", *_FACTS, *_WORDS)
"""The names of all columns that are no parameters."""
EXPORTED = frozenset(
    named(figure, minimized_name(metric)) for figure in FIGURES for metric in (LOSS, *METRICS)
) | {*METRICS}
"""The names that figures may have in an export, in which each has its own."""
PARAMS = "params."
"""What stands before the name of a parameter's column where a figure has that name, as epochs."""
MEASURES = "measures."
"""What stands before the name of a measure's column where something else has that name."""


@dataclass(frozen=True, slots=True)
class DisplayOptions:
    """How a board is shown.

    Attributes:
        top: shows so many rows; None shows all.
        sort: the name of the column that orders the rows.
        columns: the names of the columns that are shown; none means the usual ones.
        precision: the significant digits of a column's smallest number.
    """

    top: int | None = None
    sort: str = "score"
    columns: tuple[str, ...] = ()
    precision: int = 4


def columns(board: Board, shown: DisplayOptions) -> list[str]:
    """Return the names of the columns after the number: facts, then parameters.

    Raises:
        SpecError: a column that is asked for does not exist.
    """
    asked = dict.fromkeys(_name(name, board) for name in shown.columns)
    if asked:
        return [name for name in asked if name != "number"]
    usual = {
        "loss": True,
        "loss_se": any(row.loss_se is not None for row in board.rows),
        "metric": board.metric is not None,
        **dict.fromkeys(_measures(board), True),
        "seconds": True,
        "cost": board.has_cost and not board.meta.has_cost,
        "epochs": any(row.state == "pruned" for row in board.rows),
        "score": bool(board.time_weight),
    }
    return [*(name for name, is_shown in usual.items() if is_shown), *_parameters(board)]


def ordered(board: Board, shown: DisplayOptions) -> list[Row]:
    """Return the rows to show: the best or smallest first, those without a value last.

    With a "-" before the column the best or smallest comes last.

    Raises:
        SpecError: the column to sort by does not exist.
    """
    own = (*_parameters(board), *_measures(board))
    falls = shown.sort.startswith("-") and shown.sort not in own
    name = _name(shown.sort.removeprefix("-") if falls else shown.sort, board)
    found = [*zip(values(board.rows, name, board), board.rows, strict=True)]
    known = [(one, row) for one, row in found if one is not None]
    if name != "score":  # the board is in that order already
        falling = name == "metric" and larger_is_better(board.metric)
        known.sort(key=lambda pair: _order(pair[0], falling))
    rows = [row for _, row in (reversed(known) if falls else known)]
    rest = [row for one, row in found if one is None]
    return [*rows, *rest][: shown.top]


def _parameters(board: Board) -> list[str]:
    """Return the columns of what was searched."""
    return _columns_of(board.parameters)


def _measures(board: Board) -> list[str]:
    """Return the columns of what a trainer of one's own has reported beside what counts."""
    taken = {*FIGURES, *board.parameters, board.label}
    return [f"{MEASURES}{name}" if name in taken else name for name in board.measures]


def _settings(board: Board) -> list[str]:
    """Return the columns of all settings, also of fixed and default ones."""
    return _columns_of(name for row in board.rows for name in board.settings(row.params))


def _columns_of(settings: Iterable[str]) -> list[str]:
    names = dict.fromkeys(settings)
    return [f"{PARAMS}{name}" if name in FIGURES else name for name in names]


def _name(asked: str, board: Board) -> str:
    """Return the column that a person means: the metric also goes by its own name.

    So do the loss and its standard error where what is minimised is no loss. Where that is the
    metric itself, it is one column.
    """
    own = {named(name, shown): name for name in _FACTS for shown in (board.minimized, board.label)}
    name = "metric" if asked == board.metric else own.get(asked, asked)
    if name == "metric" and board.meta.metric == board.label:
        name = "loss"
    absent = {
        *(() if board.has_cost else ("cost",)),
        *(() if board.meta.has_cost else ("flops",)),
        *(("metric",) if board.metric is None else ()),
    }
    facts = [name for name in (*_FACTS, *_WORDS) if name not in absent]
    known = ["number", *facts, *_measures(board), *_parameters(board)]
    if name not in known:
        known += [one for one in _settings(board) if one not in known]
    if name not in known:
        known = [_title(name, board) for name in known]
        near = closest(name, known)
        hint = f"did you mean '{near}'?" if near else ""
        message, help = f"no column is called '{asked}'", f"there are: {', '.join(known)}"
        raise SpecError(Problem("E090", message, hint=hint, help=help))
    return name


def _title(column: str, board: Board) -> str:
    """Return what a column is called where each figure has its own name."""
    own = board.metric if column == "metric" else None
    return own or named(column, board.label)


def _order(v: Value, falling: bool) -> tuple[int, float, str]:
    """Return what a value sorts by: numbers come before texts."""
    if isinstance(v, str):
        return 1, 0.0, v
    return 0, -float(v) if falling else float(v), ""


def values(rows: Iterable[Row], column: str, board: Board) -> list[Value | None]:
    """Return what rows of a board have in a column."""
    if column in FIGURES:
        return [*map(attrgetter(column), rows)]
    if board.measures and column in _measures(board):
        own = column.removeprefix(MEASURES)
        return [row.measures.get(own, row.measures.get(column)) for row in rows]
    name = column.removeprefix(PARAMS)
    name = name if name in FIGURES else column
    if name in board.parameters:
        return [row.params.get(name) for row in rows]
    return [board.settings(row.params).get(name) for row in rows]


def as_json(board: Board, shown: DisplayOptions) -> str:
    """Return everything in full precision, whatever is shown elsewhere."""
    return json.dumps(record(board), indent=2, allow_nan=False)


def as_csv(board: Board, shown: DisplayOptions) -> str:
    """Return the columns with all digits.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = columns(board, shown)
    titles = [_title(name, board) for name in names]
    writer.writerow([_cell(title) for title in ("number", "state", *titles)])
    rows = ordered(board, shown)
    cells = (map(_cell, _shown(rows, name, board)) for name in names)
    first = (values(rows, name, board) for name in ("number", "state"))
    writer.writerows(zip(*first, *cells, strict=True))
    return out.getvalue().rstrip("\n")


def _shown(rows: Iterable[Row], column: str, board: Board) -> list[Value | None]:
    """Return what rows have in a column, as it is shown: a maximised metric as itself."""
    found = values(rows, column, board)
    if column not in ("loss", "first_loss"):
        return found
    return [figures.as_shown(board.minimized, v) if isinstance(v, float) else v for v in found]


def _cell(v: Value | None) -> Value | None:
    return spreadsheet_cell(v) if isinstance(v, str) else v


def as_markdown(board: Board, shown: DisplayOptions) -> str:
    """Return a table for a pull request or the summary of a CI job, and the verdict as a list."""
    table = _columns(board, ordered(board, shown), shown)
    lines = [
        _piped([c.title for c in table]),
        _piped([":---" if c.left else "---:" for c in table]),
    ]
    lines += [_piped(cells) for cells in zip(*(column.cells for column in table), strict=True)]
    words = [
        f"- **{markdown(title)}** {markdown(text)}"
        for title, text in verdict(board, shown.precision)
    ]
    return "\n".join([*lines, "", *words])


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown, cells)) + " |"


def as_table(board: Board, shown: DisplayOptions, width: int) -> Text:
    """Return a table for the terminal, one line a trial, and the verdict below it.

    Where columns have no room, the settings of the winner are written out in the verdict.
    """
    rows = ordered(board, shown)
    table = _columns(board, rows, shown)
    fits = len(table)
    while fits > 2 and sum(column.width + len(GAP) for column in table[:fits]) > width + len(GAP):
        fits -= 1
    lines = aligned(table[:fits])
    words = verdict(board, shown.precision, [column.title for column in table[fits:]])
    styles = ["bold", *(_style(row, board) for row in rows)]
    styled = zip_longest(lines, styles, fillvalue="dim")
    below = ["", *(folded(title, text, width) for title, text in words)]
    parts = groupby(chain(styled, ((line, "") for line in below)), key=itemgetter(1))
    # rich takes long for a long text with a sign that is not ASCII: so each part is one
    texts = (Text("\n".join(line for line, _ in part), style) for style, part in parts)
    return Text("\n").join(texts)


def _style(row: Row, board: Board) -> str:
    return "bold green" if row is board.winner else "dim" if row.loss is None else ""


def _columns(board: Board, rows: Sequence[Row], shown: DisplayOptions) -> list[PrintedColumn]:
    """Return the role, the number and the columns that are shown.

    Below the trials there may be a line that says how many are not shown, and one for the baseline.
    """
    rest = [f"{len(board.rows) - len(rows)} more"] if len(rows) < len(board.rows) else []
    last = ["baseline"] if board.meta.baseline_loss is not None else []
    numbers = [f"{'* ' * row.pareto_optimal}{row.number}" for row in rows]
    return [
        PrintedColumn("", [*_roles(rows, board), *rest, *last], left=True),
        PrintedColumn("#", [*numbers, *([""] * len([*rest, *last]))]),
        *(_column(name, board, rows, len(rest), shown.precision) for name in columns(board, shown)),
    ]


def _roles(rows: Iterable[Row], board: Board) -> Iterator[str]:
    """Give the first of the roles of each row that it has, or nothing."""
    roles = (("default", board.default), ("best", board.best), ("winner", board.winner))
    by_number = {holder.number: role for role, holder in roles if holder}
    return (by_number.get(row.number, "") for row in rows)


def _column(
    name: str, board: Board, rows: Sequence[Row], rest: int, precision: int
) -> PrintedColumn:
    """Return a column: its cells of the rows, `rest` empty ones, and that of the baseline.

    Args:
        name: what the column shows.
        board: what the rows are part of.
        rows: those that are shown, in their order.
        rest: how many lines there are between the rows and the baseline.
        precision: the significant digits of its smallest number.
    """
    meta = board.meta
    by_name = {
        "loss": meta.baseline_loss,
        "score": meta.baseline_loss,
        "metric": meta.baseline_metric,
    }
    baseline = by_name.get(name)
    found = values(rows, name, board)
    *cells, last = _cells(name, [*found, baseline], board, precision)
    if name == "loss":  # a trial without a loss has its fate there
        cells = [
            cell if row.loss is not None else fate(row)
            for row, cell in zip(rows, cells, strict=True)
        ]
    lasts = [last if baseline is not None else ""] if meta.baseline_loss is not None else []
    titles = {"loss": board.label, "loss_se": "±", "metric": board.metric or name}
    is_text = not {str, bool}.isdisjoint(map(type, found))
    return PrintedColumn(titles.get(name, name), [*cells, *([""] * rest), *lasts], left=is_text)


def _cells(name: str, values: Sequence[Value | None], board: Board, precision: int) -> list[str]:
    if name not in _FACTS:
        return figures.texts(values, max(1, precision - 1))
    numbers = [None if v is None else float(v) for v in values]
    if name == "loss":
        return figures.losses(board.minimized, numbers, precision)
    if name in ("loss_se", "score", "metric"):
        called = board.minimized if name != "metric" else board.metric or name
        return figures.metrics(called, numbers, precision)
    if name == "seconds" or (name == "cost" and board.meta.has_cost):
        return figures.seconds(numbers)
    if name == "cost":  # in a unit of its own
        return figures.decimals(numbers, precision)
    if name == "flops":
        return figures.prefixed(numbers)
    return figures.texts(values, precision)


Formatter = Callable[[Board, DisplayOptions], str]
FORMATS: dict[str, Formatter] = {"json": as_json, "csv": as_csv, "md": as_markdown}
"""All formats but the table, which needs to know the width of the terminal."""

"""The board as a table for people, CSV, Markdown or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest
from hpsearch.report.view import Board, Row, record
from hpsearch.space import Value

_FACTS = ("loss", "metric", "score", "seconds", "cost", "flops", "epochs", "best_epoch", "cohort", "why", "reason")
_USUAL = ("loss", "metric", "seconds")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Shown:
    """How a board is shown: how many rows, in which order, with which columns, to how many digits."""

    top: int | None = None
    sort: str = "score"
    columns: tuple[str, ...] = ()
    precision: int = 4


def columns(board: Board, shown: Shown) -> list[str]:
    """The names of the columns after the number: facts, then parameters.

    Raises:
        SpecError: a column that is asked for is not there.
    """
    parameters = list(dict.fromkeys(name for row in board.rows for name in row.params))
    for name in (*shown.columns, shown.sort):
        if name not in (*_FACTS, *parameters):
            near = closest(name, (*_FACTS, *parameters))
            hint = f"did you mean '{near}'?" if near else ""
            help = f"there are: {', '.join((*_FACTS, *parameters))}"
            raise SpecError(Problem("E090", f"no column is called '{name}'", hint=hint, help=help))
    usual = [*_USUAL, *(["score"] if board.meta.time_weight else []), *parameters]
    return list(shown.columns) or usual


def ordered(board: Board, shown: Shown) -> list[Row]:
    """The rows to show: by the sort column, those without a value last."""
    rows = list(board.rows)
    if shown.sort != "score":
        rows.sort(key=lambda row: _order(value(row, shown.sort)))
    return rows[: shown.top]


def _order(v: Value | None) -> tuple[int, float, str]:
    if v is None:
        return 2, 0.0, ""
    return (0, float(v), "") if isinstance(v, int | float) else (1, 0.0, v)


def value(row: Row, column: str) -> Value | None:
    """What stands in a column."""
    if column in _FACTS:
        found: Value | None = getattr(row, column)
        return found
    return row.params.get(column)


def as_json(board: Board, shown: Shown) -> str:
    """The object of `--json`: everything, in full precision, whatever is shown elsewhere."""
    return json.dumps(record(board), indent=2, allow_nan=False)


def as_csv(board: Board, shown: Shown) -> str:
    """All digits; a text that a spreadsheet would take for a formula is quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = columns(board, shown)
    writer.writerow(["number", "state", *names])
    for row in ordered(board, shown):
        writer.writerow([row.number, row.state, *(_cell(value(row, name)) for name in names)])
    return out.getvalue().rstrip("\n")


def _cell(v: Value | None) -> Value | None:
    return "'" + v if isinstance(v, str) and v.startswith(_FORMULA) else v


def as_markdown(board: Board, shown: Shown) -> str:
    """A table for a pull request or a job's summary, and the verdict."""
    names = columns(board, shown)
    lines = [_piped(["#", *(_title(name, board) for name in names)]), _piped(["---:"] * (1 + len(names)))]
    for row in ordered(board, shown):
        cells = [_number(row), *(_text(value(row, name), name, board, shown) for name in names)]
        lines.append(_piped([cell.replace("|", "\\|") for cell in cells]))
    return "\n".join([*lines, "", *(f"- {line}" for line in verdict(board, shown))])


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def as_table(board: Board, shown: Shown, console: Console) -> RenderableType:
    """For the terminal: as wide as it needs; where that is too wide, the parameters share one column."""
    names = columns(board, shown)
    wide = _table(board, shown, names, apart=True)
    if Measurement.get(console, console.options, wide).minimum <= console.width:
        table = wide
    else:
        table = _table(board, shown, names, apart=False)
    return Group(table, Text(""), *(Text(line) for line in verdict(board, shown)))


def _table(board: Board, shown: Shown, names: Sequence[str], apart: bool) -> Table:
    facts = [name for name in names if apart or name in _FACTS]
    rest = [name for name in names if name not in facts]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("#", *(_title(name, board) for name in facts)):
        table.add_column(title, justify="right", no_wrap=True)
    if rest:
        table.add_column("params")
    for row in ordered(board, shown):
        cells = [_number(row), *(_text(value(row, name), name, board, shown) for name in facts)]
        if rest:
            shared = [(name, value(row, name)) for name in rest]
            cells.append(" ".join(f"{name}={_text(v, name, board, shown)}" for name, v in shared if v is not None))
        winner = board.winner is not None and row.number == board.winner.number
        table.add_row(*cells, style="bold green" if winner else "dim" if row.loss is None else "")
    if shown.top is None or len(board.rows) <= shown.top:
        table.add_row(*_baseline(board, facts, shown), style="dim")
    else:
        table.add_row("...", *("" for _ in facts), style="dim")
        table.add_row(*_baseline(board, facts, shown), style="dim")
    return table


def _baseline(board: Board, facts: Sequence[str], shown: Shown) -> list[str]:
    known = {"loss": board.meta.baseline_loss, "score": board.meta.baseline_loss, "metric": board.meta.baseline_metric}
    return ["baseline", *(_text(known.get(name), name, board, shown) for name in facts)]


def _number(row: Row) -> str:
    mark = "* " if row.star else ""
    return f"{mark}{row.number}"


def _title(name: str, board: Board) -> str:
    return board.metric if name == "metric" else name


def _text(v: Value | None, name: str, board: Board, shown: Shown) -> str:
    if v is None:
        return "-"
    if name == "metric" and board.metric == "accuracy":
        return f"{100 * float(v):.{max(0, shown.precision - 2)}f} %"
    if isinstance(v, float):
        return f"{v:.{shown.precision}g}"
    return str(v).lower() if isinstance(v, bool) else str(v)


def verdict(board: Board, shown: Shown) -> list[str]:
    """In words: what won, what it is worth on the untouched split, against what."""

    def figures(loss: float, metric: float) -> str:
        return f"loss {_text(loss, 'loss', board, shown)}, {board.metric} {_text(metric, 'metric', board, shown)}"

    if board.winner is None or board.winner.loss is None or board.winner.metric is None:
        return ["winner    none: no trial has succeeded"]
    lines = [f"winner    trial {board.winner.number}: {figures(board.winner.loss, board.winner.metric)}"]
    if board.test:
        looks = "1 look" if len(board.looks) == 1 else f"{len(board.looks)} looks"
        lines.append(
            f"test      {figures(board.test.loss, board.test.metric)} (on rows that no trial has seen; {looks})"
        )
    if board.default is not None and board.default.loss is not None and board.default.metric is not None:
        lines.append(f"default   trial {board.default.number}: {figures(board.default.loss, board.default.metric)}")
    lines.append(f"baseline  {figures(board.meta.baseline_loss, board.meta.baseline_metric)} (the constant predictor)")
    if any(row.star for row in board.rows):
        lines.append("*         no other trial has both a lower loss and a lower cost")
    return lines


Formatter = Callable[[Board, Shown], str]
FORMATS: dict[str, Formatter] = {"json": as_json, "csv": as_csv, "md": as_markdown}
"""All formats but the table, which needs to know the terminal."""

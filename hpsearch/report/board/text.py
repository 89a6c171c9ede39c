"""The board as a table for people, CSV, Markdown or JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest
from hpsearch.report.board.view import Board, Row, record
from hpsearch.report.render import figures
from hpsearch.space.parameters import Value

_FACTS = ("loss", "loss_se", "metric", "score", "seconds", "cost", "flops", "epochs", "best_epoch")
_WORDS = ("state", "cohort", "why", "reason")
_USUAL = ("metric", "seconds")
_TITLES = {"loss_se": "±"}
_FORMULA = ("=", "+", "-", "@", "\t")
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Shown:
    """How a board is shown: how many rows, in which order, with which columns, to how many significant digits."""

    top: int | None = None
    sort: str = "score"
    columns: tuple[str, ...] = ()
    precision: int = 4


@dataclass(frozen=True, slots=True)
class Column:
    """What stands under a title, from top to bottom."""

    title: str
    cells: Sequence[str]
    left: bool = False

    @property
    def width(self) -> int:
        """Of its widest cell, on a terminal."""
        return max(cell_len(text) for text in (self.title, *self.cells))

    def texts(self) -> list[str]:
        """The title and the cells, padded to one width."""
        room = self.width
        pads = [" " * (room - cell_len(text)) for text in (self.title, *self.cells)]
        return [
            t + p if self.left else p + t
            for t, p in zip((self.title, *self.cells), pads, strict=True)
        ]


def columns(board: Board, shown: Shown) -> list[str]:
    """The names of the columns after the number: facts, then parameters.

    Raises:
        SpecError: a column that is asked for is not there.
    """
    asked = [_name(name, board) for name in shown.columns]
    error = ["loss_se"] if any(row.loss_se is not None for row in board.rows) else []
    epochs = ["epochs"] if any(row.state == "stopped" for row in board.rows) else []
    usual = [
        "loss",
        *error,
        *_USUAL,
        *epochs,
        *(["score"] if board.time_weight else []),
        *_parameters(board),
    ]
    return [name for name in asked if name != "number"] if asked else usual


def ordered(board: Board, shown: Shown) -> list[Row]:
    """The rows to show: by the sort column, the best or smallest first, those without a value last.

    Raises:
        SpecError: there is no such column.
    """
    name = _name(shown.sort, board)
    rows = list(board.rows)
    if name != "score":
        rows.sort(
            key=lambda row: _order(row.number if name == "number" else value(row, name), name)
        )
    return rows[: shown.top]


def _parameters(board: Board) -> list[str]:
    return list(dict.fromkeys(name for row in board.rows for name in row.params))


def _name(asked: str, board: Board) -> str:
    """The column that a person means: the metric also goes by its own name."""
    name = "metric" if asked == board.metric else asked
    known = ("number", *_FACTS, *_WORDS, *_parameters(board))
    if name not in known:
        near = closest(name, (*known, board.metric))
        hint = f"did you mean '{near}'?" if near else ""
        raise SpecError(
            Problem(
                "E090",
                f"no column is called '{asked}'",
                hint=hint,
                help=f"there are: {', '.join(known)}",
            )
        )
    return name


def _order(v: Value | None, name: str) -> tuple[int, float, str]:
    if v is None:
        return 2, 0.0, ""
    if isinstance(v, str):
        return 1, 0.0, v
    return 0, -float(v) if name == "metric" else float(v), ""


def value(row: Row, column: str) -> Value | None:
    """What stands in a column."""
    if column in _FACTS or column in _WORDS:
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
    writer.writerow([_cell(title) for title in ("number", "state", *names)])
    for row in ordered(board, shown):
        writer.writerow([row.number, row.state, *(_cell(value(row, name)) for name in names)])
    return out.getvalue().rstrip("\n")


def _cell(v: Value | None) -> Value | None:
    if not isinstance(v, str):
        return v
    v = v.replace("\r", "\\r")  # which not every Python's csv puts in quotes
    return "'" + v if v.startswith(_FORMULA) else v


def as_markdown(board: Board, shown: Shown) -> str:
    """A table for a pull request or a job's summary, and the verdict."""
    table = _columns(board, shown)
    lines = [
        _piped([c.title for c in table]),
        _piped([":---" if c.left else "---:" for c in table]),
    ]
    lines += [_piped(cells) for cells in zip(*(column.cells for column in table), strict=True)]
    words = [
        f"- **{title.replace('*', chr(92) + '*')}** {text}" for title, text in verdict(board, shown)
    ]
    return "\n".join([*lines, "", *words])


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def as_table(board: Board, shown: Shown, width: int) -> Text:
    """For the terminal, one line a trial. Where columns have no room, the winner's settings are written below."""
    table = _columns(board, shown)
    fits = len(table)
    while fits > 2 and sum(column.width + len(_GAP) for column in table[:fits]) > width + len(_GAP):
        fits -= 1
    styles = ["bold", *(_style(row, board) for row in ordered(board, shown))]
    lines = [
        Text(_GAP.join(cells).rstrip())
        for cells in zip(*(c.texts() for c in table[:fits]), strict=True)
    ]
    for position, line in enumerate(lines):
        line.stylize(styles[position] if position < len(styles) else "dim")
    words = verdict(board, shown, [column.title for column in table[fits:]])
    return Text("\n").join(
        [*lines, Text(), *(Text(folded(title, text, width)) for title, text in words)]
    )


def folded(title: str, text: str, width: int, indent: int = 10) -> str:
    """The text beside its title, in lines of at most `width` where its words allow that."""
    room = max(20, width - indent)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"{title:<{indent}}" + ("\n" + " " * indent).join(lines)


def _style(row: Row, board: Board) -> str:
    return "bold green" if row is board.winner else "dim" if row.loss is None else ""


def _columns(board: Board, shown: Shown) -> list[Column]:
    """The role, the number and the named columns; below the trials how many are not shown, and the baseline."""
    rows = ordered(board, shown)
    rest = [f"{len(board.rows) - len(rows)} more"] if len(rows) < len(board.rows) else []
    numbers = [f"{'* ' * row.star}{row.number}" for row in rows]
    first = [
        Column("", [*(_role(row, board) for row in rows), *rest, "baseline"], left=True),
        Column("#", [*numbers, *("" for _ in rest), ""]),
    ]
    return [
        *first,
        *(_column(name, board, rows, len(rest), shown.precision) for name in columns(board, shown)),
    ]


def _role(row: Row, board: Board) -> str:
    roles = (("winner", board.winner), ("best", board.best), ("default", board.default))
    return next((role for role, holder in roles if row is holder), "")


def _column(name: str, board: Board, rows: Sequence[Row], rest: int, precision: int) -> Column:
    meta = board.meta
    baseline = {
        "loss": meta.baseline_loss,
        "score": meta.baseline_loss,
        "metric": meta.baseline_metric,
    }.get(name)
    values = [*(value(row, name) for row in rows), baseline]
    cells = _cells(name, values, board, precision)
    if name == "loss":  # what is there instead of one
        cells[:-1] = [
            cell if row.loss is not None else _fate(row)
            for row, cell in zip(rows, cells[:-1], strict=True)
        ]
    last = [cells[-1] if baseline is not None else ""]
    title = board.metric if name == "metric" else _TITLES.get(name, name)
    return Column(
        title,
        [*cells[:-1], *([""] * rest), *last],
        left=any(isinstance(v, str | bool) for v in values),
    )


def _cells(name: str, values: Sequence[Value | None], board: Board, precision: int) -> list[str]:
    if name not in _FACTS:
        return figures.texts(values, max(1, precision - 1))
    numbers = [None if v is None else float(v) for v in values]
    if name == "metric" and board.metric == "accuracy":
        return figures.shares(numbers, precision)
    if name in ("seconds", "cost"):
        return figures.seconds(numbers)
    if name == "flops":
        return figures.prefixed(numbers)
    return figures.texts(values, precision)


def _fate(row: Row) -> str:
    """What became of a trial without a loss, in one word."""
    return (row.reason or row.state).partition(":")[0]


def verdict(board: Board, shown: Shown, hidden: Sequence[str] = ()) -> list[tuple[str, str]]:
    """In words: what won, what it is worth on the untouched split, against what; what has failed, what is not shown."""

    def worth(loss: float | None, metric: float | None, error: float | None = None) -> str:
        texts = (
            *_cells("loss", [loss], board, shown.precision),
            *_cells("metric", [metric], board, shown.precision),
        )
        margin = f" ± {figures.decimals([error], 2)[0]}" if error is not None else ""
        return f"loss {texts[0]}{margin}, {board.metric} {texts[1]}"

    def of(row: Row) -> str:
        return f"trial {row.number}: {worth(row.loss, row.metric, row.loss_se)}{row.early}"

    lines = []
    if board.winner is None:
        lines.append(("winner", "none: no trial has succeeded"))
    else:
        lines.append(("winner", of(board.winner)))
        if hidden and board.winner.params:
            lines.append(("settings", figures.settings(board.winner.params, shown.precision)))
    if board.test:
        looks = "1 look" if len(board.looks) == 1 else f"{len(board.looks)} looks"
        lines.append(
            (
                "test",
                f"{worth(board.test.loss, board.test.metric)} (on rows that no trial has seen; {looks})",
            )
        )
    if board.best is not None and board.best is not board.winner:
        why = (
            ", within one standard error and at a higher cost"
            if board.best.loss_se
            else ", at a higher cost"
        )
        lines.append(("best", of(board.best) + why))
    if (
        board.default is not None
        and board.default is not board.winner
        and board.default.loss is not None
    ):
        lines.append(("default", of(board.default)))
    stopped = sum(row.state == "stopped" for row in board.rows)
    if stopped:
        text = f"{stopped} of {len(board.rows)} trials at a rung: their loss is that of the epochs that they ran"
        lines.append(("stopped", text))
    return [*lines, *_failures(board), *_notes(board, hidden)]


def _failures(board: Board) -> list[tuple[str, str]]:
    failed = [row for row in board.rows if row.state == "failed"]
    if not failed:
        return []
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(map(_fate, failed)).items())
    return [
        (
            "failed",
            f"{len(failed)} of {len(board.rows)} trials ({kinds}); trial {failed[0].number} {failed[0].reason}",
        )
    ]


def _notes(board: Board, hidden: Sequence[str]) -> list[tuple[str, str]]:
    notes = [("baseline", "what one constant prediction for every row is worth")]
    if any(row.star for row in board.rows):
        notes.insert(0, ("*", "no other trial has both a lower loss and a lower cost"))
    if hidden:
        notes.append(
            ("no room", f"for {', '.join(hidden)}: a wider terminal, or --columns, shows them")
        )
    return notes


Formatter = Callable[[Board, Shown], str]
FORMATS: dict[str, Formatter] = {"json": as_json, "csv": as_csv, "md": as_markdown}
"""All formats but the table, which needs to know the terminal."""

"""One trial: how it was set, what it came to, why it was asked for, and how it compares; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from rich.text import Text

from hpsearch.config.spec import Spec
from hpsearch.errors import Problem, SpecError
from hpsearch.report.board.text import Column, folded
from hpsearch.report.board.view import SCHEMA_VERSION, Board, Row, board, figure
from hpsearch.report.render import figures
from hpsearch.report.render.blocks import plot
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params
from hpsearch.study.store import Study
from hpsearch.study.trial import Epoch, Trial

_DIGITS = 4
_INDENT = 12
_WIDEST, _HIGH = 100, 9  # of a curve on a terminal
_GAUGE = 24
_LISTED = 8  # losses of single runs


@dataclass(frozen=True, slots=True)
class Setting:
    """A searched setting of the trial, and where in its range that is: from 0 to 1, None of a choice."""

    name: str
    value: Value
    place: float | None
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is known of one trial.

    `asked` is what the number stands for that was asked for: the trial, or one that repeats or goes on with it.
    `curves` has one for each of its runs, by their replicate, `searched` the settings that tell it from others,
    `fixed` what all trials have in common, `usual` what nobody has set.
    """

    board: Board
    row: Row
    trial: Trial
    asked: Trial
    rank: int | None
    searched: tuple[Setting, ...]
    fixed: Params
    usual: Params
    curves: tuple[tuple[int, Sequence[Epoch]], ...]

    @property
    def settings(self) -> Params:
        """All of them."""
        return {one.name: one.value for one in self.searched} | dict(self.fixed) | dict(self.usual)

    @property
    def title(self) -> str:
        """Which trial this is."""
        return f"{self.board.meta.name}: trial {self.row.number}"

    @property
    def ended(self) -> int:
        """How many trials have a loss."""
        return sum(row.loss is not None for row in self.board.rows)


def sheet(study: Study, spec: Spec, number: int) -> Sheet:
    """The sheet of a trial, or of the one that this number repeats.

    Raises:
        SpecError: there is no such trial.
    """
    trials = study.history.trials
    if not 0 <= number < len(trials):
        there = (
            f"its trials are 0 to {len(trials) - 1}" if trials else "nothing has been asked for yet"
        )
        raise SpecError(Problem("E096", f"{study.meta.name} has no trial {number}", help=there))
    asked = trials[number]
    trial = asked if asked.of is None else trials[asked.of]
    now = board(study)
    row = next(row for row in now.rows if row.number == trial.number)
    ended = study.history.ended
    runs = [run for run in study.history.runs[trial.number] if run.number in ended]
    settings = spec.settings(trial.params)
    rest = {name: value for name, value in settings.items() if name not in trial.params}
    return Sheet(
        board=now,
        row=row,
        trial=trial,
        asked=asked,
        rank=None if row.score is None else 1 + now.rows.index(row),
        searched=tuple(_setting(spec, name, value) for name, value in trial.params.items()),
        fixed={name: value for name, value in rest.items() if name in spec.fixed},
        usual={name: value for name, value in rest.items() if name not in spec.fixed},
        curves=tuple((run.replicate, ended[run.number].curve) for run in runs),
    )


def _setting(spec: Spec, name: str, value: Value) -> Setting:
    parameter = spec.space.parameters.get(name)
    if parameter is None or not parameter.ordered or value not in parameter:
        return Setting(name, value, None)
    low, *_, high = (
        *parameter.grid(2),
        *parameter.grid(2),
    )  # of a number with one value, that twice
    return Setting(name, value, parameter.encode(value)[0], figures.word(low), figures.word(high))


def facts(sheet: Sheet) -> Iterator[tuple[str, str]]:
    """What it came to, in words, each under its title."""
    row, now = sheet.row, sheet.board
    if sheet.asked is not sheet.trial:
        run = f"run {sheet.asked.replicate + 1} of" if sheet.asked.replicate else "a later part of"
        yield "", f"trial {sheet.asked.number} is {run} this one"
    if row.state == "stopped":
        yield "state", f"stopped at epoch {row.epochs}: its loss is that of the epochs that it ran"
    if row.loss is None:
        yield "state", f"{row.state}: {row.reason}" if row.reason else row.state
    else:
        yield "place", _place(sheet)
        yield "loss", _loss(row)
        if now.time_weight:
            (score,) = figures.decimals([row.score], _DIGITS)
            yield "score", f"{score} (loss + {now.time_weight:g} log10(cost / median cost))"
        yield now.metric, _metric(now, row.metric)
        yield "price", _price(row)
        yield "epochs", f"{row.epochs}, of which {row.best_epoch} was the best"
        yield "compared", "; ".join(_compared(sheet)) or "there is no other trial with a loss"
    yield "asked", _asked(sheet.trial)


def _place(sheet: Sheet) -> str:
    row, now = sheet.row, sheet.board
    roles = [name for name in ("winner", "best", "default") if row is getattr(now, name)]
    by = "score" if now.time_weight else "loss"
    texts = [
        *(f"the {role}" for role in roles),
        f"{_nth(sheet.rank or 0)} of {sheet.ended} by {by}",
    ]
    if row is now.best and sheet.rank != 1:
        texts[-1] += " (those before it ran fewer times: luck)"
    star = ["* no other has both a lower loss and a lower cost"] if row.star else []
    return "; ".join([", ".join(texts), *star])


def _nth(rank: int) -> str:
    ending = (
        "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    )
    return f"{rank}{ending}"


def _loss(row: Row) -> str:
    (loss,) = figures.decimals([row.loss], _DIGITS)
    if row.loss_se is None:
        return loss
    count = len(row.replicates)
    listed = figures.decimals([run.loss for run in row.replicates[:_LISTED]], _DIGITS)
    more = ", ..." if count > _LISTED else ""
    text = f"{loss} ± {figures.decimals([row.loss_se], 2)[0]}, the mean of {count} runs ({', '.join(listed)}{more})"
    if row.first_loss is not None and row.first_loss != row.loss:
        luck = row.loss - row.first_loss if row.loss is not None else 0.0
        (size,) = figures.decimals([abs(luck)], 2)
        text += f"; its first run promised {size} too {'much' if luck > 0 else 'little'}"
    return text


def _metric(now: Board, value: float | None) -> str:
    accuracy = now.metric == "accuracy"
    return (figures.shares([value], _DIGITS) if accuracy else figures.decimals([value], _DIGITS))[0]


def _price(row: Row) -> str:
    (flops,), (cost,) = figures.prefixed([row.flops]), figures.seconds([row.cost])
    return f"{figures.duration(row.seconds or 0.0)} here; cost {cost} s ({flops}FLOPs)"


def _compared(sheet: Sheet) -> Iterator[str]:
    """How much better or worse than the others that a person would ask about."""
    row, now = sheet.row, sheet.board
    others = [other.loss for other in now.rows if other is not row and other.loss is not None]
    named = [
        (f"the {name} (trial {one.number}{one.early})", one.loss) for name, one in _others(row, now)
    ]
    named += [("the median of the others", median(others))] if others else []
    named += [("the constant predictor", now.meta.baseline_loss)]
    for name, loss in named:
        if row.loss is not None and loss is not None and isfinite(loss):
            difference = row.loss - loss
            (size,) = figures.decimals([abs(difference)], 3)
            yield (
                f"{size} {'above' if difference > 0 else 'below'} {name}"
                if difference
                else f"equal to {name}"
            )


def _others(row: Row, now: Board) -> Iterator[tuple[str, Row]]:
    seen = {row.number}
    for name, one in (("winner", now.winner), ("best", now.best), ("default", now.default)):
        if one is not None and one.number not in seen:
            seen.add(one.number)
            yield name, one


def _asked(trial: Trial) -> str:
    text = f"{_WHY.get(trial.why, trial.why)}; wave {trial.wave}, cohort {trial.cohort}"
    if trial.promise is not None:
        text += f"; promise {trial.promise:.2g}: the improvement it expected, in deviations of a run's noise"
    return text


_WHY = {
    "default": "the default settings come first",
    "hand-picked": "somebody has picked it by hand",
    "random": "drawn at random",
    "grid": "the next point of the grid",
}


def as_text(sheet: Sheet, width: int) -> Text:
    """For the terminal: the facts, the settings, the learning curve."""
    style = "bold green" if sheet.row is sheet.board.winner else "bold"
    parts = [Text(sheet.title, style)]
    words = [Text(folded(title, text, width, _INDENT)) for title, text in facts(sheet)]
    parts.append(Text("\n").join(words))
    settings = [*_gauges(sheet.searched, width)]
    for title, some, dim in (("fixed", sheet.fixed, ""), ("defaults", sheet.usual, "dim")):
        if some:
            settings.append(
                Text(folded(title, figures.settings(some, _DIGITS), width, _INDENT), dim)
            )
    parts.append(Text("\n").join(settings) if settings else Text("no settings"))
    curve = sheet.curves[0][1] if sheet.curves else ()
    if len(curve) > 1:
        head = (
            Text("loss by epoch: ")
            .append("validation", "cyan")
            .append(", ")
            .append("training", "dim")
        )
        if len(sheet.curves) > 1:
            head.append(f" (of the first of {len(sheet.curves)} runs)")
        drawn = [([at.train_loss for at in curve], "dim"), ([at.loss for at in curve], "bold cyan")]
        parts.append(Text("\n").join([head, plot(drawn, min(width, _WIDEST), _HIGH)]))
    return Text("\n\n").join(parts)


def _gauges(searched: Sequence[Setting], width: int) -> Iterator[Text]:
    """A line for each setting: its value, and of a number where in its range that is."""
    if not searched:
        return
    columns = [
        Column("", [one.name for one in searched], left=True),
        Column("", [figures.word(one.value) for one in searched], left=True),
        Column("", [one.low for one in searched]),
    ]
    gauge = max(8, min(_GAUGE, width - sum(column.width for column in columns) - 16))
    for one, name, value, low in zip(
        searched, *(column.texts()[1:] for column in columns), strict=True
    ):
        text = Text(f"{name:<{_INDENT - 2}}  ").append(value, "bold")
        if one.place is not None:
            at = min(gauge - 1, int(one.place * gauge))
            text.append(f"  {low} ", "dim").append("─" * at, "dim").append("●", "bold cyan")
            text.append("─" * (gauge - 1 - at) + f" {one.high}", "dim")
        text.rstrip()
        yield text


def record(sheet: Sheet) -> dict[str, Any]:
    """The object of `--json`: null where there is no number."""
    row, now, trial = sheet.row, sheet.board, sheet.trial
    names = (
        "loss",
        "loss_se",
        "first_loss",
        "score",
        "metric",
        "seconds",
        "cost",
        "flops",
        "epochs",
        "best_epoch",
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "study": now.meta.name,
        "strategy": now.meta.strategy,
        "number": row.number,
        "state": row.state,
        "reason": row.reason,
        **{name: getattr(row, name) for name in names},
        "star": row.star,
        "rank": sheet.rank,
        "ended": sheet.ended,
        "winner": now.winner and now.winner.number,
        "best": now.best and now.best.number,
        "default": now.default and now.default.number,
        "baseline": now.meta.baseline_loss,
        "why": trial.why,
        "promise": trial.promise,
        "wave": trial.wave,
        "cohort": trial.cohort,
        "params": dict(trial.params),
        "settings": sheet.settings,
        "runs": [
            {"replicate": run.replicate, "fold": run.fold, "loss": run.loss}
            for run in row.replicates
        ],
        "curves": [
            {"replicate": number, "epochs": [_epoch(at) for at in curve]}
            for number, curve in sheet.curves
        ],
    }


def _epoch(at: Epoch) -> dict[str, Any]:
    return {
        "epoch": at.epoch,
        **{name: figure(getattr(at, name)) for name in ("train_loss", "loss", "metric")},
    }

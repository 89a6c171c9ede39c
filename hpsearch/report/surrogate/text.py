"""What a model makes of a search, as text and as JSON: a few lines of little bars for each parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich.text import Text

from hpsearch.report.board.text import folded
from hpsearch.report.board.view import SCHEMA_VERSION, figure
from hpsearch.report.render import figures
from hpsearch.report.render.blocks import bars, interval
from hpsearch.space.parameters import Value
from hpsearch.strategies.surrogate_report import Check, Outlook, Seen, Slice

_DIGITS = 3
_NARROW, _WIDE = 12, 61  # columns of a slice
_SAID = 32  # columns of what is said beside it
_SAFE = 0.95  # a chance of success that is not worth a word
_SURPRISES = 3
_SURPRISING = 2.0  # deviations


@dataclass(frozen=True, slots=True)
class Searched:
    """An outlook, and whose: the study's name, its strategy, and what the model has learned (loss, or score).

    Of a study that has `dropped` trials on their way, these are left out; or all losses are those at an `epoch`.
    """

    study: str
    strategy: str
    target: str
    outlook: Outlook
    dropped: int = 0
    epoch: int | None = None

    @property
    def title(self) -> str:
        """What this is."""
        return f"{self.study}: what a model expects ({self.outlook.surrogate}, of {self.outlook.trials} trials)"


@dataclass(frozen=True, slots=True)
class Scale:
    """The same for all slices, so that what matters little looks flat."""

    low: float
    high: float
    deviation: float
    improvement: float

    @classmethod
    def of(cls, slices: Sequence[Slice]) -> Scale:
        """Of all that is expected."""
        means = [value for one in slices for value in one.mean]
        deviations = [value for one in slices for value in one.deviation]
        gains = [value for one in slices for value in one.improvement]
        return cls(min(means), max(means), max(deviations), max(gains))

    def place(self, loss: float) -> float:
        """From 0 to 1 between the lowest and the highest."""
        return min(1.0, max(0.0, (loss - self.low) / ((self.high - self.low) or 1.0)))


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide the columns are: what a row is, and the bars."""

    row: int
    bars: int

    @classmethod
    def of(cls, slices: Sequence[Slice], width: int) -> Layout:
        """So that all slices stand one below the other, and the bars have the rest of the terminal."""
        words = [_word(value) for one in slices if not one.ordered for value in one.values]
        row = max(map(len, ("success", *words)))
        return cls(row, max(_NARROW, min(_WIDE, width - row - 5 - _SAID)))

    def line(self, row: str, drawn: Text, said: str) -> Text:
        """A line of it."""
        text = Text(f"  {row:>{self.row}} ").append_text(drawn).append(f"  {said}")
        text.rstrip()
        return text


def as_text(searched: Searched, width: int) -> Text:
    """For the terminal."""
    found = searched.outlook
    scale, layout = Scale.of(found.slices), Layout.of(found.slices, width)
    head = [Text(searched.title, "bold")]
    head += [Text(folded("", note, width, indent=0), "dim") for note in notes(searched)]
    parts = [Text("\n").join(head)]
    for one in found.slices:
        lines = (
            _number(one, searched, scale, layout) if one.ordered else _choice(one, scale, layout)
        )
        parts.append(Text("\n").join([_head(one), *lines]))
    for check in found.checks:
        parts.append(
            Text("\n").join(Text(folded(*line, width, indent=13)) for line in checked(check))
        )
    legend = _LEGEND.format(target=searched.target, low=_word(scale.low), high=_word(scale.high))
    parts.append(Text(folded("", legend, width, indent=0), "dim"))
    return Text("\n\n").join(parts)


_LEGEND = (
    "{target}: its mean without noise, from {low} (lowest bar) to {high}, the same for all parameters; ±: how sure the "
    "model is of it; gain: the improvement to expect of a next trial there; trials (of a choice the last number): how "
    "many were there; success: the chance that a training does not fail, where that is in doubt"
)


def notes(searched: Searched) -> Iterator[str]:
    """What one has to know to read it."""
    found = searched.outlook
    yield (
        f"along each parameter, the others as in trial {found.trial}; what matters most comes first. "
        f"One run's {searched.target} has a noise of ± {_word(found.noise, 2)}."
    )
    if searched.epoch is not None:
        yield (
            f"every {searched.target} is that at epoch {searched.epoch}, where trials were compared: too few were "
            "trained to their end."
        )
    elif searched.dropped:
        count = f"{searched.dropped} trials were" if searched.dropped > 1 else "1 trial was"
        yield f"{count} dropped on the way, and left out: a {searched.target} of fewer epochs is of another thing."
    if found.outside:
        count = f"{found.outside} trials are" if found.outside > 1 else "1 trial is"
        yield f"{count} outside of the space, and left out."
    yield from _foretold(found)


def _foretold(found: Outlook) -> Iterator[str]:
    """Which surrogate would have known the search best, while it went on."""
    scores = {name: score for name, score in found.foretold.items() if score.trials}
    if scores:
        named = ", ".join(
            f"{name} {score.density:.2f} (off by {score.rmse:.2f})"
            for name, score in scores.items()
        )
        trials = max(score.trials for score in scores.values())
        yield (
            f"Each of the last {trials} trials foretold from those before it, log density in units of the deviation "
            f"of all: {named}; who knows nothing has -1.42 (off by 1)."
        )


def _head(one: Slice) -> Text:
    ends = f"{_word(one.values[0])} to {_word(one.values[-1])}; " if one.ordered else ""
    said = f"  {ends}swing {_word(one.swing, 2)}; trial {one.trial} has {_word(one.value, 3)}"
    return Text().append(one.name, "bold").append(said, "dim")


def _number(one: Slice, searched: Searched, scale: Scale, layout: Layout) -> Iterator[Text]:
    """Rows of bars: the mean, how sure it is, what a trial there is worth, and where there were any."""
    cells = _cells(one, layout.bars)

    def row(values: Sequence[float]) -> list[float | None]:
        return [None if at is None else values[at] for at in cells]

    counts = [0] * layout.bars
    for point in one.seen:
        counts[_column(point.place, layout.bars)] += 1
    least = min(range(len(one.values)), key=lambda at: one.mean[at])
    most = max(range(len(one.values)), key=lambda at: one.improvement[at])
    here = _column(one.places[one.values.index(one.value)], layout.bars)
    losses = Text(bars(row(one.mean), scale.low, scale.high))
    losses.stylize("bold green", here, here + 1)
    said = f"{within(one.mean[least], one.deviation[least])} at {_word(one.values[least], 2)}"
    yield layout.line(searched.target, losses, said)
    yield layout.line("±", Text(bars(row(one.deviation), 0.0, scale.deviation, 0), "dim"), "")
    gain = Text(bars(row(one.improvement), 0.0, scale.improvement, 0), "yellow")
    yield layout.line(
        "gain", gain, f"{_word(one.improvement[most], 2)} at {_word(one.values[most], 2)}"
    )
    if min(one.success) < _SAFE:
        chance = Text(bars(row(one.success), 0.0, 1.0, 0), "red")
        yield layout.line("success", chance, f"{_share(min(one.success))} at worst")
    seen = Text(
        bars([float(count) if count else None for count in counts], 0.0, max(counts)), "cyan"
    )
    yield layout.line("trials", seen, str(len(one.seen)))


def _cells(one: Slice, room: int) -> list[int | None]:
    """For each column which of the values is nearest; None beyond the first and the last."""
    steps = [after - before for before, after in pairwise(one.places)]
    beyond = max(steps, default=1.0) / 2 + 0.5 / room
    found: list[int | None] = []
    for column in range(room):
        place = (column + 0.5) / room
        near = min(range(len(one.places)), key=lambda at: abs(one.places[at] - place))
        outside = place < one.places[0] - beyond or place > one.places[-1] + beyond
        found.append(None if outside else near)
    return found


def _column(place: float, room: int) -> int:
    return min(room - 1, max(0, int(place * room)))


def _choice(one: Slice, scale: Scale, layout: Layout) -> Iterator[Text]:
    """A row for each value: its mean between its deviations."""
    for value, mean, deviation, chance, gain in zip(
        one.values, one.mean, one.deviation, one.success, one.improvement, strict=True
    ):
        low, middle, high = (scale.place(at) for at in (mean - deviation, mean, mean + deviation))
        count = sum(point.value == value for point in one.seen)
        drawn = Text(
            interval(low, middle, high, layout.bars), "bold green" if value == one.value else ""
        )
        doubt = f"success {_share(chance)}" if chance < _SAFE else f"gain {_word(gain, 2)}"
        yield layout.line(_word(value), drawn, f"{within(mean, deviation)}; {doubt}; {count}")


def doubt(one: Slice) -> str:
    """How likely a training is to succeed where it is least likely; nothing where that is no question."""
    chance = min(one.success)
    return (
        f"success {_share(chance)} at {_word(one.values[one.success.index(chance)])}"
        if chance < _SAFE
        else ""
    )


def _share(chance: float) -> str:
    return f"{100 * chance:.0f} %"


def checked(check: Check) -> Iterator[tuple[str, str]]:
    """How far a model can be believed, in words, each under its title."""
    explained = 1.0 - (check.rmse / check.spread) ** 2 if check.spread else 0.0
    yield (
        _KINDS.get(check.kind, check.kind),
        f"off by {_word(check.rmse, 3)} (root mean square) where the mean of all is off by {_word(check.spread, 3)}: "
        f"{_explained(explained)}; {100 * check.within(1):.0f} % are within one deviation (68 % would be right), "
        f"{100 * check.within(2):.0f} % within two (95 %)",
    )
    for one in surprises(check):
        way = "worse" if one.surprise > 0 else "better"
        yield (
            f"  trial {one.number}",
            f"{way} than expected: {_word(one.loss)}, not {within(one.expected, one.deviation)}",
        )


_KINDS = {"leave-one-out": "left out"}
"""How trials were kept from the model, in a word or two."""


def _explained(share: float) -> str:
    return (
        f"it explains {100 * share:.0f} % of the variance" if share > 0 else "it explains nothing"
    )


def within(mean: float, deviation: float) -> str:
    """A mean to the digits that its deviation leaves it, and that."""
    return " ± ".join(figures.decimals([mean, deviation], 2))


def surprises(check: Check) -> list[Seen]:
    """The trials that the model understands least."""
    far = sorted(check.seen, key=lambda one: -abs(one.surprise))
    return [one for one in far[:_SURPRISES] if abs(one.surprise) > _SURPRISING]


def _word(value: Value, digits: int = _DIGITS) -> str:
    return figures.word(value, digits)


def record(searched: Searched) -> dict[str, Any]:
    """The object of `--json`: every figure of every slice, null where there is no number."""
    found = searched.outlook
    return {
        "schema_version": SCHEMA_VERSION,
        "study": searched.study,
        "strategy": searched.strategy,
        "target": searched.target,
        "surrogate": found.surrogate,
        "trials": found.trials,
        "outside": found.outside,
        "dropped": searched.dropped,
        "epoch": searched.epoch,
        "winner": found.trial,
        "cut": figure(found.cut),
        "noise": figure(found.noise),
        "slices": [_slice(one) for one in found.slices],
        "checks": [_check(check) for check in found.checks],
        "foretold": {
            name: {
                "log_density": figure(score.density),
                "rmse": figure(score.rmse),
                "trials": score.trials,
            }
            for name, score in found.foretold.items()
        },
    }


_ALONG = ("places", "mean", "deviation", "success", "improvement")


def _slice(one: Slice) -> dict[str, Any]:
    figured = {name: [figure(v) for v in getattr(one, name)] for name in _ALONG}
    return {
        "parameter": one.name,
        "ordered": one.ordered,
        "trial": one.trial,
        "value": one.value,
        "swing": figure(one.swing),
        "values": list(one.values),
        **figured,
        "seen": [{"number": p.number, "value": p.value, "loss": p.loss} for p in one.seen],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "kind": check.kind,
        "rmse": figure(check.rmse),
        "spread": figure(check.spread),
        "within_1": check.within(1),
        "within_2": check.within(2),
        "trials": [
            {
                "number": one.number,
                "loss": figure(one.loss),
                "expected": figure(one.expected),
                "deviation": figure(one.deviation),
            }
            for one in check.seen
        ],
    }

"""What a surrogate model has learned from a search, for the terminal: a few lines a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

from hpsearch.report.render import figures
from hpsearch.report.render.blocks import bars, interval
from hpsearch.report.render.tables import folded
from hpsearch.report.surrogate.view import SAFE, SurrogateView, judged, lowest, notes, within
from hpsearch.space.parameters import Value
from hpsearch.strategies.surrogate_report import Slice
from hpsearch.text import one_line

_DIGITS = 3
_NARROW, _WIDE = 12, 61  # columns of a slice
_SAID = 32  # columns of what is said beside it


@dataclass(frozen=True, slots=True)
class SliceLayout:
    """The columns of a line, and what its bars mean: the same for all parameters.

    What matters little therefore looks flat.

    Attributes:
        label: the columns of a row's label.
        bars: the columns of the bars.
        low: the lowest mean of all slices, and `high` the highest.
        std: the largest standard deviation.
        improvement: the largest expected improvement.
    """

    label: int
    bars: int
    low: float
    high: float
    std: float
    improvement: float

    @classmethod
    def of(cls, slices: Sequence[Slice], width: int) -> SliceLayout:
        """Return the layout in which the bars have what the words leave of the terminal's width."""
        labels = [_word(value) for one in slices if not one.ordered for value in one.values]
        label = max(map(len, ("success", *labels)))
        means = [value for one in slices for value in one.mean]
        return cls(
            label,
            max(_NARROW, min(_WIDE, width - label - 5 - _SAID)),
            min(means),
            max(means),
            max(value for one in slices for value in one.std),
            max(value for one in slices for value in one.improvement),
        )

    def position(self, loss: float) -> float:
        """Return where a loss lies between the lowest and the highest mean, from 0 to 1."""
        return min(1.0, max(0.0, (loss - self.low) / ((self.high - self.low) or 1.0)))

    def column(self, position: float) -> int:
        """Return the column of the bars that a position (from 0 to 1) falls into."""
        return min(self.bars - 1, max(0, int(position * self.bars)))

    def line(self, label: str, drawn: Text, said: str) -> Text:
        """Return a line: its label, the bars, and the words beside them."""
        text = Text(f"  {label:>{self.label}} ").append_text(drawn).append(f"  {said}")
        text.rstrip()
        return text


def as_text(view: SurrogateView, width: int) -> Text:
    """Return the notes, the slices and the checks, in lines of at most `width`."""
    found = view.report
    layout = SliceLayout.of(found.slices, width)
    head = [Text(one_line(view.title), "bold")]
    head += [Text(folded("", note, width, indent=0), "dim") for note in notes(view)]
    parts = [Text("\n").join(head)]
    for one in found.slices:
        lines = (
            _number(one, view.target, layout) if one.ordered else _choice(one, view.target, layout)
        )
        parts.append(Text("\n").join([_head(one, view.target), *lines]))
    for check in found.cross_validations:
        words = [Text(folded(*line, width, indent=13)) for line in judged(check, view.target)]
        parts.append(Text("\n").join(words))
    low, high = (figures.brief(view.target, end, _DIGITS) for end in (layout.low, layout.high))
    legend = _LEGEND.format(target=view.target, low=low, high=high)
    parts.append(Text(folded("", legend, width, indent=0), "dim"))
    return Text("\n\n").join(parts)


_LEGEND = (
    "{target}: its mean without noise, from {low} (lowest bar) to {high}, the same for all "
    "parameters; swing: the largest mean minus the smallest; ±: the standard deviation of the "
    "mean; gain: the expected improvement of a next trial there; trials (of a choice the last "
    "number): how many there were; success: the chance that a training does not fail, where that "
    "is in doubt"
)


def _head(one: Slice, target: str) -> Text:
    ends = f"{_word(one.values[0])} to {_word(one.values[-1])}; " if one.ordered else ""
    swing = figures.brief(target, one.swing, 2)
    said = f"  {ends}swing {swing}; trial {one.trial} has {_word(one.value, 3)}"
    return Text().append(one_line(one.name), "bold").append(said, "dim")


def _number(one: Slice, target: str, layout: SliceLayout) -> Iterator[Text]:
    """Yield rows of bars along a number: mean, standard deviation, improvement, success, trials."""
    nearest = _nearest(one, layout.bars)

    def row(values: Sequence[float]) -> list[float | None]:
        return [None if at is None else values[at] for at in nearest]

    least = lowest(one)
    here = layout.column(one.positions[one.values.index(one.value)])
    means = Text(bars(row(one.mean), layout.low, layout.high))
    means.stylize("bold green", here, here + 1)
    said = f"{within(one.mean[least], one.std[least], target)} at {_word(one.values[least], 2)}"
    yield layout.line(target, means, said)
    yield layout.line("±", Text(bars(row(one.std), 0.0, layout.std, 0), "dim"), "")
    most = max(range(len(one.values)), key=lambda at: one.improvement[at])
    gain = Text(bars(row(one.improvement), 0.0, layout.improvement, 0), "yellow")
    improvement = figures.brief(target, one.improvement[most], 2)
    said = f"{improvement} at {_word(one.values[most], 2)}"
    yield layout.line("gain", gain, said)
    if min(one.success) < SAFE:
        chance = Text(bars(row(one.success), 0.0, 1.0, 0), "red")
        yield layout.line("success", chance, f"{_share(min(one.success))} at worst")
    counts = [0] * layout.bars
    for point in one.points:
        counts[layout.column(point.position)] += 1
    trials = bars([float(count) if count else None for count in counts], 0.0, max(counts))
    yield layout.line("trials", Text(trials, "cyan"), str(len(one.points)))


def _nearest(one: Slice, width: int) -> list[int | None]:
    """Return for each column which value is nearest; None beyond the first and the last value."""
    steps = [after - before for before, after in pairwise(one.positions)]
    beyond = max(steps, default=1.0) / 2 + 0.5 / width
    found: list[int | None] = []
    for column in range(width):
        middle = (column + 0.5) / width
        near = min(range(len(one.positions)), key=lambda at: abs(one.positions[at] - middle))
        outside = middle < one.positions[0] - beyond or middle > one.positions[-1] + beyond
        found.append(None if outside else near)
    return found


def _choice(one: Slice, target: str, layout: SliceLayout) -> Iterator[Text]:
    """Yield a row for each choice: its mean, with one standard deviation on both sides."""
    for value, mean, std, chance, gain in zip(
        one.values, one.mean, one.std, one.success, one.improvement, strict=True
    ):
        low, middle, high = (layout.position(at) for at in (mean - std, mean, mean + std))
        count = sum(point.value == value for point in one.points)
        style = "bold green" if value == one.value else ""
        drawn = Text(interval(low, middle, high, layout.bars), style)
        doubt = (
            f"success {_share(chance)}"
            if chance < SAFE
            else f"gain {figures.brief(target, gain, 2)}"
        )
        yield layout.line(_word(value), drawn, f"{within(mean, std, target)}; {doubt}; {count}")


def _share(chance: float) -> str:
    return f"{100 * chance:.0f} %"


def _word(value: Value, digits: int = _DIGITS) -> str:
    return one_line(figures.word(value, digits))

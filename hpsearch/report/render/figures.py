"""Numbers as text, a column at a time, so that they align.

The smallest number of a column decides how many decimals all of them have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hpsearch.metrics import unit_of
from hpsearch.report.render.records import finite
from hpsearch.space.parameters import Value
from hpsearch.space.space import Params

NOTHING = "-"
"""What stands where there is no number."""

_WIDEST = 1e7  # numbers are written out in full below this
_SPAN = 8  # how many digits a quantity may have beyond those that are asked for
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def texts(values: Sequence[Value | None], digits: int) -> list[str]:
    """Return a column of settings: numbers as in `decimals`, texts as they are."""
    kinds = {*map(type, values)}
    if float in kinds and str not in kinds:
        return decimals([None if value is None else float(value) for value in values], digits)
    return [NOTHING if value is None else word(value) for value in values]


def decimals(values: Sequence[float | None], digits: int) -> list[str]:
    """Return numbers with as many decimals as give the smallest `digits` significant digits.

    Where those would be many, all numbers are written with powers of ten.
    """
    sizes = _sizes(values)
    count = _places(sizes, digits)
    if count > digits + 3 or max(sizes) >= _WIDEST:
        return [_scientific(value, digits) for value in values]
    return _formatted(values, f".{count}f")


def quantities(values: Sequence[float | None], digits: int) -> list[str]:
    """Return numbers in a unit of their own: as `decimals`, but large ones are written in full.

    >>> quantities([1234567.8, 98765.4], 4)
    ['1,234,568', '98,765']
    """
    sizes = _sizes(values)
    count = _places(sizes, digits)
    if count > digits + 3 or math.log10(max(sizes)) + count >= digits + _SPAN:
        return [_scientific(value, digits) for value in values]
    return _formatted(values, f",.{count}f")


def _formatted(values: Sequence[float | None], how: str) -> list[str]:
    return [NOTHING if value is None else format(value, how) for value in values]


def _sizes(values: Sequence[float | None]) -> list[float]:
    return [abs(value) for value in values if value and math.isfinite(value)] or [1.0]


def _places(sizes: Sequence[float], digits: int) -> int:
    """Return how many decimals give the smallest number so many significant digits."""
    return max(0, digits - 1 - math.floor(math.log10(min(sizes))))


def _scientific(value: float | None, digits: int) -> str:
    if value is None:
        return NOTHING
    return f"{value:.{digits - 1}e}" if value else "0"


def percentages(values: Sequence[float | None], digits: int) -> list[str]:
    """Return shares (1 is all) in per cent, with `digits` significant digits from 10 % on."""
    count = max(0, digits - 2)
    return [NOTHING if value is None else f"{100 * value:.{count}f} %" for value in values]


def metrics(name: str, values: Sequence[float | None], digits: int) -> list[str]:
    """Return values of the metric of this name, or of what is minimised, as its unit asks for.

    Shares of rows are in per cent, and what is in the unit of the target has separators. A metric
    that is not a finite number is not defined, as `r2` of a single row.
    """
    written = {"share": percentages, "target": quantities, "number": decimals}[unit_of(name)]
    return written([finite(value) for value in values], digits)


def label(minimized: str) -> str:
    """Return what is shown of what is minimised: of the negative of a metric, the metric itself.

    >>> label("-accuracy"), label("1 - accuracy"), label("loss")
    ('accuracy', '1 - accuracy', 'loss')
    """
    return minimized.removeprefix("-")


def better(minimized: str) -> str:
    """Return whether a better trial has a lower or a higher value of what is shown."""
    return "higher" if minimized != label(minimized) else "lower"


def worse(minimized: str) -> str:
    """Return whether a worse trial has a lower or a higher value of what is shown."""
    return "lower" if minimized != label(minimized) else "higher"


def as_shown(minimized: str, value: float) -> float:
    """Return a value of what is minimised as it is shown: that of a maximised metric as itself."""
    return value if minimized == label(minimized) else -value


def losses(minimized: str, values: Sequence[float | None], digits: int) -> list[str]:
    """Return values of what is minimised as `metrics` does, each as it is shown.

    Nothing is known of the unit of that. Differences and standard errors have no such sign, and go
    to `metrics` themselves.

    >>> losses("-accuracy", [-87.5, None], 4), losses("loss", [0.25], 3)
    (['87.50', '-'], ['0.250'])
    """
    if minimized != label(minimized):
        values = [None if value is None else as_shown(minimized, value) for value in values]
    return metrics(minimized, values, digits)


def between(name: str, interval: Sequence[float], precision: int) -> str:
    """Return the ends of a figure's interval, with a digit less than the figure itself.

    >>> between("loss", (0.08341, 0.1004), 4)
    '0.0834 to 0.1004'
    """
    low, high = metrics(name, interval, precision - 1)
    return f"{low} to {high}"


def measured(name: str, value: float | None, digits: int) -> str:
    """Return a metric and its value in words."""
    (text,) = metrics(name, [value], digits)
    return f"{name} {'not defined' if text == NOTHING else text}"


def brief(name: str, value: float, digits: int) -> str:
    """Return a value of what is minimised, of this name, in few signs.

    >>> brief("loss", 0.25, 4), brief("rmse", 43120.7, 4)
    ('0.25', '43,121')
    """
    return metrics(name, [value], digits)[0] if unit_of(name) == "target" else word(value, digits)


def seconds(values: Sequence[float | None]) -> list[str]:
    """Return durations with about three significant digits of the longest."""
    longest = max((value for value in values if value is not None), default=0.0)
    count = 3 if longest < 1 else 2 if longest < 100 else 1 if longest < 1000 else 0
    return _formatted(values, f".{count}f")


def prefixed(values: Sequence[float | None]) -> list[str]:
    """Return large counts with an SI prefix, such as 285 M."""
    return [NOTHING if value is None else _prefixed(value) for value in values]


def _prefixed(value: float) -> str:
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"


def word(value: Value, digits: int = 4) -> str:
    """Return one setting as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def settings(params: Params, digits: int) -> str:
    """Return all settings on one line, as `--set` takes them."""
    return " ".join(f"{name}={word(value, digits)}" for name, value in params.items())


def duration(seconds: float) -> str:
    """Return a span of time for people: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"

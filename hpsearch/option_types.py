"""The numbers that options of the command line take, and what is said of others."""

from __future__ import annotations

import math
import re
from typing import Any

import click
from click.core import ParameterSource

from hpsearch.errors import Place, Problem, SpecError

_DIGITS = re.compile(r"[+-]?[0-9]{1,18}")
_LARGEST = 2**63 - 1


class Whole(click.IntRange):
    """A whole number, written in digits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; refuse what is none, or is out of bounds."""
        if isinstance(value, str) and not _DIGITS.fullmatch(value.strip()):
            raise _refused(value, "a whole number", self.min, self.max, param, ctx)
        number = int(value)
        if number < (self.min or 0) or number > (_LARGEST if self.max is None else self.max):
            raise _refused(value, "a whole number", self.min, self.max, param, ctx)
        return number


class Number(click.FloatRange):
    """A finite number."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; refuse what is none, is not finite, or is out of bounds."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < (self.min or 0):
            raise _refused(value, "a finite number", self.min, None, param, ctx)
        return number


def _refused(
    value: object,
    kind: str,
    low: float | None,
    high: float | None,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> SpecError:
    """Return what is wrong with a number, and where it came from: an option or the environment."""
    assert param is not None, "a number is the value of something"
    name = param.opts[0] if isinstance(param, click.Option) else "N"
    source = f"{name} {value}"
    if ctx and param.name and ctx.get_parameter_source(param.name) is ParameterSource.ENVIRONMENT:
        source = f"{param.envvar}={value}"
    bounds = f", {low:g} or more" if high is None else f" from {low:g} to {high:g}"
    message = f"'{name}' is '{value}', which is not {kind}{bounds}"
    return SpecError(Problem("E020", message, Place(source, 0, 0), help=_digits(value, kind)))


def _digits(value: object, kind: str) -> str:
    """Return how a whole number is written that was given in another way, such as 1e3."""
    try:
        number = float(str(value).replace(",", "").replace("_", ""))
    except ValueError:
        return ""
    is_plain = _DIGITS.fullmatch(str(value).strip())
    if kind != "a whole number" or is_plain or not number.is_integer() or abs(number) > 1e15:
        return ""
    return f"write {number:.0f}"

"""Parameters of any name, as a trainer of one's own has them, and its hand-picked trials."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.config.conditions import ParsedSettings
from hpsearch.config.diagnostics import Diagnostics
from hpsearch.config.schema import ConfigFile
from hpsearch.config.searched import all_used, allowed, excludes, fits, parameter_of
from hpsearch.space.parameters import Anything, Value, listed
from hpsearch.space.space import Params, Space


def free_parameters(keys: ConfigFile, diagnostics: Diagnostics) -> ParsedSettings:
    """Return what `parameters:` says where any name is allowed, and stands for anything."""
    for name, entry in keys.parameters.items():
        if entry.value is not None:
            excludes(entry, "value", ("parameters", name), diagnostics)
            fits(name, entry.value, ("parameters", name, "value"), diagnostics, Anything())
    searched = {
        name: listed((entry.value,))
        if entry.value is not None
        else parameter_of(name, entry, Anything(), diagnostics)
        for name, entry in keys.parameters.items()
    }
    return ParsedSettings(
        keys,
        {},
        {name: found for name, found in searched.items() if found},
        diagnostics,
        needs={},
        excludes=(),
    )


def free_trials(parsed: ParsedSettings, space: Space) -> Iterator[Params]:
    """Give the hand-picked trials as points of the space.

    Those of a file without parameters may have any names, and are given as they are.
    """
    for index, given in enumerate(parsed.keys.trials):
        if not parsed.diagnostics.document.at(("parameters",)):
            yield given
            continue
        if not parsed.diagnostics.within(("trials", index)):  # a wrong one stands there empty
            for name, value in given.items():
                _check_value(parsed, ("trials", index, name), value)
        if parsed.diagnostics.problems:
            continue
        point = _point(parsed, space, index, given)
        if point is not None:
            yield point


def _check_value(parsed: ParsedSettings, path: tuple[str, int, str], value: Value) -> None:
    """Note a value that no trial may have."""
    name = path[-1]
    parameter = parsed.parameters.get(name)
    if parameter is None and not parsed.lost(name):
        help = f"there are: {', '.join(parsed.parameters)}"
        message, hint = f"'{name}' is no parameter", parsed.like(name)
        parsed.diagnostics.add("E060", message, path, key=True, hint=hint, help=help)
    elif parameter is not None and value not in parameter:
        among = parameter.grid(1)
        parsed.diagnostics.wrong(path, value, parameter.describe(), "E060", among=among)


def _point(parsed: ParsedSettings, space: Space, index: int, given: Params) -> Params | None:
    """Return a trial as a point of the space; None, and a mistake, where it is none."""
    point: dict[str, Value] = {}
    for name, parameter in space.parameters.items():
        if not space.active(name, point):
            continue
        only = parameter.values() or ()
        if name in given:
            point[name] = parameter.nearest(given[name])
        elif len(only) == 1:
            point[name] = only[0]
        else:
            message = f"this trial does not say what '{name}' is"
            help = "parameters of a trainer of one's own have no default values"
            parsed.diagnostics.add("E060", message, ("trials", index), help=help)
            return None
    if not all_used(parsed, index, given, point):
        return None
    return allowed(parsed, space, index, point)

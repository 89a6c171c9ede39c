"""The settings of a file: which are fixed, which are searched, and the hand-picked trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hpsearch.config.conditions import ParsedSettings
from hpsearch.config.diagnostics import LARGEST, Diagnostics, flow, written
from hpsearch.config.document import KeyPath
from hpsearch.config.schema import NetworkFile, ParameterKeys, unknown_key
from hpsearch.engine.structure.settings import NEEDS, SETTINGS, complete, default
from hpsearch.space.parameters import Domain, Parameter, Value, exact, listed
from hpsearch.space.space import Params, Space

_MOST_STEPS = 10**9  # of a range
_WHOLE = 2**53  # whole numbers that a float tells apart
_LEAST = 1e-6  # the suggested beginning of a log range that would contain 0


def fixed_and_searched(keys: NetworkFile, diagnostics: Diagnostics) -> ParsedSettings:
    """Return what `train:` and `parameters:` say of each setting by itself."""
    fixed: dict[str, Value] = {}
    searched: dict[str, Parameter] = {}
    for name, value in keys.train.items():
        if _is_setting(("train", name), diagnostics) and fits(
            name, value, ("train", name), diagnostics
        ):
            fixed[name] = SETTINGS[name].domain.nearest(value)
    declared = diagnostics.document.at(("parameters",))
    for name in declared if isinstance(declared, dict) else ():
        path = ("parameters", name)
        if not _is_setting(path, diagnostics) or name not in keys.parameters:
            continue  # a mistake has been noted where it is not in the keys
        entry = keys.parameters[name]
        if name in keys.train:
            message = f"'{name}' is fixed under 'train:' already"
            diagnostics.add("E043", message, path, key=True, help="keep one of the two")
        elif entry.value is None:
            if found := parameter_of(name, entry, SETTINGS[name].domain, diagnostics):
                searched[name] = found
        else:
            excludes(entry, "value", path, diagnostics)
            if fits(name, entry.value, (*path, "value"), diagnostics):
                fixed[name] = SETTINGS[name].domain.nearest(entry.value)
    return ParsedSettings(keys, fixed, searched, diagnostics)


def _is_setting(path: tuple[str, ...], diagnostics: Diagnostics) -> bool:
    """Return whether a key names a setting, and note where it does not."""
    if path[-1] in SETTINGS:
        return True
    if path not in diagnostics.paths:
        unknown_key(path, diagnostics)
    return False


def fits(
    name: str, value: object, path: KeyPath, diagnostics: Diagnostics, domain: Domain | None = None
) -> bool:
    """Return whether a value is in a domain, by default the setting's, and note where it is not."""
    domain = domain or SETTINGS[name].domain
    if value in domain:
        return True
    hint = ""
    if path[0] == "train" and isinstance(value, list | dict):
        entry = flow({name: {"values": value} if isinstance(value, list) else value})
        hint = f"to search it, write  {entry}  under 'parameters:'"
    expected = domain.describe() + _beyond(value, domain)
    diagnostics.wrong(path, value, expected, "E022", among=domain.grid(1), hint=hint)
    return False


def _beyond(value: object, domain: Domain) -> str:
    """Return the end of a domain that a number lies beyond, where its description has none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not domain.ordered:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if not -LARGEST <= value <= LARGEST:
        return f", at most {LARGEST:.12g}"
    nearest = float(domain.nearest(value))
    if nearest == value or f"{nearest:.12g}" in domain.describe():
        return ""
    return f", {'at most' if nearest < value else 'at least'} {nearest:.12g}"


def excludes(entry: ParameterKeys, key: str, path: KeyPath, diagnostics: Diagnostics) -> None:
    """Note the first of the keys that do not go with this one."""
    kinds = (
        "value",
        "values",
        "min",
        "max",
        "log",
        "step",
        "points",
        *(("prior", "when") if key == "value" else ()),
    )
    for other in kinds:
        if other != key and other in entry.model_fields_set:
            message = f"'{path[-1]}' has '{key}' and '{other}', which exclude each other"
            help = "a parameter has value, or values, or min and max"
            diagnostics.add("E023", message, (*path, other), key=True, help=help)
            return


def parameter_of(
    name: str, entry: ParameterKeys, domain: Domain, diagnostics: Diagnostics
) -> Parameter | None:
    """Return the parameter that an entry describes; None where that cannot be told."""
    found = _without_prior(name, entry, domain, diagnostics)
    if found and entry.prior is not None:
        fits(name, entry.prior, ("parameters", name, "prior"), diagnostics, found)
    return found


def _without_prior(
    name: str, entry: ParameterKeys, domain: Domain, diagnostics: Diagnostics
) -> Parameter | None:
    """Return the parameter that an entry describes, without its prior."""
    path = ("parameters", name)
    if entry.values is not None:
        excludes(entry, "values", path, diagnostics)
        return _choice(name, entry.values, domain, (*path, "values"), diagnostics)
    if entry.min is None or entry.max is None:
        missing = [end for end in ("min", "max") if getattr(entry, end) is None]
        message = f"'{name}' has no {' and no '.join(missing)}"
        help = "such as  {min: 1e-4, max: 1e-1, log: true}  or  {values: [16, 32]}"
        diagnostics.add("E013", message, path, key=True, help=help)
        return None
    return _number(name, entry, entry.min, entry.max, domain, diagnostics)


def _choice(
    name: str, values: Sequence[Value], domain: Domain, path: KeyPath, diagnostics: Diagnostics
) -> Parameter | None:
    """Return the parameter that is one of some values."""
    options: dict[Value, None] = {}
    for index, value in enumerate(values):
        if fits(name, value, (*path, index), diagnostics, domain):
            option = domain.nearest(value)
            if option in options:
                message = f"{written(value)} stands in '{name}' twice"
                diagnostics.add("E033", message, (*path, index), help="leave one out")
            options[option] = None
    return None if diagnostics.within(path) else listed(tuple(options))


def _number(
    name: str,
    entry: ParameterKeys,
    low: float,
    high: float,
    domain: Domain,
    diagnostics: Diagnostics,
) -> Parameter | None:
    """Return the parameter that is a number in a range."""
    path = ("parameters", name)
    if not domain.ordered:
        help = f"write  values: [...]  with some of {', '.join(map(str, domain.grid(1)))}"
        diagnostics.add(
            "E024", f"'{name}' is no number, so it has no min and max", path, key=True, help=help
        )
        return None
    if entry.log and low <= 0:
        message = f"log needs min above 0, and '{name}' starts at {written(low)}"
        help = (
            f"a log range cannot contain 0; try  min: {written(_LEAST if _LEAST in domain else 1)}"
        )
        diagnostics.add("E031", message, (*path, "min"), help=help)
    else:
        fits(name, low, (*path, "min"), diagnostics, domain)
    if fits(name, high, (*path, "max"), diagnostics, domain) and low > high:
        message = f"'{name}' has min {written(low)} above max {written(high)}"
        help = f"swap them:  min: {written(high)}, max: {written(low)}"
        diagnostics.add("E021", message, (*path, "min"), help=help)
    if not diagnostics.within(path) and entry.step is not None:
        _step(name, entry, domain, diagnostics)
    if diagnostics.within(path):
        return None
    found = domain.narrowed(low, high, entry.log, entry.step, entry.points)
    values, help = found.values(), "take ends that are nearer to one another"
    if isinstance(values, range) and (values[-1] - values[0]) // values.step >= _WHOLE:
        message = f"'{name}' has more values than can be told apart, which are 2^53"
        diagnostics.add("E022", message, (*path, "max"), help=f"{help}, or a step")
    elif not -LARGEST <= high - low <= LARGEST:
        message = f"'{name}' is wider than the largest number, which is {LARGEST:.12g}"
        diagnostics.add("E022", message, (*path, "max"), help=help)
    return found


def _step(name: str, entry: ParameterKeys, domain: Domain, diagnostics: Diagnostics) -> None:
    """Note what is wrong with the step of a range."""
    path, whole = ("parameters", name, "step"), "whole number" in domain.describe()
    step, low, high = entry.step or 0, entry.min or 0, entry.max or 0
    if entry.log:
        help = "write the values out:  values: [16, 32, 64]"
        diagnostics.add("E032", f"'{name}' has both log and step", path, key=True, help=help)
    elif not 0 < step < math.inf or (whole and not isinstance(step, int)):
        diagnostics.wrong(path, step, f"a {'whole ' * whole}number above 0", "E032")
    elif (steps := (exact(high) - exact(low)) / exact(step)) > _MOST_STEPS:
        message = f"'{name}' has more than {_MOST_STEPS:,} steps"
        diagnostics.add(
            "E032", message, path, help="leave step out for every number between min and max"
        )
    elif steps.denominator > 1:
        last = exact(low) + math.floor(steps) * exact(step)
        better = (
            f"max: {float(last):.12g}"
            if steps > 1
            else f"step: {float(exact(high) - exact(low)):.12g}"
        )
        message = f"steps of {written(step)} do not lead from {written(low)} to {written(high)}"
        diagnostics.add("E032", message, path, help=f"both ends are included; try  {better}")


def nearest_point(space: Space, fixed: Params, given: Params) -> Params | None:
    """Return the point of a space that has given values, and default ones else, or the nearest.

    None where a constraint forbids it.
    """
    parents = {
        name: parameter.nearest(given.get(name, default(name, {})))
        for name, parameter in space.parameters.items()
        if name in _PARENTS
    }
    return space.nearest({**complete({**fixed, **given, **parents}), **given})


_PARENTS = {parent for needs in NEEDS.values() for parent in needs}
"""The settings whose values decide which other settings are used."""


def picked_trials(parsed: ParsedSettings, space: Space) -> Iterator[Params]:
    """Give the hand-picked trials as points of the space.

    Those of a file that searches nothing may have any settings, and are given as they are.
    """
    free = not parsed.diagnostics.document.at(("parameters",))
    for index, given in enumerate(parsed.keys.trials):
        if not parsed.diagnostics.within(("trials", index)):  # a wrong one stands there empty
            for name, value in given.items():
                _trial_value(parsed, ("trials", index, name), value, free)
        if parsed.diagnostics.problems:
            continue
        point = _as_given(parsed, index, given) if free else _point(parsed, space, index, given)
        if point is not None:
            yield point


def _trial_value(
    parsed: ParsedSettings, path: tuple[str, int, str], value: Value, free: bool
) -> None:
    """Note a value that no trial may have."""
    name = path[-1]
    searched = parsed.parameters.get(name)
    if name not in SETTINGS:
        unknown_key(path, parsed.diagnostics)
    elif free:
        fits(name, value, path, parsed.diagnostics)
    elif searched and value not in searched:
        parsed.diagnostics.wrong(path, value, searched.describe(), "E060", among=searched.grid(1))
    elif not searched and not parsed.lost(name):
        state = "fixed" if name in parsed.fixed else "not searched"
        help = f"searched: {', '.join(parsed.parameters)}"
        parsed.diagnostics.add(
            "E060", f"'{name}' is {state}, so a trial cannot set it", path, key=True, help=help
        )


def _as_given(parsed: ParsedSettings, index: int, given: Params) -> Params | None:
    """Return a trial of any settings; None where some of them have no meaning."""
    used = complete({**parsed.fixed, **given})
    if not all_used(parsed, index, given, used):
        return None
    return {name: SETTINGS[name].domain.nearest(value) for name, value in given.items()}


def _point(parsed: ParsedSettings, space: Space, index: int, given: Params) -> Params | None:
    """Return a trial as a point of the space; None, and a mistake, where it is none."""
    point = nearest_point(replace(space, constraints=()), parsed.fixed, given)
    if point is None or not all_used(parsed, index, given, point):
        return None
    return allowed(parsed, space, index, point)


def allowed(parsed: ParsedSettings, space: Space, index: int, point: Params) -> Params | None:
    """Return a hand-picked point; None, and a mistake, where a constraint forbids it."""
    broken = next(space.broken(point), None)
    if broken is None:
        return point
    known = {**parsed.fixed, **point}
    values = ", ".join(f"{name} is {written(known[name])}" for name in sorted(broken.names))
    parsed.diagnostics.add(
        "E060", f"this trial breaks '{broken.text}': {values}", ("trials", index)
    )
    return None


def all_used(parsed: ParsedSettings, index: int, given: Params, used: Mapping[str, Value]) -> bool:
    """Return whether all given settings are used, and note those that are not."""
    unused = [name for name in given if name not in used]
    for name in unused:
        path = ("trials", index, name)
        parsed.diagnostics.add(
            "E060", f"'{name}' has no meaning in this trial", path, key=True, help="leave it out"
        )
    return not unused

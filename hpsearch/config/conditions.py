"""The space of a file: how its settings depend on one another.

A setting may have a meaning only with some values of another (the engine says which), or only
`when` a person says so, and constraints leave out points.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hpsearch.config.diagnostics import Diagnostics
from hpsearch.config.document import KeyPath
from hpsearch.config.schema import ConfigFile
from hpsearch.engine.structure.settings import EXCLUDES, NEEDS, SETTINGS, default
from hpsearch.registry import closest
from hpsearch.space.expression import Expression, ExpressionError, Side
from hpsearch.space.parameters import Choice, Domain, Parameter, Value
from hpsearch.space.space import Params, Space
from hpsearch.strategies import STRATEGIES

Conditions = dict[str, dict[str, tuple[Value, ...]]]


@dataclass(frozen=True)
class ParsedSettings:
    """The settings of a file, each understood by itself.

    Attributes:
        keys: the keys of the file.
        fixed: the settings with one value.
        parameters: the settings that are searched.
        diagnostics: where mistakes are noted.
        needs: for each setting that is not always used, its parents and the values of these with
            which it is.
        excludes: pairs of values that do not go together.
    """

    keys: ConfigFile
    fixed: Params
    parameters: Mapping[str, Parameter]
    diagnostics: Diagnostics
    needs: Mapping[str, Mapping[str, Collection[Value]]] = field(default_factory=lambda: NEEDS)
    excludes: Sequence[tuple[tuple[str, Value], tuple[str, Value]]] = EXCLUDES

    def lost(self, name: str) -> bool:
        """Return whether the file says something of a setting that a mistake keeps unknown."""
        return any(
            (section,) in self.diagnostics.paths or self.diagnostics.within((section, name))
            for section in ("train", "parameters")
        )

    @property
    def meets_no_number(self) -> bool:
        """Whether a continuous parameter has any one value with a probability of 0.

        A grid has the values of its ticks, and whoever picks trials their own.
        """
        strategy = self.diagnostics.strategy
        draws = strategy is not None and STRATEGIES.load(strategy).has_default
        return draws and not self.diagnostics.is_stored

    def is_continuous(self, name: str) -> bool:
        """Return whether a setting is searched among numbers that cannot be counted."""
        return name in self.parameters and self.parameters[name].values() is None

    def possible(self, name: str) -> Domain:
        """Return what a setting may be: where it is searched, there; else anywhere."""
        if name in self.parameters:
            return self.parameters[name]
        free = self.diagnostics.any_name or name not in SETTINGS
        return Choice((self.fixed[name],)) if free else SETTINGS[name].domain

    def like(self, name: str) -> str:
        """Return a hint that names the known setting of which a name is a slip, or nothing."""
        near = closest(name, [*self.parameters, *self.fixed])
        return f"did you mean '{near}'?" if near else ""


def build_space(parsed: ParsedSettings) -> Space:
    """Return the space, and note the mistakes in its conditions and constraints."""
    for name in parsed.fixed:
        _needed(name, parsed)
    conditions: Conditions = {}
    for name in parsed.parameters:
        conditions[name] = _needed(name, parsed)
        if not parsed.diagnostics.within(("parameters", name)):
            for parent, wanted in (parsed.keys.parameters[name].when or {}).items():
                _narrow(
                    name,
                    parent,
                    wanted if isinstance(wanted, list) else [wanted],
                    conditions[name],
                    parsed,
                )
    order = _parents_first(parsed, conditions)
    for name in parsed.parameters if not parsed.diagnostics.problems else ():
        _reached(name, conditions, parsed)
    needed = {name: needs for name, needs in conditions.items() if needs}
    priors = {
        name: parameter.nearest(prior)
        for name, parameter in order.items()
        if (prior := parsed.keys.parameters[name].prior) is not None
        and prior in parameter  # else it is noted
    }
    return Space(order, needed, (*_exclusions(parsed), *_constraints(parsed)), parsed.fixed, priors)


def _exclusions(parsed: ParsedSettings) -> Iterator[Expression]:
    """Give constraints that keep apart what does not go together.

    Where nothing else is possible, since both values are fixed, that is a mistake.
    """
    for (name, value), (other, its) in parsed.excludes:
        if name not in parsed.parameters and other not in parsed.parameters:
            if parsed.fixed.get(name) == value and parsed.fixed.get(other) == its:
                section = "parameters" if other in parsed.keys.parameters else "train"
                message = f"'{other}: {its}' does not go with '{name}: {value}'"
                parsed.diagnostics.add(
                    "E044", message, (section, other), help="change one of the two"
                )
        elif {name, other} <= {*parsed.parameters, *parsed.fixed}:
            yield Expression(f"not ({name} == {value!r} and {other} == {its!r})")


def _needed(name: str, parsed: ParsedSettings) -> dict[str, tuple[Value, ...]]:
    """Return the values of other settings with which this one is used.

    Where they never have such values, that is a mistake.
    """
    conditions = {}
    for parent, users in parsed.needs.get(name, {}).items():
        if parent in parsed.parameters:
            possible = tuple(parsed.parameters[parent].values() or ())
        elif parsed.lost(parent):
            continue
        else:
            possible = (parsed.fixed.get(parent, default(parent, {})),)
        options = tuple(value for value in possible if value in users)
        if not options:
            is_default = parent not in parsed.parameters and parent not in parsed.fixed
            values = f"{' or '.join(map(str, possible))}{', the default' if is_default else ''}"
            section = "parameters" if name in parsed.keys.parameters else "train"
            message = f"'{name}' has no meaning here: {parent} is {values}"
            help = f"it is used with  {parent}: {' or '.join(map(str, users))}"
            parsed.diagnostics.add("E041", message, (section, name), key=True, help=help)
        elif len(options) < len(possible):
            conditions[parent] = options
    return conditions


def _narrow(
    name: str,
    parent: str,
    wanted: list[Value],
    conditions: dict[str, tuple[Value, ...]],
    parsed: ParsedSettings,
) -> None:
    """Take into a setting's conditions one parent that its `when` names."""
    path = ("parameters", name, "when", parent)
    if parent == name:
        parsed.diagnostics.add("E042", f"'when' of '{name}' names '{name}' itself", path, key=True)
    elif parent not in parsed.parameters and parent not in parsed.fixed:
        if not parsed.lost(parent):
            message = f"'when' of '{name}' names '{parent}', which is neither searched nor fixed"
            parsed.diagnostics.add(
                "E042", message, path, key=True, hint=parsed.like(parent), help=_given(parent)
            )
    elif not _never(parent, wanted, path, parsed) and parent in parsed.parameters:
        before = conditions.get(parent)
        conditions[parent] = tuple(value for value in wanted if before is None or value in before)
        if before and not conditions[parent]:
            help = f"it is used with  {parent}: {' or '.join(map(str, before))}"
            parsed.diagnostics.add(
                "E041", f"with this 'when', '{name}' has no meaning", path, help=help
            )


def _never(parent: str, wanted: list[Value], path: KeyPath, parsed: ParsedSettings) -> bool:
    """Note the values that the parent never takes; return whether there are some."""
    possible = parsed.parameters.get(parent) or Choice((parsed.fixed[parent],))
    never = [index for index, value in enumerate(wanted) if value not in possible]
    for index in never:
        place = (*path, index) if isinstance(parsed.diagnostics.document.at(path), list) else path
        expected = f"a value that '{parent}' takes: {possible.describe()}"
        parsed.diagnostics.wrong(place, wanted[index], expected, "E042", among=possible.grid(1))
    if not never and parsed.is_continuous(parent) and parsed.meets_no_number:
        parsed.diagnostics.add("E042", _unmet(parent, parsed), path, help=_COUNTED)
    return bool(never)


_COUNTED = "list its values, give it a step, or name a setting whose values can be counted"


def _unmet(name: str, parsed: ParsedSettings) -> str:
    values = parsed.parameters[name].describe()
    return f"'{name}' is {values}: it has any one value with a probability of 0"


def _reached(name: str, conditions: Conditions, parsed: ParsedSettings) -> None:
    """Note a setting whose conditions, with those of its parents, can never be met together."""
    wanted: dict[str, set[Value]] = {}
    left = [name]
    for one in left:
        for parent, allowed in conditions[one].items():
            wanted[parent] = wanted.get(parent, {*allowed}) & {*allowed}
            if not wanted[parent] and not parsed.diagnostics.is_stored:
                message = f"'{name}' is never used: its conditions on '{parent}' exclude each other"
                path, help = ("parameters", name), f"{name} goes with {' and '.join(left[1:])}"
                parsed.diagnostics.add("E041", message, path, key=True, help=help)
                return
        left += [parent for parent in conditions[one] if parent not in left]


def _parents_first(parsed: ParsedSettings, conditions: Conditions) -> dict[str, Parameter]:
    """Return the parameters in an order in which each comes after those that it depends on."""
    order: dict[str, Parameter] = {}
    left = dict(parsed.parameters)
    while left:
        ready = next((name for name in left if not conditions[name].keys() & left.keys()), None)
        if ready is None:
            _note_circle(left, conditions, parsed)
            return dict(parsed.parameters)
        order[ready] = left.pop(ready)
    return order


def _note_circle(
    left: Mapping[str, Parameter], conditions: Conditions, parsed: ParsedSettings
) -> None:
    """Note parameters that depend on one another: each that is `left` has a parent there."""
    name, trail = next(iter(left)), list[str]()
    while name not in trail:
        trail.append(name)
        name = next(parent for parent in conditions[name] if parent in left)
    circle = trail[trail.index(name) :]
    wanted = {name: parsed.keys.parameters[name].when or {} for name in left if name in circle}
    first = next(name for name, when in wanted.items() if when.keys() & wanted.keys())
    names = " and ".join(f"'{name}'" for name in wanted)
    message = f"{names} depend on one another in a circle"
    parsed.diagnostics.add(
        "E042", message, ("parameters", first, "when"), key=True, help="take out one 'when'"
    )


def _constraints(parsed: ParsedSettings) -> Iterator[Expression]:
    """Give the constraints of the file that can be understood, and note the others."""
    for index, text in enumerate(parsed.keys.constraints):
        path = ("constraints", index)
        if path in parsed.diagnostics.paths:
            continue
        try:
            rule = Expression(text)
        except ExpressionError as error:
            place = parsed.diagnostics.document.part_place(path, error.start, error.length)
            help = "such as  width * depth <= 512  or  optimizer in ['sgd', 'adam'] or lr < 0.1"
            message = f"this is no condition: {error}"
            parsed.diagnostics.add("E050", message, path, place=place, hint=error.hint, help=help)
            continue
        unknown = [
            name
            for name in rule.names
            if name not in parsed.fixed and name not in parsed.parameters
        ]
        for name in sorted(unknown):
            _unknown_name(name, rule, index, parsed)
        if not rule.names & set(parsed.parameters) and not unknown:
            parsed.diagnostics.add(
                "E050", "this condition names nothing that is searched", path, help="leave it out"
            )
        elif not unknown:
            if not parsed.diagnostics.is_stored:
                _check_sides(rule, index, parsed)
            yield rule


def _check_sides(rule: Expression, index: int, parsed: ParsedSettings) -> None:
    """Note the comparisons of a constraint that come out the same whatever is tried."""
    for is_equality, left, right in rule.comparisons():
        for one, other in ((left, right), (right, left)):
            if one.name and other.value is not None:
                _check_value(one.name, other, is_equality, index, parsed)
        both = left.names | right.names if left.is_smooth and right.is_smooth else ()
        met = [name for name in sorted(both) if parsed.is_continuous(name)]
        path = ("constraints", index)
        if is_equality and met and parsed.meets_no_number and path not in parsed.diagnostics.paths:
            place = parsed.diagnostics.document.part_place(path, *rule.span(met[0]))
            help = f"compare it with < or >, or {_COUNTED}"
            parsed.diagnostics.add("E050", _unmet(met[0], parsed), path, place=place, help=help)


def _check_value(
    name: str, side: Side, is_equality: bool, index: int, parsed: ParsedSettings
) -> None:
    """Note a value that a setting never has, or that has no order beside it."""
    domain, path, value = parsed.possible(name), ("constraints", index), side.value
    options = domain.grid(1)
    is_word = not domain.ordered and all(isinstance(option, str) for option in options)
    clash = not is_equality and isinstance(value, str) != is_word
    if path in parsed.diagnostics.paths or not (clash or (is_equality and value not in domain)):
        return
    place = parsed.diagnostics.document.part_place(path, side.start, side.length)
    words = [option for option in options if isinstance(option, str)]
    near = closest(str(value).lower(), words) if isinstance(value, str) else None
    message = f"{value!r} is no value of '{name}'"
    if clash:
        message = f"'{name}' has no order beside {value!r}"
    hint = f"did you mean '{near}'?" if near else ""
    parsed.diagnostics.add(
        "E050", message, path, place=place, hint=hint, help=f"'{name}' is {domain.describe()}"
    )


def _unknown_name(name: str, rule: Expression, index: int, parsed: ParsedSettings) -> None:
    """Note a name in a constraint that stands for nothing."""
    if parsed.lost(name):
        return
    words = {
        value
        for setting in SETTINGS.values()
        for value in setting.domain.grid(1)
        if isinstance(value, str)
    }
    hint = f"a word stands in quotes: '{name}'" if name in words else parsed.like(name)
    place = parsed.diagnostics.document.part_place(("constraints", index), *rule.span(name))
    message = f"this condition names '{name}', which is neither searched nor fixed"
    parsed.diagnostics.add(
        "E050", message, ("constraints", index), place=place, hint=hint, help=_given(name)
    )


def _given(name: str) -> str:
    """Return how to make a setting known; nothing where it is none."""
    return f"write '{name}' under 'train:' or 'parameters:'" if name in SETTINGS else ""

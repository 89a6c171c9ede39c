"""How the settings of a file depend on one another: what has a meaning with what, `when`, constraints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hpsearch.config.diagnostics import Diagnostics
from hpsearch.config.document import KeyPath
from hpsearch.config.schema import ConfigFile
from hpsearch.engine.structure.settings import EXCLUDES, NEEDS, SETTINGS, default
from hpsearch.registry import closest
from hpsearch.space.expression import Expression, ExpressionError
from hpsearch.space.parameters import Choice, Parameter, Value
from hpsearch.space.space import Params, Space

Conditions = dict[str, dict[str, tuple[Value, ...]]]


@dataclass(frozen=True)
class Parts:
    """What is understood so far: the settings that are fixed, and those that are searched."""

    keys: ConfigFile
    fixed: Params
    parameters: Mapping[str, Parameter]
    diagnostics: Diagnostics
    needs: Mapping[str, Mapping[str, Collection[Value]]] = field(default_factory=lambda: NEEDS)
    excludes: Sequence[tuple[tuple[str, Value], tuple[str, Value]]] = EXCLUDES

    def lost(self, name: str) -> bool:
        """Whether the file says something of a setting that a mistake keeps from being known."""
        return any(
            (section,) in self.diagnostics.paths or self.diagnostics.within((section, name))
            for section in ("train", "parameters")
        )

    def like(self, name: str) -> str:
        """The known setting that a name is a slip of, as a hint."""
        near = closest(name, [*self.parameters, *self.fixed])
        return f"did you mean '{near}'?" if near else ""


def space(parts: Parts) -> Space:
    """The space, with the mistakes in its conditions and constraints noted."""
    for name in parts.fixed:
        _needed(name, parts)
    conditions: Conditions = {}
    for name in parts.parameters:
        conditions[name] = _needed(name, parts)
        if not parts.diagnostics.within(("parameters", name)):
            for parent, wanted in (parts.keys.parameters[name].when or {}).items():
                _narrow(
                    name,
                    parent,
                    wanted if isinstance(wanted, list) else [wanted],
                    conditions[name],
                    parts,
                )
    order = _parents_first(parts, conditions)
    needed = {name: needs for name, needs in conditions.items() if needs}
    priors = {
        name: parameter.nearest(prior)
        for name, parameter in order.items()
        if (prior := parts.keys.parameters[name].prior) is not None
        and prior in parameter  # else it is noted
    }
    return Space(order, needed, (*_exclusions(parts), *_constraints(parts)), parts.fixed, priors)


def _exclusions(parts: Parts) -> Iterator[Expression]:
    """Constraints that keep apart what does not go together; a mistake where nothing else is possible."""
    for (name, value), (other, its) in parts.excludes:
        if name not in parts.parameters and other not in parts.parameters:
            if parts.fixed.get(name) == value and parts.fixed.get(other) == its:
                section = "train" if other in parts.keys.train else "parameters"
                message = f"'{other}: {its}' does not go with '{name}: {value}'"
                parts.diagnostics.add(
                    "E044", message, (section, other), help="change one of the two"
                )
        elif {name, other} <= {*parts.parameters, *parts.fixed}:
            yield Expression(f"not ({name} == {value!r} and {other} == {its!r})")


def _needed(name: str, parts: Parts) -> dict[str, tuple[Value, ...]]:
    """The values of other settings with which this one is used; a mistake where there are none."""
    conditions = {}
    for parent, users in parts.needs.get(name, {}).items():
        if parent in parts.parameters:
            possible = tuple(parts.parameters[parent].values() or ())
        elif parts.lost(parent):
            continue
        else:
            possible = (parts.fixed.get(parent, default(parent, {})),)
        options = tuple(value for value in possible if value in users)
        if not options:
            usual = "" if parent in parts.parameters or parent in parts.fixed else ", the default"
            section = "parameters" if name in parts.keys.parameters else "train"
            message = f"'{name}' has no meaning here: {parent} is {' or '.join(map(str, possible))}{usual}"
            help = f"it is used with  {parent}: {' or '.join(map(str, users))}"
            parts.diagnostics.add("E041", message, (section, name), key=True, help=help)
        elif len(options) < len(possible):
            conditions[parent] = options
    return conditions


def _narrow(
    name: str,
    parent: str,
    wanted: list[Value],
    conditions: dict[str, tuple[Value, ...]],
    parts: Parts,
) -> None:
    """Take one parent into a setting's conditions that its `when` names."""
    path = ("parameters", name, "when", parent)
    if parent == name:
        parts.diagnostics.add("E042", f"'when' of '{name}' names '{name}' itself", path, key=True)
    elif parent not in parts.parameters and parent not in parts.fixed:
        if not parts.lost(parent):
            message = f"'when' of '{name}' names '{parent}', which is neither searched nor fixed"
            parts.diagnostics.add(
                "E042", message, path, key=True, hint=parts.like(parent), help=_given(parent)
            )
    elif not _never(parent, wanted, path, parts) and parent in parts.parameters:
        before = conditions.get(parent)
        conditions[parent] = tuple(value for value in wanted if before is None or value in before)
        if before and not conditions[parent]:
            help = f"it is used with  {parent}: {' or '.join(map(str, before))}"
            parts.diagnostics.add(
                "E041", f"with this 'when', '{name}' has no meaning", path, help=help
            )


def _never(parent: str, wanted: list[Value], path: KeyPath, parts: Parts) -> bool:
    """Note the values that the parent never takes."""
    possible = parts.parameters.get(parent) or Choice((parts.fixed[parent],))
    never = [index for index, value in enumerate(wanted) if value not in possible]
    for index in never:
        place = (*path, index) if isinstance(parts.diagnostics.document.at(path), list) else path
        expected = f"a value that '{parent}' takes: {possible.describe()}"
        parts.diagnostics.wrong(place, wanted[index], expected, "E042", among=possible.grid(1))
    return bool(never)


def _parents_first(parts: Parts, conditions: Conditions) -> dict[str, Parameter]:
    order: dict[str, Parameter] = {}
    left = dict(parts.parameters)
    while left:
        ready = next((name for name in left if not conditions[name].keys() & left.keys()), None)
        if ready is None:
            _circle(left, conditions, parts)
            return dict(parts.parameters)
        order[ready] = left.pop(ready)
    return order


def _circle(left: Mapping[str, Parameter], conditions: Conditions, parts: Parts) -> None:
    name, trail = next(iter(left)), list[str]()
    while name not in trail:
        trail.append(name)
        name = next(parent for parent in conditions[name] if parent in left)
    circle = trail[trail.index(name) :]
    wanted = {name: parts.keys.parameters[name].when or {} for name in left if name in circle}
    first = next(name for name, when in wanted.items() if when.keys() & wanted.keys())
    names = " and ".join(f"'{name}'" for name in wanted)
    message = f"{names} depend on one another in a circle"
    parts.diagnostics.add(
        "E042", message, ("parameters", first, "when"), key=True, help="take out one 'when'"
    )


def _constraints(parts: Parts) -> Iterator[Expression]:
    for index, text in enumerate(parts.keys.constraints):
        path = ("constraints", index)
        if path in parts.diagnostics.paths:
            continue
        try:
            rule = Expression(text)
        except ExpressionError as error:
            place = parts.diagnostics.document.part_place(path, error.start, error.length)
            help = "such as  width * depth <= 512  or  optimizer in ['sgd', 'adam'] or lr < 0.1"
            message = f"this is no condition: {error}"
            parts.diagnostics.add("E050", message, path, place=place, hint=error.hint, help=help)
            continue
        unknown = [
            name for name in rule.names if name not in parts.fixed and name not in parts.parameters
        ]
        for name in sorted(unknown):
            _unknown_name(name, rule, index, parts)
        if not rule.names & set(parts.parameters) and not unknown:
            parts.diagnostics.add(
                "E050", "this condition names nothing that is searched", path, help="leave it out"
            )
        elif not unknown:
            yield rule


def _unknown_name(name: str, rule: Expression, index: int, parts: Parts) -> None:
    if parts.lost(name):
        return
    words = {
        value
        for setting in SETTINGS.values()
        for value in setting.domain.grid(1)
        if isinstance(value, str)
    }
    hint = f"a word stands in quotes: '{name}'" if name in words else parts.like(name)
    place = parts.diagnostics.document.part_place(("constraints", index), *rule.span(name))
    message = f"this condition names '{name}', which is neither searched nor fixed"
    parts.diagnostics.add(
        "E050", message, ("constraints", index), place=place, hint=hint, help=_given(name)
    )


def _given(name: str) -> str:
    """How to make a setting known, where it is one."""
    return f"write '{name}' under 'train:' or 'parameters:'" if name in SETTINGS else ""

"""A YAML search space as a `Spec`, or every mistake in it at once, each with its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpsearch.data import DataSpec
from hpsearch.document import Document, kind, read
from hpsearch.document import Path as Keypath
from hpsearch.engine.settings import NEEDS, SETTINGS, complete, default
from hpsearch.errors import Problem, SpecError
from hpsearch.expression import Expression, ExpressionError
from hpsearch.registry import closest
from hpsearch.schema import Keys, ParameterKeys, SearchKeys, unknown_key, validate, wrong_value
from hpsearch.space import Choice, Integer, Parameter, Params, Real, Space, Value

Override = tuple[tuple[str, ...], object, str]
"""What a flag says: the path of the key it stands for, the value, and the flag itself (for messages)."""


@dataclass(frozen=True)
class Spec:
    """A search, ready to run: what is fixed, what is searched, on which data, how."""

    name: str
    data: DataSpec
    fixed: Params
    space: Space
    trials: tuple[Params, ...]
    search: SearchKeys

    def settings(self, params: Params) -> dict[str, Value]:
        """All settings of a trial: searched, fixed, default."""
        return complete({**self.fixed, **params})

    def default(self) -> Params | None:
        """The point with default settings, or the nearest there is; None where a constraint forbids it."""
        parents = {name: p.nearest(default(name, {})) for name, p in self.space.parameters.items() if name in _PARENTS}
        usual = complete({**self.fixed, **parents})
        wanted = {name: usual[name] for name in self.space.parameters if name in usual}
        return self.space.nearest(wanted)


_PARENTS = {parent for needs in NEEDS.values() for parent in needs}


def parse(
    text: str | bytes, file: str, folder: Path, overrides: Iterable[Override] = (), rows: int | None = None
) -> Spec:
    """Read a search space; flags stand over what the file says.

    Args:
        text: the YAML.
        file: its name, for messages.
        folder: what paths in it are relative to.
        overrides: from flags, later ones over earlier ones.
        rows: keep only so many rows of the data (the smoke run).

    Raises:
        SpecError: with every mistake that was found.
    """
    document = read(text, file)
    for path, value, source in overrides:
        if path[0] == "train":  # what a flag fixes is not searched
            document.remove(("parameters", *path[1:]))
        document.override(path, value, source)
    keys, problems = validate(document)
    if keys is None:
        raise SpecError(*problems)
    builder = _Builder(document, keys)
    spec = builder.spec(folder, rows)
    if builder.problems:
        raise SpecError(*builder.problems)
    return spec


@dataclass
class _Builder:
    """Judges what pydantic cannot: whether the parts fit together. Collects what is wrong."""

    document: Document
    keys: Keys
    problems: list[Problem] = field(default_factory=list)

    def spec(self, folder: Path, rows: int | None) -> Spec:
        data = self.keys.data
        split = data.split
        if split.validation + (split.test or 0.0) >= 1:
            help = "what is left is trained on:  {validation: 0.2, test: 0.2} trains on 0.6"
            self.wrong("E076", "validation and test leave no rows to train on", ("data", "split"), help=help)
        fixed = self.fixed()
        parameters = self.parameters(fixed)
        space = self.space(parameters, fixed)
        known = Spec(
            name=self.keys.name or Path(data.source).stem,
            data=DataSpec(
                data.source,
                data.target,
                data.task,
                split.validation,
                split.test,
                data.split_seed,
                data.scale,
                folder,
                rows,
            ),
            fixed=fixed,
            space=space,
            trials=(),
            search=self.keys.search,
        )
        if self.problems:
            return known
        return Spec(known.name, known.data, fixed, space, tuple(self.trials(known)), known.search)

    def wrong(
        self, code: str, message: str, path: Keypath, *, key: bool = False, hint: str = "", help: str = ""
    ) -> None:
        place = self.document.key_place(path) if key else self.document.value_place(path)
        self.problems.append(Problem(code, message, place, hint, help))

    # What is fixed

    def fixed(self) -> dict[str, Value]:
        """`train:`, and parameters with one `value`."""
        fixed: dict[str, Value] = {}
        for name, value in self.keys.train.items():
            if self.is_setting(name, ("train", name)) and self.fits(name, value, ("train", name)):
                fixed[name] = value
        for name, entry in (self.keys.parameters or {}).items():
            path = ("parameters", name)
            if entry.value is None or not self.is_setting(name, path):
                continue
            if name in fixed:
                self.wrong(
                    "E043", f"'{name}' is fixed under 'train:' as well", path, key=True, help="keep one of the two"
                )
            elif self.fits(name, entry.value, (*path, "value")):
                fixed[name] = entry.value
        return fixed

    def is_setting(self, name: str, path: Keypath) -> bool:
        if name in SETTINGS:
            return True
        problem = unknown_key(path, self.document)
        if not problem.hint and path[0] == "train" and (near := closest(name, SETTINGS)):
            problem = Problem(problem.code, problem.message, problem.place, f"did you mean '{near}'?", problem.help)
        self.problems.append(problem)
        return False

    def fits(self, name: str, value: Any, path: Keypath) -> bool:
        domain = SETTINGS[name].domain
        if value in domain:
            return True
        self.problems.append(wrong_value(path, value, domain.describe(), self.document, "E022"))
        return False

    # What is searched

    def parameters(self, fixed: Params) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        for name, entry in (self.keys.parameters or {}).items():
            path = ("parameters", name)
            if entry.value is not None:
                self.excludes(entry, "value", path)
                continue
            if not self.is_setting(name, path):
                continue
            if name in self.keys.train:
                self.wrong("E043", f"'{name}' is both fixed and searched", path, key=True, help="keep one of the two")
            elif parameter := self.parameter(name, entry, path):
                found[name] = parameter
        return found

    def excludes(self, entry: ParameterKeys, key: str, path: Keypath) -> None:
        others = [
            other
            for other in ("value", "values", "min", "max", "log", "step", "points")
            if other in entry.model_fields_set and other != key
        ]
        if others:
            message = f"'{path[-1]}' has '{key}' and '{others[0]}', which exclude each other"
            self.wrong(
                "E023", message, (*path, others[0]), key=True, help="a parameter has value, or values, or min and max"
            )

    def parameter(self, name: str, entry: ParameterKeys, path: Keypath) -> Parameter | None:
        if entry.values is not None:
            self.excludes(entry, "values", path)
            return self.choice(name, entry.values, (*path, "values"))
        if entry.min is None or entry.max is None:
            missing = [end for end in ("min", "max") if getattr(entry, end) is None]
            message = f"'{name}' has no {' and no '.join(missing)}"
            help = "such as  {min: 1e-4, max: 1e-1, log: true}  or  {values: [16, 32]}"
            self.wrong("E013", message, path, key=True, help=help)
            return None
        return self.number(name, entry, entry.min, entry.max, path)

    def choice(self, name: str, values: Sequence[Value], path: Keypath) -> Parameter | None:
        before = len(self.problems)
        for index, value in enumerate(values):
            if self.fits(name, value, (*path, index)) and value in values[:index]:
                self.wrong("E033", f"{kind(value)} stands in '{name}' twice", (*path, index), help="leave one out")
        return Choice(tuple(values)) if len(self.problems) == before else None

    def number(self, name: str, entry: ParameterKeys, low: float, high: float, path: Keypath) -> Parameter | None:
        domain = SETTINGS[name].domain
        before = len(self.problems)
        if isinstance(domain, Choice):
            options = ", ".join(str(option) for option in domain.options)
            help = f"write  values: [...]  with some of {options}"
            self.wrong("E024", f"'{name}' is no number, so it has no min and max", path, key=True, help=help)
            return None
        for end, bound in (("min", low), ("max", high)):
            if math.isfinite(bound) and isinstance(bound, float) and bound.is_integer() and isinstance(domain, Integer):
                help = f"write {int(bound)}: whole numbers have no point"
                self.wrong("E022", f"'{name}' takes whole numbers, and {end} is {bound}", (*path, end), help=help)
            elif end == "max" and low > high:
                self.wrong(
                    "E021",
                    f"'{name}' has min {low} above max {high}",
                    (*path, "min"),
                    help=f"swap them:  min: {high}, max: {low}",
                )
            elif entry.log and end == "min" and bound <= 0:
                help = "a log range cannot contain 0; try  min: 1e-6"
                self.wrong("E031", f"log needs min above 0, and '{name}' starts at {bound}", (*path, end), help=help)
            else:
                self.fits(name, bound, (*path, end))
        if entry.step is not None:
            self.step(name, entry.step, low, high, entry.log, (*path, "step"))
        if len(self.problems) > before:
            return None
        if isinstance(domain, Integer):
            return Integer(int(low), int(high), entry.log, int(entry.step or 1), entry.points)
        return Real(float(low), float(high), entry.log, entry.step, entry.points)

    def step(self, name: str, step: float, low: float, high: float, log: bool, path: Keypath) -> None:
        whole = isinstance(SETTINGS[name].domain, Integer)
        if log:
            self.wrong("E032", f"'{name}' has both log and step", path, key=True, help="list the values: [...] instead")
        elif not 0 < step < math.inf or (whole and not isinstance(step, int)):
            self.problems.append(wrong_value(path, step, f"a {'whole ' * whole}number above 0", self.document, "E032"))
        elif low < high and not math.isclose((high - low) / step, round((high - low) / step), abs_tol=1e-9):
            last = low + math.floor((high - low) / step) * step
            self.wrong(
                "E032",
                f"steps of {step} do not lead from {low} to {high}",
                path,
                help=f"both ends are included; try  max: {last:.12g}",
            )

    # How the parts depend on one another

    def space(self, parameters: Mapping[str, Parameter], fixed: Params) -> Space:
        conditions: dict[str, dict[str, tuple[Value, ...]]] = {}
        declared = set(self.keys.parameters or {})
        for name in fixed:
            self.meaning(name, parameters, fixed, declared)
        for name in parameters:
            conditions[name] = self.meaning(name, parameters, fixed, declared)
            when = (self.keys.parameters or {})[name].when or {}
            for parent, wanted in when.items():
                self.when(name, parent, wanted if isinstance(wanted, list) else [wanted], parameters, fixed, conditions)
        order = self.parents_first(parameters, conditions)
        conditions = {name: needs for name, needs in conditions.items() if needs}
        return Space(order, conditions, tuple(self.constraints(parameters, fixed)), fixed)

    def meaning(
        self, name: str, parameters: Mapping[str, Parameter], fixed: Params, declared: set[str]
    ) -> dict[str, tuple[Value, ...]]:
        """The values of other settings with which this one is used; an error where there are none."""
        conditions = {}
        for parent, users in NEEDS.get(name, {}).items():
            if parent in parameters:
                options = [value for value in parameters[parent].values() or () if value in users]
                if options and len(options) < len(parameters[parent].values() or ()):
                    conditions[parent] = tuple(options)
                found = "none of those searched"
            elif parent in declared and parent not in fixed:
                continue  # the parent's own mistake is reported
            else:
                value = fixed.get(parent, SETTINGS[parent].default)
                options = [value] if value in users else []
                found = f"{value}" + ("" if parent in fixed else ", the default")
            if not options:
                path = ("parameters", name) if name in declared else ("train", name)
                help = f"it is used with  {parent}: {' or '.join(str(user) for user in users)}"
                self.wrong("E041", f"'{name}' has no meaning here: {parent} is {found}", path, key=True, help=help)
        return conditions

    def when(
        self,
        name: str,
        parent: str,
        wanted: Sequence[Value],
        parameters: Mapping[str, Parameter],
        fixed: Params,
        conditions: Mapping[str, dict[str, tuple[Value, ...]]],
    ) -> None:
        """Narrow the condition by one parent that the YAML names."""
        path = ("parameters", name, "when", parent)
        if parent == name or (parent not in parameters and parent not in fixed):
            near = closest(parent, [other for other in (*parameters, *fixed) if other != name])
            self.wrong(
                "E042",
                f"'when' of '{name}' names '{parent}', which is neither searched nor fixed",
                path,
                key=True,
                hint=f"did you mean '{near}'?" if near else "",
            )
            return
        possible = parameters[parent] if parent in parameters else Choice((fixed[parent],))
        never = [value for value in wanted if value not in possible]
        if never:
            expected = possible.describe()
            self.problems.append(
                wrong_value(path, never[0], f"a value that '{parent}' takes ({expected})", self.document, "E042")
            )
        elif parent in parameters:
            before = conditions[name].get(parent)
            both = tuple(value for value in wanted if before is None or value in before)
            if not both and before is not None:
                self.wrong(
                    "E041",
                    f"with this 'when', '{name}' has no meaning",
                    path,
                    help=f"it is used with  {parent}: {' or '.join(str(value) for value in before)}",
                )
            conditions[name][parent] = both

    def parents_first(
        self, parameters: Mapping[str, Parameter], conditions: Mapping[str, Mapping[str, tuple[Value, ...]]]
    ) -> dict[str, Parameter]:
        order: dict[str, Parameter] = {}
        left = dict(parameters)
        while left:
            ready = next((name for name in left if not conditions.get(name, {}).keys() & left.keys()), None)
            if ready is None:
                names = " and ".join(f"'{name}'" for name in left)
                self.wrong(
                    "E042",
                    f"{names} depend on one another in a circle",
                    ("parameters", next(iter(left)), "when"),
                    key=True,
                    help="take out one 'when'",
                )
                return dict(parameters)
            order[ready] = left.pop(ready)
        return order

    def constraints(self, parameters: Mapping[str, Parameter], fixed: Params) -> Iterable[Expression]:
        example = "such as  width * depth <= 512"
        for index, text in enumerate(self.keys.constraints):
            path = ("constraints", index)
            try:
                rule = Expression(text)
            except ExpressionError as error:
                self.wrong("E050", f"this is no condition: {error}", path, help=example)
                continue
            known = [*parameters, *fixed]
            unknown = sorted(rule.names - set(known) - set(self.keys.parameters or {}))
            if unknown:
                near = closest(unknown[0], known)
                self.wrong(
                    "E050",
                    f"this condition names '{unknown[0]}', which is neither searched nor fixed",
                    path,
                    hint=f"did you mean '{near}'?" if near else "",
                )
            elif not rule.names & set(parameters):
                self.wrong("E050", "this condition names nothing that is searched", path, help=example)
            else:
                yield rule

    # Hand-picked trials

    def trials(self, spec: Spec) -> Iterable[Params]:
        """Each as a point of the space: what is left out is the nearest to the default."""
        for index, given in enumerate(self.keys.trials):
            before = len(self.problems)
            for name, value in given.items():
                self.trial_value(spec, index, name, value)
            if len(self.problems) > before:
                continue
            point = given if self.keys.parameters is None else self.completed(spec, index, given)
            if point is not None:
                yield point

    def trial_value(self, spec: Spec, index: int, name: str, value: Value) -> None:
        path = ("trials", index, name)
        if name not in SETTINGS:
            near = closest(name, SETTINGS)
            self.wrong(
                "E012",
                f"unknown key '{name}' in this trial",
                path,
                key=True,
                hint=f"did you mean '{near}'?" if near else "",
            )
        elif self.keys.parameters is None:
            self.fits(name, value, path)
        elif name not in spec.space.parameters:
            message = f"'{name}' is not searched, so a trial cannot set it"
            self.wrong("E060", message, path, key=True, help=f"searched: {', '.join(spec.space.parameters)}")
        elif value not in spec.space.parameters[name]:
            expected = spec.space.parameters[name].describe()
            self.problems.append(wrong_value(path, value, expected, self.document, "E060"))

    def completed(self, spec: Spec, index: int, given: Params) -> Params | None:
        usual = {**complete({**spec.fixed, **given}), **given}
        usual = {**{name: default(name, usual) for name in spec.space.parameters if name not in usual}, **usual}
        point = spec.space.nearest(usual)
        if point is None:
            self.wrong("E060", "this trial breaks a constraint", ("trials", index))
        elif unused := [name for name in given if name not in point]:
            self.wrong("E060", f"'{unused[0]}' has no meaning in this trial", ("trials", index, unused[0]), key=True)
        return point

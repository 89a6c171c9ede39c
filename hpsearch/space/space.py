"""The search space: parameters by name, conditions between them, constraints on all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import Problem, SpecError
from hpsearch.space.expression import Expression
from hpsearch.space.parameters import Parameter, Units, Value

Params = Mapping[str, Value]
"""A point of the space: the values of its *active* parameters, by name."""

_MOST_DRAWS = 10_000
_SAME = 1e-9  # places closer than this are one


@dataclass(frozen=True, slots=True)
class By:
    """A value that goes by that of another parameter."""

    name: str
    table: Mapping[Value, Value]


def resolved(value: Value | By, params: Params) -> Value:
    """What a value is beside these params."""
    return value.table[params[value.name]] if isinstance(value, By) else value


@dataclass(frozen=True)
class Space:
    """What may be searched: parameters, when each of them is active, and what all must satisfy.

    `parameters` holds parents before the parameters that depend on them; `conditions[name]` gives,
    for each parent, the values with which `name` is active (all parents must agree). A constraint
    applies where every name in it has a value; `fixed` holds the values of names that are not searched, and
    `priors` those that are believed to be good, near which a share of what is drawn is, by how far they are `trusted`.
    What is drawn or snapped has the values that are `pinned`.
    """

    parameters: Mapping[str, Parameter]
    conditions: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()
    fixed: Params = field(default_factory=dict)
    priors: Mapping[str, Value | By] = field(default_factory=dict)
    trusted: float = 0.5
    pinned: Params = field(default_factory=dict)

    def active(self, name: str, params: Params) -> bool:
        """Whether `name` has a meaning, given the values of its parents in `params`."""
        conditions = self.conditions.get(name, {})
        return all(
            parent in params and params[parent] in allowed for parent, allowed in conditions.items()
        )

    def allows(self, params: Params) -> bool:
        """Whether every constraint that applies to these (perhaps not yet all) values holds."""
        return next(self.broken(params), None) is None

    def broken(self, params: Params) -> Iterator[Expression]:
        """The constraints that apply to these values and do not hold."""
        known = {**self.fixed, **params} if self.constraints else {}
        return (
            rule
            for rule in self.constraints
            if rule.names <= known.keys() and not rule.holds(known)
        )

    def __contains__(self, params: object) -> bool:
        if not isinstance(params, Mapping) or not set(params) <= set(self.parameters):
            return False
        for name, parameter in self.parameters.items():
            if self.active(name, params) != (name in params) or (
                name in params and params[name] not in parameter
            ):
                return False
        return self.allows(params)

    @cached_property
    def width(self) -> int:
        """How many coordinates the unit cube has."""
        return sum(parameter.width for parameter in self.parameters.values())

    def encode(self, params: Params) -> tuple[float, ...]:
        """The point's place in [0, 1]^width; an inactive parameter stands in the middle."""
        place: list[float] = []
        for name, parameter in self.parameters.items():
            place += parameter.encode(params[name]) if name in params else parameter.middle
        return tuple(place)

    def decode(self, unit: Sequence[float]) -> Params:
        """The point at a place of the cube; it may break a constraint (see `allows`)."""
        params: dict[str, Value] = {}
        start = 0
        for name, parameter in self.parameters.items():
            if self.active(name, params):
                params[name] = parameter.decode(unit[start : start + parameter.width])
            start += parameter.width
        return params

    def snap(self, units: Units) -> Units:
        """`encode` of `decode` of each row of places [n, width]."""
        snapped = np.empty_like(units)
        for name, columns in self.columns.items():
            parameter = self.parameters[name]
            pinned = name in self.pinned
            snapped[:, columns] = (
                parameter.encode(self.pinned[name]) if pinned else parameter.snap(units[:, columns])
            )
            snapped[~self._active_at(name, snapped), columns] = parameter.middle
        return snapped

    def _active_at(self, name: str, snapped: Units) -> NDArray[np.bool_]:
        """[n] whether a parameter has a meaning, by its parents' places."""
        active = np.ones(len(snapped), bool)
        for parent, allowed in self.conditions.get(name, {}).items():
            active &= self._any_at(parent, allowed, snapped)
        return active

    def _any_at(self, name: str, values: Sequence[Value], snapped: Units) -> NDArray[np.bool_]:
        """[n] whether a parameter has one of these values."""
        here = snapped[:, self.columns[name]]
        places = np.array([self.parameters[name].encode(value) for value in values])
        found: NDArray[np.bool_] = (np.abs(here[:, None, :] - places[None]) < _SAME).all(-1).any(-1)
        return found

    def log_prior(self, snapped: Units) -> Units:
        """[n] log density of what is believed of places, 0 where nothing is; what is not active says nothing."""
        believed = np.zeros(len(snapped))
        for name, prior in self.priors.items():
            parameter, here = self.parameters[name], snapped[:, self.columns[name]]
            active = self._active_at(name, snapped)
            for where, value in self._cases(prior, snapped):
                believed += np.where(active & where, parameter.log_prior(value, here), 0.0)
        return believed

    def _cases(
        self, prior: Value | By, snapped: Units
    ) -> Iterator[tuple[NDArray[np.bool_], Value]]:
        """The values that a prior has, each with [n] where it does."""
        if isinstance(prior, By):
            for other, value in prior.table.items():
                yield self._any_at(prior.name, [other], snapped), value
        else:
            yield np.ones(len(snapped), bool), prior

    def near(self, units: Units, spread: float, rng: np.random.Generator) -> Units:
        """For each row another place: one parameter has moved, or about half of them have.

        What a move makes active is drawn afresh.
        """
        moved = self.snap(units)
        few = rng.random(len(units)) < 0.5
        one = rng.integers(len(self.columns), size=len(units))
        for k, (name, columns) in enumerate(self.columns.items()):
            parameter, here = self.parameters[name], units[:, columns]
            idle = (
                (np.abs(here - np.array(parameter.middle)) < _SAME).all(-1)
                if name in self.conditions
                else None
            )
            moves = np.where(few, one == k, rng.random(len(units)) < 0.5)
            moved[moves, columns] = parameter.near(here[moves], spread, rng)
            if idle is not None:
                moved[idle, columns] = rng.random((int(idle.sum()), parameter.width))
        return self.snap(moved)

    @cached_property
    def columns(self) -> Mapping[str, slice]:
        """The coordinates of the unit cube that each parameter fills."""
        found, start = {}, 0
        for name, parameter in self.parameters.items():
            found[name] = slice(start, start + parameter.width)
            start += parameter.width
        return found

    def sample(self, rng: Random) -> Params:
        """A point drawn uniformly, on each parameter's own scale, from those that the constraints allow.

        Where there are priors, a share of the points is drawn near them.

        Raises:
            SpecError: 10,000 draws broke a constraint.
        """
        for _ in range(_MOST_DRAWS):
            params = self.decode(self._drawn(rng))
            if self.allows(params):
                return params
        rules = ", ".join(f"'{rule.text}'" for rule in self.constraints)
        raise SpecError(
            Problem(
                "E051",
                f"of {_MOST_DRAWS:,} random points none satisfies the constraints {rules}",
                help="widen the ranges or relax the constraint",
            )
        )

    def _drawn(self, rng: Random) -> Sequence[float]:
        """A place of the cube, of all parameters near their priors or of none."""
        priors = self.priors if self.priors and rng.random() < self.trusted else {}
        places: dict[str, Sequence[float]] = {}
        for name in sorted(self.parameters, key=lambda name: isinstance(priors.get(name), By)):
            parameter, prior = self.parameters[name], priors.get(name)
            if isinstance(prior, By):
                prior = prior.table.get(self.parameters[prior.name].decode(places[prior.name]))
            if name in self.pinned:
                places[name] = parameter.encode(self.pinned[name])
            elif prior is not None:
                places[name] = parameter.around(prior, rng)
            else:
                places[name] = [rng.random() for _ in range(parameter.width)]
        return [unit for name in self.parameters for unit in places[name]]

    def nearest(self, values: Params) -> Params | None:
        """The point closest to the given values, name by name; None where a constraint forbids it."""
        params: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            if self.active(name, params):
                params[name] = parameter.nearest(values[name])
        return params if self.allows(params) else None

    def ticks(self, points: int) -> Mapping[str, Sequence[Value]]:
        """Each parameter's values on a grid of `points` per number (or its own number of points)."""
        return {
            name: parameter.grid(parameter.points or points)
            for name, parameter in self.parameters.items()
        }

    def walk(
        self, ticks: Mapping[str, Sequence[Value]], after: Params | None = None
    ) -> Iterator[Params]:
        """The points of a grid in order, the first parameter slowest, from the one that follows `after`.

        Lazy: the 10^18th point costs what the first does.
        """
        yield from self._descend(tuple(self.parameters), ticks, {}, after)

    def _descend(
        self,
        names: tuple[str, ...],
        ticks: Mapping[str, Sequence[Value]],
        chosen: Params,
        after: Params | None,
    ) -> Iterator[Params]:
        if not names:
            if after is None:  # else this is `after` itself
                yield chosen
            return
        name, *rest = names
        if not self.active(name, chosen):
            yield from self._descend(tuple(rest), ticks, chosen, after)
            return
        values = ticks[name]
        start = 0 if after is None else values.index(after[name])
        for i in range(start, len(values)):
            here = {**chosen, name: values[i]}
            if self.allows(here):
                yield from self._descend(tuple(rest), ticks, here, after if i == start else None)

    def count(self, ticks: Mapping[str, Sequence[Value]]) -> int:
        """How many points `walk` gives from the start, before constraints.

        Of a parameter's ticks, those that no condition names are counted together: none is listed.
        """
        names = tuple(self.parameters)
        needs = [self.conditions.get(name, {}) for name in names]
        later = [{parent for need in needs[i:] for parent in need} for i in range(len(names) + 1)]
        named = {
            name: {value for need in needs for value in need.get(name, ()) if value in ticks[name]}
            for name in names
        }

        @cache
        def below(i: int, chosen: frozenset[tuple[str, Value]]) -> int:
            """The points of the parameters from the i-th on; `chosen` are the named values they depend on."""
            if i == len(names):
                return 1
            name, chosen = names[i], frozenset(pair for pair in chosen if pair[0] in later[i])
            if not self.active(name, dict(chosen)):
                return below(i + 1, chosen)
            own = named[name]
            alone = sum(below(i + 1, chosen | {(name, value)}) for value in own)
            return alone + (len(ticks[name]) - len(own)) * below(i + 1, chosen)

        return below(0, frozenset())

    @cached_property
    def every(self) -> Mapping[str, Sequence[Value]] | None:
        """All values of all parameters, as ticks; None where a number is continuous."""
        ticks = {name: parameter.values() for name, parameter in self.parameters.items()}
        ticks |= {name: (value,) for name, value in self.pinned.items()}
        return (
            None
            if None in ticks.values()
            else {name: t for name, t in ticks.items() if t is not None}
        )

    @cached_property
    def size(self) -> int | None:
        """How many points there are, before constraints; None where they cannot be counted."""
        return None if self.every is None else self.count(self.every)


def point_key(params: Params) -> tuple[tuple[str, Value], ...]:
    """A hashable name of the point, whatever the order of its parameters."""
    return tuple(sorted(params.items()))

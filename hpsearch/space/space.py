"""A search space: parameters by name, conditions between them, and constraints on all.

A point is what a trial is trained with: a value for each parameter that is active. A place is a row
of coordinates in the unit cube; `encode` gives the place of a point, `decode` the point of a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import Problem, SpecError
from hpsearch.space.expression import Expression
from hpsearch.space.lattice import Lattice
from hpsearch.space.parameters import Parameter, Units, Value

Params = Mapping[str, Value]
"""A point of a space: the values of its active parameters, by name."""

_DRAWS = 500  # random points, before one that constraints allow is looked for otherwise
_SOUGHT, _ENOUGH = 20_000, 50  # random points to begin from, at most, and how many are enough
_MOVES = 20  # of a chain
_CLOSE = 1e-12  # a move that is shorter leads nowhere
_SAME = 1e-9  # coordinates that are closer than this are equal


@dataclass(frozen=True, slots=True)
class DependentValue:
    """A value that depends on the value of the parameter `name`, as the table says."""

    name: str
    table: Mapping[Value, Value]


def resolve_value(value: Value | DependentValue, params: Params) -> Value:
    """Return the value itself, or the one that it takes beside these params."""
    return value.table[params[value.name]] if isinstance(value, DependentValue) else value


@dataclass(frozen=True)
class Space:
    """What may be searched: parameters, when each is active, and what they must satisfy together.

    Attributes:
        parameters: by name; parents come before the parameters whose conditions name them.
        conditions: for a parameter, its parents' values with which it is active. All parents must
            have one of theirs; a parameter without conditions is always active.
        constraints: conditions on points; each applies where all of its names have a value.
        fixed: the values of settings that are not searched, for the constraints.
        priors: values that are believed to be good.
        trusted: the share of random points that are drawn near all priors; the others are uniform.
        pinned: the values that everything drawn or snapped has (to search a part of the space).
        known: points that are known to be allowed, where constraints leave few others.

    A coordinate is a number in [0, 1]; each parameter fills one or more, in the order of the names.
    Here a choice has two, a range one, and `momentum` stands in the middle where it is not active:

    >>> from hpsearch.space.parameters import Choice, Integer, Real
    >>> space = Space(
    ...     {
    ...         "optimizer": Choice(("sgd", "adam")),
    ...         "momentum": Real(0.0, 1.0),
    ...         "width": Integer(1, 4),
    ...     },
    ...     conditions={"momentum": {"optimizer": ("sgd",)}},
    ... )
    >>> space.encode({"optimizer": "sgd", "momentum": 0.9, "width": 1})
    (1.0, 0.0, 0.9, 0.125)
    >>> space.encode({"optimizer": "adam", "width": 4})
    (0.0, 1.0, 0.5, 0.875)
    >>> space.decode((0.2, 0.7, 0.9, 0.6))
    {'optimizer': 'adam', 'width': 3}
    """

    parameters: Mapping[str, Parameter]
    conditions: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()
    fixed: Params = field(default_factory=dict)
    priors: Mapping[str, Value | DependentValue] = field(default_factory=dict)
    trusted: float = 0.5
    pinned: Params = field(default_factory=dict)
    known: tuple[Params, ...] = ()

    def active(self, name: str, params: Params) -> bool:
        """Say whether a parameter has a meaning beside the values of its parents."""
        conditions = self.conditions.get(name)
        return not conditions or all(
            parent in params and params[parent] in allowed for parent, allowed in conditions.items()
        )

    def allows(self, params: Params) -> bool:
        """Say whether every constraint that applies to these values holds; some may be missing."""
        return next(self.broken(params), None) is None

    def broken(self, params: Params) -> Iterator[Expression]:
        """Yield the constraints that apply to these values and do not hold."""
        known = {**self.fixed, **params} if self.constraints else {}
        return (
            rule
            for rule in self.constraints
            if rule.names <= known.keys() and not rule.holds(known)
        )

    def __contains__(self, params: object) -> bool:
        if not isinstance(params, Mapping) or not params.keys() <= self.parameters.keys():
            return False
        for name, parameter in self.parameters.items():
            if self.active(name, params) != (name in params) or (
                name in params and params[name] not in parameter
            ):
                return False
        return self.allows(params)

    @cached_property
    def width(self) -> int:
        """How many coordinates a place has."""
        return sum(parameter.width for parameter in self.parameters.values())

    def encode(self, params: Params) -> tuple[float, ...]:
        """Return the point's place, `width` numbers in [0, 1].

        A parameter that is not active stands in the middle of its coordinates.
        """
        place: list[float] = []
        for name, parameter in self.parameters.items():
            place += parameter.encode(params[name]) if name in params else parameter.middle
        return tuple(place)

    def decode(self, unit: Sequence[float]) -> Params:
        """Return the point at a place, which may break a constraint (see `allows`).

        Every place has a point: a choice is decided by the largest of its coordinates, and those of
        parameters that are not active do not count.
        """
        params: dict[str, Value] = {}
        start = 0
        for name, parameter in self.parameters.items():
            if self.active(name, params):
                params[name] = parameter.decode(unit[start : start + parameter.width])
            start += parameter.width
        return params

    def snap(self, units: Units) -> Units:
        """Return the places of the points at these places (n, width): `encode(decode(row))`.

        Parameters that are pinned have their values.
        """
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
        """Return (n,) whether a parameter is active at snapped places."""
        active = np.ones(len(snapped), bool)
        for parent, allowed in self.conditions.get(name, {}).items():
            active &= self._any_at(parent, allowed, snapped)
        return active

    def _any_at(self, name: str, values: Sequence[Value], snapped: Units) -> NDArray[np.bool_]:
        """Return (n,) whether a parameter has one of these values at snapped places."""
        here = snapped[:, self.columns[name]]
        places = np.array([self.parameters[name].encode(value) for value in values])
        found: NDArray[np.bool_] = (np.abs(here[:, None, :] - places[None]) < _SAME).all(-1).any(-1)
        return found

    def log_prior(self, snapped: Units) -> Units:
        """Return (n,) the log density of the priors at snapped places, relative to uniform draws.

        It is the sum over the parameters with a prior; those that are not active add nothing.
        """
        believed = np.zeros(len(snapped))
        for name, prior in self.priors.items():
            parameter, here = self.parameters[name], snapped[:, self.columns[name]]
            active = self._active_at(name, snapped)
            for where, value in self._cases(prior, snapped):
                believed += np.where(active & where, parameter.log_prior(value, here), 0.0)
        return believed

    def _cases(
        self, prior: Value | DependentValue, snapped: Units
    ) -> Iterator[tuple[NDArray[np.bool_], Value]]:
        """Yield each value that a prior takes, after (n,) at which places it does."""
        if isinstance(prior, DependentValue):
            for other, value in prior.table.items():
                yield self._any_at(prior.name, [other], snapped), value
        else:
            yield np.ones(len(snapped), bool), prior

    def near(self, units: Units, std: float, rng: np.random.Generator) -> Units:
        """Return for each place another one near it, as a local search takes its next step.

        In half of the rows one parameter moves, in the others each with probability 1/2 (so none
        may). Parameters that a move makes active are drawn uniformly.

        Args:
            units: (n, width) places.
            std: the standard deviation of a number's step, on its scale of [0, 1]; a choice that
                moves becomes any other of its values.
            rng: the source of the moves.
        """
        if not self.columns:
            return units
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
            moved[moves, columns] = parameter.near(here[moves], std, rng)
            if idle is not None:
                moved[idle, columns] = rng.random((int(idle.sum()), parameter.width))
        return self.snap(moved)

    @cached_property
    def columns(self) -> Mapping[str, slice]:
        """The coordinates that each parameter fills, as slices of a place in the cube."""
        found, start = {}, 0
        for name, parameter in self.parameters.items():
            found[name] = slice(start, start + parameter.width)
            start += parameter.width
        return found

    def sample(self, rng: Random) -> Params:
        """Draw a point that the constraints allow, uniformly on each parameter's own scale.

        Where there are priors, the share `trusted` of the points is drawn from them instead. Where
        constraints leave so little that 500 draws break them, it is a `rare` point.

        Raises:
            SpecError: the constraints leave nothing, as far as was looked. That depends on the
                space alone, see `check`.
        """
        for _ in range(_DRAWS):
            params = self.decode(self._drawn(rng))
            if self.allows(params):
                return params
        self.check()
        return self.rare(rng)

    def rare(self, rng: Random) -> Params:
        """Draw a point of a space in which some `is_reachable`, however little there is.

        It is one of all points, as far as they can be listed, or else one that a chain of moves
        reaches from a point that was found.
        """
        return rng.choice(self.points) if self.points else self._chained(rng)

    def check(self) -> None:
        """Raise an error where the constraints leave nothing, as far as was looked.

        Raises:
            SpecError: see above.
        """
        if self.is_reachable:
            return
        rules = ", ".join(f"'{rule.text}'" for rule in self.constraints)
        looked = f"{_SOUGHT:,} random points" if self.points is None else self._all_points()
        message = f"of {looked} none satisfies the constraints {rules}"
        help = "widen the ranges or relax a constraint"
        raise SpecError(Problem("E051", message, help=help))

    def _all_points(self) -> str:
        return "1 point" if self.size == 1 else f"all {self.size:,} points"

    @property
    def is_reachable(self) -> bool:
        """Whether some point is known that the constraints allow."""
        return self.share > 0 or bool(self._begun)

    @cached_property
    def share(self) -> float:
        """The share of the points that the constraints allow: exact, or that of random points."""
        if not self.constraints:
            return 1.0
        if self.points is not None:
            return len(self.points) / max(1, self.size or 1)
        places, draws = self._found
        return len(places) / draws

    @cached_property
    def _begun(self) -> Sequence[Sequence[float]]:
        """The places from which chains begin."""
        known = [params for params in self.known if self.pinned.items() <= params.items()]
        return [*self._found[0], *(self.encode(params) for params in known)]

    @cached_property
    def points(self) -> Sequence[Params] | None:
        """All points, in order; None where there are infinitely many, or too many to list."""
        if self.whole is None:
            return None
        few = self.whole.is_counted and self.whole.count <= _SOUGHT
        return list(self.whole.walk()) if few else None

    @cached_property
    def _found(self) -> tuple[Sequence[Sequence[float]], int]:
        """Places of random points that the constraints allow, and how many were drawn for them.

        They are the same at each time, so that what is drawn rests on the generator alone.
        """
        rng, found, draws = Random(0), list[Sequence[float]](), 0
        while draws < _SOUGHT and len(found) < _ENOUGH:
            draws += 1
            place = self._drawn(rng)
            if self.allows(self.decode(place)):
                found.append(place)
        return found, draws

    def _chained(self, rng: Random) -> Params:
        """Draw a point by moves inside of the constraints, from one that was found.

        A move goes along a line to a uniform place of it, which is drawn anew, nearer to where it
        began, as long as constraints forbid it. Lines lie along one coordinate, along any number of
        them, or from one point that was found towards another, since equal values move together.
        Uniform draws stay uniform so (Neal 2003).
        """
        places = self._begun
        here = list(rng.choice(places))
        free = [
            k
            for name, columns in self.columns.items()
            if name not in self.pinned
            for k in range(columns.start, columns.stop)
        ]
        for _ in range(_MOVES):
            line = dict.fromkeys(free, 0.0)
            kind = rng.randrange(3)
            if kind == 0:
                line[rng.choice(free)] = 1.0
            elif kind == 1:
                line = {k: rng.gauss(0.0, 1.0) for k in free if rng.random() < 0.5}
            else:
                one, other = rng.choice(places), rng.choice(places)
                line = {k: one[k] - other[k] for k in free}
            here = self._moved(here, {k: step for k, step in line.items() if step}, rng)
        return self.decode(here)

    def _moved(self, here: list[float], line: Mapping[int, float], rng: Random) -> list[float]:
        """Return another place on a line through a place, or the place itself where none is."""
        if not line:
            return here
        ends = [sorted((-here[k] / step, (1.0 - here[k]) / step)) for k, step in line.items()]
        low, high = max(low for low, _ in ends), min(high for _, high in ends)
        while high - low > _CLOSE:
            at = rng.uniform(low, high)
            there = list(here)
            for k, step in line.items():
                there[k] = min(max(here[k] + at * step, 0.0), 1.0)
            if self.allows(self.decode(there)):
                return there
            low, high = (at, high) if at < 0.0 else (low, at)
        return here

    def _drawn(self, rng: Random) -> Sequence[float]:
        """Draw a place: all parameters that have priors are drawn from them, or none is."""
        priors = self.priors if self.priors and rng.random() < self.trusted else {}
        places: dict[str, Sequence[float]] = {}
        # priors that depend on another parameter come last, since its value must be known
        for name in sorted(
            self.parameters, key=lambda name: isinstance(priors.get(name), DependentValue)
        ):
            parameter, prior = self.parameters[name], priors.get(name)
            if isinstance(prior, DependentValue):
                prior = prior.table.get(self.parameters[prior.name].decode(places[prior.name]))
            if name in self.pinned:
                places[name] = parameter.encode(self.pinned[name])
            elif prior is not None:
                places[name] = parameter.around(prior, rng)
            else:
                places[name] = [rng.random() for _ in range(parameter.width)]
        return [unit for name in self.parameters for unit in places[name]]

    def nearest(self, values: Params) -> Params | None:
        """Return the point closest to these values in each name; None if constraints forbid it."""
        params: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            if self.active(name, params):
                params[name] = parameter.nearest(values[name])
        return params if self.allows(params) else None

    def ticks(self, points: int) -> Mapping[str, Sequence[Value]]:
        """Return each parameter's values on a grid; `points` is for numbers without their own."""
        return {
            name: parameter.grid(parameter.points or points)
            for name, parameter in self.parameters.items()
        }

    def lattice(self, ticks: Mapping[str, Sequence[Value]]) -> Lattice:
        """Return the points of a grid, by their numbers; `ticks` has the values of each parameter.

        Points are made when they are asked for: the 10^18th costs no more than the first.
        """
        return Lattice(ticks, self.conditions, self.allows, not self.constraints)

    def walk(self, ticks: Mapping[str, Sequence[Value]]) -> Iterator[Params]:
        """Yield the points of a grid in order; the first parameter varies most slowly."""
        return self.lattice(ticks).walk()

    def grid(self, points: int) -> Lattice:
        """Return the grid of `ticks`, which is looked at once."""
        if points not in self._grids:
            self._grids[points] = self.lattice(self.ticks(points))
        return self._grids[points]

    @cached_property
    def _grids(self) -> dict[int, Lattice]:
        return {}

    @cached_property
    def every(self) -> Mapping[str, Sequence[Value]] | None:
        """All values of all parameters, as ticks of a grid; None where a number is continuous."""
        ticks = {name: parameter.values() for name, parameter in self.parameters.items()}
        ticks |= {name: (value,) for name, value in self.pinned.items()}
        return (
            None
            if None in ticks.values()
            else {name: t for name, t in ticks.items() if t is not None}
        )

    @cached_property
    def size(self) -> int | None:
        """How many points there are, were there no constraints; None for a continuous number."""
        return None if self.whole is None else self.whole.size

    @cached_property
    def whole(self) -> Lattice | None:
        """All points, by their numbers; None where a number is continuous."""
        return None if self.every is None else self.lattice(self.every)


def point_key(params: Params) -> tuple[tuple[str, Value], ...]:
    """Return a hashable key of the point, which does not depend on the order of its parameters."""
    return tuple(sorted(params.items()))

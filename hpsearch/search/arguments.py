"""What a Python program says of a search: its arguments, checked, and the plan that they make."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpsearch.config.diagnostics import kind, repair
from hpsearch.config.schema import OPERATIONAL, SearchKeys, search_model
from hpsearch.config.spec import free_space
from hpsearch.errors import Problem, SpecError
from hpsearch.objectives.reports import COST, EPOCH, Reporting
from hpsearch.options import plain
from hpsearch.registry import closest
from hpsearch.search.plan import Plan
from hpsearch.space.space import Space

_OF_TRAININGS = frozenset({"metric", "seeds"})
"""Keys without a meaning for a function."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Keys of `search:` that have no meaning here: why not, and what helps."""

    names: frozenset[str]
    reason: str
    help: str = "leave it out"


OF_TRAININGS = Refusal(_OF_TRAININGS, "is for trainings, and a function is only called")


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched and how, in types of Python's own; a study keeps all of it.

    Attributes:
        parameters: as under `parameters:` in a YAML.
        constraints: likewise.
        strategy: the name of the strategy.
        reporting: what counts of what is reported.
        search: keys of `search:`.
    """

    parameters: Mapping[str, object]
    constraints: Sequence[str]
    strategy: str
    reporting: Reporting
    search: Mapping[str, object]

    @classmethod
    def of(
        cls,
        parameters: Mapping[str, object],
        constraints: Sequence[str],
        strategy: str,
        reporting: Reporting,
        search: Mapping[str, object],
    ) -> Question:
        """Return what was asked, whatever library's types it was asked in."""
        strategy, search = plain(strategy), plain(search)
        return cls(plain(parameters), plain(constraints), strategy, reporting, search)

    @property
    def space(self) -> Space:
        """What is searched.

        Raises:
            SpecError: parameters or constraints are wrong.
        """
        return free_space(self.parameters, self.constraints, self.strategy)

    def keys(self, *refusals: Refusal) -> SearchKeys:
        """Return the keys of `search:`, checked.

        Raises:
            SpecError: some are wrong, or have no meaning here.
        """
        for refusal in (*refusals, OF_TRAININGS):
            if meaningless := sorted(refusal.names & self.search.keys()):
                message = f"'{meaningless[0]}' {refusal.reason}"
                raise SpecError(Problem("E020", message, help=refusal.help))
        keys_of = search_model(self.strategy)
        try:
            return keys_of.model_validate(dict(self.search))
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False)
            raise SpecError(*(_problem(one, keys_of) for one in wrong)) from error

    def kept(self, wave: int, lag: int) -> Mapping[str, object]:
        """Return what a study keeps of it: all that its trials rest on."""
        search = {name: value for name, value in self.search.items() if name not in _NOT_KEPT}
        found: dict[str, object] = {
            "parameters": dict(self.parameters),
            "constraints": list(self.constraints),
            "search": {**search, "wave": wave, "lag": lag},
        }
        reporting = {
            name: value
            for name in Reporting.__slots__
            if (value := getattr(self.reporting, name)) != getattr(Reporting(), name)
        }
        return {**found, "reporting": reporting} if reporting else found


def _problem(found: ErrorDetails, keys: type[SearchKeys]) -> Problem:
    """Return in words what pydantic says of an argument."""
    name = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        near = closest(name, keys.model_fields)
        help = f"did you mean '{near}'?" if near else f"there are: {', '.join(keys.model_fields)}"
        return Problem("E012", f"unknown key '{name}'", help=help)
    # a list is wrong as a whole, whichever of its members is
    expected = keys.model_fields[str(found["loc"][0])].description or "of its kind"
    message = f"'{name}' is {kind(found['input'])}, which is not {expected}"
    return Problem("E020", message, hint=repair(found["input"], expected))


_NOT_KEPT = OPERATIONAL | {"budget", "seed", "time"}
"""Keys that a study keeps elsewhere, or that may change while it goes on."""


def reporting_of(epochs: object, maximize: object, minimize: object) -> Reporting:
    """Return what counts of what is reported.

    Raises:
        SpecError: an argument is not what it should be.
    """
    epochs, maximize, minimize = plain(epochs), plain(maximize), plain(minimize)
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
        message = f"'epochs' is {kind(epochs)}, which is not a whole number of epochs, 1 or more"
        raise SpecError(Problem("E020", message))
    if maximize is not None and minimize is not None:
        message = "'maximize' has no meaning beside 'minimize'"
        help = "a search is by one number; all others that are reported are kept beside it"
        raise SpecError(Problem("E012", message, help=help))
    for name, counts in (("maximize", maximize), ("minimize", minimize)):
        is_name = counts is None or (isinstance(counts, str) and counts not in ("", EPOCH, COST))
        if not is_name:
            message = f"'{name}' is {kind(counts)}, which is not the name of a number to compare by"
            raise SpecError(Problem("E020", message, help="such as accuracy or val_loss"))
    return Reporting(str(maximize or minimize or "loss"), maximize is not None, epochs)


def check_plan(plan: Plan) -> None:
    """Refuse options that do not go together, and a strategy that asks for nothing itself.

    Raises:
        SpecError: there are.
    """
    conflicts = plan.options.conflicts()
    if problems := [Problem("E034", message, help=help) for _, message, help in conflicts]:
        raise SpecError(*problems)
    if plan.options.has_all_points and not plan.trials:
        message = f"there is nothing to call: '{plan.strategy}' takes its trials from elsewhere"
        raise SpecError(Problem("E020", message, help="such as random, grid or bayes"))


def folder_of(study: object, name: str) -> Path | None:
    """Return the folder that an argument names; None where it names none.

    Raises:
        SpecError: it is no name of a folder.
    """
    if study is not None and not isinstance(study, str | os.PathLike):
        raise SpecError(Problem("E020", f"'{name}' is {kind(study)}, which is no folder"))
    # absolute, since whoever is called may change the folder that it is called in
    return Path(study).absolute() if study else None

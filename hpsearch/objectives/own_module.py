"""A function that a YAML names, found in a worker: the coordinator imports nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from hpsearch.errors import HpsearchError, Problem, SpecError
from hpsearch.objectives.trainers import FunctionSpec, folder_gone
from hpsearch.registry import closest
from hpsearch.runners.call import attempt

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def load(spec: FunctionSpec) -> Callable[..., Any]:
    """Import the function.

    Its module is looked for in the YAML's folder after all other places, so that no file there
    stands in for what somebody else imports.

    Raises:
        SpecError: it is not there, or cannot be imported.
    """
    if (folder := str(spec.folder)) not in sys.path:
        sys.path.append(folder)
    name, _, attribute = spec.target.partition(":")
    help = "it is imported as Python imports it, with the YAML's folder at the end of the path"
    module = attempt(partial(_module, name, spec), help)
    if isinstance(module, HpsearchError):
        raise module
    function = getattr(module, attribute, None)
    where = getattr(module, "__file__", None) or "Python itself"
    if function is None:
        message = f"there is no '{attribute}' in {name} ({where})"
        near = closest(attribute, [one for one in vars(module) if not one.startswith("_")])
        raise _wrong(message, f"did you mean '{name}:{near}'?" if near else "", _help(name, spec))
    if not callable(function):
        raise _wrong(f"'{attribute}' in {name} ({where}) is no function")
    return function  # type: ignore[no-any-return]


def _module(name: str, spec: FunctionSpec) -> Any:
    """Import a module; say what is there where it is not."""
    try:
        return import_module(name)
    except SystemExit as error:
        message = f"{name} calls sys.exit({error.code!r}) where it is imported"
        help = 'what is to run as a program only stands under  if __name__ == "__main__":'
        raise _wrong(message, help=help) from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # it is there, and imports another one that is not
        if not spec.folder.is_dir():
            raise folder_gone(spec.folder) from error
        there = sorted(path.stem for path in spec.folder.glob("*.py"))
        near = closest(name, there)
        hint = f"did you mean '{near}:{spec.target.partition(':')[2]}'?" if near else ""
        message = f"there is no module '{error.name}' in {spec.folder}, nor elsewhere"
        raise _wrong(message, hint, f"there are: {', '.join(there) or 'no files *.py'}") from error


def _help(name: str, spec: FunctionSpec) -> str:
    """Return what helps where a module of this name was found in another place."""
    own = spec.folder / f"{name}.py"
    found = getattr(sys.modules[name], "__file__", None)
    if own.is_file() and found != str(own):
        return f"another module has the name of {own}, and comes first: give the file another name"
    return ""


def _wrong(message: str, hint: str = "", help: str = "") -> SpecError:
    return SpecError(Problem("E089", message, hint=hint, help=help))


def takes_trial(function: Callable[..., Any]) -> bool:
    """Return whether a function is called with the trial as well.

    That is where it has a second positional parameter that must be given, or one called `trial`.

    >>> takes_trial(lambda params, trial: 0.0), takes_trial(lambda params, rows=100: 0.0)
    (True, False)
    """
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # of some built-in functions nobody knows
        return False
    second = [one for one in parameters if one.kind in _POSITIONAL][1:2]
    return any(one.default is Parameter.empty or one.name == "trial" for one in second)

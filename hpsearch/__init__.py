"""hpsearch: hyperparameter search for deep networks, with the training engine on board."""

# Nothing is imported here that `python -m hpsearch` would look for in the working directory before
# `__main__` has taken that off the path.
from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hpsearch.model.estimator import load as load
    from hpsearch.search.ask_tell import Study as Study
    from hpsearch.search.minimize import minimize as minimize

__version__ = "0.1.0"

_PUBLIC = {
    "minimize": "hpsearch.search.minimize",
    "Study": "hpsearch.search.ask_tell",
    "load": "hpsearch.model.estimator",
}


def __getattr__(name: str) -> Any:
    """Return one of the public names, loaded when it is first used: help stays quick."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

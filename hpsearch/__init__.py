"""hpsearch: hyperparameter search for deep networks, with the training engine on board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpsearch.registry import resolve

if TYPE_CHECKING:
    from hpsearch.search.minimize import minimize as minimize

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return `hpsearch.minimize`, which is loaded when it is first used: help stays quick."""
    if name == "minimize":
        return resolve("hpsearch.search.minimize:minimize")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

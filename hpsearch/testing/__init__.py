"""What every component promises, as checks that anybody can run on a component of their own.

For each kind of component a module has a function `checks(component)` that returns named checks,
each of which raises an AssertionError where the promise is broken. With pytest:

    import pytest
    from hpsearch.testing.strategies import checks
    from my_package import HaltonOptions

    @pytest.mark.parametrize("check", checks(HaltonOptions), ids=str)
    def test_halton_keeps_what_every_strategy_promises(check):
        check()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """A promise of a component; to call it is to see whether it is kept."""

    name: str
    promise: Callable[[T], None]
    component: T

    def __call__(self) -> None:
        """Check the promise.

        Raises:
            AssertionError: it is broken.
        """
        self.promise(self.component)

    def __str__(self) -> str:
        return self.name


def bound(promises: Sequence[Callable[[T], None]], component: T) -> list[Check[T]]:
    """Return the promises as checks of a component."""
    return [Check(promise.__name__, promise, component) for promise in promises]

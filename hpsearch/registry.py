"""Tables of components by name, and the only deferred import of the package.

A table holds strings, so that its names are known (to the help, the checks and the tests) before
any component is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, cast

from hpsearch.errors import Problem, SpecError

if TYPE_CHECKING:  # a default for a type parameter is there at run time from Python 3.13 on
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")


def resolve(target: str) -> Any:
    """Import what `"module:attribute"` names, and return it."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def closest(name: str, names: Iterable[str], most: int = 2) -> str | None:
    """Return the one of `names` that `name` is probably a slip of, or None.

    Names that differ by more than `most` edits (see `_distance`) are no candidates.
    """
    # a name of two letters is within distance 2 of everything
    most = min(most, max(1, len(name) // 2))
    near = [other for other in names if abs(len(other) - len(name)) <= most]
    distance, best = min(
        ((_distance(name, other), other) for other in near), default=(most + 1, None)
    )
    return best if distance <= most else None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.rstrip(")").split(",") if word.strip()]


def _distance(a: str, b: str) -> int:
    """Return Levenshtein's edit distance, where two neighbours swapped count as one edit.

    This is the optimal string alignment.
    """
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


class Registry(Mapping[str, str], Generic[T]):
    """A table of names to `"module:attribute"`, for one kind of component of type T.

    Adding a component takes one file (or function) and one line in the table. Where only some
    components use an option, their lines name it in brackets:

    >>> roots = Registry("root", {"real": "math:sqrt", "complex": "cmath:sqrt(branch)"})
    >>> list(roots), roots.users("branch")
    (['real', 'complex'], ('complex',))
    >>> roots.load("real")(4.0)
    2.0
    """

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._table = {name: line.partition("(")[0] for name, line in table.items()}
        self._options = {
            name: tuple(_words(line.partition("(")[2])) for name, line in table.items()
        }

    def users(self, option: str) -> tuple[str, ...]:
        """Return the names of the components whose lines name this option."""
        return tuple(name for name, options in self._options.items() if option in options)

    @property
    def options(self) -> frozenset[str]:
        """Every option that some line names."""
        return frozenset(option for options in self._options.values() for option in options)

    def __getitem__(self, name: str) -> str:
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def load(self, name: str) -> T:
        """Import the component of this name, and return it.

        Raises:
            SpecError: nothing is registered under this name.
        """
        if name not in self._table:
            near = closest(name, self._table)
            raise SpecError(
                Problem(
                    "E012",
                    f"no {self.kind} is called '{name}'",
                    hint=f"did you mean '{near}'?" if near else "",
                    help=f"there are: {', '.join(self._table)}",
                )
            )
        return cast(T, resolve(self._table[name]))

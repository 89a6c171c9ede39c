"""Persistent collections: a changed one shares nearly all of its memory with the one before.

None of them ever changes for those who hold it. Each is made of parts, and what is added is a new
part; parts are joined as soon as the last is as large as the one before it. So there are few of
them, and adding an item copies few others in the mean, however many there are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import (
    Callable,
    Collection,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    ValuesView,
)
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Any = object()
"""Stands in a part for a key that earlier parts have, and the mapping has not."""
_FEW = 0.25  # the share of an order up to which its beginning is found without all the rest


class _Items(Sequence[T]):
    """A sequence that equals any other one of the same items."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return repr(tuple(self))

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...

    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        positions = range(len(self))[at]
        if isinstance(positions, range):
            return self._at(positions)
        (item,) = self._at(range(positions, positions + 1))
        return item

    @abstractmethod
    def _at(self, positions: range) -> tuple[T, ...]:
        """Return the items at these positions, which there are."""


class PersistentList(_Items[T]):
    """A sequence that items are added to.

    >>> short = PersistentList("ab")
    >>> short.plus("c"), short
    (('a', 'b', 'c'), ('a', 'b'))
    """

    __slots__ = ("_length", "_parts")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._parts: tuple[tuple[T, ...], ...] = (tuple(items),)
        self._length = len(self._parts[0])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._parts)

    def __reversed__(self) -> Iterator[T]:
        return chain.from_iterable(map(reversed, reversed(self._parts)))

    def plus(self, items: Iterable[T]) -> PersistentList[T]:
        """Return the sequence with these items at its end."""
        parts, last = self._parts, tuple(items)
        longer = PersistentList[T]()
        longer._length = self._length + len(last)
        while parts and len(parts[-1]) <= len(last):
            parts, last = parts[:-1], parts[-1] + last
        longer._parts = (*parts, last)
        return longer

    def _at(self, positions: range) -> tuple[T, ...]:
        return tuple(map(self._item, positions))

    def _item(self, position: int) -> T:
        for part in self._parts:
            if position < len(part):
                return part[position]
            position -= len(part)
        raise IndexError(position)


class PersistentMap(Mapping[K, V]):
    """A mapping of which entries come, change and go; keys stand in the order in which they came.

    >>> before = PersistentMap({"a": 1, "b": 2})
    >>> dict(before.changed({"c": 3}, gone="a")), dict(before)
    ({'b': 2, 'c': 3}, {'a': 1, 'b': 2})
    """

    __slots__ = ("_entries", "_length", "_parts")

    def __init__(self, entries: Mapping[K, V] | None = None) -> None:
        self._parts: tuple[dict[K, V], ...] = (dict(entries or {}),)
        self._length = len(self._parts[0])
        self._entries: dict[K, V] | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        return iter(self._joined())

    def __getitem__(self, key: K) -> V:
        for part in reversed(self._parts):
            if key in part:
                if (value := part[key]) is _ABSENT:
                    break
                return value
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        for part in reversed(self._parts):
            if key in part:
                return part[key] is not _ABSENT
        return False

    def get(self, key: K, default: Any = None) -> Any:  # that of Mapping raises and catches
        """Return the value of a key, or a default."""
        for part in reversed(self._parts):
            if key in part:
                value = part[key]
                return default if value is _ABSENT else value
        return default

    def items(self) -> ItemsView[K, V]:
        """Return the entries, all found at once."""
        return self._joined().items()

    def values(self) -> ValuesView[V]:
        """Return the values, all found at once."""
        return self._joined().values()

    def changed(self, entries: Mapping[K, V], gone: Collection[K] = ()) -> PersistentMap[K, V]:
        """Return the mapping with these entries, and without the keys that are `gone`."""
        after = PersistentMap[K, V]()
        parts, last = self._parts, {**entries, **dict.fromkeys(gone, _ABSENT)}
        while parts and len(parts[-1]) <= len(last):
            parts, last = parts[:-1], {**parts[-1], **last}
        if parts:
            after._length = self._length + sum(key not in self for key in entries)
            after._length -= sum(key in self for key in gone)
        else:
            last = _present(last)
            after._length = len(last)
        after._parts = (*parts, last)
        return after

    def _joined(self) -> dict[K, V]:
        if self._entries is None:
            first, *later = self._parts  # nothing is absent from the first
            self._entries = first
            if later:
                parts = (part.items() for part in self._parts)
                self._entries = _present(dict(chain.from_iterable(parts)))
        return self._entries


class PersistentOrder(_Items[V], Generic[K, V]):
    """The values of a mapping, the one of the lowest rank first.

    No two values may have the same rank, and a value that comes anew must be another object.

    >>> order = PersistentOrder[str, tuple[int, str]](lambda value: value)
    >>> before = order.changed({"a": (2, "a"), "b": (1, "b"), "c": (3, "c")})
    >>> before.changed({"a": (9, "a")}, gone="b"), before[:2]
    (((3, 'c'), (9, 'a')), ((1, 'b'), (2, 'a')))
    """

    __slots__ = ("_parts", "_rank", "_sorted", "_values")

    def __init__(self, rank: Callable[[V], Any]) -> None:
        self._rank = rank
        self._values = PersistentMap[K, V]()
        self._parts: tuple[list[tuple[Any, K, V]], ...] = ()
        self._sorted: tuple[V, ...] | None = None

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[V]:
        return iter(self._all())

    def of(self, key: K) -> V | None:
        """Return the value of a key, wherever it stands; None where there is none."""
        return self._values.get(key)  # type: ignore[no-any-return]

    def changed(self, entries: Mapping[K, V], gone: Collection[K] = ()) -> PersistentOrder[K, V]:
        """Return the order with these values, and without those whose keys are `gone`."""
        after = PersistentOrder[K, V](self._rank)
        after._values = self._values.changed(entries, gone)
        parts, last = (
            self._parts,
            sorted(
                ((self._rank(value), key, value) for key, value in entries.items()), key=_BY_RANK
            ),
        )
        while parts and len(parts[-1]) <= len(last):
            parts, last = parts[:-1], sorted(chain(parts[-1], last), key=_BY_RANK)
        if sum(map(len, parts)) + len(last) > 2 * len(after) + 1:  # most are of earlier orders
            everything = sorted(chain(*parts, last), key=_BY_RANK)
            parts, last = (), [one for one in everything if after._values.get(one[1]) is one[2]]
        after._parts = (*parts, last)
        return after

    def _at(self, positions: range) -> tuple[V, ...]:
        end = positions.stop
        if self._sorted is None and positions.step > 0 and end < _FEW * len(self):
            first = merge(*self._parts, key=_BY_RANK)
            values = (value for _, key, value in first if self._values.get(key) is value)
            return tuple(islice(values, positions.start, end, positions.step))
        found = self._all()
        if positions.step == 1:
            return found[positions.start : end]
        return tuple(found[position] for position in positions)

    def _all(self) -> tuple[V, ...]:
        if self._sorted is None:
            values = dict(self._values.items())
            everything = sorted(chain(*self._parts), key=_BY_RANK)
            self._sorted = tuple(value for _, key, value in everything if values.get(key) is value)
        return self._sorted


def _present(entries: Mapping[K, V]) -> dict[K, V]:
    return {key: value for key, value in entries.items() if value is not _ABSENT}


_BY_RANK = itemgetter(0)

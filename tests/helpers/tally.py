"""What tests of faults have tried, and what became of it: the table at the end of `make faults`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields


@dataclass
class Tally:
    """Counts of one group of faults.

    A fault is survived where the study or the command is afterwards as it should be. Results are
    `lost` that were said to be there; trials are `stuck` that nobody trains and nobody gives up.
    """

    tried: int = 0
    survived: int = 0
    lost: int = 0
    stuck: int = 0
    duplicates: int = 0
    tracebacks: int = 0
    orphans: int = 0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Count one fault, which is survived where nothing in here fails."""
        self.tried += 1
        yield
        self.survived += 1


class Tallies:
    """The groups, in the order in which they were first named."""

    def __init__(self) -> None:
        self._groups: dict[str, Tally] = {}

    def __call__(self, group: str) -> Tally:
        """Return the counts of a group, for a test to add to."""
        return self._groups.setdefault(group, Tally())

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return the counts of all groups, as one process of tests tells them to another."""
        return {group: asdict(tally) for group, tally in self._groups.items()}

    def add(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Add what another process of tests has counted."""
        for group, its in counts.items():
            tally = self(group)
            for name, count in its.items():
                setattr(tally, name, getattr(tally, name) + count)

    def lines(self) -> Sequence[str]:
        """Return the table; nothing where nothing was counted."""
        if not self._groups:
            return []
        names = [field.name for field in fields(Tally)]
        wide = max(map(len, self._groups)) + 2
        head = "".ljust(wide) + "".join(name.rjust(len(name) + 3) for name in names)
        return [head] + [
            group.ljust(wide)
            + "".join(f"{getattr(tally, name):,}".rjust(len(name) + 3) for name in names)
            for group, tally in self._groups.items()
        ]


TALLIES = Tallies()

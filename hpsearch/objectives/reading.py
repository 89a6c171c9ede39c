"""What a program reports, read from what it prints and from a file that it writes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpsearch.objectives.guarded import OUTPUT
from hpsearch.objectives.reports import COST, EPOCH, Reports, is_number
from hpsearch.objectives.trial_folder import keep, kept
from hpsearch.study.files import open_own
from hpsearch.study.trial import Epoch

_LONGEST = 1 << 16  # bytes of a line that is read: more is no report
_LARGEST = 1 << 24  # bytes of a file of reports
_NAMES = 3  # of numbers, of which a person is told where none of them counts
_LINE_ENDS = re.compile(rb"[\r\n]")  # bars of progress end their lines with the former

Report = Mapping[str, object]


@dataclass(slots=True)
class Reading:
    """Takes reports in, wherever they come from, up to the epoch where the segment pauses.

    Without patterns a report is a line of JSON on standard output, or in the file `path`. With
    patterns it is what these find, in both streams.
    """

    reports: Reports
    path: Path
    patterns: Mapping[str, re.Pattern[str]]
    _lines: dict[str, bytes] = field(default_factory=dict)
    _found: dict[str, object] = field(default_factory=dict)
    _others: tuple[str, ...] = ()  # in the last line of JSON that has not what counts
    _file: bytes = b""
    _stamp: tuple[int, int] = (0, 0)

    @property
    def is_over(self) -> bool:
        """Whether the segment has come to its pause; what follows is not looked at any more."""
        return self.reports.until_epoch is not None and self.reports.at_end

    def earlier(self) -> Iterator[Epoch]:
        """Take in what an earlier call of the same segment has reported, which was cut short."""
        if self.reports.start_epoch:
            yield from map(self.reports.take, kept(self.path.parent, self.reports.start_epoch))

    def lack(self) -> str:
        """Return what helps where nothing was reported."""
        counts = self.reports.reporting.counts
        if counts in self.patterns:
            return f"its pattern '{self.patterns[counts].pattern}' has matched nothing"
        if self._others:
            names = ", ".join(map(repr, self._others))
            return f"only {names}: 'minimize:' or 'maximize:' names what counts"
        return f"print a line such as {{\"{counts}\": 0.1}}, or give it a pattern under 'metrics:'"

    def remarks(self) -> Iterator[str]:
        """Give what a person should know of a program that has ended by itself, and reported."""
        if not self.is_over:
            for name in sorted(self.patterns.keys() - self._found.keys()):
                yield f"the pattern of '{name}' has matched nothing that the program prints"

    def printed(self, channel: str, data: bytes) -> Iterator[Epoch]:
        """Take in what the program prints on a channel; give what is new.

        Raises:
            ValueError: it reports what is no report.
        """
        *lines, rest = _LINE_ENDS.split(self._lines.get(channel, b"") + data)
        self._lines[channel] = rest[: _LONGEST + 1]
        yield from self._take_lines(channel, lines)

    def written(self) -> Iterator[Epoch]:
        """Take in what is new in the file; see `printed`.

        A file that was written anew is read from its beginning.
        """
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._stamp = stamp
            new = self._new()
            whole = new.rfind(b"\n") + 1
            self._file += new[:whole]
            yield from self._take(map(self._json, new[:whole].split(b"\n")))

    def rest(self) -> Iterator[Epoch]:
        """Take in what the program has left without the end of a line, after its end."""
        for channel, line in self._lines.items():
            yield from self._take_lines(channel, [line])
        yield from self._take(map(self._json, self._new().split(b"\n")))

    def _new(self) -> bytes:
        """Return what the file has beyond what was taken in."""
        data = _contents(self.path)
        if not data.startswith(self._file):
            self._file = b""
        return data[len(self._file) :]

    def _take_lines(self, channel: str, lines: Sequence[bytes]) -> Iterator[Epoch]:
        if self.patterns:
            yield from self._take(map(self._match, lines))
        elif channel == OUTPUT:
            yield from self._take(map(self._json, lines))

    def _take(self, reports: Iterable[Report]) -> Iterator[Epoch]:
        for report in reports:
            if self.is_over:
                return
            if report and (new := self.reports.take(report)):
                if self.reports.start_epoch:
                    keep(self.path.parent, report)
                yield new

    def _json(self, line: bytes) -> Report:
        """Return the report in a line of JSON; nothing where it is none."""
        line = line.strip()
        if not line.startswith(b"{") or len(line) > _LONGEST:
            return {}
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return {}
        if self.reports.reporting.counts not in found:
            names = (name for name, one in found.items() if is_number(one))
            self._others = tuple(name for name in names if name not in (EPOCH, COST))[:_NAMES]
        return found if found.keys() & {self.reports.reporting.counts, EPOCH} else {}

    def _match(self, line: bytes) -> Report:
        """Return all that the patterns have found so far, where this line has what counts."""
        if len(line) > _LONGEST:
            return {}
        text = line.decode("utf-8", "replace")
        matches = {name: one.search(text) for name, one in self.patterns.items()}
        new = {name: _number(name, found[1]) for name, found in matches.items() if found}
        self._found |= new
        return dict(self._found) if self.reports.reporting.counts in new else {}


def _number(name: str, text: str) -> float:
    """Return the number that a pattern has found.

    Raises:
        ValueError: it is none.
    """
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the pattern of '{name}' finds {text!r}, which is no number") from error


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes with a file; what is no file has none."""
    try:
        found = path.lstat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _contents(path: Path) -> bytes:
    """Return what is in a file of reports; nothing where there is none.

    Raises:
        ValueError: it is too large.
    """
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError:
        return b""
    if len(data) > _LARGEST:
        raise ValueError(f"{path.name} has more than {_LARGEST >> 20} MiB")
    return data

"""`check`: what the data look like, what is wrong, and what a search would cost; nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from json import dumps
from random import Random
from typing import Any

from rich.text import Text

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.flags import SearchFlags, overrides
from hpsearch.commands.search import find_config
from hpsearch.config.spec import Spec, parse
from hpsearch.data import Dataset
from hpsearch.data.notes import summary
from hpsearch.data.overview import ColumnReport, column_reports
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_OK
from hpsearch.objectives.networks import Networks
from hpsearch.report.render.figures import duration
from hpsearch.report.render.tables import PrintedColumn, aligned

_SAMPLED = 200  # points of the space by which costs are judged
_USUAL = 50  # trials


def check(**given: Any) -> int:
    """Print what was found; return the exit code."""
    flags = SearchFlags.of(given)
    source = find_config(flags.config, flags.data, flags.target)
    said = list(overrides(flags, None))
    spec = parse(source.text, source.file, source.folder, said)
    data = prepare(spec.data)
    networks = Networks(spec).on(data, None, "cpu", 1)
    columns = column_reports(data)
    seconds = _seconds(networks)
    if flags.json:
        output.emit(dumps(_record(data, columns, spec, seconds), indent=2, allow_nan=False))
        return EXIT_OK
    results = console.result(flags.no_color)
    console.emit(Text("\n".join(_lines(data, columns, spec, seconds)) + "\n"), results)
    if source.note and not flags.quiet:
        console.note(source.note, no_color=flags.no_color)
    return EXIT_OK


def _seconds(networks: Networks) -> tuple[float, float]:
    """Return the least and the most that a trial of the space costs, in nominal seconds."""
    costs, space = networks.costs(), networks.space
    assert costs is not None, "networks are counted"
    points = [space.sample(Random(seed)) for seed in range(_SAMPLED)]
    found = costs(points, [])
    return float(found.min()), float(found.max())


def _record(
    data: Dataset, columns: Sequence[ColumnReport], spec: Spec, seconds: tuple[float, float]
) -> dict[str, Any]:
    return {
        "data": summary(data),
        "columns": [asdict(column) for column in columns],
        "notes": list(data.notes),
        "parameters": list(spec.space.parameters),
        "points": spec.space.size,
        "nominal_seconds": list(seconds),
    }


def _lines(
    data: Dataset, columns: Sequence[ColumnReport], spec: Spec, seconds: tuple[float, float]
) -> Iterator[str]:
    yield summary(data)
    if columns:
        yield ""
        yield from aligned(
            [
                PrintedColumn("column", [one.name for one in columns], left=True),
                PrintedColumn("kind", [one.kind for one in columns], left=True),
                PrintedColumn("missing", [_share(one.missing) for one in columns]),
                PrintedColumn("features", [str(one.features) for one in columns]),
                PrintedColumn("values", [one.values for one in columns], left=True),
            ]
        )
    if data.notes:
        yield ""
        yield from (f"note: {note}" for note in data.notes)
    yield ""
    size = spec.space.size
    points = "" if size is None else f", {size:,} points"
    yield f"{len(spec.space.parameters)} parameters are searched{points}"
    low, high = seconds
    yield (
        f"a whole training costs {duration(low)} to {duration(high)} on one core, counted by its "
        f"operations; {_USUAL} of them about {duration(_USUAL * (low + high) / 2)} at most"
    )


def _share(missing: float) -> str:
    return f"{missing:.1%}" if missing else "-"

"""`check`: what the data look like, what is wrong, and what a search would cost; none is run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from json import dumps
from typing import Any

from rich.text import Text

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.costs import counted, probed
from hpsearch.commands.flags import SearchFlags, overrides
from hpsearch.commands.search import find_config, run_options
from hpsearch.config.spec import Spec, parse
from hpsearch.data import Dataset
from hpsearch.data.notes import advice, summary
from hpsearch.data.overview import ColumnReport, column_reports
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_OK
from hpsearch.report.costs import Costs, cost_lines, cost_record
from hpsearch.report.render.tables import PrintedColumn, aligned


def check(*, probe: bool, **given: Any) -> int:
    """Print what was found; return the exit code."""
    started, flags = time.monotonic(), SearchFlags.of(given)
    source = find_config(flags.config, flags.data, flags.target, flags.space)
    said = list(overrides(flags, None))
    spec = parse(source.text, source.file, source.folder, said)
    options = run_options(flags, spec, started)
    if source.note:
        options.note(source.note)
    if probe:
        data, costs = probed(spec, options)
    else:
        data = prepare(spec.data)
        costs = counted(spec, data, options)
    columns = column_reports(data)
    if flags.json:
        output.emit(dumps(_record(data, columns, spec, costs), indent=2, allow_nan=False))
    else:
        results = console.result(flags.no_color)
        lines = _lines(data, columns, spec, costs)
        console.emit(Text("\n".join(lines) + "\n"), results)
    return EXIT_OK


def _record(
    data: Dataset, columns: Sequence[ColumnReport], spec: Spec, costs: Costs
) -> dict[str, Any]:
    return {
        "data": summary(data),
        "columns": [asdict(column) for column in columns],
        "notes": list(data.notes),
        "advice": list(advice(data)),
        "parameters": list(spec.space.parameters),
        "points": spec.space.size,
        **cost_record(costs),
    }


def _lines(
    data: Dataset, columns: Sequence[ColumnReport], spec: Spec, costs: Costs
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
    doubts = [*(f"note: {note}" for note in data.notes), *(f"advice: {a}" for a in advice(data))]
    if doubts:
        yield from ("", *doubts)
    yield ""
    size = spec.space.size
    points = "" if size is None else f", {size:,} points"
    count = len(spec.space.parameters)
    yield f"{count} parameter{' is' if count == 1 else 's are'} searched{points}"
    yield from cost_lines(costs)


def _share(missing: float) -> str:
    return f"{missing:.1%}" if missing else "-"

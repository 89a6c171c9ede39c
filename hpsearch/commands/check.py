"""`check`: what the data look like, what is wrong, and what a search would cost; none is run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from json import dumps
from pathlib import Path
from random import Random
from typing import Any

from rich.text import Text

from hpsearch import output
from hpsearch.commands import console
from hpsearch.commands.costs import counted, probed
from hpsearch.commands.dry_run import as_line, call_of
from hpsearch.commands.flags import SearchFlags, overrides
from hpsearch.commands.prepared import what_runs
from hpsearch.commands.search import find_config, run_options
from hpsearch.commands.session import RunOptions
from hpsearch.config.spec import NetworkSpec, Spec, parse
from hpsearch.data import Dataset
from hpsearch.data.notes import advice, summary
from hpsearch.data.overview import ColumnReport, column_reports
from hpsearch.data.prepare import prepare
from hpsearch.errors import EXIT_OK, Problem, SpecError
from hpsearch.objectives.from_config import objective_of
from hpsearch.report.costs import Costs, cost_lines, cost_record
from hpsearch.report.render.tables import PrintedColumn, aligned
from hpsearch.study.trial import Trial


def check(*, probe: bool, **given: Any) -> int:
    """Print what was found; return the exit code."""
    started, flags = time.monotonic(), SearchFlags.of(given)
    source = find_config(flags.config, flags.data, flags.target, flags.space, flags.command)
    said = list(overrides(flags, None))
    spec = parse(source.text, source.file, source.folder, said)
    options = run_options(flags, spec, started)
    if source.note:
        options.note(source.note)
    if isinstance(spec, NetworkSpec):
        record, lines = _of_networks(spec, options, probe)
    else:
        record, lines = _of_trainer(spec, options, probe)
    if flags.json:
        output.emit(dumps(record, indent=2, allow_nan=False))
    else:
        results = console.result(flags.no_color)
        console.emit(Text("\n".join(lines) + "\n"), results)
    return EXIT_OK


def _of_networks(
    spec: NetworkSpec, options: RunOptions, probe: bool
) -> tuple[Mapping[str, Any], Iterable[str]]:
    """Return what is said of networks, as a record and in lines."""
    if probe:
        data, costs = probed(spec, options)
    else:
        data = prepare(spec.data)
        costs = counted(spec, data, options)
    columns = column_reports(data)
    return _record(data, columns, spec, costs), _lines(data, columns, spec, costs)


def _of_trainer(
    spec: Spec, options: RunOptions, probe: bool
) -> tuple[Mapping[str, Any], Iterable[str]]:
    """Return what is said of a trainer of one's own, as a record and in lines; nothing is run.

    Raises:
        SpecError: it should be timed.
    """
    if probe:
        message = "a trainer of one's own is not timed, since it would have to train"
        help = "hpsearch random CONFIG --smoke  runs three trials"
        raise SpecError(Problem("E086", message, help=help))
    study = Path("runs") / spec.name
    objective = objective_of(spec, study, options.resources.threads)
    picked = spec.trials or [spec.space.sample(Random(0))]
    first = call_of(objective, Trial(0, picked[0], "check", 0, 0))
    lines = [*what_runs(objective), f"such as:  {as_line(first)}", "", _searched(spec)]
    return {**_space_record(spec), "first": first}, lines


def _record(
    data: Dataset, columns: Sequence[ColumnReport], spec: Spec, costs: Costs
) -> dict[str, Any]:
    return {
        "data": summary(data),
        "columns": [asdict(column) for column in columns],
        "notes": list(data.notes),
        "advice": list(advice(data)),
        **_space_record(spec),
        **cost_record(costs),
    }


def _space_record(spec: Spec) -> dict[str, Any]:
    return {"parameters": list(spec.space.parameters), "points": spec.space.size}


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
    yield _searched(spec)
    yield from cost_lines(costs)


def _searched(spec: Spec) -> str:
    size = spec.space.size
    points = "" if size is None else f", {size:,} points"
    count = len(spec.space.parameters)
    return f"{count} parameter{' is' if count == 1 else 's are'} searched{points}"


def _share(missing: float) -> str:
    return f"{missing:.1%}" if missing else "-"

"""What trials cost and what a search would take, as lines for a person and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hpsearch.report.render.figures import duration, prefixed, settings
from hpsearch.report.render.tables import PrintedColumn, aligned
from hpsearch.search.forecast import Forecast
from hpsearch.space.parameters import Value


@dataclass(frozen=True, slots=True)
class Corner:
    """A trial at the end of what trials cost: the cheapest, or the dearest.

    Attributes:
        name: which of the two it is.
        settings: what of it decides about its cost.
        nominal_seconds: those of a whole training that is alone.
        seconds: those that it takes here; None where nothing was timed.
        memory: the bytes that it takes in a worker beside what that holds anyway; on a GPU the
            bytes that it takes there.
    """

    name: str
    settings: Mapping[str, Value]
    nominal_seconds: float
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What trials and a search cost.

    Attributes:
        corners: the cheapest and the dearest trial.
        forecast: what a search takes.
        time: the seconds into which trials are to fit.
        workers: how many cohorts train at a time, each with so many `threads`.
        device: where trials train.
        worker_memory: the most bytes that a worker held; None where nothing was timed.
    """

    corners: Sequence[Corner]
    forecast: Forecast
    time: float
    workers: int
    threads: int
    device: str
    worker_memory: int | None = None


def cost_record(costs: Costs) -> dict[str, Any]:
    """Return what trials and a search cost, as JSON."""
    record = asdict(costs)
    found = record.pop("forecast")
    return {
        "nominal_seconds": [corner.nominal_seconds for corner in costs.corners],
        "corners": record.pop("corners"),
        "forecast": {**found, **record, "probed": costs.worker_memory is not None},
    }


def cost_lines(costs: Costs) -> Iterator[str]:
    """Give what trials and a search cost, as lines for a person."""
    if costs.worker_memory is None:
        low, high = (duration(corner.nominal_seconds) for corner in costs.corners)
        yield (
            f"a whole training costs {low} to {high} on one core, counted by its operations "
            "(--probe measures it)"
        )
    else:
        yield ""
        yield from aligned(
            [
                PrintedColumn("trial", [corner.name for corner in costs.corners], left=True),
                PrintedColumn("takes", [duration(corner.seconds or 0) for corner in costs.corners]),
                PrintedColumn("memory", [_size(corner.memory or 0) for corner in costs.corners]),
                PrintedColumn(
                    "with", [settings(corner.settings, 4) for corner in costs.corners], left=True
                ),
            ]
        )
        yield (
            f"timed over a few steps on {costs.device}; a worker held {_size(costs.worker_memory)}"
        )
    yield from _forecast_lines(costs)


def _forecast_lines(costs: Costs) -> Iterator[str]:
    found = costs.forecast
    one, many = ("trains for", "train for") if costs.worker_memory is None else ("takes", "take")
    trials = f"1 trial {one}" if found.trials == 1 else f"{found.trials:,} trials {many}"
    workers = "1 worker" if costs.workers == 1 else f"{costs.workers} workers"
    each = "" if costs.threads == 1 else f" of {costs.threads} threads"
    seconds = _between([duration(one) for one in found.seconds])
    fitting = _between([f"{one:,}" for one in found.fitting])
    early = ", as early as trainings stop" if found.seconds[0] < found.seconds[1] else ""
    yield f"{trials} {seconds} with {workers}{each}{early}"
    yield f"{fitting} fit into {duration(costs.time)}"


def _between(ends: Sequence[str]) -> str:
    """Return a range in words; of equal ends, about how much it is."""
    low, high = ends
    return f"about {low}" if low == high else f"{low} to {high}"


def _size(count: int) -> str:
    return f"{prefixed([count])[0]}B"

"""What do many trainings gain on a GPU from being one computation?

    make bench-gpu
    python -m experiments.bench_gpu [--device cuda] [--most 512] [--repeats 3] [-o TABLE.md]

For K = 1, 2, 4, ... members of an MLP and of a ResNet an epoch of all members as one array is timed
against an epoch of one of them, which K trainings one after the other would take K times. Both are
timed in turn, after an epoch that nobody counts. Beside that stands what the members are planned to
take of the memory and, on a GPU, what torch allocated. An array that does not fit ends its column.

The table is headed by the name of the device. On a CPU it is measured as well, where K is small.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.device import choose, set_up
from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import StackedCohort
from hpsearch.engine.structure.device import Device
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.memory import member_bytes
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import build_cohort, learn
from hpsearch.shortage import lacks_memory
from hpsearch.space.space import Params

MODELS: dict[str, Params] = {
    "MLP, 2 x 128": {"model": "mlp", "width": 128, "depth": 2, "batch_size": 64},
    "ResNet, 16 channels": {"model": "resnet", "channels": 16, "blocks": 1, "batch_size": 64},
}
"""What is trained, on scikit-learn's digits."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An epoch of K members as one array, and of one member by itself.

    Attributes:
        fused: seconds of all members together; None where they do not fit.
        solo: seconds of one.
        planned: the bytes that the members are planned to take.
        allocated: the most bytes that torch had on the GPU; None on a CPU.
    """

    model: str
    members: int
    fused: float | None
    solo: float
    planned: int
    allocated: int | None


def measure(feed: Feed, device: Device, most: int, repeats: int) -> Iterator[Measured]:
    """Give what each model takes with 1, 2, 4, ... members, up to `most` or to the first misfit."""
    for model, given in MODELS.items():
        settings = complete(given)
        each = member_bytes(settings, feed.data.shape, feed.data.outputs)
        for members in takewhile(lambda k: k <= most, (2**power for power in range(20))):
            found = _timed(feed, device, settings, members, repeats)
            yield Measured(model, members, found[0], found[1], members * each, found[2])
            if found[0] is None:
                break


def _timed(
    feed: Feed, device: Device, settings: Params, members: int, repeats: int
) -> tuple[float | None, float, int | None]:
    """Return the median seconds of an epoch of all members and of one, and the memory of all."""
    alone = _built(feed, settings, 1)
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    solo, fused = [], []
    try:
        together = _built(feed, settings, members)
        for epoch in range(repeats + 1):
            fused.append(_seconds(together, feed, device, epoch + 1))
            solo.append(_seconds(alone, feed, device, epoch + 1))
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        fused.clear()
    allocated = torch.cuda.max_memory_allocated() if device.kind == "cuda" else None
    gc.collect()
    if not fused:
        return None, _seconds(alone, feed, device, 1), allocated
    return statistics.median(fused[1:]), statistics.median(solo[1:]), allocated


def _built(feed: Feed, settings: Params, members: int) -> StackedCohort:
    return build_cohort(feed, [Member(number, settings) for number in range(members)], 0)


def _seconds(stacked: StackedCohort, feed: Feed, device: Device, epoch: int) -> float:
    """Return the seconds of an epoch; reading its losses waits for the GPU."""
    if device.kind == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    learn(stacked, feed, epoch)
    return time.perf_counter() - start


def table(found: Sequence[Measured], device: Device) -> str:
    """Return what was measured as Markdown, headed by the device."""
    head = ("model", "K", "one array, ms", "K by themselves, ms", "gain", "planned", "allocated")
    lines = [
        f"Measured on {device.processor} ({device.name}), torch {torch.__version__}: one epoch.",
        "",
        f"| {' | '.join(head)} |",
        f"|:---|{'---:|' * (len(head) - 1)}",
    ]
    for one in found:
        apart = one.members * one.solo
        cells = ["does not fit", f"{1000 * apart:.1f}", ""]
        if one.fused is not None:
            cells = [f"{1000 * one.fused:.1f}", cells[1], f"{apart / one.fused:.1f}"]
        allocated = "" if one.allocated is None else f"{one.allocated / 1e6:.0f} MB"
        sizes = [f"{one.planned / 1e6:.0f} MB", allocated]
        lines.append(f"| {' | '.join([one.model, str(one.members), *cells, *sizes])} |")
    return "\n".join(lines)


def main(asked: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write it where `-o` says."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    arguments.add_argument("--most", type=int, default=512, help="the most members of an array")
    arguments.add_argument("--repeats", type=int, default=3, help="epochs that are timed")
    arguments.add_argument("-o", type=Path, help="a file for the table")
    given = arguments.parse_args(asked)
    set_up(1)
    (device,) = choose(given.device, None)
    feed = Feed(prepare(DataSpec("digits")), device.name)
    text = table([*measure(feed, device, given.most, given.repeats)], device)
    print(text)
    if given.o:
        given.o.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

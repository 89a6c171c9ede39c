"""How much memory a training takes, held against what torch allocates for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch.profiler import ProfilerActivity, profile

from hpsearch.data import Dataset
from hpsearch.data.shape import InputShape
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.cohorts import arrays, capacity, cohorts
from hpsearch.engine.structure.device import CPU, Device
from hpsearch.engine.structure.memory import JUDGING, data_bytes, fitting, member_bytes
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import train
from tests.helpers.problems import blobs, in_folds, member, pictures

LITTLE = Device("cpu", "a pretended device", 200_000_000)
TABLE = InputShape((6,))


def allocated(call: Callable[[], object]) -> int:
    """Return the most bytes of tensors that torch has had at a time in this call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    assert profiler.profiler is not None
    events = profiler.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == "[memory]"]
    held = most = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()
        most = max(most, held)
    return most


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (blobs(400), {"width": 256, "depth": 2, "l1": 1e-4, "l2": 1e-4, "clip_norm": 1.0}),
        (blobs(400), {"width": 64, "depth": 3, "norm": "layer", "dropout": 0.2, "batch_size": 256}),
        (blobs(400), {"width": 128, "depth": 2, "bayesian": "variational", "batch_size": 64}),
        (pictures(96), {"model": "resnet", "channels": 16, "norm": "layer", "batch_size": 64}),
        (pictures(96), {"model": "rnn", "cell": "lstm", "width": 64, "batch_size": 64}),
    ],
)
def test_no_member_takes_more_than_its_bound(data: Dataset, settings: dict[str, Any]) -> None:
    feed = Feed(data, "cpu")
    members = [member(k, **settings, lr=0.001 * (k + 1)) for k in range(8)]
    bound = 8 * member_bytes(members[0].settings, data.shape, data.outputs)
    found = allocated(lambda: [*train(feed, members, "loss", 0)])
    assert bound / 4 < found <= bound


def test_judging_many_rows_takes_no_more_than_is_set_aside_for_it() -> None:
    data, settings = blobs(4000), {"bayesian": "mc_dropout", "dropout": 0.1, "batch_size": 256}
    members = [member(k, **settings, width=64, epochs=1) for k in range(32)]
    bound = 32 * member_bytes(members[0].settings, data.shape, data.outputs)
    found = allocated(lambda: [*train(Feed(data, "cpu"), members, "loss", 0)])
    assert bound < found <= bound + JUDGING


@pytest.mark.parametrize("data", [blobs(), pictures(), in_folds(blobs())])
def test_data_take_on_a_device_what_is_said(data: Dataset) -> None:
    kept = [data]
    if data.inputs.ndim == 4:  # images are kept as bytes where they are
        kept.append(replace(data, inputs=np.zeros_like(data.inputs, np.uint8)))
    for one in kept:
        found = allocated(lambda one=one: Feed(one, "cpu"))  # type: ignore[misc]
        assert found <= data_bytes(one) + 4096 + one.targets.nbytes


class TestCapacity:
    def test_a_device_without_a_limit_takes_as_many_as_gain(self) -> None:
        assert fitting(complete({"width": 16}), TABLE, 3, CPU) == math.inf
        assert capacity(complete({"width": 16}), TABLE, 3, CPU) == 32

    @pytest.mark.parametrize(
        "more",
        [{"width": 1024}, {"batch_size": 4096}, {"depth": 8}, {"bayesian": "variational"}],
    )
    def test_larger_members_are_fewer(self, more: dict[str, Any]) -> None:
        usual, large = complete({"width": 512, "depth": 2}), replace(LITTLE, memory=10**9)
        few, many = (fitting(one, TABLE, 3, large) for one in ({**usual, **more}, usual))
        assert 0 < few < many

    def test_less_memory_means_fewer_members_and_one_at_least(self) -> None:
        settings = complete({"width": 128, "depth": 2})
        sizes = [80_000_000, 90_000_000, 120_000_000, 200_000_000]
        found = [capacity(settings, TABLE, 3, replace(LITTLE, memory=size)) for size in sizes]
        assert found == sorted(set(found))
        assert found[0] == 1
        assert found[-1] == 32

    def test_what_the_data_take_is_no_room_for_members(self) -> None:
        settings = complete({"width": 256, "depth": 2})
        beside = LITTLE.holding(50_000_000)
        assert beside.memory == 150_000_000
        assert capacity(settings, TABLE, 3, beside) < capacity(settings, TABLE, 3, LITTLE)
        assert LITTLE.holding(10**12).memory == 0
        assert CPU.holding(10**12) == CPU

    def test_waves_and_arrays_are_split_by_it(self) -> None:
        members = [member(k, width=256, depth=2) for k in range(12)]
        little = replace(LITTLE, memory=100_000_000)
        most = capacity(members[0].settings, TABLE, 3, little)
        assert 1 < most < 12
        settings = [one.settings for one in members]
        split = [len(part) for part in cohorts(settings, TABLE, 3, little)]
        assert split == [len(part) for part in arrays(members, TABLE, 3, little)]
        assert len(split) > 1
        assert max(split) <= most

"""What a training is said to take, by a few of its steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine import timing
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.space.parameters import Value

STEP, ROW = 2.0, 0.5  # seconds that are found here for each step, and each row that is judged


@pytest.fixture
def feed() -> Feed:
    return Feed(prepare(DataSpec("wine")), "cpu")  # 106 rows train, 36 validate


def members(count: int = 1, **settings: Value) -> list[Member]:
    return [Member(k, complete({"batch_size": 32, "epochs": 10, **settings})) for k in range(count)]


@pytest.fixture
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([STEP, ROW])

    def seconds(counts: Iterator[int], device: torch.device) -> float:
        next(counts)
        return next(given)

    monkeypatch.setattr(timing, "_seconds_each", seconds)


@pytest.mark.usefixtures("_counted")
def test_a_training_takes_the_steps_and_the_judging_of_all_epochs(feed: Feed) -> None:
    found = timing.time_training(feed, members(), 0, 0)
    assert found.seconds == pytest.approx(10 * (4 * STEP + 36 * ROW))


@pytest.mark.usefixtures("_counted")
def test_pretraining_counts_at_the_same_pace(feed: Feed) -> None:
    found = timing.time_training(feed, members(pretrain="layerwise"), 0, 0)
    assert found.seconds > 20 * (4 * STEP + 36 * ROW)


@pytest.mark.usefixtures("_counted")
def test_a_cohort_of_several_computations_takes_the_time_of_all(feed: Feed) -> None:
    found = timing.time_training(feed, members(40), 0, 0)  # 32 of them at most are one
    assert found.seconds == pytest.approx(2 * 10 * (4 * STEP + 36 * ROW))


def test_time_and_memory_are_those_of_real_steps(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "_TIMED", 0.01)
    before = timing.peak_memory()
    found = timing.time_training(feed, members(bayesian="mc_dropout"), 0, before)
    assert 0 < found.seconds < 60
    assert found.peak >= found.before == before > 2**20
    assert found.on_device == 0

"""Searches in virtual time: how busy workers are, and that dropping the coordinator is harmless."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.simulate import Setting, Simulated, simulate
from hpsearch.search.loop import Search
from hpsearch.study.trial import Done
from tests.helpers.objectives import plan_of

CALM = Setting(workers=4, wave=1, lag=5, trials=60)


def found(setting: Setting, folder: Path, drops: tuple[int, ...] = ()) -> Simulated:
    return simulate(setting, folder / "study", drops)


def planned(strategy: str) -> Search:
    """Return a search as it is where nobody says a wave or a lag."""
    return plan_of(strategy).search(100)


@pytest.mark.parametrize(("strategy", "workers"), [("bayes", 4), ("random", 16)])
def test_the_default_wave_and_lag_keep_workers_busy(
    tmp_path: Path, strategy: str, workers: int
) -> None:
    usual = planned(strategy)
    # which trials they are makes no difference to how busy workers are, and bayes takes long
    asked = Setting(workers=workers, wave=usual.wave, lag=usual.lag, trials=400)
    assert found(asked, tmp_path).busy > 0.88


def test_without_a_lag_workers_wait_for_the_slowest_of_each_wave(tmp_path: Path) -> None:
    assert found(replace(CALM, wave=4, lag=0), tmp_path).busy < 0.75


def test_one_worker_is_always_busy_and_the_time_is_that_of_all_trials(tmp_path: Path) -> None:
    one = found(replace(CALM, workers=1), tmp_path)
    seconds = sum(result.seconds for result in one.history.results.values())
    assert one.busy == pytest.approx(1.0)
    assert max(one.ended.values()) == pytest.approx(seconds)


@pytest.mark.parametrize("workers", [1, 3, 50])
def test_the_trials_are_the_same_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    calm = found(CALM, tmp_path / "calm")
    assert found(replace(CALM, workers=workers), tmp_path / "other").history == calm.history


@pytest.mark.parametrize("seed", range(3))
def test_a_coordinator_that_is_dropped_comes_to_the_same_trials_and_losses(
    tmp_path: Path, seed: int
) -> None:
    setting = replace(CALM, seed=seed, kills=0.1)
    calm = found(setting, tmp_path / "calm")
    cuts = (1, 7 + seed, 2, 30, 3, 11)
    assert found(setting, tmp_path / "dropped", cuts).history == calm.history


def test_attempts_that_are_killed_are_tried_again(tmp_path: Path) -> None:
    calm, killed = (found(replace(CALM, kills=k), tmp_path / f"{k}") for k in (0.0, 0.1))
    done = {n: one for n, one in killed.history.results.items() if isinstance(one, Done)}
    assert done.items() <= calm.history.results.items()
    assert len(done) >= 55
    assert max(killed.ended.values()) > max(calm.ended.values())

"""Nothing lost: searches are killed with -9 again and again, and their leaderboards are those of calm ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.faulty import TIMEOUT, Trace, Undertaking, killed_again_and_again
from tests.kill_at import IN_COORDINATOR, IN_WORKER
from tests.tally import Tallies

_SPACE = """
data: {source: digits}
train: {epochs: %d, patience: 0}
parameters:
  lr: {min: 1e-3, max: 1e-1, log: true}
  width: {min: 8, max: 96}
  depth: {values: [1, 2]}
  dropout: {min: 0.0, max: 0.5}
"""
_GRID = """
data: {source: digits}
train: {epochs: 1}
parameters:
  lr: {min: 1e-3, max: 1e-1, log: true, points: 5}
  width: {values: [8, 16, 72]}
  depth: {values: [1, 2]}
search: {wave: 8}
"""
SEARCHES = {
    "bayes": (_SPACE % 3, ["bayes", "--budget", "12"]),
    "halving": (_SPACE % 9, ["random", "--halving", "--budget", "4"]),  # pauses, and trials that go on from them
    "grid": (_GRID, ["grid"]),
}
Calm = Callable[[str], Trace]
_MORE = [pytest.param(occurrence, marks=pytest.mark.faults) for occurrence in range(1, 8)]


def begun(folder: Path, name: str) -> Undertaking:
    """A search that has not run yet."""
    text, (strategy, *flags) = SEARCHES[name]
    folder.mkdir()
    (folder / "space.yaml").write_text(text)
    return Undertaking(folder, strategy, "space.yaml", *flags, "--workers", "1")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """What a search leaves that nobody disturbs."""

    @cache
    def trace(name: str) -> Trace:
        search = begun(tmp_path_factory.mktemp("calm") / name, name)
        search.finish()
        return search.trace()

    return trace


def killed(folder: Path, name: str, kills: int, seed: int, calm: Calm, tally: Tallies) -> Undertaking:
    """Searches that are killed so many times in all; the last of them, ended like all before it as a calm one."""
    rng, round = random.Random(seed), 0
    while kills > 0:
        search = begun(folder / str(round), name)
        group = tally("kill -9, at random")
        done = killed_again_and_again(search, min(8, kills), rng, group)
        assert search.trace().result == calm(name).result
        group.survived += done
        kills, round = kills - done, round + 1
    return search


@pytest.mark.slow
def test_a_search_killed_four_times_ends_as_if_it_never_was(tmp_path: Path, calm: Calm, tally: Tallies) -> None:
    killed(tmp_path, "bayes", 4, 0, calm, tally)


@pytest.mark.faults
@pytest.mark.parametrize(("name", "kills"), [("bayes", 50), ("halving", 50)])
def test_a_hundred_random_kills_lose_nothing_and_change_nothing(
    tmp_path: Path, name: str, kills: int, calm: Calm, tally: Tallies
) -> None:
    killed(tmp_path, name, kills, 1, calm, tally)


@pytest.mark.faults
def test_each_point_of_a_grid_succeeds_exactly_once_across_kills(tmp_path: Path, calm: Calm, tally: Tallies) -> None:
    history = killed(tmp_path, "grid", 16, 2, calm, tally).study().history
    points = {(t.params["lr"], t.params["width"], t.params["depth"]) for t, _ in history.done}
    assert len(history.done) == len(points) == 30


@pytest.mark.parametrize("occurrence", [pytest.param(0, marks=[pytest.mark.slow, pytest.mark.faults]), *_MORE])
@pytest.mark.parametrize("point", [*IN_COORDINATOR, *IN_WORKER])
def test_a_death_at_a_named_point_changes_nothing(
    tmp_path: Path, point: str, occurrence: int, calm: Calm, tally: Tallies
) -> None:
    """A coordinator's search is resumed; a worker's cohort is trained again by another."""
    name = ("bayes", "halving")[occurrence % 2]
    k = random.Random(f"{point}/{occurrence}").randint(1, calm(name).passings[point])
    search = begun(tmp_path / name, name)
    group = tally("kill -9, named points" if point in IN_COORDINATOR else "kill -9, workers")
    assert search.start(point, k).wait(TIMEOUT) == (-9 if point in IN_COORDINATOR else 0)
    search.audit(group)
    if point in IN_COORDINATOR:
        search.finish()
    else:
        assert search.trace().passings[point] > calm(name).passings[point]
    assert search.trace().result == calm(name).result
    group.survived += 1

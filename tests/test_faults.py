"""Nothing lost: searches that are killed again and again end with the boards of calm ones."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from tests.helpers.faulty import TIMEOUT, Trace, Undertaking, killed_again_and_again
from tests.helpers.kill_at import IN_COORDINATOR, IN_WORKER
from tests.helpers.tally import Tallies, Tally

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
_WAVES = """
data: {source: digits}
train: {epochs: 2, patience: 0}
parameters:
  lr: {min: 1e-3, max: 1e-1, log: true, points: 3}
  width: {values: [8, 16, 72]}
  depth: {values: [1, 2]}
search: {wave: 6, budget: 18}
"""
_PICKS = """
data: {source: digits}
train: {epochs: 2, patience: 0}
search: {wave: 6}
trials:
""" + "".join(
    f"  - {{lr: {2.0**-k}, width: {8 + 5 * k}, depth: {1 + k % 2}}}\n" for k in range(2, 20)
)
SEARCHES = {
    "bayes": (_SPACE % 3, ["bayes", "--budget", "12"]),
    # pauses, and trials that go on from them
    "halving": (_SPACE % 9, ["random", "--halving", "--budget", "5"]),
    "grid of 30": (_GRID, ["grid"]),
    "manual": (_PICKS, ["manual"]),
    "grid": (_WAVES, ["grid"]),
    "random": (_WAVES, ["random"]),
    "guided": (_WAVES, ["random", "--rounds", "3"]),
    # and the best again on other draws
    "confirmed": (_SPACE % 3, ["bayes", "--budget", "14", "--confirm"]),
}
Calm = Callable[[str], Trace]
_MORE = [pytest.param(occurrence, marks=pytest.mark.faults) for occurrence in range(1, 8)]
_SHORT = [("confirmed", 1, 9), ("confirmed", 2, 2), ("guided", 1, 2), ("guided", 2, 9)]
_MATRIX = [
    pytest.param(*one, marks=[pytest.mark.faults, *([pytest.mark.slow] if one in _SHORT else [])])
    for one in product(
        ("manual", "grid", "random", "guided", "confirmed"),
        (1, 2, 4),
        (0, signal.SIGINT, signal.SIGKILL),
    )
]


def begun(folder: Path, tally: Tally, name: str, workers: int = 1) -> Undertaking:
    """Return a search that has not run yet."""
    text, (strategy, *flags) = SEARCHES[name]
    folder.mkdir()
    (folder / "space.yaml").write_text(text)
    return Undertaking(folder, tally, strategy, "space.yaml", *flags, "--workers", str(workers))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """Return what finds out what a search leaves that nobody disturbs."""

    @cache
    def trace(name: str) -> Trace:
        search = begun(tmp_path_factory.mktemp("calm") / name, Tally(), name)
        search.finish()
        return search.trace()

    return trace


def killed(
    folder: Path, name: str, kills: int, seed: int, calm: Calm, tally: Tallies
) -> Undertaking:
    """Kill searches so many times in all, see that each ends as a calm one, and return the last."""
    rng, round = random.Random(seed), 0
    while kills > 0:
        search = begun(folder / str(round), tally("kill -9, at random"), name)
        done = killed_again_and_again(search, min(8, kills), rng)
        assert search.trace().result == calm(name).result
        search.tally.survived += done
        kills, round = kills - done, round + 1
    return search


@pytest.mark.slow
def test_a_search_killed_four_times_ends_as_if_it_never_was(
    tmp_path: Path, calm: Calm, tally: Tallies
) -> None:
    killed(tmp_path, "bayes", 4, 0, calm, tally)


@pytest.mark.faults
@pytest.mark.parametrize(("name", "kills"), [("bayes", 50), ("halving", 50)])
def test_a_hundred_random_kills_lose_nothing_and_change_nothing(
    tmp_path: Path, name: str, kills: int, calm: Calm, tally: Tallies
) -> None:
    killed(tmp_path, name, kills, 1, calm, tally)


@pytest.mark.faults
def test_each_point_of_a_grid_succeeds_exactly_once_across_kills(
    tmp_path: Path, calm: Calm, tally: Tallies
) -> None:
    history = killed(tmp_path, "grid of 30", 16, 2, calm, tally).study().history
    points = {(t.params["lr"], t.params["width"], t.params["depth"]) for t, _ in history.done}
    assert len(history.done) == len(points) == 30


@pytest.mark.parametrize(
    "occurrence", [pytest.param(0, marks=[pytest.mark.slow, pytest.mark.faults]), *_MORE]
)
@pytest.mark.parametrize("point", [*IN_COORDINATOR, *IN_WORKER])
def test_a_death_at_a_named_point_changes_nothing(
    tmp_path: Path, point: str, occurrence: int, calm: Calm, tally: Tallies
) -> None:
    """A coordinator's search is resumed; a worker's cohort is trained again by another."""
    name = ("bayes", "halving")[occurrence % 2]
    k = random.Random(f"{point}/{occurrence}").randint(1, calm(name).passings[point])
    group = tally("kill -9, named points" if point in IN_COORDINATOR else "kill -9, workers")
    search = begun(tmp_path / name, group, name)
    assert search.start(point, k).wait(TIMEOUT) == (-9 if point in IN_COORDINATOR else 0)
    search.audit()
    if point in IN_COORDINATOR:
        search.finish()
    else:
        assert search.trace().passings[point] > calm(name).passings[point]
    assert search.trace().result == calm(name).result
    group.survived += 1


@pytest.mark.parametrize(("name", "workers", "disturbed"), _MATRIX)
def test_one_leaderboard_for_any_number_of_workers_and_any_interruption(
    tmp_path: Path, name: str, workers: int, disturbed: int, calm: Calm, tally: Tallies
) -> None:
    """It is disturbed where results of its first wave are written, or the first of its second."""
    group = tally("workers and interruptions")
    search = begun(tmp_path / "it", group, name, workers)
    k = random.Random(f"{name}/{workers}/{disturbed}").randint(1, 3) if disturbed else 0
    code = search.start("after-results-commit", k, disturbed or signal.SIGKILL).wait(TIMEOUT)
    search.audit()
    assert code == {0: 0, signal.SIGINT: 130, signal.SIGKILL: -9}[disturbed]
    if disturbed == signal.SIGINT:
        assert "go on with:  hpsearch resume study\n" in search.stderr()
    if disturbed:
        search.finish()
    assert search.trace().result == calm(name).result
    group.survived += 1

"""What is asked before and after the trials, and how a winner is judged on the test split."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpsearch.commands.session import _final_test, collect
from hpsearch.errors import NoResources, SpecError
from hpsearch.runners import Work, WorkKey
from hpsearch.runners.local import LocalOptions
from hpsearch.search.loop import Stop
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.trial import Done, Trial
from hpsearch.testing.runners import runner_of
from tests.helpers.histories import done
from tests.helpers.studies import create


def test_a_repeated_winner_is_judged_after_the_median_epochs_of_all_its_runs(
    tmp_path: Path,
) -> None:
    asked: list[Done] = []

    def final_test(winner: Trial, result: Done) -> None:
        asked.append(result)

    trials = [
        Trial(0, {"lr": 0.1}, "", 0, 0),
        Trial(1, {"lr": 0.1}, "", 1, 1, parent=0, replicate=1),
        Trial(2, {"lr": 0.1}, "", 1, 2, parent=0, replicate=2),
    ]
    artefacts = [{"weights": "of the first run"}, {"weights": "second"}, {"weights": "third"}]
    results = {
        n: replace(done(0.5), best_epoch=epoch, artefacts=artefacts[n])
        for n, epoch in enumerate((2, 8, 6))
    }
    plan: Any = SimpleNamespace(objective=SimpleNamespace(final_test=final_test))
    with create(tmp_path / "study") as store:
        store.record_wave(trials)
        store.record_results(results)
        nothing: Any = None
        _final_test(plan, nothing, nothing, store, Stop())
    (result,) = asked
    assert result.best_epoch == 6
    assert result.weights == "of the first run"


def die_before(most: int, path: Path) -> Iterator[int]:
    """Die so many times, as a file counts them; then give 7."""
    yield 7
    with path.open("a") as file:
        file.write(".")
    if path.stat().st_size <= most:
        os.kill(os.getpid(), signal.SIGKILL)


def die_once(path: str, artefacts: Artefacts) -> Iterator[int]:
    return die_before(1, Path(path))


def die_always(path: str, artefacts: Artefacts) -> Iterator[int]:
    return die_before(99, Path(path))


def have_no_memory(path: str, artefacts: Artefacts) -> Iterator[int]:
    yield 7
    raise MemoryError


def fail(path: str, artefacts: Artefacts) -> Iterator[int]:
    yield 7
    raise ValueError("no")


def answer(function: str, folder: Path) -> list[Any]:
    """Ask a worker a question that is not a trial."""
    work = Work(WorkKey(-1), f"tests.commands.test_session:{function}", str(folder / "deaths"))
    with runner_of(LocalOptions().build, folder) as runner:
        runner.submit(work)
        return collect(runner, work)


def test_a_question_is_asked_again_where_its_worker_was_killed(tmp_path: Path) -> None:
    assert answer("die_once", tmp_path) == [7]


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [
        ("die_always", NoResources, "a worker was killed 2 times in a row: SIGKILL"),
        ("have_no_memory", NoResources, "a worker lacks memory: it takes more than there is"),
        ("fail", SpecError, "ValueError: no"),
    ],
)
def test_a_question_without_an_answer_is_refused(
    function: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        answer(function, tmp_path)

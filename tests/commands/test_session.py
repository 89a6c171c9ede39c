"""How a search ends: with which figures its winner is judged on the test split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hpsearch.commands.session import _final_test
from hpsearch.search.loop import Stop
from hpsearch.study.trial import Done, Trial
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

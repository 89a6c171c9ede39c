"""`hpsearch.Study`: trials are asked for, run by whoever asked, and told."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hpsearch
from hpsearch.cli import main
from hpsearch.errors import ConfigDiffers, SpecError, StudyInUse
from hpsearch.objectives.running_trial import RunningTrial
from hpsearch.study.store import read
from hpsearch.study.trial import Done

CUBE: Mapping[str, Any] = {name: {"min": 0.0, "max": 1.0} for name in "xyz"}


def bowl(params: Mapping[str, Any]) -> float:
    """Return a loss that is 0 at 0.3 in the cube."""
    return float(sum((float(value) - 0.3) ** 2 for value in params.values()))


def asked(study: hpsearch.Study) -> RunningTrial:
    """Return the next trial, which must be there."""
    trial = study.ask()
    assert trial is not None
    return trial


def all_told(study: hpsearch.Study, most: int = 1000) -> Sequence[Mapping[str, Any]]:
    """Ask and tell until there is no more; return the params of all trials."""
    found: list[Mapping[str, Any]] = []
    while len(found) < most and (trial := study.ask()):
        found.append(trial.params)
        study.tell(trial, bowl(trial.params))
    return found


class TestQuestions:
    @pytest.mark.parametrize("strategy", ["random", "grid", "bayes"])
    @pytest.mark.filterwarnings("ignore:the grid has")
    def test_they_are_those_of_a_search_that_calls_a_function(self, strategy: str) -> None:
        found = hpsearch.minimize(bowl, CUBE, strategy, budget=12, seed=3)
        with hpsearch.Study(CUBE, strategy=strategy, budget=12, seed=3) as study:
            assert all_told(study) == [one.params for one in found.trials]
            assert study.best == found.best
            assert study.ask() is None

    def test_several_are_pending_at_a_time_and_all_are_different(self) -> None:
        with hpsearch.Study(CUBE, budget=6) as study:
            trials = [asked(study) for _ in range(6)]
            assert [one.number for one in trials] == [*range(6)]
            assert len({tuple(one.params.items()) for one in trials}) == 6
            assert study.ask() is None
            for trial in reversed(trials):  # in any order
                study.tell(trial, bowl(trial.params))
            assert [one.params for one in study.trials] == [one.params for one in trials]

    def test_without_a_budget_there_is_no_end_but_that_of_the_space(self) -> None:
        with hpsearch.Study({"x": {"values": [1, 2, 3]}}, strategy="random") as study:
            assert len(all_told(study)) == 3
        with hpsearch.Study(CUBE, strategy="random") as study:
            assert len(all_told(study, 100)) == 100

    def test_a_wave_is_chosen_at_a_time(self) -> None:
        with hpsearch.Study(CUBE, budget=24, wave=8) as study:
            found = hpsearch.minimize(bowl, CUBE, budget=24, wave=8)
            assert all_told(study) == [one.params for one in found.trials]

    def test_seconds_are_those_that_are_told(self) -> None:
        with hpsearch.Study(CUBE, strategy="random", time=10.0) as study:
            while trial := study.ask():
                study.tell(trial, (bowl(trial.params), 2.0))
            assert [one.seconds for one in study.trials] == [2.0] * 5

    def test_halving_waits_for_pending_trials_and_is_that_of_a_function(self) -> None:
        def train(params: Mapping[str, Any], trial: RunningTrial) -> None:
            for epoch in range(1, 28):
                if not trial.report(epoch, bowl(params) + 1 / epoch):
                    return

        more: dict[str, Any] = {"strategy": "random", "epochs": 27, "halving": True, "budget": 4}
        found = hpsearch.minimize(train, CUBE, **more)
        with hpsearch.Study(CUBE, **more) as study:
            bracket = []
            while trial := study.ask():
                bracket.append(trial)
            assert len(bracket) > 2
            assert {one.epochs for one in bracket} == {3}
            for one in bracket:
                train(one.params, one)
                study.tell(one)
            while trial := study.ask():
                train(trial.params, trial)
                study.tell(trial)
            assert study.best == found.best
            assert [one.epochs for one in study.trials] == [one.epochs for one in found.trials]


class TestAnswers:
    def test_only_the_first_counts(self) -> None:
        with hpsearch.Study(CUBE, strategy="random") as study:
            trial = asked(study)
            study.tell(trial, 0.5)
            study.tell(trial, 0.25)
            study.tell(trial, error="too late")
            assert [one.loss for one in study.trials] == [0.5]

    def test_a_trial_may_fail(self, tmp_path: Path) -> None:
        with hpsearch.Study(CUBE, tmp_path / "study", "random") as study:
            study.tell(asked(study), math.nan)
            study.tell(asked(study), error="the node is gone")
            study.tell(asked(study), {"loss": 0.5, "rows": 3})
            reasons = [one.reason for one in study.trials]
            assert reasons == ["diverged: loss is nan", "error: the node is gone", ""]
            assert study.best is not None
            assert study.best.loss == 0.5
            assert study.trials[2].measures == {"rows": 3.0}

    def test_what_is_no_loss_leaves_it_pending(self) -> None:
        with hpsearch.Study(CUBE, strategy="random") as study:
            trial, wrong = asked(study), {"acc": 0.5}
            for loss in ("0.5", wrong, (0.5, -1.0)):
                with pytest.raises((TypeError, ValueError)):
                    study.tell(trial, loss)  # type: ignore[arg-type]
            study.tell(trial, 0.5)
            assert [one.loss for one in study.trials] == [0.5]

    @pytest.mark.parametrize("nothing", [None, (None, 3.0)], ids=["nothing", "seconds alone"])
    def test_nothing_leaves_it_pending(self, tmp_path: Path, nothing: Any) -> None:
        with hpsearch.Study(CUBE, tmp_path / "study", "random", epochs=9) as study:
            trial = asked(study)
            with pytest.raises(ValueError, match="trial 0: it ended without reporting 'loss'"):
                study.tell(trial, nothing)
            assert not read(tmp_path / "study").history.results
            trial.report(1, 0.5)
            study.tell(trial)
            assert [one.loss for one in study.trials] == [0.5]

    def test_an_error_needs_no_words(self) -> None:
        with hpsearch.Study(CUBE, strategy="random") as study:
            study.tell(asked(study), error=str(AssertionError()))
            assert [one.reason for one in study.trials] == ["error: nobody has said why"]

    def test_what_it_has_reported_is_kept_in_the_study(self, tmp_path: Path) -> None:
        more: dict[str, Any] = {"epochs": 9, "halving": True, "budget": 3}
        with hpsearch.Study(CUBE, tmp_path / "study", "random", **more) as study:
            while trial := study.ask():
                for epoch in range(1, trial.epochs + 1):
                    trial.report(epoch, bowl(trial.params) + 1 / epoch)
                study.tell(trial)
        history = read(tmp_path / "study").history
        assert any(trial.start_epoch for trial in history.trials)
        for one in history.trials:
            result = history.results[one.number]
            assert isinstance(result, Done)
            assert result.epochs == one.until_epoch
            assert result.loss == bowl(one.params) + 1 / result.epochs

    def test_threads_may_share_a_study(self, tmp_path: Path) -> None:
        def work(study: hpsearch.Study) -> list[int]:
            numbers = []
            while trial := study.ask():
                numbers.append(trial.number)
                study.tell(trial, bowl(trial.params))
            return numbers

        with (
            hpsearch.Study(CUBE, tmp_path / "study", "random", budget=24) as study,
            ThreadPoolExecutor(4) as threads,
        ):
            found = [n for numbers in threads.map(work, [study] * 4) for n in numbers]
        assert sorted(found) == [*range(24)]
        assert len(read(tmp_path / "study").history.results) == 24


KILLED = """
import os, signal, sys
import hpsearch
study = hpsearch.Study({"x": {"min": 0.0, "max": 1.0}}, sys.argv[1], "random", budget=4)
first, second = study.ask(), study.ask()
(second.folder / "half").write_text("done")
study.tell(first, 0.5)
print(second.params["x"], second.seed, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


class TestFolder:
    def test_what_was_asked_and_not_told_is_asked_again_first(self, tmp_path: Path) -> None:
        whole = hpsearch.minimize(bowl, CUBE, "random", budget=6)
        with hpsearch.Study(CUBE, tmp_path / "study", "random", budget=6) as study:
            first, second, third = (asked(study) for _ in range(3))
            study.tell(second, bowl(second.params))
        with hpsearch.Study(CUBE, tmp_path / "study", "random", budget=6) as study:
            again = [asked(study) for _ in range(3)]
            assert [one.number for one in again] == [0, 2, 3]
            assert [one.params for one in again[:2]] == [first.params, third.params]
            assert [one.seed for one in again[:2]] == [first.seed, third.seed]
            with pytest.raises(SpecError, match="not asked of this study"):
                study.tell(first, 1.0)
            for trial in again:
                study.tell(trial, bowl(trial.params))
            all_told(study)
            assert [one.params for one in study.trials] == [one.params for one in whole.trials]

    def test_so_it_is_after_a_kill(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", KILLED, str(tmp_path / "study")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL
        x, seed = done.stdout.split()
        space = {"x": {"min": 0.0, "max": 1.0}}
        with hpsearch.Study(space, tmp_path / "study", "random", budget=4) as study:
            trial = asked(study)
            assert (trial.number, str(trial.params["x"]), str(trial.seed)) == (1, x, seed)
            assert not (trial.folder / "half").exists()
            assert [one.loss for one in study.trials] == [0.5]

    def test_it_is_held_until_it_is_closed(self, tmp_path: Path) -> None:
        study = hpsearch.Study(CUBE, tmp_path / "study", "random")
        with pytest.raises(StudyInUse):
            hpsearch.Study(CUBE, tmp_path / "study", "random")
        trial = asked(study)
        study.close()
        study.close()
        for use in (study.ask, lambda: study.tell(trial, 0.5)):
            with pytest.raises(SpecError, match="the study is closed"):
                use()
        hpsearch.Study(CUBE, tmp_path / "study", "random").close()

    def test_other_arguments_are_refused(self, tmp_path: Path) -> None:
        hpsearch.Study(CUBE, tmp_path / "study", "random").close()
        with pytest.raises(ConfigDiffers, match="seed: 0 -> 1"):
            hpsearch.Study(CUBE, tmp_path / "study", "random", seed=1)
        hpsearch.Study(CUBE, tmp_path / "study", "random").close()  # it was let go

    def test_a_function_may_go_on_with_it(self, tmp_path: Path) -> None:
        with hpsearch.Study(CUBE, tmp_path / "study", budget=5) as study:
            begun = all_told(study, 3)
        found = hpsearch.minimize(bowl, CUBE, budget=5, study=tmp_path / "study")
        assert [one.params for one in found.trials[:3]] == begun
        assert found.best == hpsearch.minimize(bowl, CUBE, budget=5).best

    def test_the_command_line_looks_at_it_while_it_is_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = tmp_path / "study"
        monkeypatch.setattr(sys, "argv", ["hpsearch", "leaderboard", str(study)])
        with hpsearch.Study(CUBE, study, "random", budget=5, maximize="accuracy") as one:
            all_told(one, 3)
            asked(one)
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        assert "winner" in printed.out
        assert "accuracy" in printed.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"folder": 3}, "'folder' is 3, which is no folder"),
        ({"strategy": "manual"}, "there is nothing to call"),
        ({"lag": 1}, "'lag' is for waves that overlap"),
        ({"trial_timeout": "1m"}, "'trial_timeout' says how hpsearch runs trials"),
        ({"seeds": 2}, "'seeds' is for trainings"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"budget": 0}, "'budget' is 0"),
        ({"halving": True, "epochs": 9}, "there is no budget"),
        ({"halving": True, "budget": 9}, "has no epochs"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_a_clear_error(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        hpsearch.Study(CUBE, **given)


def test_error_and_loss_together_are_refused() -> None:
    with (
        hpsearch.Study(CUBE, strategy="random") as study,
        pytest.raises(SpecError, match="beside 'error'"),
    ):
        study.tell(asked(study), 0.5, error="gone")

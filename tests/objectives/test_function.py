"""A function as an objective: what it is told, what it reports, and where it is found."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from hpsearch.errors import CannotWrite, Problem, SpecError
from hpsearch.objectives.function import Function
from hpsearch.objectives.own_module import takes_trial
from hpsearch.objectives.reports import Reporting
from hpsearch.objectives.running_trial import Returned, RunningTrial
from hpsearch.objectives.trainers import FunctionSpec
from hpsearch.runners import Resources, Runner, WorkCrashed, WorkFinished
from hpsearch.runners.inline import Inline
from hpsearch.runners.local import Local
from hpsearch.search.loop import Memory, Stop, run
from hpsearch.space.parameters import Real
from hpsearch.space.space import Params, Space
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.history import History
from hpsearch.study.trial import Cohort, Done, Epoch, Failed, Notice, Result, Trial, TrialEnded
from tests.helpers.objectives import plan_of

SPACE = Space({"x": Real(0.0, 1.0)})
WHOLE = Trial(0, {"x": 0.5}, "random", wave=0, cohort=0)
FIRST = replace(WHOLE, until_epoch=3)
SECOND = replace(WHOLE, number=4, parent=0, start_epoch=3, until_epoch=9)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Runner]:
    with Local(Resources(), Artefacts(tmp_path / "artefacts")) as runner:
        yield runner


def events(function: Function, trial: Trial, runner: Runner | None = None) -> list[object]:
    """Return what the call for a trial gives, in the order in which it is given."""
    found: list[object] = []
    runner = runner or Inline(Artefacts(Path("artefacts")))
    runner.submit(function.work(Cohort(0, (trial,)), 1, History((trial,))))
    while not any(isinstance(one, WorkFinished | WorkCrashed) for one in found):
        found += [event for _, event in runner.wait(1.0)]
    return found


def here(
    function: Callable[..., Returned], folder: Path, trial: Trial = WHOLE, **reporting: Any
) -> list[object]:
    """Return the events of a call in this process."""
    how = Reporting(**{"epochs": 27, **reporting})
    return events(Function(function, SPACE, folder, how, in_process=True), trial)


def result_of(found: list[object]) -> Result:
    (ended,) = (one for one in found if isinstance(one, TrialEnded))
    return ended.result


def done_by(
    function: Callable[..., Returned], folder: Path, trial: Trial = WHOLE, **reporting: Any
) -> Done:
    result = result_of(here(function, folder, trial, **reporting))
    assert isinstance(result, Done), result
    return result


def untiring(params: Params, trial: RunningTrial) -> float:
    """Report every epoch of a whole training, whatever it is told, and return another loss."""
    for epoch in range(1, 28):
        trial.report(epoch, 1 / epoch)
    return -1.0


class TestWhatItReturns:
    def test_several_numbers_are_the_loss_the_cost_and_measures(self, tmp_path: Path) -> None:
        numbers: Any = {"accuracy": np.float32(0.5), "loss": np.array(0.25), "cost": 3, "rows": 7}
        found = done_by(lambda params: numbers, tmp_path)
        assert (found.loss, found.reported_cost) == (0.25, 3.0)
        assert found.measures == {"accuracy": 0.5, "rows": 7.0}

    def test_what_is_maximized_is_the_metric_and_its_negative_the_loss(
        self, tmp_path: Path
    ) -> None:
        returned: list[Returned] = [0.75, {"accuracy": 0.75, "loss": 9.0}]
        for one in returned:
            found = done_by(lambda params, one=one: one, tmp_path, counts="accuracy", maximize=True)
            assert (found.loss, found.metric) == (-0.75, 0.75)

    def test_several_numbers_without_the_one_that_counts_are_a_clear_crash(
        self, tmp_path: Path
    ) -> None:
        *_, crash = here(lambda params: {"acc": 0.5}, tmp_path)
        assert isinstance(crash, WorkCrashed)
        assert crash.message == "ValueError: it reports no 'loss', only 'acc'"

    def test_nothing_is_a_result_only_where_it_has_reported(self, tmp_path: Path) -> None:
        def train(params: Params, trial: RunningTrial) -> None:
            trial.report(1, 0.5)
            trial.report(2, 0.25)

        found = done_by(train, tmp_path)
        assert (found.loss, found.epochs, [one.loss for one in found.curve]) == (
            0.25,
            2,
            [0.5, 0.25],
        )
        failed = result_of(here(lambda params: None, tmp_path))
        assert isinstance(failed, Failed)
        assert failed.reason == (
            "error: it ended without reporting 'loss' (nothing was returned, and no epoch reported)"
        )

    def test_what_it_returns_counts_more_than_its_last_epoch(self, tmp_path: Path) -> None:
        def train(params: Params, trial: RunningTrial) -> tuple[dict[str, float], float]:
            trial.report(1, 0.5)
            return {"loss": 0.125, "rows": 3}, 60.0

        found = done_by(train, tmp_path)
        assert (found.loss, found.seconds, found.measures) == (0.125, 60.0, {"rows": 3.0})

    def test_an_epoch_or_a_loss_that_is_no_number_is_a_crash(self, tmp_path: Path) -> None:
        for epoch, loss in ((0, 1.0), (1.5, 1.0), (1, "low"), (1, None)):
            *_, crash = here(lambda params, trial, e=epoch, v=loss: trial.report(e, v), tmp_path)
            assert isinstance(crash, WorkCrashed)

    def test_a_loss_that_is_reported_as_nan_has_diverged(self, tmp_path: Path) -> None:
        def train(params: Params, trial: RunningTrial) -> None:
            trial.report(1, math.nan)

        result = result_of(here(train, tmp_path))
        assert isinstance(result, Failed)
        assert result.kind == "diverged"


class TestWhatItIsCalledWith:
    @pytest.mark.parametrize(
        ("function", "takes"),
        [
            (lambda params: 0.0, False),
            (lambda params, trial: 0.0, True),
            (lambda params, t, /: 0.0, True),
            (lambda params, trial=None: 0.0, True),
            (lambda params, rows=100: 0.0, False),
            (lambda params, *, trial: 0.0, False),
            (lambda *both: 0.0, False),
            (partial(untiring, trial=cast(RunningTrial, None)), False),
            (max, False),
        ],
    )
    def test_the_trial_goes_to_who_has_a_place_for_it(
        self, function: Callable[..., Any], takes: bool
    ) -> None:
        assert takes_trial(function) is takes

    def test_the_trial_says_what_it_is(self, tmp_path: Path) -> None:
        seen: list[RunningTrial] = []

        def train(params: Params, trial: RunningTrial) -> float:
            seen.append(trial)
            return float(params["x"])

        for trial in (WHOLE, FIRST, SECOND):
            here(train, tmp_path, trial)
        assert [(one.number, one.epochs) for one in seen] == [(0, 27), (0, 3), (0, 9)]
        assert {one.folder for one in seen} == {tmp_path / "trials" / "0"}
        assert seen[0].params == {"x": 0.5}

    def test_a_seed_is_that_of_the_group_and_the_repetition(self, tmp_path: Path) -> None:
        def seed(study: int, **more: Any) -> int:
            found: list[int] = []
            function = Function(
                lambda params, trial: found.append(trial.seed) or 0.0,  # type: ignore[func-returns-value]
                SPACE,
                tmp_path,
                seed=study,
                in_process=True,
            )
            events(function, replace(WHOLE, **more))
            return found[0]

        assert seed(0) == seed(0, number=5) == seed(0, until_epoch=1)
        others = [seed(0), seed(1), seed(0, seed_group=1), seed(0, replicate=1, parent=0, number=7)]
        assert len(set(others)) == 4
        assert all(0 <= one < 2**31 for one in others)

    def test_its_folder_is_empty_at_first_and_a_promoted_trial_finds_what_it_had_left(
        self, tmp_path: Path
    ) -> None:
        def train(params: Params, trial: RunningTrial) -> float:
            found = {path.name for path in trial.folder.iterdir()} - {"log.txt"}
            (trial.folder / f"{trial.epochs}").mkdir()
            return float(len(found))

        assert [done_by(train, tmp_path, one).loss for one in (FIRST, SECOND, FIRST)] == [0, 1, 0]

    def test_without_a_study_it_has_a_folder_for_the_time_of_the_call(self) -> None:
        def train(params: Params, trial: RunningTrial) -> float:
            (trial.folder / "file").write_text("gone afterwards")
            seen.append(trial.folder)
            return 0.5

        seen: list[Path] = []
        assert isinstance(result_of(events(Function(train, SPACE), WHOLE)), Done)
        assert not seen[0].exists()

    def test_a_link_in_the_place_of_its_folder_is_not_followed(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "file").write_text("precious")
        (tmp_path / "trials").mkdir()
        (tmp_path / "trials" / "0").symlink_to(mine)
        error, *_ = here(untiring, tmp_path)
        assert isinstance(error, CannotWrite)
        assert (mine / "file").read_text() == "precious"


class TestSegments:
    def test_it_is_told_to_stop_where_its_segment_ends(self, tmp_path: Path) -> None:
        def train(params: Params, trial: RunningTrial) -> None:
            told.append([trial.report(epoch, 1 / epoch) for epoch in (1, 2, 3)])

        told: list[list[bool]] = []
        for trial in (FIRST, replace(FIRST, until_epoch=9), WHOLE):
            here(train, tmp_path, trial)
        assert told == [[True, True, False], [True] * 3, [True] * 3]

    def test_what_comes_after_that_is_not_counted(self, tmp_path: Path) -> None:
        found = done_by(untiring, tmp_path, FIRST)
        assert (found.loss, found.epochs, found.paused) == (1 / 3, 3, True)
        assert [one.epoch for one in found.curve] == [1, 2, 3]

    def test_a_promoted_trial_that_begins_anew_has_no_epoch_twice(self, tmp_path: Path) -> None:
        found = done_by(untiring, tmp_path, SECOND)
        assert (found.loss, found.epochs, found.paused) == (1 / 9, 9, True)
        assert [one.epoch for one in found.curve] == [4, 5, 6, 7, 8, 9]

    def test_what_it_reported_before_a_kill_counts_where_it_finds_all_saved(
        self, tmp_path: Path
    ) -> None:
        def resuming(params: Params, trial: RunningTrial) -> None:
            saved = trial.folder / "epoch"
            begin = int(saved.read_text()) if saved.exists() else 0
            for epoch in range(begin + 1, trial.epochs + 1):
                saved.write_text(str(epoch))
                if not trial.report(epoch, 1 / epoch):
                    return

        done_by(resuming, tmp_path, FIRST)
        first = done_by(resuming, tmp_path, SECOND)  # its result is lost in a kill
        again = done_by(resuming, tmp_path, SECOND)
        assert (again.loss, again.curve, again.paused) == (first.loss, first.curve, first.paused)

    def test_at_the_end_of_a_whole_training_it_has_not_paused(self, tmp_path: Path) -> None:
        last = replace(SECOND, start_epoch=9, until_epoch=27)
        found = done_by(untiring, tmp_path, last)
        assert (found.epochs, found.paused) == (27, False)

    def test_where_nobody_says_how_long_a_training_is_it_has_no_end(self, tmp_path: Path) -> None:
        found = done_by(untiring, tmp_path, epochs=1)
        assert (found.loss, found.epochs, len(found.curve)) == (-1.0, 27, 27)

    def test_one_that_ends_by_itself_has_not_paused(self, tmp_path: Path) -> None:
        def train(params: Params, trial: RunningTrial) -> None:
            trial.report(1, 0.5)

        *_, notice, ended, _ = here(train, tmp_path, FIRST)
        assert isinstance(notice, Notice)
        assert "has ended before the epoch where it was to pause (trial.epochs)" in notice.text
        assert isinstance(ended, TrialEnded)
        assert isinstance(ended.result, Done)
        assert not ended.result.paused

    def test_one_that_reports_no_epoch_is_told_that_this_saves_nothing(
        self, tmp_path: Path
    ) -> None:
        found = here(lambda params, trial: 0.5, tmp_path, FIRST)
        (notice,) = (one for one in found if isinstance(one, Notice))
        assert notice.text.startswith("the function reports no epochs")
        result = result_of(found)
        assert isinstance(result, Done)
        assert (result.epochs, result.paused) == (3, True)

    def test_one_that_takes_no_trial_cannot_be_halved(self, tmp_path: Path) -> None:
        error, *_ = here(lambda params: 0.5, tmp_path, FIRST)
        assert isinstance(error, SpecError)
        assert "takes no 'trial'" in str(error)


def waiting(params: Params, trial: RunningTrial) -> float:
    """Report an epoch, and go on only after somebody has answered."""
    print("begun")
    trial.report(1, 0.5)
    deadline = time.monotonic() + 30.0
    while not (trial.folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.system("echo by another program")
    print("to stderr", file=sys.stderr)
    return 0.25


class TestInAWorker:
    def test_epochs_come_while_it_runs_and_what_it_prints_goes_to_its_log(
        self, tmp_path: Path, local: Runner, capfd: pytest.CaptureFixture[str]
    ) -> None:
        function = Function(waiting, SPACE, tmp_path, Reporting(epochs=9))
        local.submit(function.work(Cohort(0, (WHOLE,)), 1, History()))
        found: list[object] = []
        while not found:
            found += [event for _, event in local.wait(1.0)]
        assert [type(one) for one in found] == [Epoch]
        own = tmp_path / "trials" / "0"
        assert (own / "log.txt").read_text() == "begun\n"
        (own / "go").touch()
        while not any(isinstance(one, WorkFinished) for one in found):
            found += [event for _, event in local.wait(1.0)]
        assert result_of(found).seconds > 0
        printed = (own / "log.txt").read_text().splitlines()
        assert printed == ["begun", "by another program", "to stderr"]
        assert capfd.readouterr() == ("", "")

    def test_what_would_end_its_process_fails_the_trial_and_nothing_is_printed(
        self, tmp_path: Path, local: Runner, capfd: pytest.CaptureFixture[str]
    ) -> None:
        *_, crash = events(Function(interrupt, SPACE, tmp_path), WHOLE, local)
        assert isinstance(crash, WorkCrashed)
        assert crash.reason == "error: RuntimeError: it raised KeyboardInterrupt('mine')"
        assert (
            crash.traceback.splitlines()[-1] == "RuntimeError: it raised KeyboardInterrupt('mine')"
        )
        assert capfd.readouterr() == ("", "")

    def test_in_a_process_of_its_own_it_is_ctrl_c(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            here(interrupt, tmp_path)

    def test_what_is_printed_after_a_call_goes_where_it_went_before(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        events(Function(lambda params: os.system("echo 1"), SPACE, tmp_path), WHOLE)
        os.system("echo 2")
        print("3")
        assert capfd.readouterr().out == "2\n3\n"
        assert (tmp_path / "trials" / "0" / "log.txt").read_text() == "1\n"

    def test_what_it_raises_is_its_own_fault_also_where_it_is_an_error_of_ours(
        self, tmp_path: Path
    ) -> None:
        def train(params: Params) -> float:
            raise SpecError(Problem("E020", "a search in a search"))

        *_, crash = here(train, tmp_path)
        assert isinstance(crash, WorkCrashed)
        assert "a search in a search" in crash.message


def interrupt(params: Params) -> float:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt("mine")


MODULE = """
import sys
import mine_beside
import tabnanny
print("imported")
from pathlib import Path

def train(params, trial):
    for epoch in range(1, 28):
        if not trial.report(epoch, {"accuracy": params["x"] + mine_beside.MORE, "rows": 3}):
            return

def loss(params):
    return params["x"]

def leave(params, trial):
    sys.exit(3)

def interrupt(params):
    raise KeyboardInterrupt("mine")

not_a_function = 3
"""


class TestWhereItIsFound:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "mine_train.py").write_text(MODULE)
        (folder / "mine_beside.py").write_text("MORE = 1.0\n")
        (folder / "broken.py").write_text("import no_such_module_at_all\n")
        (folder / "slip.py").write_text("\ndef loss(params:\n")
        (folder / "program.py").write_text("import sys\nsys.exit(2)\n")
        (folder / "tabnanny.py").write_text("raise RuntimeError('it hides another module')\n")
        return folder

    def told(self, target: str, folder: Path, runner: Runner) -> list[object]:
        reporting = Reporting("accuracy", maximize=True, epochs=27)
        found = Function(FunctionSpec(target, folder), SPACE, folder, reporting)
        return events(found, WHOLE, runner)

    def test_its_module_stands_in_the_folder_of_the_yaml_and_hides_no_other(
        self, folder: Path, local: Runner, capfd: pytest.CaptureFixture[str]
    ) -> None:
        before = [*sys.path]
        result = result_of(self.told("mine_train:train", folder, local))
        assert isinstance(result, Done)
        assert (result.metric, result.measures, result.epochs) == (1.5, {"rows": 3.0}, 27)
        log = folder / "trials" / "0" / "log.txt"
        assert log.read_text() == "imported\n"
        assert capfd.readouterr() == ("", "")
        assert sys.path == before
        assert "mine_train" not in sys.modules

    def test_where_it_is_not_there_no_trial_is_to_blame(self, folder: Path, local: Runner) -> None:
        wrong = {
            "mine_trian:loss": r"there is no module 'mine_trian' in .*\n.*'mine_train:loss'\?",
            "other:loss": r"no module 'other'(.*\n)*.*there are: broken, mine_beside, mine_train",
            "mine_train.part:loss": "there is no module 'mine_train.part'",
            "mine_train:los": r"no 'los' in mine_train(.*\n)*.*'mine_train:loss'\?",
            "mine_train:not_a_function": "'not_a_function' in mine_train .* is no function",
            "broken:loss": "ModuleNotFoundError: No module named 'no_such_module_at_all'",
            "slip:loss": r"SyntaxError: .* \(slip.py, line 2\)",
            "program:loss": r"program calls sys.exit\(2\) where it is imported",
            "tabnanny:loss": r"no 'loss' in tabnanny (.*\n)*.*give the file another name",
        }
        for target, said in wrong.items():
            error, *_ = self.told(target, folder, local)
            assert isinstance(error, SpecError)
            assert re.search(said, str(error)), error

    @pytest.mark.parametrize("runner", [None, "local"])
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("leave", "it called sys.exit(3)"),
            ("interrupt", "it raised KeyboardInterrupt('mine')"),
        ],
    )
    def test_one_that_would_end_its_process_has_failed_and_the_search_goes_on(
        self,
        folder: Path,
        local: Runner,
        runner: str | None,
        name: str,
        message: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(sys, "modules", {**sys.modules})
        function = Function(
            FunctionSpec(f"mine_train:{name}", folder), SPACE, in_process=not runner
        )
        *_, crash = events(function, WHOLE, local if runner else None)
        assert isinstance(crash, WorkCrashed)
        assert crash.message == f"RuntimeError: {message}"

    def test_that_ends_the_search(self, folder: Path, local: Runner) -> None:
        spec = FunctionSpec("mine_train:trane", folder)
        plan = plan_of("random", Function(spec, SPACE, folder))
        journal = Memory()
        with pytest.raises(SpecError, match="no 'trane'"):
            [*run(plan.search(3), journal, local, Stop())]
        assert len(journal.history().pending) == 3


def test_a_script_that_halves_a_function_leaves_nothing_where_it_runs(tmp_path: Path) -> None:
    script = (
        "import hpsearch\n"
        "def train(params, trial):\n"
        "    for epoch in range(1, 10):\n"
        "        if not trial.report(epoch, params['x'] + 1 / epoch):\n"
        "            return\n"
        "space = {'x': {'min': 0.0, 'max': 1.0}}\n"
        "found = hpsearch.minimize(train, space, 'random', 4, epochs=9, halving=True)\n"
        "print(max(one.epochs for one in found.trials))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "9\n"
    assert not [*tmp_path.iterdir()]
